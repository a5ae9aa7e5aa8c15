"""The loss curve of a stored model on one backend, in a process of its own.

``python -m unifw.curve JOB.json RESULT.json``: frameworks cannot all live in one process (importing
MindSpore after Paddle fails), so ``parity`` and ``unifw demo`` start one for each backend.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from unifw import checkpoint, registry
from unifw.backend import Options, Plan
from unifw.data import Data
from unifw.errors import BackendError, UnifwError
from unifw.process import run_python

__all__ = ["curve_of", "losses", "main"]


def losses(
    stored: checkpoint.Checkpoint, backend: str, data: Data, steps: int, batch_size: int
) -> list[float]:
    """Return the losses of the next steps of training, one per step, shuffled as ``fit`` does it."""
    options = Options(stored.losses, stored.optimizer, dtype=stored.dtype, seed=stored.seed)
    session = registry.backend(backend).open(stored.graph, options, stored.weights)
    per_epoch = -(-len(data) // batch_size)
    plan = Plan(0, -(-steps // per_epoch), batch_size)
    found = [epoch.losses for epoch in session.fit(data.cast(stored.dtype), plan)]
    session.close()
    return [float(loss) for loss in np.concatenate(found)[:steps]]


def curve_of(
    stored: checkpoint.Checkpoint, backend: str, data: Data, steps: int, batch_size: int
) -> list[float]:
    """Return ``losses``, worked out in a fresh process.

    Raises
    ------
    BackendError
        If the backend cannot be used there, or its process dies or takes too long; says why.
    """
    with tempfile.TemporaryDirectory(prefix="unifw-") as name:
        folder = Path(name)
        checkpoint.write(folder / "model.unifw", stored)
        arrays = {f"x{i}": x for i, x in enumerate(data.xs)}
        arrays |= {f"y{i}": y for i, y in enumerate(data.ys)}
        if data.weights is not None:
            arrays["weights"] = data.weights
        np.savez(folder / "data.npz", **arrays)  # type: ignore[arg-type]  # array names
        job = {"backend": backend, "steps": steps, "batch_size": batch_size}
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        run_python(
            ["-m", "unifw.curve", "job.json", "result.json"],
            what=f"the process of backend {backend!r}", fails=BackendError, folder=folder,
        )  # fmt: skip
        answer: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    if "error" in answer:
        raise BackendError(answer["error"])
    return [float(loss) for loss in answer["losses"]]


def main(job_file: str, result_file: str) -> None:
    """Work a job off and write its result, or the error it ended with."""
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    stored = checkpoint.read("model.unifw")
    with np.load("data.npz", allow_pickle=False) as arrays:
        named = dict(arrays)
    data = Data(
        tuple(named[f"x{i}"] for i in range(len(stored.graph.inputs))),
        tuple(named[f"y{i}"] for i in range(len(stored.graph.outputs))),
        named.get("weights"),
    )
    try:
        found = losses(stored, job["backend"], data, job["steps"], job["batch_size"])
        result: dict[str, Any] = {"losses": found}
    except UnifwError as err:
        result = {"error": str(err)}
    Path(result_file).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:3])
