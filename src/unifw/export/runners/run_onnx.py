"""Runs ONNX files by ONNX Runtime, on one thread."""

from __future__ import annotations

from typing import Any

import onnxruntime


class Runtime:
    """See ``drive.py``."""

    about = f"ONNX Runtime {onnxruntime.__version__}"

    def __init__(self, path: str) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self.inputs = [
            (put.name, tuple(put.shape[1:]), "int" if "int" in put.type else "float")
            for put in self._session.get_inputs()
        ]
        self.outputs = [put.name for put in self._session.get_outputs()]

    def predict(self, arrays: dict[str, Any]) -> list[Any]:
        """Return the outputs."""
        return list(self._session.run(self.outputs, arrays))
