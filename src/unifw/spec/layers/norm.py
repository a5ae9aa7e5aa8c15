"""Normalisation: layers that scale values by their mean and variance."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unifw.errors import ShapeError
from unifw.spec import check
from unifw.spec.initializers import initializer
from unifw.spec.layers.base import Layer, Part, Shape, channels

__all__ = ["BatchNorm", "GroupNorm", "InstanceNorm", "LayerNorm", "RMSNorm"]


@dataclass(frozen=True, repr=False)
class BatchNorm(Layer):
    """Normalises each channel over the batch and all positions (Ioffe & Szegedy, 2015).

    ``y = (x - mean) / sqrt(var + epsilon) * weight + bias``. Training uses the batch's mean and
    biased variance, and moves the running ones: ``running += momentum * (new - running)``, with the
    *unbiased* variance of the batch. Evaluation and prediction use the running ones, and so does
    training when the layer is frozen (``trainable=False``); they stay as they are then.

    Parameters
    ----------
    momentum : float
        Weight of the new batch in the running statistics, in (0, 1]; default 0.1 (PyTorch's meaning).
    epsilon : float
        Added to the variance; default 1e-5.
    affine : bool
        Whether there are a ``weight`` and a ``bias``; default ``True``.

    Notes
    -----
    ``(channels, *spatial) -> `` the same. Weights, each ``(channels,)``: ``weight`` (ones), ``bias``
    (zeros), and, not trained by gradient, ``running_mean`` (zeros), ``running_var`` (ones).
    """

    momentum: float = 0.1
    epsilon: float = 1e-5
    affine: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        momentum = check.number("momentum", self.momentum, least=0, open_=True)
        if momentum > 1:
            raise self.refuse(f"momentum is the weight of the new batch, in (0, 1], got {momentum}")
        self.normalise(
            momentum=momentum,
            epsilon=check.number("epsilon", self.epsilon, least=0, open_=True),
            affine=check.flag("affine", self.affine),
        )

    def out_shape(self, *shapes: Shape) -> Shape:
        channels(shapes[0])
        return shapes[0]

    def parts(self, *shapes: Shape) -> dict[str, Part]:
        shape = (channels(shapes[0]),)
        parts = _per_channel(shape) if self.affine else {}
        parts["running_mean"] = Part(shape, initializer("zeros"), trainable=False)
        parts["running_var"] = Part(shape, initializer("ones"), trainable=False)
        return parts


@dataclass(frozen=True, repr=False)
class LayerNorm(Layer):
    """Normalises each sample over its last axes (Ba et al., 2016).

    ``y = (x - mean) / sqrt(var + epsilon) * weight + bias`` with the biased variance.

    Parameters
    ----------
    axes : int
        How many trailing axes are normalised together; default 1.
    epsilon : float
        Added to the variance; default 1e-5.
    affine : bool
        Whether there are a ``weight`` and a ``bias``; default ``True``.

    Notes
    -----
    The shape stays. Weights, in the shape of the last ``axes``: ``weight`` (ones), ``bias`` (zeros).
    """

    axes: int = 1
    epsilon: float = 1e-5
    affine: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(
            axes=check.count("axes", self.axes),
            epsilon=check.number("epsilon", self.epsilon, least=0, open_=True),
            affine=check.flag("affine", self.affine),
        )

    def out_shape(self, *shapes: Shape) -> Shape:
        if len(shapes[0]) < self.axes:
            message = f"cannot normalise the last {self.axes} axes of {shapes[0]}"
            raise ShapeError(message)
        if math.prod(shapes[0][-self.axes :]) == 1:
            message = f"normalising one number alone, in {shapes[0]}, always gives zero"
            raise ShapeError(message)
        return shapes[0]

    def parts(self, *shapes: Shape) -> dict[str, Part]:
        if not self.affine:
            return {}
        shape = shapes[0][-self.axes :]
        return {
            "weight": Part(shape, initializer("ones")),
            "bias": Part(shape, initializer("zeros")),
        }


@dataclass(frozen=True, repr=False)
class RMSNorm(Layer):
    """Divides each sample by the root of the mean square over its last axes (Zhang & Sennrich, 2019).

    ``y = x / sqrt(mean(x ** 2) + epsilon) * weight``; nothing is centred, and there is no bias.

    Parameters
    ----------
    axes : int
        How many trailing axes are normalised together; default 1.
    epsilon : float
        Added to the mean square; default 1e-6.
    affine : bool
        Whether there is a ``weight``; default ``True``.

    Notes
    -----
    The shape stays. Weights, in the shape of the last ``axes``: ``weight`` (ones).
    """

    axes: int = 1
    epsilon: float = 1e-6
    affine: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(
            axes=check.count("axes", self.axes),
            epsilon=check.number("epsilon", self.epsilon, least=0, open_=True),
            affine=check.flag("affine", self.affine),
        )

    def out_shape(self, *shapes: Shape) -> Shape:
        if len(shapes[0]) < self.axes:
            message = f"cannot normalise the last {self.axes} axes of {shapes[0]}"
            raise ShapeError(message)
        return shapes[0]

    def parts(self, *shapes: Shape) -> dict[str, Part]:
        shape = shapes[0][-self.axes :]
        return {"weight": Part(shape, initializer("ones"))} if self.affine else {}


@dataclass(frozen=True, repr=False)
class GroupNorm(Layer):
    """Normalises each sample over all positions of a group of channels (Wu & He, 2018).

    ``y = (x - mean) / sqrt(var + epsilon) * weight + bias`` with the biased variance; the channels are
    cut into ``groups`` runs of equal length.

    Parameters
    ----------
    groups : int
        How many groups; the number of channels must be a multiple of it.
    epsilon : float
        Added to the variance; default 1e-5.
    affine : bool
        Whether there are a ``weight`` and a ``bias``; default ``True``.

    Notes
    -----
    ``(channels, *spatial) -> `` the same. Weights, each ``(channels,)``: ``weight`` (ones), ``bias``
    (zeros).
    """

    groups: int
    epsilon: float = 1e-5
    affine: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(
            groups=check.count("groups", self.groups),
            epsilon=check.number("epsilon", self.epsilon, least=0, open_=True),
            affine=check.flag("affine", self.affine),
        )

    def out_shape(self, *shapes: Shape) -> Shape:
        size = channels(shapes[0])
        if size % self.groups:
            message = f"{size} channels cannot be split into groups={self.groups}"
            raise ShapeError(message)
        if math.prod(shapes[0]) == self.groups:
            message = f"normalising each number of {shapes[0]} alone always gives zero"
            raise ShapeError(message)
        return shapes[0]

    def parts(self, *shapes: Shape) -> dict[str, Part]:
        return _per_channel(shapes[0]) if self.affine else {}


@dataclass(frozen=True, repr=False)
class InstanceNorm(Layer):
    """Normalises each channel of each sample over its positions (Ulyanov et al., 2016).

    ``y = (x - mean) / sqrt(var + epsilon) * weight + bias`` with the biased variance: ``GroupNorm`` with
    a group for each channel. Training and evaluation are the same; there are no running statistics.

    Parameters
    ----------
    epsilon : float
        Added to the variance; default 1e-5.
    affine : bool
        Whether there are a ``weight`` and a ``bias``; default ``True``.

    Notes
    -----
    ``(channels, *spatial) -> `` the same. Weights, each ``(channels,)``: ``weight`` (ones), ``bias``
    (zeros).
    """

    epsilon: float = 1e-5
    affine: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(
            epsilon=check.number("epsilon", self.epsilon, least=0, open_=True),
            affine=check.flag("affine", self.affine),
        )

    def out_shape(self, *shapes: Shape) -> Shape:
        channels(shapes[0])
        if math.prod(shapes[0][1:]) == 1:
            message = f"normalising each number of {shapes[0]} alone always gives zero"
            raise ShapeError(message)
        return shapes[0]

    def parts(self, *shapes: Shape) -> dict[str, Part]:
        return _per_channel(shapes[0]) if self.affine else {}


def _per_channel(shape: Shape) -> dict[str, Part]:
    zeros, ones = initializer("zeros"), initializer("ones")
    return {"weight": Part(shape[:1], ones), "bias": Part(shape[:1], zeros)}
