"""The steps of a recurrent layer in MegEngine, and their way back.

In a step an operation costs more than its work, so there are as few as can be; what of the way back does not
depend on later steps is worked out for all steps at once. Arrays are ``(time * n, …)``, step after step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import megengine.functional as F

__all__ = ["GRU", "LSTM", "PARTS", "Cell", "Counts", "Rectified", "Simple"]

PARTS = ("weight", "recurrent_weight", "bias", "recurrent_bias")


class Counts:
    """Which steps count, by the lengths of the series.

    Parameters
    ----------
    lengths : Tensor of shape (n,) or (n, 1)
        Of the series.
    steps : Tensor of shape (time, 1)
        The steps' numbers.

    Attributes
    ----------
    all : Tensor of shape (time * n, 1)
        1 where a step counts, else 0.
    others : list of Tensor of shape (n, 1)
        By position, 1 where the step does not count, else 0.
    """

    def __init__(self, lengths: Any, steps: Any) -> None:
        time = steps.shape[0]
        self.all = (steps < lengths.reshape(1, -1)).astype("float32").reshape(-1, 1)
        self.others = F.split(1.0 - self.all, time, 0)
        self._each = F.split(self.all, time, 0)

    def kept(self, t: int, new: Any, old: Any) -> Any:
        """Return a state after a step: where that does not count, the state before."""
        return new * self._each[t] + old * self.others[t]


class Cell:
    """The steps of one reading, and their way back.

    Parameters
    ----------
    held : mapping of str to Tensor
        Its weights, by the names in ``PARTS``.
    order : sequence of int
        The positions, in the order in which they are read.
    counts : Counts, optional
        Which steps count, if not all.
    """

    # Values in the state; the first is the output.
    states = 1

    def __init__(
        self, held: Mapping[str, Any], order: Sequence[int], counts: Counts | None
    ) -> None:
        self.held, self.order, self.counts = held, order, counts
        self.recurrent = held["recurrent_weight"]
        self.units = self.recurrent.shape[0]
        # By position, the state and what else the way back needs.
        self._left: dict[int, tuple[Any, ...]] = {}

    def given(self, x: Any) -> Any:
        """Return what inputs and bias add to the gates, at all positions."""
        y = F.matmul(x, self.held["weight"])
        return y + self.held["bias"] if "bias" in self.held else y

    def step(self, given: Any, state: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Return the new state, and what else the way back needs."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Work out for all steps at once what of the way back does not depend on later steps."""
        raise NotImplementedError

    def spread(self, t: int, gradient: Any) -> tuple[Any, Any]:
        """Return the gradient of the recurrent product, and what of the state's own comes besides."""
        raise NotImplementedError

    def of_given(self, beside: Any) -> Any:
        """Return the gradient of what inputs and bias add, from those of the recurrent products."""
        return beside

    def read(self, given: Sequence[Any], *, keep: bool) -> list[Any]:
        """Return the outputs by position, from what inputs and bias add to the gates at each."""
        zeros = F.zeros((given[0].shape[0], self.units), device=given[0].device)
        state = (zeros,) * self.states
        outs: dict[int, Any] = {}
        for t in self.order:
            new, more = self.step(given[t], state)
            if self.counts is not None:
                pairs = zip(new, state, strict=True)
                new = tuple([self.counts.kept(t, value, old) for value, old in pairs])
            if keep:
                self._left[t] = (*state, *new, *more)
            outs[t], state = new[0], new
        return [outs[t] for t in range(len(given))]

    def left(self, place: int) -> Any:
        """Return one of the values that are left, of all positions."""
        return F.concat([self._left[t][place] for t in range(len(self.order))], 0)

    def counted(self, values: Any) -> Any:
        """Return values of all positions, zeros where a step does not count."""
        return values if self.counts is None else values * self.counts.all

    def parted(self, values: Any) -> list[Any]:
        """Return values of all positions, each by itself."""
        return F.split(values, len(self.order), 0)

    def back(self, into: Sequence[Any] | None, last: Any) -> tuple[Any, Any]:
        """Return the gradients of what was given and of the recurrent products, of all positions.

        ``into`` is that of the outputs by position, or ``last`` that of the last state.
        """
        self.prepare()
        found: dict[int, Any] = {}
        past = last
        for t in reversed(self.order):
            gradient = past if into is None else into[t] if past is None else past + into[t]
            found[t], direct = self.spread(t, gradient)
            past = F.matmul(found[t], self.recurrent, transpose_b=True)
            past = past if direct is None else past + direct
        beside = F.concat([found[t] for t in range(len(self.order))], 0)
        return self.of_given(beside), beside


class Simple(Cell):
    """``h = tanh(…)``, or ReLU in place of it."""

    bent = True

    def step(self, given: Any, state: tuple[Any, ...]) -> Any:
        y = given + F.matmul(state[0], self.recurrent)
        return (F.tanh(y) if self.bent else F.relu(y),), ()

    def prepare(self) -> None:
        y = self.left(1)
        self._slopes = self.parted(self.counted(1.0 - y * y if self.bent else F.sign(y)))

    def spread(self, t: int, gradient: Any) -> Any:
        direct = None if self.counts is None else gradient * self.counts.others[t]
        return gradient * self._slopes[t], direct


class Rectified(Simple):
    """By ReLU."""

    bent = False


class LSTM(Cell):
    """``c = f * c + i * g``, ``h = o * tanh(c)``."""

    states = 2

    def step(self, given: Any, state: tuple[Any, ...]) -> Any:
        gates = given + F.matmul(state[0], self.recurrent)
        # One operation bends all gates; that g is bent otherwise costs less than to leave it out.
        bent = F.sigmoid(gates)
        i, forget, _, o = F.split(bent, 4, 1)
        g = F.tanh(gates[:, 2 * self.units : 3 * self.units])
        cell = forget * state[1] + i * g
        return (o * F.tanh(cell), cell), (bent, g)

    def prepare(self) -> None:
        old, cell, bent, g = (self.left(place) for place in (1, 3, 4, 5))
        i, forget, _, o = F.split(bent, 4, 1)
        to_i, to_f, _, to_o = F.split(bent * (1.0 - bent), 4, 1)
        cell = F.tanh(cell)
        slopes = F.concat([g * to_i, old * to_f, i * (1.0 - g * g), cell * to_o], 1)
        self._slopes = self.parted(self.counted(slopes))
        self._to_cell = self.parted(o * (1.0 - cell * cell))
        # Times 1, so that each step's lies in one piece.
        self._forget = self.parted(forget * 1.0 if self.counts is None else self.counted(forget))
        self._carried: Any = None

    def spread(self, t: int, gradient: Any) -> Any:
        to_cell, carried = gradient * self._to_cell[t], self._carried
        to_cell = to_cell if carried is None else to_cell + carried
        found = F.concat([to_cell, to_cell, to_cell, gradient], 1) * self._slopes[t]
        self._carried, direct = to_cell * self._forget[t], None
        if self.counts is not None:
            direct = gradient * self.counts.others[t]
            if carried is not None:
                self._carried = self._carried + carried * self.counts.others[t]
        return found, direct


class GRU(Cell):
    """``h = n + z * (h - n)``, the reset after the product."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._row: Any = None
        bias = self.held.get("recurrent_bias")
        if bias is not None:
            zeros = F.zeros(2 * self.units, device=bias.device)
            self._row = F.concat([zeros, bias], 0).reshape(1, -1)
        self._gradients: dict[int, Any] = {}

    def step(self, given: Any, state: tuple[Any, ...]) -> Any:
        past = F.matmul(state[0], self.recurrent)
        past = past if self._row is None else past + self._row
        places = [2 * self.units]
        (both, inner), (both_past, old) = F.split(given, places, 1), F.split(past, places, 1)
        bent = F.sigmoid(both + both_past)
        r, z = F.split(bent, 2, 1)
        n = F.tanh(inner + r * old)
        return (n + z * (state[0] - n),), (bent, n, old)

    def prepare(self) -> None:
        before, bent, n, old = (self.left(place) for place in (0, 2, 3, 4))
        r, z = F.split(bent, 2, 1)
        to_r, to_z = F.split(bent * (1.0 - bent), 2, 1)
        to_n = (1.0 - z) * (1.0 - n * n)
        rest = [to_n * old * to_r, (before - n) * to_z]
        self._of_given = self.counted(F.concat([*rest, to_n], 1))
        self._slopes = self.parted(self.counted(F.concat([*rest, to_n * r], 1)))
        kept = z * 1.0 if self.counts is None else 1.0 - self.counted(1.0 - z)
        self._kept = self.parted(kept)

    def spread(self, t: int, gradient: Any) -> Any:
        self._gradients[t] = gradient
        return F.concat([gradient] * 3, 1) * self._slopes[t], gradient * self._kept[t]

    def of_given(self, beside: Any) -> Any:
        del beside
        gradient = F.concat([self._gradients[t] for t in range(len(self.order))], 0)
        return F.concat([gradient] * 3, 1) * self._of_given
