"""Runs MindIR files by MindSpore."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor, nn


class Runtime:
    """See ``drive.py``."""

    about = f"MindSpore {mindspore.__version__}"

    def __init__(self, path: str) -> None:
        card = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
        self.inputs = [(put["name"], tuple(put["shape"]), put["dtype"]) for put in card["inputs"]]
        self.outputs = [put["name"] for put in card["outputs"]]
        mindspore.set_context(mode=mindspore.GRAPH_MODE)
        used = mindspore.get_context("device_target")
        try:
            mindspore.set_device("CPU")
        except RuntimeError:
            # Once anything has run, it refuses even the device that is in use (mindspore 2.10).
            if used != "CPU":
                raise
        self._net = nn.GraphCell(mindspore.load(path))

    def predict(self, arrays: dict[str, Any]) -> list[Any]:
        """Return the outputs."""
        kinds = {"float": np.float32, "int": np.int32}
        outs = self._net(
            *(
                Tensor(np.ascontiguousarray(arrays[name], kinds[kind]))
                for name, _, kind in self.inputs
            )
        )
        return [out.asnumpy() for out in (outs if isinstance(outs, tuple) else (outs,))]
