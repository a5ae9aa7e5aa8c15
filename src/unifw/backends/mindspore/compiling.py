"""Which calls are compiled: the setting ``jit``, and MindSpore's mode, which belongs to the whole process."""

from __future__ import annotations

import gc
import math
from typing import Any, Literal

import mindspore
from mindspore import nn

from unifw.spec.graph import Graph

__all__ = ["PREDICTIONS", "STEPS", "Jit", "Trial"]

Jit = Literal["auto", True, False]

# Measured on two cores (mindspore 2.10): compiling a training step takes as long as 24 (a ResNet-8) to 175 (an
# LSTM) uncompiled steps take longer than compiled ones, an evaluation as long as 36 to 1000.
STEPS, PREDICTIONS = 16, 32
# How many numbers, of all layers and rows of a batch, an uncompiled call of a small net may have.
NUMBERS = 8e6


class Trial:
    """The calls of a cell that go uncompiled, until compiling it pays.

    They are counted and not timed: in every run the same calls are compiled, and give the same numbers.

    Parameters
    ----------
    jit : {"auto", True, False}
        Whether to compile after some calls, at once or never.
    calls : int
        After how many of a small net.
    graph : Graph
        The net.

    Attributes
    ----------
    left : float
        How many calls of a small net are left; with none, the next one compiles.
    is_over : bool
        Whether that has been, and the cell is to be called as it is.
    """

    is_over = False

    def __init__(self, jit: Jit, calls: int, graph: Graph) -> None:
        self.left: float = {"auto": calls, True: 0, False: math.inf}[jit]
        self.size = sum(math.prod(placed.out_shape) for placed in graph)

    def expect(self, calls: int, rows: int) -> None:
        """Compile from now on, if more calls of so many rows are to come than are left."""
        if calls * self._cost(rows) > self.left:
            self.left = 0

    def call(self, cell: nn.Cell, rows: int, *tensors: Any) -> Any:
        """Call a cell, uncompiled if there are calls left."""
        if not self.left:
            # Where a cell that was compiled goes, all others are compiled once more (mindspore 2.10), and
            # compiling collects garbage: what nothing holds must go before, lest this cell be compiled twice.
            gc.collect()
            self.is_over = True
            return cell(*tensors)
        self.left = max(0, self.left - self._cost(rows))
        mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
        try:
            return cell(*tensors)
        finally:
            mindspore.set_context(mode=mindspore.GRAPH_MODE)

    def _cost(self, rows: int) -> float:
        return max(1, rows * self.size / NUMBERS)
