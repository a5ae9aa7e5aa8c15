"""Run exported files in this process: ``drive.py RUNNER MODEL INPUTS OUTPUTS [MODEL INPUTS OUTPUTS ...]``.

``RUNNER`` is a Python file with a class ``Runtime``:

* ``Runtime(path)`` opens the file, or raises;
* ``about``: the runtime's name and version;
* ``inputs``: for each input its name, shape without the batch, and ``"float"`` or ``"int"``;
* ``outputs``: the names of the outputs;
* ``predict(arrays)``: arrays by name (float32 or int64, the batch first) to the list of outputs.

``INPUTS`` and ``OUTPUTS`` are ``.npz`` files with arrays named ``batch:input`` and, by place, ``batch:output``.
``drive.py RUNNER MODEL`` opens a file and runs it on one row of zeros.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import numpy as np


def runtime_of(runner: str) -> Any:
    """Return the class ``Runtime`` of a Python file."""
    spec = importlib.util.spec_from_file_location("runner", runner)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{runner} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Runtime


def zeros(runtime: Any) -> dict[str, Any]:
    """Return one row of zeros for each input."""
    kinds = {"float": np.float32, "int": np.int64}
    return {name: np.zeros((1, *shape), kinds[kind]) for name, shape, kind in runtime.inputs}


def run(runtime: Any, inputs: str, outputs: str) -> None:
    """Run all batches of a file of inputs."""
    batches: dict[str, dict[str, Any]] = {}
    with np.load(inputs, allow_pickle=False) as stored:
        for key in stored.files:
            batch, _, name = key.partition(":")
            batches.setdefault(batch, {})[name] = stored[key]
    results = {
        f"{batch}:{number}": found
        for batch, given in batches.items()
        for number, found in enumerate(runtime.predict(given))
    }
    np.savez(outputs, **results)


def main(runner: str, *files: str) -> None:
    """Do what the command line says."""
    kind = runtime_of(runner)
    if len(files) == 1:
        runtime = kind(files[0])
        runtime.predict(zeros(runtime))
    for model, inputs, outputs in zip(files[::3], files[1::3], files[2::3], strict=False):
        runtime = kind(model)
        run(runtime, inputs, outputs)
    print(runtime.about)  # noqa: T201 - the answer to the parent


if __name__ == "__main__":
    main(*sys.argv[1:])
