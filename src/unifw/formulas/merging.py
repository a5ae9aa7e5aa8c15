"""Layers that join several inputs."""

from __future__ import annotations

import math
from typing import Any

from unifw.formulas.functional import Applied, Functional, formulas
from unifw.spec import layers as L
from unifw.spec.graph import Placed
from unifw.spec.layers.base import Shape

__all__: list[str] = []


@formulas(L.Subtract)
def subtract(placed: Placed, f: Functional) -> Applied:
    del placed, f

    def applied(inputs: Any, parts: Any) -> Any:
        return inputs[0] - inputs[1]

    return applied


@formulas(L.Divide)
def divide(placed: Placed, f: Functional) -> Applied:
    del placed, f

    def applied(inputs: Any, parts: Any) -> Any:
        return inputs[0] / inputs[1]

    return applied


@formulas(L.Average)
def average(placed: Placed, f: Functional) -> Applied:
    count = len(placed.in_shapes)

    def applied(inputs: Any, parts: Any) -> Any:
        total = inputs[0]
        for i in range(1, count):
            total = total + inputs[i]
        return total / float(count)

    return applied


def _stretching(f: Functional, shapes: tuple[Shape, ...], shape: Shape) -> Any:
    """Return what gives input number ``i`` the shape that it is stretched to."""
    short = tuple(own != shape for own in shapes)

    def stretching(inputs: Any, i: int) -> Any:
        x = inputs[i]
        return x + f.zeros(x, shape) if short[i] else x

    return stretching


@formulas(L.Maximum, L.Minimum)
def extreme(placed: Placed, f: Functional) -> Applied:
    largest = isinstance(placed.layer, L.Maximum)
    count = len(placed.in_shapes)
    stretching = _stretching(f, placed.in_shapes, placed.out_shape)

    def applied(inputs: Any, parts: Any) -> Any:
        best = stretching(inputs, 0)
        for i in range(1, count):
            x = stretching(inputs, i)
            # Neither of the two holds where one is no number, and then the sum is none.
            other = f.where(x > best if largest else x < best, x, best + x)
            best = f.where(best >= x if largest else best <= x, best, other)
        return best

    return applied


@formulas(L.MatMul)
def matmul(placed: Placed, f: Functional) -> Applied:
    before = placed.out_shape[:-2]
    shapes = tuple((*before, *shape[-2:]) for shape in placed.in_shapes)
    stretch_x = _stretching(f, placed.in_shapes, shapes[0])
    stretch_y = _stretching(f, placed.in_shapes, shapes[1])

    def applied(inputs: Any, parts: Any) -> Any:
        return f.matmul(stretch_x(inputs, 0), stretch_y(inputs, 1))

    return applied


@formulas(L.Dot)
def dot(placed: Placed, f: Functional) -> Applied:
    (x_shape, y_shape), (a, b) = placed.in_shapes, placed.layer.places(*placed.in_shapes)
    size, normalize = x_shape[a], placed.layer.normalize
    x_rows, y_columns = math.prod(x_shape) // size, math.prod(y_shape) // size
    # The summed axis goes last in x and first in y; all others become one.
    x_order = (0, *(i + 1 for i in range(len(x_shape)) if i != a), a + 1)
    y_order = (0, b + 1, *(i + 1 for i in range(len(y_shape)) if i != b))
    shape = (-1, *placed.out_shape)

    def unit(x: Any, axis: int) -> Any:
        squares = f.sum(x * x, (axis,), True)
        return x / f.sqrt(f.where(squares > 1e-12, squares, 1e-12))

    def applied(inputs: Any, parts: Any) -> Any:
        x = f.reshape(f.transpose(inputs[0], x_order), (-1, x_rows, size))
        y = f.reshape(f.transpose(inputs[1], y_order), (-1, size, y_columns))
        if normalize:
            x = unit(x, 2)
            y = unit(y, 1)
        return f.reshape(f.matmul(x, y), shape)

    return applied
