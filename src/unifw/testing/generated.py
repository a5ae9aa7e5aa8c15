"""Layers with generated arguments and shapes: what nobody thought of writing down as a case."""

from __future__ import annotations

from math import prod
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
SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)


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
        **_more(draw, kind),
    )  # fmt: skip
    return layer, _image(draw, axes, groups * draw(st.integers(1, 2)))


def _more(draw: Draw, kind: type[Layer]) -> dict[str, int]:
    if kind in (L.ConvTranspose1D, L.ConvTranspose2D):
        return {"output_padding": draw(st.integers(0, 2))}
    if kind in (L.SeparableConv1D, L.SeparableConv2D):
        return {"depth_multiplier": draw(st.integers(1, 2))}
    return {}


def _pool(draw: Draw) -> tuple[Layer, Shape]:
    axes, largest = draw(st.integers(1, 3)), draw(st.booleans())
    kinds = (
        (L.MaxPool1D, L.MaxPool2D, L.MaxPool3D)
        if largest
        else (L.AvgPool1D, L.AvgPool2D, L.AvgPool3D)
    )
    size, ceil = st.integers(1, 4), draw(st.booleans())
    more = {} if largest else {"count_include_pad": draw(st.booleans())}
    layer = kinds[axes - 1](
        _each(draw, size, axes), draw(st.one_of(st.none(), SIZES)), _padding(draw, axes, 2),
        ceil_mode=ceil, **more,
    )  # fmt: skip
    return layer, _image(draw, axes, draw(SIZES))


def _resized(draw: Draw) -> tuple[Layer, Shape]:
    size, scale = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    layers = [
        L.AdaptiveAvgPool2D(size), L.AdaptiveMaxPool2D(size), L.UpSample2D(scale),
        L.UpSample2D(scale, "bilinear", draw(st.booleans())),
    ]  # fmt: skip
    return draw(st.sampled_from(layers)), _image(draw, 2, draw(SIZES))


def _recurrent(draw: Draw) -> tuple[Layer, Shape]:
    layer = draw(st.sampled_from([L.SimpleRNN, L.LSTM, L.GRU]))(
        draw(SIZES), draw(st.booleans()), draw(st.booleans()), draw(st.integers(1, 2)),
        bias=draw(st.booleans()),
    )  # fmt: skip
    return layer, draw(st.tuples(st.integers(1, 4), SIZES))


def _attention(draw: Draw) -> tuple[Layer, Shape]:
    layer = L.MultiHeadAttention(
        draw(SIZES), draw(SIZES), draw(st.one_of(st.none(), SIZES)), draw(st.booleans()),
        causal=draw(st.booleans()),
    )  # fmt: skip
    return layer, draw(st.tuples(st.integers(1, 4), SIZES))


def _bent(draw: Draw) -> tuple[Layer, Shape]:
    # MegEngine's library turns numbers too small for float32's norm off in the whole process.
    number = st.floats(0.2, 2, allow_subnormal=False)
    layers = [
        L.PReLU(draw(st.booleans())), L.SELU(), L.CELU(draw(number)), L.GELU(), L.Mish(), L.SiLU(),
        L.Softplus(draw(number)), L.Softsign(), L.LogSigmoid(), L.Tanh(), L.Sigmoid(), L.ELU(draw(number)),
        L.LeakyReLU(draw(number)),
    ]  # fmt: skip
    return draw(st.sampled_from(layers)), draw(SHAPES)


def _norm(draw: Draw) -> tuple[Layer, Shape]:
    # At least four numbers to normalise: of two, plus and minus one is left, and a gradient of mere rounding.
    shape = draw(st.lists(st.integers(4, 6), min_size=1, max_size=3).map(tuple))
    groups, affine = draw(st.integers(1, 3)), draw(st.booleans())
    layers: list[Layer] = [
        L.BatchNorm(draw(st.floats(0.05, 1, allow_subnormal=False)), affine=affine)
    ]
    layers += [L.InstanceNorm(affine=affine)]
    if prod(shape) >= 4 * groups:
        layers.append(L.GroupNorm(groups, affine=affine))
    for axes in range(1, len(shape) + 1):
        layers += [L.LayerNorm(axes, affine=affine), L.RMSNorm(axes, affine=affine)]
    return draw(st.sampled_from(layers)), shape


def _moved(draw: Draw) -> tuple[Layer, Shape]:
    shape = draw(SHAPES)
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
    make = draw(
        st.sampled_from([_conv, _pool, _resized, _norm, _recurrent, _attention, _bent, _moved])
    )
    try:
        layer, shape = make(draw)
        layer.out_shape(shape)
    except (SpecError, ShapeError):  # refused, and rightly so: draw another
        reject()
    values = "ties" if "Max" in type(layer).__name__ else "normal"
    return LayerCase(f"{layer!r} on {shape}", layer, (shape,), values)
