"""The handle that calling a layer returns, for nets with branches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from unifw.errors import ShapeError, SpecError
from unifw.spec import check

if TYPE_CHECKING:
    from unifw.spec.layers.base import Layer

__all__ = ["Symbol", "connect", "operator", "placeholder"]

Shape = tuple[int, ...]
Made = TypeVar("Made", bound=Callable[..., Any])

# What an operator makes of symbols; layers are above this module, so they are put in from there.
_OPERATORS: dict[str, Callable[..., Any]] = {}


def operator(sign: str) -> Callable[[Made], Made]:
    """Let the decorated function say what an operator makes of a symbol (and what it meets)."""

    def remember(function: Made) -> Made:
        _OPERATORS[sign] = function
        return function

    return remember


class Symbol:
    """The output of a layer in a net under construction.

    Symbols are added, subtracted, multiplied and divided, with each other and with numbers, multiplied
    as matrices (``x @ y``), raised to a fixed power (``x ** 2``), negated, made positive (``abs(x)``) and
    cut (``x[:, 2:5]``, ``x[..., 0]``; the batch, axis 0, stays whole). Each gives another symbol, made by
    a layer. Two symbols are equal only if they are one.

    Attributes
    ----------
    shape : tuple of int
        Its shape without the batch axis.
    dtype : str
        ``"float"`` or ``"int"``.
    """

    __slots__ = ("dtype", "label", "layer", "parents", "shape")
    # NumPy must leave ``number * symbol`` to the symbol.
    __array_ufunc__ = None
    # With an index alone, Python would take it for a sequence without an end.
    __iter__ = None
    __contains__ = None

    def __init__(
        self,
        layer: Layer | None,
        parents: tuple[Symbol, ...],
        shape: Shape,
        dtype: str,
        label: str | None = None,
    ) -> None:
        self.layer, self.parents = layer, parents
        self.shape, self.dtype, self.label = shape, dtype, label

    def __repr__(self) -> str:
        return f"<{self.label or self.layer or 'Input'} of shape {self.shape}, {self.dtype}>"

    def __add__(self, other: Any) -> Symbol:
        return _made("+", self, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Symbol:
        return _made("-", self, other)

    def __rsub__(self, other: Any) -> Symbol:
        return _made("reflected -", self, other)

    def __mul__(self, other: Any) -> Symbol:
        return _made("*", self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Symbol:
        return _made("/", self, other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return _made("reflected /", self, other)

    def __matmul__(self, other: Any) -> Symbol:
        return _made("@", self, other)

    def __pow__(self, exponent: float) -> Symbol:
        return _made("**", self, exponent)

    def __neg__(self) -> Symbol:
        return _made("unary -", self)

    def __abs__(self) -> Symbol:
        return _made("abs", self)

    def __getitem__(self, index: Any) -> Symbol:
        return _made("[]", self, index)


def _made(sign: str, *operands: Any) -> Symbol:
    made: Symbol = _OPERATORS[sign](*operands)
    return made


def placeholder(shape: Any, dtype: str = "float", name: str | None = None) -> Symbol:
    """Declare an input of a net; public as ``uf.Input``.

    Parameters
    ----------
    shape : int or tuple of int
        Shape of one sample, without the batch axis; images are ``(channels, height, width)``.
    dtype : {"float", "int"}
        ``"int"`` for indices that go into an ``Embedding``.
    name : str, optional
        Its name in the net and in exported files; ``input``, ``input_1`` … when left out.
    """
    return Symbol(
        None, (), check.shape("shape", shape), check.choice("dtype", dtype, ("float", "int")), name
    )


def connect(layer: Layer, inputs: tuple[Any, ...]) -> Symbol:
    """Apply a layer to symbols, checking number, dtype and shapes at once."""
    if len(inputs) == 1 and isinstance(inputs[0], (tuple, list)):
        inputs = tuple(inputs[0])
    for given in inputs:
        if not isinstance(given, Symbol):
            message = (
                f"{layer!r} is called on the result of uf.Input or of a layer, not on {given!r}"
            )
            raise SpecError(message)
    least, most = layer.arity
    if len(inputs) < least or (most is not None and len(inputs) > most):
        wants = f"{least}" if most == least else f"at least {least}"
        wants = wants if most in (None, least) else f"{least} to {most}"
        message = f"{layer!r} takes {wants} input(s), got {len(inputs)}"
        raise SpecError(message)
    for given, dtype in zip(inputs, layer.reads(len(inputs)), strict=True):
        if dtype not in ("any", given.dtype):
            message = f"{layer!r} takes {dtype} input, got {given!r}; {_mend(dtype)}"
            raise SpecError(message)
    if layer.takes == "any" and len({given.dtype for given in inputs}) > 1:
        message = f"{layer!r} joins int and float inputs; pass the ints through an Embedding first"
        raise SpecError(message)
    try:
        shape = layer.out_shape(*(given.shape for given in inputs))
    except ShapeError as err:
        message = f"{layer!r} on {', '.join(str(given.shape) for given in inputs)}: {err}"
        raise ShapeError(message) from None
    dtype = inputs[0].dtype if layer.gives == "same" else "float"
    return Symbol(layer, tuple(inputs), shape, dtype)


def _mend(takes: str) -> str:
    if takes == "int":
        return "declare it with uf.Input(shape, dtype='int') or Sequential(..., input_dtype='int')"
    return "pass indices through an Embedding first"
