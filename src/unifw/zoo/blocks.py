"""What several architectures are made of."""

from __future__ import annotations

from unifw.spec import check
from unifw.spec import layers as L
from unifw.spec.symbol import Symbol

__all__ = ["conv_norm", "conv_relu", "dense", "eights", "flat", "scaled"]


def conv_norm(  # noqa: PLR0913 - what differs between blocks
    x: Symbol,
    name: str,
    filters: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    activation: L.Layer | None = L.ReLU(),  # noqa: B008 - a frozen value
) -> Symbol:
    """Convolve without bias, padded by half a kernel, normalise, and activate."""
    x = L.Conv2D(
        filters, kernel, stride, kernel // 2, groups=groups, bias=False,
        weight_init="he_normal", name=f"{name}_conv",
    )(x)  # fmt: skip
    x = L.BatchNorm(name=f"{name}_norm")(x)
    return x if activation is None else activation(x)


def conv_relu(  # noqa: PLR0913 - what differs between layers
    x: Symbol, name: str, filters: int, kernel: int, *, stride: int = 1, padding: int = 0
) -> Symbol:
    """Convolve with a bias, and take the positive part."""
    conv = L.Conv2D(filters, kernel, stride, padding, weight_init="he_normal", name=name)
    return L.ReLU()(conv(x))


def dense(x: Symbol, name: str, units: int, activation: L.Layer) -> Symbol:
    """Multiply by a matrix that begins as He et al. advise, add a bias, and activate."""
    return activation(L.Dense(units, weight_init="he_normal", name=name)(x))


def flat(x: Symbol) -> Symbol:
    """Flatten what has more than one axis."""
    return L.Flatten()(x) if len(x.shape) > 1 else x


def scaled(channels: int, width: float, multiple: int = 1) -> int:
    """Return ``channels * width``, rounded to a multiple, which is also the least."""
    wide = channels * check.number("width", width, least=0, open_=True)
    return max(1, round(wide / multiple)) * multiple


def eights(channels: int, width: float) -> int:
    """Return ``channels * width`` in whole eights: the nearest, but no tenth less than wanted."""
    wide = channels * check.number("width", width, least=0, open_=True)
    near = max(8, int(wide + 4) // 8 * 8)
    return near if near >= 0.9 * wide else near + 8
