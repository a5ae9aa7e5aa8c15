"""Mixed precision in one compiled step: products in half, and an update only where nothing overflowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mindspore
import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops

from unifw.backends.mindspore.cells import Rule
from unifw.backends.mindspore.losses import Judged
from unifw.backends.mindspore.training import TrainStep
from unifw.backends.mixed import LossScale, halved
from unifw.rules import Rules
from unifw.spec.graph import Placed
from unifw.weights import FIRST_SCALE, LOSS_SCALE

__all__ = ["MixedStep", "Scaled", "loss_scale", "mixed"]


def loss_scale() -> Parameter:
    """Return the loss's scale and its good steps, as the compiled step holds them."""
    first = Tensor(np.array(FIRST_SCALE, dtype=np.float32))
    return Parameter(first, name=LOSS_SCALE, requires_grad=False)


def mixed(rules: Rules) -> Rules:
    """Return the table for a training step in mixed precision: the same cells, some of them in half."""
    return halved(rules, _in_half, "backend 'mindspore' in mixed precision")


class Half(nn.Cell):
    """A rule's cell, in float16 inside: what comes out is float32, as are the weights and their gradients.

    Not in bfloat16, for which Im2Col and Transpose, part of them, have no kernels on CPU (mindspore 2.10).
    """

    def __init__(self, cell: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.cell = cell
        # Not Cell.to_float: it leaves the weights of products in float32, which MatMulExt then refuses
        # (mindspore 2.10).
        for _, part in cell.cells_and_names():
            part.is_half = True

    def construct(self, inputs: Any, masks: Any) -> Any:  # noqa: ARG002
        half: Any = ()
        for x in inputs:
            half += (ops.cast(x, mindspore.float16),)
        return ops.cast(self.cell(half, ()), mindspore.float32)


def _in_half(rule: Callable[..., Rule]) -> Callable[..., nn.Cell]:
    def built(placed: Placed, parts: Any, *, training: bool) -> nn.Cell:
        cell = rule(placed, parts, training=training)
        return Half(cell) if training else cell

    return built


class Scaled(nn.Cell):
    """``Judged`` with the scaled loss first, whose gradient is taken; the loss itself follows the outputs."""

    def __init__(self, judged: Judged, scale: Parameter) -> None:
        super().__init__(auto_prefix=False)
        self.judged, self.scale = judged, scale

    def construct(self, xs: Any, ys: Any, shares: Any, masks: Any) -> Any:
        loss, outs = self.judged(xs, ys, shares, masks)
        return loss * self.scale[0], (*outs, loss)


class MixedStep(TrainStep):
    """One whole step over a ``Scaled`` loss; an overflow leaves all as it was, but for the scale.

    Parameters
    ----------
    scale : Parameter
        That of ``loss_scale``.
    running : list of Parameter
        The weights that do not learn: a pass changes them before an overflow is known.
    *step
        What ``TrainStep`` takes.
    """

    def __init__(self, scale: Parameter, running: list[Parameter], *step: Any) -> None:
        super().__init__(*step)
        self.scale, self.running = scale, ParameterTuple(running)
        self.running_count = len(running)
        self.least, self.most, self.patience = LossScale.LEAST, LossScale.MOST, LossScale.PATIENCE

    def construct(self, coefficients: Any, *arrays: Any) -> Any:
        before: Any = ()
        for i in range(self.running_count):
            # ops.identity would be the parameter itself, with what is written later (mindspore 2.10).
            before += (ops.deepcopy(self.running[i]),)
        if self.running_count > 0:
            # Else a pass may write them before they are copied.
            given: Any = ()
            for array in arrays:
                given += (ops.depend(array, before),)
            arrays = given
        (_, outs), scaled = self.passes(*arrays)
        loss, outs = outs[-1], outs[:-1]
        if self.count == 0:
            return loss, outs
        grads: Any = ()
        fine = Tensor(True)
        for grad in scaled:
            grads += (grad / self.scale[0],)
            fine = ops.logical_and(fine, ops.all(ops.isfinite(grads[-1])))
        if fine:
            self.update(coefficients, grads)
        else:
            for i in range(self.running_count):
                ops.assign(self.running[i], before[i])
        ops.assign(self.scale, self.next(fine))
        self.follow()
        return loss, outs

    def next(self, fine: Any) -> Any:
        """Return the scale and the good steps after this one; ``LossScale`` in a graph's words."""
        value, good = self.scale[0], ops.where(fine, self.scale[1] + 1, 0.0)
        due = good == self.patience
        more = ops.where(due, ops.minimum(value * 2, self.most), value)
        less = ops.maximum(value / 2, self.least)
        return ops.stack((ops.where(fine, more, less), ops.where(due, 0.0, good)))
