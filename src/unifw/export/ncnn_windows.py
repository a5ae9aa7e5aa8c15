"""Layers that see windows, in ncnn's layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unifw.export.ncnn_functional import NcnnFunctional
from unifw.export.ncnn_value import Value
from unifw.spec.graph import Placed

__all__ = ["adaptive", "avg_pool", "conv", "conv_transpose", "max_pool"]

Inputs = tuple[Value, ...]

# The numbers of the parameters along width, height and depth.
KERNEL, DILATION, STRIDE = (1, 11, 21), (2, 12, 22), (3, 13, 23)
BEFORE, AFTER = (4, 14, 24), (15, 16, 17)


def _numbered(places: Sequence[int], values: Sequence[int]) -> dict[int, int]:
    return dict(zip(places, reversed(values), strict=False))


def _kind(plain: str, axes: int, groups: int = 1) -> str:
    return f"{plain}{'DepthWise' if groups > 1 else ''}{ {1: '1D', 2: '', 3: '3D'}[axes] }"


def _weighed(placed: Placed, x: Value, kind: str, params: dict[int, int], name: str) -> Value:
    """Write a convolution, given the full name of its weight; it and the bias lie as ncnn has them."""
    layer, weights = placed.layer, x.writer.weights
    data = [(True, weights[name])]
    if layer.bias:
        data.append((False, weights[f"{placed.owner}.bias"]))
    params = params | {0: layer.filters, 5: int(layer.bias), 6: weights[name].size}
    if layer.groups > 1:
        params[7] = layer.groups
    kind = _kind(kind, layer.axes, layer.groups)
    return x.through(kind, placed.in_shape, placed.out_shape, dict(sorted(params.items())), data)


def _geometry(layer: Any, pads: Sequence[tuple[int, int]]) -> dict[int, int]:
    return {
        **_numbered(KERNEL, layer.kernel_size),
        **_numbered(DILATION, layer.dilation),
        **_numbered(STRIDE, layer.stride),
        **_numbered(BEFORE, [before for before, _ in pads]),
        **_numbered(AFTER, [after for _, after in pads]),
    }


def conv(f: NcnnFunctional, placed: Placed, inputs: Inputs, name: str = "") -> Value:
    """Write a convolution, whose weight has the full name ``name``; by default its own."""
    del f
    params = _geometry(placed.layer, placed.layer.window.pads(placed.in_shape[1:]))
    return _weighed(placed, inputs[0], "Convolution", params, name or placed.weights["weight"])


def conv_transpose(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    """Write a transposed convolution."""
    del f
    layer, crops = placed.layer, placed.layer.crops(placed.in_shape[1:])
    added = {1: (18,), 2: (18, 19), 3: (18, 19, 20)}[layer.axes]
    params = {
        **_geometry(layer, [(before, max(after, 0)) for before, after in crops]),
        **_numbered(added, [max(-after, 0) for _, after in crops]),
    }
    return _weighed(placed, inputs[0], "Deconvolution", params, placed.weights["weight"])


# ------------------------------------------------------------------------ pools

POOL_KERNEL, POOL_STRIDE = (1, 11, 21), (2, 12, 22)
POOL_BEFORE, POOL_AFTER, POOL_OUT = (3, 13, 23), (14, 15, 16), (8, 18, 28)


def _pool(placed: Placed, inputs: Inputs, params: dict[int, int]) -> Value:
    kind, params = _kind("Pooling", len(placed.in_shape) - 1), dict(sorted(params.items()))
    return inputs[0].through(kind, placed.in_shape, placed.out_shape, params)


def _windows(placed: Placed) -> dict[int, int]:
    window = placed.layer.window
    pads = window.pads(
        placed.in_shape[1:]
    )  # with what ceil_mode adds, so ncnn shall add nothing: 5=1
    return {
        5: 1,
        **_numbered(POOL_KERNEL, window.kernel),
        **_numbered(POOL_STRIDE, window.stride),
        **_numbered(POOL_BEFORE, [before for before, _ in pads]),
        **_numbered(POOL_AFTER, [after for _, after in pads]),
    }


def max_pool(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    """Write a pool of maxima."""
    del f
    return _pool(placed, inputs, {0: 0} | _windows(placed))


def avg_pool(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    """Write a pool of means; padding that counts is worked into them afterwards."""
    y = _pool(placed, inputs, {0: 1, 6: 0} | _windows(placed))
    share = placed.layer.share(placed.in_shape[1:])
    return y if share is None else y * f.constant(share[None, None])


def adaptive(f: NcnnFunctional, placed: Placed, inputs: Inputs) -> Value:
    """Write a pool whose windows follow from the sizes."""
    del f
    is_mean = "Avg" in type(placed.layer).__name__
    sizes = _numbered(POOL_OUT, placed.out_shape[1:])
    return _pool(placed, inputs, {0: int(is_mean), 7: 1} | sizes)
