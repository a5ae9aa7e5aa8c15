"""Make an ONNX file smaller: ``shrink_onnx.py HOW FROM TO [CALIBRATION]``.

``HOW`` is ``fp16`` (weights and computation in half precision, inputs and outputs in float32), ``dynamic``
(int8 weights, the ranges of activations found while it runs) or ``static`` (int8 throughout, ranges measured on
the arrays of ``CALIBRATION``, an ``.npz`` of inputs by name; written as QDQ, a scale per channel: the other
forms lose more accuracy).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx

ROWS = 64  # of calibration data at a time


def fp16(source: str, target: str) -> None:
    """Write it in half precision."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    half = convert_float_to_float16(onnx.load(source), keep_io_types=True)
    onnx.save(half, target)


def dynamic(source: str, target: str) -> None:
    """Write weights as int8."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # Convolutions of int8 with dynamic ranges (ConvInteger) have no kernel for int8 weights in ONNX Runtime
    # 1.23; uint8 has.
    quantize_dynamic(source, target, weight_type=QuantType.QUInt8)


def static(source: str, target: str, calibration: str) -> None:
    """Write weights and activations as int8."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    fused = f"{target}.fused"  # a norm that is part of its convolution is rounded once with it
    quant_pre_process(source, fused, skip_symbolic_shape=True)
    # uint8 by int8 saturates on processors without VNNI (up to 1.5 points of accuracy on the digits); uint8 by
    # uint8 is exact on all.
    quantize_static(
        fused, target, Reader(calibration), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QUInt8,
    )  # fmt: skip


class Reader:
    """Hands calibration data to ONNX Runtime, some rows at a time."""

    def __init__(self, path: str) -> None:
        with np.load(path, allow_pickle=False) as stored:
            self._arrays = dict(stored)
        self._batches = self._cut()

    def _cut(self) -> Iterator[dict[str, Any]]:
        rows = len(next(iter(self._arrays.values())))
        for start in range(0, rows, ROWS):
            yield {name: array[start : start + ROWS] for name, array in self._arrays.items()}

    def get_next(self) -> dict[str, Any] | None:
        """Return the next rows, or ``None``."""
        return next(self._batches, None)


def main(how: str, source: str, target: str, *calibration: str) -> None:
    """Do what the command line says."""
    logging.disable(logging.WARNING)  # the advice to optimize the graph first
    ways: dict[str, Callable[..., None]] = {"fp16": fp16, "dynamic": dynamic, "static": static}
    ways[how](source, target, *calibration)


if __name__ == "__main__":
    main(*sys.argv[1:])
