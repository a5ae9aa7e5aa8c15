"""A shared formula as a rule of NumPy: recorded on the way forward, read backwards for the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.backends.numpy.calls import Backward, Call, Forward
from unifw.formulas.functional import Formula
from unifw.formulas.tape import TAPE, Value, gradients
from unifw.spec.graph import Placed

__all__ = ["by_formula"]

Array = npt.NDArray[Any]


def by_formula(formula: Formula) -> Any:
    """Return the rule that works a formula out."""

    def rule(placed: Placed) -> Forward:
        applied = formula(placed, TAPE)
        trained = {part: made.trainable for part, made in placed.parts.items()}

        def forward(call: Call) -> tuple[Array, Backward]:
            back = call.training and call.needs_input_gradient
            inputs = tuple(Value(x, learns=back and x.dtype.kind == "f") for x in call.inputs)
            parts = tuple(
                Value(call.weights[part], learns=call.training and learns)
                for part, learns in trained.items()
            )
            y = applied(inputs, parts)

            def backward(dy: Array) -> Any:
                found = gradients(y, dy, (*inputs, *parts))
                pairs = zip(trained, found[len(inputs) :], strict=True)
                grads = {part: grad for part, grad in pairs if grad is not None}
                return tuple(found[: len(inputs)]), grads

            kept = y.data.dtype if placed.dtype == "int" else _float(call)
            return np.asarray(y.data, dtype=kept), backward

        return forward

    return rule


def _float(call: Call) -> Any:
    """Return the session's dtype: that of the weights, or of what comes in."""
    arrays = (*call.weights.values(), *call.inputs)
    return next((a.dtype for a in arrays if a.dtype.kind == "f"), np.dtype(np.float32))
