"""The vocabulary of the formulas, and what a formula is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy.typing as npt

from unifw.rules import Rules
from unifw.spec.graph import Placed

__all__ = ["Applied", "Formula", "Functional", "formulas"]

Array = npt.NDArray[Any]
# (inputs, weights in the order of the layer's parts) -> output
Applied = Callable[[tuple[Any, ...], tuple[Any, ...]], Any]


class Functional(Protocol):
    """What a framework must offer beyond ``+ - * /`` and comparisons.

    Values are the framework's own tensors; both operands of an operator are tensors of any shapes that
    broadcast, or one of them is a number. Every operation passes gradients on, unless it says otherwise. The
    batch is axis 0, of any size: a formula takes no shape but from the description, and writes -1 for it.
    """

    def constant(self, array: Array) -> Any:
        """Return an array as a float tensor; asked for while a net is built, never in its pass."""

    def exp(self, x: Any) -> Any:
        """Return ``e ** x``."""

    def log(self, x: Any) -> Any:
        """Return the natural logarithm."""

    def sqrt(self, x: Any) -> Any:
        """Return the square root."""

    def tanh(self, x: Any) -> Any:
        """Return the hyperbolic tangent."""

    def sigmoid(self, x: Any) -> Any:
        """Return ``1 / (1 + exp(-x))``, without overflow."""

    def softplus(self, x: Any) -> Any:
        """Return ``log(1 + exp(x))``, without overflow; its gradient is the sigmoid, at 0 as well."""

    def where(self, condition: Any, x: Any, y: Any) -> Any:
        """Return ``x`` where the condition holds, else ``y``; all of one shape, or numbers."""

    def detach(self, x: Any) -> Any:
        """Return the value without passing gradients on."""

    def matmul(self, x: Any, y: Any) -> Any:
        """Return ``(..., m, k) @ (..., k, n)``; ``y`` has the rank of ``x``, or 2."""

    def softmax(self, x: Any, axis: int) -> Any:
        """Return ``exp(x) / sum(exp(x))`` along an axis, without overflow."""

    def sum(self, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
        """Return the sum over axes, none of them negative."""

    def mean(self, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
        """Return the mean over axes, none of them negative."""

    def amax(self, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
        """Return the largest over axes, none of them negative; without a gradient."""

    def reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        """Return the values in another shape, the batch written as -1."""

    def per_channel(self, x: Any, spatial: tuple[int, ...]) -> Any:
        """Return a vector, a number per channel, as it joins values of shape ``(n, channels, *spatial)``."""

    def transpose(self, x: Any, order: tuple[int, ...]) -> Any:
        """Return the value with its axes in another order."""

    def concat(self, xs: Sequence[Any], axis: int) -> Any:
        """Return tensors behind each other along an axis that is not negative."""

    def cut(self, x: Any, axis: int, start: int, stop: int, step: int) -> Any:
        """Return ``x[start:stop:step]`` along an axis; ``0 <= start < stop <= size``, ``step >= 1``."""

    def pad(self, x: Any, pads: tuple[tuple[int, int], ...], value: float) -> Any:
        """Return the value with a constant around it: a pair (before, after) for each axis but the batch."""

    def zeros(self, x: Any, shape: tuple[int, ...]) -> Any:
        """Return float zeros with as many rows as ``x`` has, each of this shape."""

    def to_float(self, x: Any) -> Any:
        """Return whole numbers as floats."""

    def one_hot(self, x: Any, size: int) -> Any:
        """Return whole numbers as rows of zeros with a one, the new axis last."""


Formula = Callable[[Placed, Functional], Applied]

formulas = Rules("unifw's formulas")
