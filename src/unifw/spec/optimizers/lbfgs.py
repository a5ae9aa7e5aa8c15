"""Limited-memory BFGS: what curvature it has seen lies in its slots; ``unifw.quasi_newton`` takes its steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from unifw.spec import check
from unifw.spec.optimizers.base import Ops, Optimizer, Rate, Updated

__all__ = ["LBFGS"]


@dataclass(frozen=True, repr=False)
class LBFGS(Optimizer):
    """L-BFGS over the whole data (Nocedal & Wright, 2006, algorithms 7.4 and 7.5; first steps as in PyTorch).

    Each step goes along ``-H g``, ``H`` being built from the last ``history`` pairs of changes of the
    weights and of the gradient; a pair counts if their product is above 1e-10. The step is as long
    as the learning rate says (the first one ``min(1, 1 / sum(|g|))`` of it), or from there on is looked
    for until it meets the strong Wolfe conditions with 1e-4 and 0.9 (algorithms 3.5 and 3.6).

    The search is worked out in float64 outside the framework, the same everywhere; losses and gradients are
    the framework's. One step may need several of them; dropout masks are the same for all, and running
    statistics take one batch in. ``fit`` needs ``batch_size`` to hold all rows.

    Parameters
    ----------
    learning_rate : float or Schedule
        Length of the step, or the first one tried; default 1.
    history : int
        How many pairs are kept; default 10.
    line_search : {"strong_wolfe", "none"}
        Default ``"strong_wolfe"``.
    evaluations : int
        Losses that a search may take at most; default 25.
    """

    full_batch: ClassVar[bool] = True

    learning_rate: Rate = 1.0
    history: int = 10
    line_search: str = "strong_wolfe"
    evaluations: int = 25

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normalise(
            history=check.count("history", self.history),
            evaluations=check.count("evaluations", self.evaluations),
        )
        check.choice("line_search", self.line_search, ("strong_wolfe", "none"))
        if self.clip_norm is not None or self.clip_value is not None:
            raise self.refuse("its search needs the gradients as they are, not clipped")
        if self.groups:
            raise self.refuse("its step is one for all weights, without groups")
        if self.accumulate > 1:
            raise self.refuse("its step takes the whole data, so there is nothing to accumulate")

    @property
    def slots(self) -> tuple[str, ...]:
        pairs = ((f"moved_{n}", f"turned_{n}") for n in range(1, self.history + 1))
        return ("gradient", *(name for pair in pairs for name in pair))

    def update(self, ops: Ops, weight: Any, grad: Any, slots: Any, coef: Any) -> Updated:
        # The framework only works the gradient out; where the weights go is decided outside.
        kept: tuple[Any, ...] = (grad * 1.0,)
        for k in range(1, len(slots)):
            kept += (slots[k],)
        return weight, kept
