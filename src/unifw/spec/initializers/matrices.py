"""Weights that begin as a special matrix: orthogonal, or the identity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.errors import ShapeError
from unifw.spec import check
from unifw.spec.initializers.base import Initializer, Shape

__all__ = ["Identity", "Orthogonal"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class _Matrix(Initializer):
    """Base of both: a gain, and weights of at least two axes."""

    gain: float = 1.0

    def __post_init__(self) -> None:
        self.normalise(gain=check.number("gain", self.gain))

    def fits(self, shape: Shape) -> None:
        if len(shape) < 2:
            raise ShapeError(f"{self!r} needs a weight of at least two axes, got {shape}")


class Orthogonal(_Matrix):
    """A random (semi-)orthogonal matrix times ``gain`` (Saxe et al., 2014); default gain 1.

    The weight is seen as a matrix of its first axis by all others, as in PyTorch. Its rows are
    orthonormal if it is wide, its columns if it is tall: the factor Q of a QR decomposition of
    normal numbers, whose R has a positive diagonal, so that every orthogonal matrix is as likely.

    Notes
    -----
    No LAPACK or BLAS is asked, whose last bits differ between builds and numbers of threads.
    Modified Gram-Schmidt, done twice, uses additions, multiplications, divisions and square roots
    of float64 in a fixed order alone, each of which IEEE 754 defines to the last bit. It begins from
    the numbers that ``Normal(0, 1)`` draws, so they are as much the same everywhere as those are.
    The time goes with ``larger * smaller²`` of the matrix: 512 x 512 takes half a second.
    """

    def draw(self, random: np.random.RandomState, shape: Shape, fans: tuple[int, int]) -> Any:
        rows, columns = shape[0], math.prod(shape[1:])
        normal = random.standard_normal((rows, columns)).astype(np.float32).astype(np.float64)
        wide = normal if rows <= columns else np.ascontiguousarray(normal.T)
        for _ in range(2):
            _orthonormalise(wide)
        return self.gain * (wide if rows <= columns else wide.T).reshape(shape)


def _orthonormalise(rows: Array) -> None:
    """Make each row, in place, orthogonal to those before it and of length 1 (Gram-Schmidt)."""
    for number in range(len(rows)):
        row, later = rows[number], rows[number + 1 :]
        row /= np.sqrt(_total(row * row))
        later -= _total(later * row)[:, None] * row


def _total(terms: Array) -> Array:
    """Sum over the last axis by adding its second half to the first, in the place of ``terms``."""
    left = terms.shape[-1]
    while left > 1:
        half = (left + 1) // 2
        terms[..., : left - half] += terms[..., half:left]
        left = half
    return terms[..., 0]


class Identity(_Matrix):
    """Ones on the main diagonal times ``gain``, else zeros: the layer begins as the identity.

    A kernel of a convolution has its one at the centre (``size // 2``), so that with padding
    ``"same"`` and an odd size channels pass through unchanged. Default gain 1.
    """

    def draw(self, random: np.random.RandomState, shape: Shape, fans: tuple[int, int]) -> Any:
        result = np.zeros(shape)
        centre = tuple(size // 2 for size in shape[2:])
        for place in range(min(shape[:2])):
            result[(place, place, *centre)] = self.gain
        return result
