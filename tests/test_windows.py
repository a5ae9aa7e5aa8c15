"""Windows, resampling and normalisation: NumPy, which judges all backends, against what is written out here."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw.backends.numpy.calls import Call
from unifw.backends.numpy.formula import by_formula
from unifw.backends.numpy.layout import Room
from unifw.backends.numpy.rules import rules
from unifw.errors import ShapeError, SpecError
from unifw.formulas.table import formulas
from unifw.spec.initializers import random_state
from unifw.testing.cases import LAYERS, convolution
from unifw.testing.cases.kinds import LayerCase
from unifw.testing.compare import apart, opened

MSE = (uf.losses.MSE(),)
STEP = 1e-5


def given(*shape: int) -> Any:
    return random_state("windows", *shape).standard_normal((2, *shape))


def of(layer: L.Layer, x: Any, **weights: Any) -> Any:
    """Return what a layer makes of an array in float64."""
    net = uf.Sequential([layer.replace(name="it")], input_shape=x.shape[1:])
    named = {f"it.{part}": value for part, value in weights.items()}
    with opened("numpy", net, weights=named, dtype="float64") as session:
        return session.forward((x,))[0]


WINDOWED = [
    case
    for case in LAYERS
    if formulas.why_not(type(case.layer)) is None
    and case.name.startswith(("conv", "max-pool", "avg-pool"))
]


@pytest.mark.parametrize("case", WINDOWED, ids=lambda case: case.name)
def test_numpy_has_quicker_ways_to_the_same_as_the_formulas(case: LayerCase) -> None:
    (placed,) = case.graph
    draw = random_state("both", case.name)
    xs = tuple(x.astype(np.float64) for x in case.inputs())
    weights = {part: draw.standard_normal(made.shape) for part, made in placed.parts.items()}
    results = []
    for rule in (rules.find(case.layer), by_formula(formulas.find(case.layer))):
        y, back = rule(placed)(Call(weights, xs, True, Room(), Room()))
        dy = random_state("dy").standard_normal(y.shape)
        dx, grads = back(dy)
        results.append((y.copy(), dx[0].copy(), grads))
    (y, dx, grads), (other, other_dx, others) = results
    assert apart(y, other) <= 1e-12
    assert apart(dx, other_dx) <= 1e-12
    assert grads.keys() == others.keys() == weights.keys()
    assert all(apart(grads[part], others[part]) <= 1e-12 for part in grads)


# ------------------------------------------------------------------------ pooling


def test_ceil_mode_lets_a_last_window_begin_in_the_input_alone() -> None:
    x = np.arange(1.0, 6.0).reshape(1, 1, 5)
    assert of(L.MaxPool1D(2), x).ravel().tolist() == [2, 4]
    assert of(L.MaxPool1D(2, ceil_mode=True), x).ravel().tolist() == [2, 4, 5]
    # With a padding of 1, a third window of three would begin behind the input: there is none.
    assert of(L.MaxPool1D(3, 3, 1, ceil_mode=True), x).ravel().tolist() == [2, 5]
    assert of(L.MaxPool1D(2, 3, 1, ceil_mode=True), x).ravel().tolist() == [1, 4]


def test_padding_counts_in_a_mean_when_asked_for_and_what_ceil_mode_adds_never() -> None:
    x = np.arange(1.0, 7.0).reshape(1, 1, 6)
    pool = L.AvgPool1D(3, 2, 1, ceil_mode=True)
    assert of(pool, x).ravel().tolist() == [1.5, 3, 5, 6]
    counted = of(pool.replace(count_include_pad=True), x).ravel()
    assert counted.tolist() == [1, 3, 5, 3]  # 6 and one zero of the padding, over two


def test_adaptive_bins_are_those_of_pytorch() -> None:
    x = np.arange(7.0).reshape(1, 1, 7)
    assert L.AdaptiveAvgPool1D(3).bins((7,)) == (((0, 3), (2, 5), (4, 7)),)
    assert of(L.AdaptiveAvgPool1D(3), x).ravel().tolist() == [1, 3, 5]
    assert of(L.AdaptiveMaxPool1D(3), x).ravel().tolist() == [2, 4, 6]
    assert of(L.AdaptiveAvgPool1D(9), x[..., :2]).ravel().tolist() == [0] * 4 + [0.5] + [1] * 4


def test_an_adaptive_maximum_gives_the_gradient_of_ties_to_the_first() -> None:
    x = np.zeros((1, 1, 3, 3))
    for layer, first in ((L.AdaptiveMaxPool2D(1), (0, 0)), (L.AdaptiveMaxPool2D((1, 1)), (1, 1))):
        x[0, 0, 1, 1:] = x[0, 0, 2, 0] = float(sum(first))
        net = uf.Sequential([layer], input_shape=(1, 3, 3))
        (placed,) = net
        _, back = rules.find(layer)(placed)(Call({}, (x,), True, Room(), Room()))
        (dx,), _ = back(np.ones((1, 1, 1, 1)))
        assert np.argwhere(dx[0, 0]).tolist() == [list(first)]


# ------------------------------------------------------------------------ upsampling


def test_upsampling_by_hand() -> None:
    x = np.array([0.0, 4.0, 8.0]).reshape(1, 1, 3)
    assert of(L.UpSample1D(2), x).ravel().tolist() == [0, 0, 4, 4, 8, 8]
    assert of(L.UpSample1D(2, "linear"), x).ravel().tolist() == [0, 1, 3, 5, 7, 8]
    corners = L.UpSample1D(2, "linear", align_corners=True)
    assert of(corners, x).ravel() == pytest.approx([0, 1.6, 3.2, 4.8, 6.4, 8])
    assert of(corners, x[..., 1:2]).ravel().tolist() == [4, 4]


# ------------------------------------------------------------------------ normalisation


def test_norms_by_formula() -> None:
    x, w, b = given(6, 3, 2), given(6)[0], given(6)[1]
    groups = x.reshape(2, 2, 3, 3, 2)
    mean, var = (part(axis=(2, 3, 4), keepdims=True) for part in (groups.mean, groups.var))
    z = ((groups - mean) / np.sqrt(var + 0.1)).reshape(x.shape)
    scale, shift = w[:, None, None], b[:, None, None]
    assert apart(of(L.GroupNorm(2, 0.1), x, weight=w, bias=b), z * scale + shift) <= 1e-12
    z = (x - x.mean((2, 3), keepdims=True)) / np.sqrt(x.var((2, 3), keepdims=True) + 0.1)
    assert apart(of(L.InstanceNorm(0.1), x, weight=w, bias=b), z * scale + shift) <= 1e-12
    root = np.sqrt((x * x).mean((2, 3), keepdims=True) + 0.1)
    w = given(3, 2)[0]
    assert apart(of(L.RMSNorm(2, 0.1), x, weight=w), x / root * w) <= 1e-12


# ------------------------------------------------------------------------ convolution


def slow_conv(x: Any, w: Any, b: Any, layer: L.Layer, spatial: Any, out: Any) -> Any:
    """Return a convolution, one place after the other."""
    window, groups = layer.window, layer.groups
    y = np.zeros((len(x), len(w), *out)) + b.reshape(-1, *(1 for _ in out))
    pads, inside, outside = window.pads(spatial), x.shape[1] // groups, len(w) // groups
    for place in itertools.product(*map(range, out)):
        for k in itertools.product(*map(range, window.kernel)):
            at = tuple(
                p * s + i * d - before
                for p, s, i, d, (before, _) in zip(
                    place, window.stride, k, window.dilation, pads, strict=True
                )
            )
            if all(0 <= a < n for a, n in zip(at, spatial, strict=True)):
                for o in range(len(w)):
                    seen = x[(slice(None), slice(o // outside * inside, None), *at)][:, :inside]
                    y[(slice(None), o, *place)] += seen @ w[(o, slice(None), *k)]
    return y


def slow_transposed(x: Any, w: Any, b: Any, layer: L.Layer, out: Any) -> Any:
    """Return a transposed convolution, one place after the other."""
    groups, crops = layer.groups, layer.crops(x.shape[2:])
    inside, outside = x.shape[1] // groups, len(w) // groups
    y = np.zeros((len(x), len(w), *out)) + b.reshape(-1, *(1 for _ in out))
    for place in itertools.product(*map(range, x.shape[2:])):
        for k in itertools.product(*map(range, layer.kernel_size)):
            at = tuple(
                p * s + i * d - before
                for p, s, i, d, (before, _) in zip(
                    place, layer.stride, k, layer.dilation, crops, strict=True
                )
            )
            if all(0 <= a < n for a, n in zip(at, out, strict=True)):
                for o in range(len(w)):
                    seen = x[(slice(None), slice(o // outside * inside, None), *place)][:, :inside]
                    y[(slice(None), o, *at)] += seen @ w[(o, slice(None), *k)]
    return y


@pytest.mark.parametrize("case", convolution.CASES, ids=lambda case: case.name)
def test_convolutions_place_by_place(case: LayerCase) -> None:
    (placed,), layer, x = case.graph, case.layer, case.inputs()[0].astype(np.float64)
    draw, out = random_state("slow", case.name), placed.out_shape[1:]
    weights = {part: draw.standard_normal(made.shape) for part, made in placed.parts.items()}
    b = weights.get("bias", np.zeros(layer.filters))
    if isinstance(layer, L.SeparableConv1D | L.SeparableConv2D):
        first, second = layer.stages(x.shape[1])
        none = np.zeros(first.filters)
        middle = slow_conv(x, weights["depthwise"], none, first, x.shape[2:], out)
        wanted = slow_conv(middle, weights["pointwise"], b, second, out, out)
    elif isinstance(layer, L.Conv3D):
        wanted = slow_conv(x, weights["weight"], b, layer, x.shape[2:], out)
    else:
        wanted = slow_transposed(x, weights["weight"], b, layer, out)
    assert apart(of(layer, x, **weights), wanted) <= 1e-12


def test_a_transposed_convolution_of_same_is_as_many_times_as_large() -> None:
    for kernel, stride, dilation in itertools.product((1, 2, 3, 4), (1, 2, 3), (1, 2)):
        layer = L.ConvTranspose1D(1, kernel, stride, "same", dilation)
        assert layer.out_shape((2, 5)) == (1, 5 * stride)


# ------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: L.MaxPool2D(2, ceil_mode=1), "ceil_mode must be True or False"),
        (lambda: L.AvgPool2D(2, count_include_pad="no"), "count_include_pad"),
        (lambda: L.AdaptiveAvgPool2D((1, 2, 3)), "out_size must have 2 numbers"),
        (lambda: L.AdaptiveMaxPool1D(0), "out_size"),
        (lambda: L.UpSample2D(2, "linear"), "mode"),
        (lambda: L.UpSample2D(2, align_corners=True), "nearest only repeats"),
        (lambda: L.UpSample1D(0), "scale"),
        (lambda: L.ConvTranspose2D(3, 2, 2, output_padding=2), "output_padding 2 must be less"),
        (lambda: L.ConvTranspose2D(3, 2, 2, "same", output_padding=1), "not for padding='same'"),
        (lambda: L.ConvTranspose1D(3, 2, output_padding=-1), "output_padding"),
        (lambda: L.SeparableConv2D(4, 3, depth_multiplier=0), "depth_multiplier"),
        (lambda: L.GroupNorm(0), "groups"),
        (lambda: L.InstanceNorm(0.0), "epsilon"),
        (lambda: L.RMSNorm(0), "axes"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "says"),
    [
        (L.Conv3D(4, 3), (2, 8, 8), r"\(channels, depth, height, width\).*input_shape"),
        (L.MaxPool3D(3), (2, 2, 3, 3), "does not fit into 2 along axis 1"),
        (L.AdaptiveAvgPool1D(2), (4,), r"\(channels, length\)"),
        (L.UpSample2D(2), (4, 5), r"\(channels, height, width\)"),
        (L.ConvTranspose2D(4, 2, groups=2), (3, 4, 4), "cannot be split into groups=2"),
        (L.ConvTranspose2D(4, 2, padding=3), (3, 4, 4), "cuts everything off"),
        (L.SeparableConv1D(4, 2, groups=4), (3, 9), "cannot be split into groups=4"),
        (L.GroupNorm(4), (6, 5), "6 channels cannot be split into groups=4"),
        (L.GroupNorm(6), (6,), "always gives zero"),
        (L.InstanceNorm(), (6, 1, 1), "always gives zero"),
        (L.RMSNorm(3), (4, 5), "cannot normalise the last 3 axes"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(layer: L.Layer, shape: Any, says: str) -> None:
    with pytest.raises(ShapeError, match=says):
        uf.Sequential([layer], input_shape=shape)


def test_nets_stored_before_the_options_were_there_can_be_read() -> None:
    net = uf.Sequential([L.AvgPool2D(2), L.MaxPool2D(2)], input_shape=(1, 8, 8))
    data = json.loads(net.to_json())
    for node in data["nodes"]:
        assert node["layer"].pop("ceil_mode") is False
        node["layer"].pop("count_include_pad", None)
    assert uf.Graph.from_json(json.dumps(data)) == net
