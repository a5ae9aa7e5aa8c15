"""What a layer is: a frozen value that knows the shapes it makes and the weights it needs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from unifw.errors import ShapeError, SpecError
from unifw.spec import check
from unifw.spec.constraints import Constraint
from unifw.spec.initializers import Initializer
from unifw.spec.regularizers import Regularizer
from unifw.spec.symbol import Symbol, connect
from unifw.spec.value import Value

__all__ = ["Layer", "Part", "Shape", "channels"]

Shape = tuple[int, ...]

_SPATIAL = {0: (), 1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


class Part(NamedTuple):
    """One weight of a layer: its shape, how it begins, and whether and how training changes it."""

    shape: Shape
    init: Initializer
    fans: tuple[int, int] = (1, 1)
    trainable: bool = True
    regularizer: Regularizer | None = None
    constraint: Constraint | None = None


@dataclass(frozen=True, repr=False)
class Layer(Value):
    """Base of all layers.

    Shapes leave the batch axis out. Calling a layer on symbols (``uf.Input`` or the result of
    another layer) connects it; calling the *same object* again shares its weights.

    Parameters
    ----------
    name : str, optional
        The layer's name in the net; made from its class when left out.
    trainable : bool
        Whether training changes its weights; default ``True``. A frozen ``BatchNorm`` also acts in
        training as in evaluation. ``net.frozen("conv*")`` freezes layers of a whole net.
    """

    family: ClassVar[str] = "layer"
    # What it reads: one dtype for all of its inputs ("any": all alike), or one for each.
    takes: ClassVar[str | tuple[str, ...]] = "float"
    gives: ClassVar[str] = "float"
    arity: ClassVar[tuple[int, int | None]] = (1, 1)

    name: str | None = field(default=None, kw_only=True)
    trainable: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        if self.name is not None and not re.fullmatch(r"[A-Za-z_][\w-]*", str(self.name)):
            message = f"a layer's name is made of letters, digits, _ and -, got {self.name!r}"
            raise SpecError(message)
        check.flag("trainable", self.trainable)

    def out_shape(self, *shapes: Shape) -> Shape:
        """Return the output shape for these input shapes, or raise ``ShapeError``."""
        return shapes[0]

    def parts(self, *shapes: Shape) -> dict[str, Part]:
        """Return the weights needed for these input shapes, by part name, as if all were trained."""
        del shapes
        return {}

    def reads(self, count: int) -> tuple[str, ...]:
        """Return the dtype of each of so many inputs: ``"float"``, ``"int"`` or ``"any"``."""
        return (self.takes,) * count if isinstance(self.takes, str) else self.takes[:count]

    def index_limit(self, place: int, *shapes: Shape) -> int | None:
        """Return below which number the whole numbers of an input must stay; ``None`` for any."""
        del place, shapes
        return None

    def __call__(self, *inputs: Any) -> Symbol:
        return connect(self, inputs)

    @classmethod
    def stem(cls) -> str:
        """Return the class name in snake case, as unnamed layers are called."""
        return re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", cls.__name__).lower()


def channels(shape: Shape, spatial: int | None = None) -> int:
    """Return the channel count of ``(channels, *spatial)``, checking the number of axes."""
    if spatial is not None and len(shape) != spatial + 1:
        axes = ", ".join(["channels", *_SPATIAL[spatial]])
        message = f"needs input of shape ({axes}), channels first, got {shape}"
        if len(shape) == spatial:
            message += f"; use input_shape=(1, {', '.join(map(str, shape))})"
        raise ShapeError(message)
    if not shape:
        message = "needs at least a channel axis"
        raise ShapeError(message)
    return shape[0]
