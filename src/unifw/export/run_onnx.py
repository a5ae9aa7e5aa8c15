"""Run an ONNX file in a process of its own: ``run_onnx.py MODEL INPUTS.npz OUTPUTS.npz``.

Arrays are named ``batch:input`` and, by place, ``batch:output``. Nothing of unifw is imported, so what is
checked is the file alone.
"""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime


def main(model: str, inputs: str, outputs: str) -> None:
    """Run the model on every batch and keep its outputs."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    batches: dict[str, dict[str, np.ndarray]] = {}
    with np.load(inputs, allow_pickle=False) as stored:
        for key in stored.files:
            batch, _, name = key.partition(":")
            batches.setdefault(batch, {})[name] = stored[key]
    results: dict[str, np.ndarray] = {}
    for batch, given in batches.items():
        found = session.run(names, given)
        results |= {f"{batch}:{number}": out for number, out in enumerate(found)}
    np.savez(outputs, **results)  # type: ignore[arg-type]  # array names
    print(f"ONNX Runtime {onnxruntime.__version__}")  # noqa: T201 - the answer to the parent


if __name__ == "__main__":
    main(*sys.argv[1:4])
