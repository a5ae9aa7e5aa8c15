"""Runs MegEngine's files by MegEngine Lite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import megenginelite
import numpy as np


class Runtime:
    """See ``drive.py``."""

    about = f"MegEngine Lite {megenginelite.__version__}"

    def __init__(self, path: str) -> None:
        card = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
        self.inputs = [(put["name"], tuple(put["shape"]), put["dtype"]) for put in card["inputs"]]
        self.outputs = [put["name"] for put in card["outputs"]]
        device = megenginelite.LiteDeviceType.LITE_CPU
        self._net = megenginelite.LiteNetwork(megenginelite.LiteConfig(device_type=device))
        self._net.load(path)

    def predict(self, arrays: dict[str, Any]) -> list[Any]:
        """Return the outputs, which the file calls ``output_0``, ``output_1`` … by their place."""
        kinds = {"float": np.float32, "int": np.int32}
        for name, _, kind in self.inputs:
            array = np.ascontiguousarray(arrays[name], kinds[kind])
            self._net.get_io_tensor(name).set_data_by_copy(array)
        self._net.forward()
        self._net.wait()
        places = range(len(self.outputs))
        return [self._net.get_io_tensor(f"output_{place}").to_numpy() for place in places]
