"""Convolution and pooling on a CPU, from what MegEngine is quick at there (megengine 1.13).

Its own convolution takes up to eight times as long as copying slices, joining them, and one product. All arrays
here are ``(channels, height, width, n)``: with the batch last, every slice is a long stretch of memory, and
the product is the next value as it stands.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import megengine.functional as F
from megengine.autodiff import Function

from unifw.spec.graph import Placed

__all__ = ["Convolution", "FirstMaximum", "Geometry", "Phases", "Positive", "Standardised"]

# How many numbers the columns of a slab of rows may be.
SLAB = 1 << 22
# How many slabs may wait to be worked out: the queue has no bound, and holds memory for each (megengine 1.13).
AHEAD = 3


def put_around(x: Any, pads: Any, value: float) -> Any:
    """Return ``x`` with a constant around height and width; F.nn.pad takes ten times as long."""
    if not any(map(any, pads)):
        return x
    (top, bottom), (left, right) = pads
    channels, height, width, rows = x.shape
    shape = (channels, height + top + bottom, width + left + right, rows)
    padded = F.full(shape, value, dtype=x.dtype, device=x.device)
    padded[:, top : top + height, left : left + width] = x
    return padded


class Geometry:
    """Windows over images; a series counts as an image of width 1, so that a long one is cut into slabs.

    Parameters
    ----------
    placed : Placed
        The layer in its place.

    Attributes
    ----------
    kernel, stride, dilation, spatial, out : tuple of int
        Two numbers each.
    pads : tuple of pairs
        What is around height and width.
    """

    def __init__(self, placed: Placed) -> None:
        window = placed.layer.window
        rest = 2 - len(window.kernel)
        ones = (1,) * rest
        self.kernel, self.stride, self.dilation = (
            (*values, *ones) for values in (window.kernel, window.stride, window.dilation)
        )
        self.spatial, self.out = (*placed.in_shape[1:], *ones), (*placed.out_shape[1:], *ones)
        self.pads = (*window.pads(placed.in_shape[1:]), *((0, 0),) * rest)

    @property
    def is_tiled(self) -> bool:
        """Whether each value lies in exactly one window, and nothing is padded."""
        sizes = zip(self.kernel, self.stride, self.spatial, strict=True)
        return not any(map(any, self.pads)) and all(k == s and n % s == 0 for k, s, n in sizes)

    def places(self, first: int, rows: int) -> list[tuple[slice, ...]]:
        """Return, for each place in the kernel, what is there in ``rows`` rows of windows from ``first``."""
        (down, right), (lower, wider) = self.stride, self.dilation
        return [
            (
                slice(None),
                slice(i * lower + down * first, i * lower + down * (first + rows - 1) + 1, down),
                slice(j * wider, j * wider + right * (self.out[1] - 1) + 1, right),
            )
            for i, j in product(*map(range, self.kernel))
        ]


class Phases:
    """The way back of a convolution as convolutions of the output's gradient, one for each phase of the stride.

    Along an axis, the input at ``stride * q + phase`` was read by the places ``k`` of the kernel for which
    ``phase + pad - dilation * k`` is a multiple of the stride, in the window that is that many strides
    from ``q``.

    Parameters
    ----------
    geometry : Geometry
        Of the convolution.

    Attributes
    ----------
    counts : tuple of int
        How many inputs of each phase there are along each axis, the last perhaps in addition.
    pads : tuple of pairs
        What is put around the output's gradient.
    """

    def __init__(self, geometry: Geometry) -> None:
        g = geometry
        self._stride, self._width = g.stride, g.kernel[1]
        self.counts = tuple(-(-n // s) for n, s in zip(g.spatial, g.stride, strict=True))
        self._taps = [self._along(g, axis) for axis in (0, 1)]
        reach = [[shift for taps in found for _, shift in taps] for found in self._taps]
        self._before = tuple(max(0, -min(shifts)) for shifts in reach)
        after = (
            max(0, count + max(shifts) - size)
            for count, shifts, size in zip(self.counts, reach, g.out, strict=True)
        )
        self.pads = tuple(zip(self._before, after, strict=True))

    @staticmethod
    def _along(g: Geometry, axis: int) -> list[list[tuple[int, int]]]:
        stride, pad = g.stride[axis], g.pads[axis][0]
        offsets = [
            [(k, phase + pad - g.dilation[axis] * k) for k in range(g.kernel[axis])]
            for phase in range(stride)
        ]
        return [[(k, n // stride) for k, n in row if n % stride == 0] for row in offsets]

    def __iter__(self) -> Iterator[tuple[tuple[int, ...], list[int], list[tuple[int, int]]]]:
        """Yield each phase, the places of the kernel that matter to it, and where each finds its gradient."""
        for phase in product(*map(range, self._stride)):
            pairs = list(product(self._taps[0][phase[0]], self._taps[1][phase[1]]))
            numbers = [i * self._width + j for (i, _), (j, _) in pairs]
            starts = [(self._before[0] + a, self._before[1] + b) for (_, a), (_, b) in pairs]
            yield phase, numbers, starts


class Convolution(Function):
    """The convolution of images with kernels ``(filters, channels, height, width)``, and its way back.

    Parameters
    ----------
    geometry : Geometry
        The windows.
    phases : Phases
        Of the same.
    is_first : bool
        Whether the input needs no gradient.
    """

    def __init__(self, geometry: Geometry, phases: Phases, *, is_first: bool) -> None:
        super().__init__()
        self._geometry, self._phases, self._is_first = geometry, phases, is_first

    def forward(self, x: Any, weight: Any) -> Any:
        self._kept = x, weight
        g, filters = self._geometry, weight.shape[0]
        padded, flat = put_around(x, g.pads, 0.0), weight.reshape(filters, -1)
        found: list[Any] = []
        for _, columns in _slabs(padded, g):
            y = F.matmul(flat, columns)
            found.append(y.reshape(filters, -1, g.out[1], x.shape[3]))
            _keep_up(found)
        return found[0] if len(found) == 1 else F.concat(found, 1)

    def backward(self, dy: Any) -> Any:
        x, weight = self._kept
        if self._is_first:
            return F.zeros(1, device=x.device), self._of_weight(x, weight, dy)
        return self._of_both(x, weight, dy)

    def _of_weight(self, x: Any, weight: Any, dy: Any) -> Any:
        found: list[Any] = []
        for rows, columns in _slabs(put_around(x, self._geometry.pads, 0.0), self._geometry):
            flat = dy[:, rows].reshape(dy.shape[0], -1)
            found.append(F.matmul(columns, flat, transpose_b=True))
            _keep_up(found)
        return F.transpose(sum(found), (1, 0)).reshape(weight.shape)

    def _of_both(self, x: Any, weight: Any, dy: Any) -> Any:
        filters, channels, *kernel = weight.shape
        (down, right), (height, width), batch = (
            self._geometry.stride,
            self._phases.counts,
            x.shape[3],
        )
        spare = (height * down - x.shape[1], width * right - x.shape[2])
        whole = put_around(x, tuple((0, n) for n in spare), 0.0)
        padded = put_around(dy, self._phases.pads, 0.0)
        # (places, filters, channels), so that some places can be taken.
        kernels = F.transpose(weight.reshape(filters, channels, -1), (2, 0, 1))
        grads: dict[int, Any] = {}
        found = []
        for (top, left), numbers, starts in self._phases:
            part = whole[:, top::down, left::right]
            if not numbers:  # a stride larger than the kernel passes some inputs over
                found.append(F.zeros_like(part))
                continue
            taken = F.concat([kernels[k] for k in numbers], 0)  # (places × filters, channels)
            turned = F.transpose(taken, (1, 0))
            pieces: list[Any] = []
            total: Any = 0.0
            for at in _stretches(height, len(starts) * filters * width * batch):
                first, last = at.start, at.stop
                parts = [padded[:, a + first : a + last, b : b + width] for a, b in starts]
                columns = F.concat(parts, 0).reshape(len(parts) * filters, -1)
                dx = F.matmul(turned, columns)
                pieces.append(dx.reshape(channels, -1, width, batch))
                flat = part[:, at].reshape(channels, -1)
                total = total + F.matmul(columns, flat, transpose_b=True)
                _keep_up(pieces)
            found.append(pieces[0] if len(pieces) == 1 else F.concat(pieces, 1))
            given = total.reshape(len(starts), filters, channels)
            grads |= {k: given[place] for place, k in enumerate(numbers)}
        grad = F.stack([grads[k] for k in range(math.prod(kernel))], 2).reshape(weight.shape)
        dx = _interleaved(found, down, right)
        return dx[:, : x.shape[1], : x.shape[2]] if any(spare) else dx, grad


def _interleaved(found: list[Any], down: int, right: int) -> Any:
    """Put together an image of which ``found`` holds every so manieth row and column, row by row."""
    channels, height, width, batch = found[0].shape
    if len(found) == 1:
        return found[0]
    lines = [
        F.stack(found[i : i + right], 3).reshape(channels, height, width * right, batch)
        for i in range(0, len(found), right)
    ]
    return F.stack(lines, 2).reshape(channels, height * down, width * right, batch)


def _keep_up(made: list[Any]) -> None:
    """Wait for what slabs give once AHEAD are on their way: the queue would hold the columns of all.

    Waiting for each would have the queue run dry, which takes a fifth of a ResNet's step.
    """
    if len(made) >= AHEAD:
        made[-AHEAD].reshape(-1)[:1].numpy()


def _stretches(rows: int, width: int) -> Iterator[slice]:
    """Cut so many rows, each of ``width`` numbers of columns, into slabs."""
    step = max(1, SLAB // max(int(width), 1))
    for first in range(0, rows, step):
        yield slice(first, min(first + step, rows))


def _slabs(padded: Any, geometry: Geometry) -> Iterator[tuple[slice, Any]]:
    """Yield slices of the output's rows, and their columns ``(channels × places, positions)``."""
    g, (channels, *_, batch) = geometry, padded.shape
    for at in _stretches(g.out[0], channels * math.prod(g.kernel) * g.out[1] * batch):
        parts = [padded[place] for place in g.places(at.start, at.stop - at.start)]
        joined = parts[0] if len(parts) == 1 else F.stack(parts, 1)
        yield at, joined.reshape(channels * len(parts), -1)


class FirstMaximum(Function):
    """The maximum of windows that tile an image; its gradient goes to the first value that equals it.

    That of the framework's own pool goes in full to every tied value, and real images are full of ties.
    """

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self._geometry = geometry

    def forward(self, x: Any) -> Any:
        g = self._geometry
        self._parts = [x[place] for place in g.places(0, g.out[0])]
        y = self._parts[0]
        for part in self._parts[1:]:
            y = F.maximum(y, part)
        self._largest = y
        return y

    def backward(self, dy: Any) -> Any:
        rest, found = dy, []
        for part in self._parts[:-1]:
            # 1 where it equals the largest, else 0: several times as quick as F.equal.
            given = rest * (1.0 - F.sign(self._largest - part))
            found.append(given)
            rest = rest - given
        found.append(rest)
        return _interleaved(found, *self._geometry.kernel)


class Positive(Function):
    """ReLU; the gradient of the framework's own takes four times as long."""

    def forward(self, x: Any) -> Any:
        self._y = F.relu(x)
        return self._y

    def backward(self, dy: Any) -> Any:
        return dy * F.sign(self._y)


class Standardised(Function):
    """Rows less their mean, over their deviation; the framework's own takes five times as long.

    Parameters
    ----------
    epsilon : float
        Added to the variance.

    Attributes
    ----------
    mean, var : Tensor of shape (rows, 1)
        Of each row, the variance biased.
    """

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self._epsilon = epsilon

    def forward(self, x: Any) -> Any:
        self.mean = F.mean(x, 1, keepdims=True)
        centred = x - self.mean
        self.var = F.mean(centred * centred, 1, keepdims=True)
        self._scale = 1.0 / F.sqrt(self.var + self._epsilon)
        self._z = centred * self._scale
        return self._z

    def backward(self, dz: Any) -> Any:
        along = F.mean(dz * self._z, 1, keepdims=True)
        return (dz - F.mean(dz, 1, keepdims=True) - self._z * along) * self._scale
