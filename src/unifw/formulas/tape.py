"""NumPy's way to speak the vocabulary: values that remember how they were made, for the gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["TAPE", "Tape", "Value", "gradients"]

Array = npt.NDArray[Any]
Back = Callable[[Array], Array]


class Value:
    """An array, and the values it was made of with the way back to each of them.

    Parameters
    ----------
    data : ndarray
        The numbers.
    learns : bool
        Whether a gradient is wanted for it, or for what it was made of.
    sources : sequence of (Value, callable)
        Those that it was made of and that learn; the callable turns its gradient into theirs.
    weak : bool
        Whether it is a constant, which takes on the dtype of what it meets.
    """

    __slots__ = ("data", "learns", "sources", "weak")
    # NumPy must leave ``array + value`` to the value.
    __array_ufunc__ = None

    def __init__(
        self,
        data: Array,
        *,
        learns: bool = False,
        sources: Sequence[tuple[Value, Back]] = (),
        weak: bool = False,
    ) -> None:
        self.data, self.learns, self.sources, self.weak = data, learns, sources, weak

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    def __add__(self, other: Any) -> Value:
        a, b = _met(self, other)
        return _joined(a.data + b.data, (a, lambda d: d), (b, lambda d: d))

    __radd__ = __add__

    def __neg__(self) -> Value:
        return _made(-self.data, (self, lambda d: -d))

    def __sub__(self, other: Any) -> Value:
        a, b = _met(self, other)
        return _joined(a.data - b.data, (a, lambda d: d), (b, lambda d: -d))

    def __rsub__(self, other: Any) -> Value:
        return (-self).__add__(other)

    def __mul__(self, other: Any) -> Value:
        a, b = _met(self, other)
        return _joined(a.data * b.data, (a, lambda d: d * b.data), (b, lambda d: d * a.data))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Value:
        a, b = _met(self, other)
        y = a.data / b.data
        return _joined(y, (a, lambda d: d / b.data), (b, lambda d: -d * y / b.data))

    def __rtruediv__(self, other: Any) -> Value:
        a, b = _met(self, other)
        y = b.data / a.data
        return _made(y, (a, lambda d: -d * y / a.data))

    def __gt__(self, other: Any) -> Array:
        return np.asarray(self.data > _data(other))

    def __ge__(self, other: Any) -> Array:
        return np.asarray(self.data >= _data(other))

    def __lt__(self, other: Any) -> Array:
        return np.asarray(self.data < _data(other))

    def __le__(self, other: Any) -> Array:
        return np.asarray(self.data <= _data(other))


def _data(given: Any) -> Any:
    return given.data if isinstance(given, Value) else given


def _met(a: Value, other: Any) -> tuple[Value, Value]:
    """Return both operands; a number or a constant takes on the dtype of the other."""
    b = other if isinstance(other, Value) else Value(np.asarray(other), weak=True)
    if a.weak is not b.weak:
        dtype = b.data.dtype if a.weak else a.data.dtype
        a, b = (_as(v, dtype) if v.weak else v for v in (a, b))
    return a, b


def _as(value: Value, dtype: Any) -> Value:
    return Value(value.data.astype(dtype, copy=False), weak=True)


def _made(data: Any, *sources: tuple[Value, Back]) -> Value:
    kept = [source for source in sources if source[0].learns]
    weak = all(value.weak for value, _ in sources)
    return Value(np.asarray(data), learns=bool(kept), sources=kept, weak=weak)


def _joined(data: Any, *sources: tuple[Value, Back]) -> Value:
    """Return what an operation that broadcasts made of its operands."""
    return _made(data, *((v, _summing(back, v.data.shape)) for v, back in sources))


def _summing(back: Back, shape: tuple[int, ...]) -> Back:
    return lambda d: summed_to(back(d), shape)


def summed_to(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sum a gradient over the axes along which its operand, of ``shape``, was stretched."""
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)
    stretched = (i + extra for i, n in enumerate(shape) if n != gradient.shape[i + extra])
    return np.asarray(gradient.sum(axis=(*range(extra), *stretched))).reshape(shape)


def gradients(value: Value, gradient: Array, wanted: Sequence[Value]) -> list[Array | None]:
    """Return the gradients of ``wanted``, given that of ``value``; ``None`` where it does not reach."""
    found: dict[int, Array] = {id(value): gradient}
    for made in reversed(_ordered(value)):
        given = found[id(made)] if made.sources else None
        for source, back in made.sources:
            part = back(given)  # type: ignore[arg-type]
            found[id(source)] = found[id(source)] + part if id(source) in found else part
    return [found.get(id(w)) if w.learns else None for w in wanted]


def _ordered(end: Value) -> list[Value]:
    """Return all values that ``end`` was made of, each after its own (iterative: depth has no limit)."""
    order: list[Value] = []
    done: set[int] = set()
    stack = [(end, False)]
    while stack:
        value, ready = stack.pop()
        if id(value) in done:
            continue
        if ready:
            done.add(id(value))
            order.append(value)
        else:
            stack.append((value, True))
            stack.extend((source, False) for source, _ in value.sources)
    return order


class Tape:
    """The operations; see ``Functional``, whose words they are."""

    def constant(self, array: Array) -> Value:
        return Value(np.asarray(array, dtype=np.float64), weak=True)

    def exp(self, x: Value) -> Value:
        y = np.exp(x.data)
        return _made(y, (x, lambda d: d * y))

    def log(self, x: Value) -> Value:
        return _made(np.log(x.data), (x, lambda d: d / x.data))

    def sqrt(self, x: Value) -> Value:
        y = np.sqrt(x.data)
        return _made(y, (x, lambda d: d / (2 * y)))

    def tanh(self, x: Value) -> Value:
        y = np.tanh(x.data)
        return _made(y, (x, lambda d: d * (1 - y * y)))

    def sigmoid(self, x: Value) -> Value:
        y = _sigmoid(x.data)
        return _made(y, (x, lambda d: d * y * (1 - y)))

    def softplus(self, x: Value) -> Value:
        y = np.maximum(x.data, 0) + np.log1p(np.exp(-np.abs(x.data)))
        return _made(y, (x, lambda d: d * _sigmoid(x.data)))

    def where(self, condition: Array, x: Any, y: Any) -> Value:
        a, b = _met(x if isinstance(x, Value) else Value(np.asarray(x), weak=True), y)
        data = np.where(condition, a.data, b.data)
        return _made(data, (a, lambda d: d * condition), (b, lambda d: d * ~condition))

    def detach(self, x: Value) -> Value:
        return Value(x.data, weak=x.weak)

    def matmul(self, x: Value, y: Value) -> Value:
        a, b = _met(x, y)

        def to_a(d: Array) -> Array:
            return np.asarray(d @ b.data.swapaxes(-1, -2))

        def to_b(d: Array) -> Array:
            if b.data.ndim == 2 < a.data.ndim:
                return np.asarray(_rows(a.data).T @ _rows(d))
            return np.asarray(a.data.swapaxes(-1, -2) @ d)

        return _joined(a.data @ b.data, (a, to_a), (b, to_b))

    def softmax(self, x: Value, axis: int) -> Value:
        e = np.exp(x.data - x.data.max(axis=axis, keepdims=True))
        y = e / e.sum(axis=axis, keepdims=True)
        return _made(y, (x, lambda d: y * (d - (d * y).sum(axis=axis, keepdims=True))))

    def sum(self, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
        shape = x.data.shape
        kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
        y = x.data.sum(axis=axes, keepdims=keepdims)
        return _made(y, (x, lambda d: np.broadcast_to(d.reshape(kept), shape)))

    def mean(self, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
        return self.sum(x, axes, keepdims).__truediv__(math.prod(x.data.shape[i] for i in axes))

    def amax(self, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
        return Value(np.asarray(x.data.max(axis=axes, keepdims=keepdims)), weak=x.weak)

    def reshape(self, x: Value, shape: tuple[int, ...]) -> Value:
        before = x.data.shape
        return _made(x.data.reshape(shape), (x, lambda d: d.reshape(before)))

    def per_channel(self, x: Value, spatial: tuple[int, ...]) -> Value:
        return self.reshape(x, (1, -1, *(1 for _ in spatial)))

    def transpose(self, x: Value, order: tuple[int, ...]) -> Value:
        back = np.argsort(order)
        return _made(x.data.transpose(order), (x, lambda d: d.transpose(back)))

    def concat(self, xs: Sequence[Value], axis: int) -> Value:
        ends = np.cumsum([x.data.shape[axis] for x in xs]).tolist()
        places = [
            _along(axis, end - x.data.shape[axis], end, 1) for x, end in zip(xs, ends, strict=True)
        ]
        dtype = next((x.data.dtype for x in xs if not x.weak), np.float64)
        data = np.concatenate([x.data.astype(dtype, copy=False) for x in xs], axis)
        return _made(data, *((x, _taking(p)) for x, p in zip(xs, places, strict=True)))

    def cut(self, x: Value, axis: int, start: int, stop: int, step: int) -> Value:
        place, shape = _along(axis, start, stop, step), x.data.shape

        def back(d: Array) -> Array:
            whole = np.zeros(shape, d.dtype)
            whole[place] = d
            return whole

        return _made(x.data[place], (x, back))

    def pad(self, x: Value, pads: tuple[tuple[int, int], ...], value: float) -> Value:
        sides = [(0, 0)] * (x.data.ndim - len(pads)) + list(pads)
        inner = tuple(slice(a, a + n) for n, (a, _) in zip(x.data.shape, sides, strict=True))
        return _made(np.pad(x.data, sides, constant_values=value), (x, lambda d: d[inner]))

    def zeros(self, x: Value, shape: tuple[int, ...]) -> Value:
        whole = x.data.dtype.kind == "i"
        return Value(
            np.zeros((len(x.data), *shape), np.float64 if whole else x.data.dtype), weak=whole
        )

    def to_float(self, x: Value) -> Value:
        return Value(x.data.astype(np.float64), weak=True)

    def one_hot(self, x: Value, size: int) -> Value:
        return Value((x.data[..., None] == np.arange(size)).astype(np.float64), weak=True)


TAPE = Tape()


def _along(axis: int, start: int, stop: int, step: int) -> tuple[slice, ...]:
    return (slice(None),) * axis + (slice(start, stop, step),)


def _taking(place: tuple[slice, ...]) -> Back:
    return lambda d: d[place]


def _rows(x: Array) -> Array:
    return x.reshape(-1, x.shape[-1])


def _sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, small) / (1 + small), dtype=x.dtype)
