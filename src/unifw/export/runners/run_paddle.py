"""Runs Paddle's inference models by Paddle Inference, on one thread."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import paddle
from paddle import inference


class Runtime:
    """See ``drive.py``."""

    about = f"Paddle Inference {paddle.__version__}"

    def __init__(self, path: str) -> None:
        card = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
        self.inputs = [(put["name"], tuple(put["shape"]), put["dtype"]) for put in card["inputs"]]
        self.outputs = [put["name"] for put in card["outputs"]]
        config = inference.Config(str(Path(path).with_suffix(".json")), path)
        config.disable_gpu()
        config.disable_glog_info()
        config.set_cpu_math_library_num_threads(1)
        self._predictor = inference.create_predictor(config)

    def predict(self, arrays: dict[str, Any]) -> list[Any]:
        """Return the outputs."""
        for name, array in arrays.items():
            handle = self._predictor.get_input_handle(name)
            handle.reshape(array.shape)
            handle.copy_from_cpu(array)
        self._predictor.run()
        names = self._predictor.get_output_names()
        return [self._predictor.get_output_handle(name).copy_to_cpu() for name in names]
