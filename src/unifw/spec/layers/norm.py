"""Normalisation: layers that scale values by their mean and variance."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unifw.errors import ShapeError
from unifw.spec import check
from unifw.spec.initializers import initializer
from unifw.spec.layers.base import Layer, Part, Shape, channels

__all__ = ["BatchNorm", "LayerNorm"]


@dataclass(frozen=True, repr=False)
class BatchNorm(Layer):
    """Normalises each channel over the batch and all positions (Ioffe & Szegedy, 2015).

    ``y = (x - mean) / sqrt(var + epsilon) * weight + bias``. Training uses the batch's mean and
    biased variance, and moves the running ones: ``running += momentum * (new - running)``, with the
    *unbiased* variance of the batch. Evaluation and prediction use the running ones.

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
        zeros, ones = initializer("zeros"), initializer("ones")
        parts = {"weight": Part(shape, ones), "bias": Part(shape, zeros)} if self.affine else {}
        parts["running_mean"] = Part(shape, zeros, trainable=False)
        parts["running_var"] = Part(shape, ones, trainable=False)
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
