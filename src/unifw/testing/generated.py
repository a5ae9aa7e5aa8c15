"""Layers with generated arguments and shapes: what nobody thought of writing down as a case."""

from __future__ import annotations

from typing import Any

from hypothesis import reject
from hypothesis import strategies as st

from unifw import layers as L
from unifw.errors import ShapeError, SpecError
from unifw.spec.layers import Layer
from unifw.testing.cases.kinds import LayerCase

__all__ = ["cases"]

Shape = tuple[int, ...]
Draw = Any  # what hypothesis hands to a composite strategy

SIZES = st.integers(1, 3)
PLACES = st.integers(3, 9)


def _each(draw: Draw, numbers: st.SearchStrategy[int], axes: int) -> Any:
    """Return one number for all axes, or one for each."""
    return draw(st.one_of(numbers, st.tuples(*[numbers] * axes)))


def _padding(draw: Draw, axes: int, most: int) -> Any:
    side = st.integers(0, most)
    pairs = st.tuples(*[st.tuples(side, side)] * axes)
    return draw(st.one_of(st.sampled_from(["same", "valid"]), side, pairs))


def _image(draw: Draw, axes: int, channels: int) -> Shape:
    return (channels, *draw(st.tuples(*[PLACES] * axes)))


def _conv(draw: Draw) -> tuple[Layer, Shape]:
    axes, groups = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    kind = draw(
        st.sampled_from(
            {
                1: (L.Conv1D, L.ConvTranspose1D, L.SeparableConv1D),
                2: (L.Conv2D, L.ConvTranspose2D, L.SeparableConv2D),
            }[axes]
        )
    )
    layer = kind(
        groups * draw(SIZES), _each(draw, SIZES, axes), _each(draw, SIZES, axes),
        _padding(draw, axes, 3), _each(draw, SIZES, axes), groups, draw(st.booleans()),
    )  # fmt: skip
    return layer, _image(draw, axes, groups * draw(st.integers(1, 2)))


def _pool(draw: Draw) -> tuple[Layer, Shape]:
    axes = draw(st.integers(1, 2))
    kinds = {1: (L.MaxPool1D, L.AvgPool1D), 2: (L.MaxPool2D, L.AvgPool2D)}[axes]
    size = st.integers(1, 4)
    layer = draw(st.sampled_from(kinds))(
        _each(draw, size, axes),
        draw(st.one_of(st.none(), SIZES)),
        _padding(draw, axes, 2),
        ceil_mode=draw(st.booleans()),
    )
    return layer, _image(draw, axes, draw(SIZES))


def _norm(draw: Draw) -> tuple[Layer, Shape]:
    shape = draw(st.lists(st.integers(2, 5), min_size=1, max_size=3).map(tuple))
    affine = draw(st.booleans())
    layers: list[Layer] = [L.BatchNorm(draw(st.floats(0.05, 1)), affine=affine)]
    layers += [L.GroupNorm(shape[0], affine=affine), L.InstanceNorm(affine=affine)]
    for axes in range(1, len(shape) + 1):
        layers += [L.LayerNorm(axes, affine=affine), L.RMSNorm(axes, affine=affine)]
    return draw(st.sampled_from(layers)), shape


def _moved(draw: Draw) -> tuple[Layer, Shape]:
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple))
    side = st.integers(0, 2)
    axis, start = draw(st.integers(1, len(shape))), st.integers(0, 4)
    cut = slice(draw(start), None, draw(st.integers(1, 3)))
    layers = [
        L.Dense(draw(SIZES), bias=draw(st.booleans())),
        L.Slice((*(slice(None),) * (axis - 1), cut)),
        L.Mean(axis, draw(st.booleans())),
        L.Sum(axis),
        L.Flatten(),
        L.Permute(draw(st.permutations(range(1, len(shape) + 1)))),
        L.Pad(draw(st.lists(st.tuples(side, side), min_size=1, max_size=len(shape)))),
        L.Softmax(draw(st.integers(1, len(shape)))),
    ]
    return draw(st.sampled_from(layers)), shape


@st.composite
def cases(draw: Draw) -> LayerCase:
    """Draw a layer and the shape of its input, of those that go together."""
    make = draw(st.sampled_from([_conv, _conv, _pool, _norm, _moved]))
    try:
        layer, shape = make(draw)
        layer.out_shape(shape)
    except (SpecError, ShapeError):  # refused, and rightly so: draw another
        reject()
    values = "ties" if type(layer).__name__.startswith("Max") else "normal"
    return LayerCase(f"{layer!r} on {shape}", layer, (shape,), values)
