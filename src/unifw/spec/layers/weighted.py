"""What layers with a weight, and often a bias, share: how these begin and how training holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from unifw.errors import SpecError
from unifw.spec.constraints import constraint
from unifw.spec.initializers import initializer
from unifw.spec.layers.base import Layer, Part, Shape
from unifw.spec.regularizers import regularizer

__all__ = ["Biased", "Weighted"]


@dataclass(frozen=True, repr=False)
class Weighted(Layer):
    """Base of the layers with a weight whose beginning is their field ``weight_init``.

    Parameters
    ----------
    weight_regularizer : str or Regularizer, optional
        What the weight adds to the training loss: ``"l1"``, ``"l2"``, ``L2(0.001)`` …
    weight_constraint : str or Constraint, optional
        What the weight is turned into after each step: ``"non_neg"``, ``MaxNorm(2)`` …
    """

    own: ClassVar[tuple[str, ...]] = ("weight",)

    weight_regularizer: Any = field(default=None, kw_only=True)
    weight_constraint: Any = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.own:
            initializer(getattr(self, f"{name}_init"))
            regularizer(getattr(self, f"{name}_regularizer"))
            constraint(getattr(self, f"{name}_constraint"))

    def part(
        self, name: str, shape: Shape, fans: tuple[int, int], incoming: tuple[int, ...]
    ) -> Part:
        """Return a weight with what the layer's fields say of it.

        ``incoming`` are the axes that lead in to one unit: those of a constraint's norm by default.
        """
        held = constraint(getattr(self, f"{name}_constraint"))
        try:
            held = None if held is None else held.on(shape, incoming)
        except SpecError as err:
            message = f"{self!r}: {name}_constraint: {err}"
            raise SpecError(message) from None
        return Part(
            shape, initializer(getattr(self, f"{name}_init")), fans,
            regularizer=regularizer(getattr(self, f"{name}_regularizer")), constraint=held,
        )  # fmt: skip


@dataclass(frozen=True, repr=False)
class Biased(Weighted):
    """Base of those that may have a bias as well: fields ``bias`` and ``bias_init``.

    Parameters
    ----------
    weight_regularizer, bias_regularizer : str or Regularizer, optional
        What the weights add to the training loss: ``"l1"``, ``"l2"``, ``L2(0.001)`` …
    weight_constraint, bias_constraint : str or Constraint, optional
        What the weights are turned into after each step: ``"non_neg"``, ``MaxNorm(2)`` …
    """

    own: ClassVar[tuple[str, ...]] = ("weight", "bias")

    bias_regularizer: Any = field(default=None, kw_only=True)
    bias_constraint: Any = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        begun = getattr(self, "bias_init", None)
        asked = {
            "bias_init": begun is not None and initializer(begun) != initializer("zeros"),
            "bias_regularizer": self.bias_regularizer is not None,
            "bias_constraint": self.bias_constraint is not None,
        }
        for name in (name for name, given in asked.items() if given and not self.has_bias):
            raise self.refuse(f"{name} needs a bias, but bias is False")

    @property
    def has_bias(self) -> bool:
        """Whether there is a bias to hold."""
        return bool(getattr(self, "bias", True))
