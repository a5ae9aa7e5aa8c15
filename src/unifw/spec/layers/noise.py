"""Layers that make training noisy, and change nothing in evaluation and prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unifw.errors import ShapeError
from unifw.spec import check
from unifw.spec.layers.base import Layer, Shape, channels

__all__ = ["Dropout", "GaussianNoise", "Noise", "SpatialDropout"]


class Noise(Layer):
    """Base of the layers that need random numbers in training.

    The numbers are unifw's own (``unifw.randomness``), fixed by the model's seed, the layer's name and
    the step, so they are the same on every backend, unless the model has ``parity=False``. Evaluation
    and prediction change nothing.
    """

    def noise_shape(self, shape: Shape) -> Shape:
        """Return the shape of the numbers for one sample of this shape."""
        return shape


@dataclass(frozen=True, repr=False)
class Dropout(Noise):
    """Zeroes a share of the values in training and scales the rest up (Srivastava et al., 2014).

    Kept values are multiplied by ``1 / (1 - rate)``. Evaluation and prediction change nothing.

    Parameters
    ----------
    rate : float
        Share that is zeroed, in [0, 1); default 0.5.
    """

    rate: Any = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(rate=check.number("rate", self.rate, least=0, below=1))


class SpatialDropout(Dropout):
    """Zeroes a share of the channels, each as a whole, in training (Tompson et al., 2015).

    Channels, the first axis after the batch, are kept or dropped at all positions alike; kept ones are
    multiplied by ``1 / (1 - rate)``. Evaluation and prediction change nothing.

    Parameters
    ----------
    rate : float
        Share that is zeroed, in [0, 1); default 0.5.
    """

    def out_shape(self, *shapes: Shape) -> Shape:
        if len(shapes[0]) < 2:
            message = f"needs input of shape (channels, *positions), got {shapes[0]}; use Dropout"
            raise ShapeError(message)
        return shapes[0]

    def noise_shape(self, shape: Shape) -> Shape:
        return (channels(shape), *(1,) * (len(shape) - 1))


@dataclass(frozen=True, repr=False)
class GaussianNoise(Noise):
    """Adds normal random numbers in training; evaluation and prediction change nothing.

    Parameters
    ----------
    std : float
        Standard deviation of what is added; default 0.1.
    """

    std: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(std=check.number("std", self.std, least=0))
