"""The steps of L-BFGS, in float64, over any session: only losses and gradients are the framework's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from unifw.data import Data
from unifw.spec.optimizers import LBFGS
from unifw.weights import Arrays

__all__ = ["advance", "direction", "strong_wolfe"]

Array = npt.NDArray[Any]
Pair = tuple[Array, Array]

DECREASE, CURVATURE = 1e-4, 0.9


class Live(Protocol):
    """What is needed of a session; ``train_batch`` leaves the gradient in the state."""

    def train_batch(
        self, batch: Data, coefficients: tuple[float, ...], masks: Mapping[str, Array]
    ) -> tuple[Any, Sequence[Any]]: ...

    def host(self, value: Any) -> Array: ...

    def weights(self) -> Arrays: ...

    def load(self, weights: Mapping[str, Array]) -> None: ...

    def state(self) -> Arrays: ...

    def load_state(self, state: Mapping[str, Array]) -> None: ...


class Point(NamedTuple):
    """A place on the line that is searched: how far, the loss, its slope along the line, the gradient."""

    far: float
    value: float
    slope: float
    gradient: Array


def advance(
    live: Live, rule: LBFGS, rate: float, batch: Data, masks: Mapping[str, Array]
) -> tuple[Any, Sequence[Any]]:
    """Take one step; return the loss and the outputs before it, as ``Session.train_batch`` does."""
    weights, state = live.weights(), live.state()
    trained = [name for name in weights if f"{name}/gradient" in state]
    start = _joined(weights, trained)
    told: list[tuple[Any, Sequence[Any]]] = []

    def evaluate(at: Array) -> tuple[float, Array]:
        # With the other weights (running statistics) as before the step, so that they change once.
        live.load(weights | _parted(at, weights, trained))
        loss, outs = live.train_batch(batch, (rate,), masks)
        if not told:  # those before the step are wanted, and no others kept
            told.append((loss, outs))
        gradients = live.state()
        slots = {name: gradients[f"{name}/gradient"] for name in trained}
        return float(live.host(loss).reshape(-1)[0]), _joined(slots, trained)

    pairs = _pairs(state, rule, trained)
    value, gradient = evaluate(start)
    if trained:
        along = direction(gradient, pairs)
        first = rate if pairs else rate * min(1.0, 1 / max(float(np.abs(gradient).sum()), 1e-300))

        def look(far: float) -> Point:
            value, gradient = evaluate(start + far * along)
            return Point(far, value, float(gradient @ along), gradient)

        begin = Point(0.0, value, float(gradient @ along), gradient)
        searches = rule.line_search != "none"
        end = strong_wolfe(look, begin, first, rule.evaluations) if searches else look(first)
        found = _parted(start + end.far * along, weights, trained)
        moved, turned = _joined(found, trained) - start, end.gradient - gradient
        if float(moved @ turned) > 1e-10:
            pairs = [(moved, turned), *pairs[: rule.history - 1]]
        live.load(live.weights() | found)
        state |= _named("gradient", _parted(end.gradient, weights, trained))
        live.load_state(_state(state, rule, pairs, found, trained))
    return told[0]


def direction(gradient: Array, pairs: Sequence[Pair]) -> Array:
    """Return where to go: ``-H g`` by the two loops (algorithm 7.4), the newest pair coming first."""
    along = -gradient
    shares = []
    for moved, turned in pairs:
        share = float(moved @ along) / float(moved @ turned)
        along = along - share * turned
        shares.append(share)
    if pairs:
        moved, turned = pairs[0]
        along = along * (float(moved @ turned) / float(turned @ turned))
    for (moved, turned), share in zip(reversed(pairs), reversed(shares), strict=True):
        along = along + (share - float(turned @ along) / float(moved @ turned)) * moved
    return along


def strong_wolfe(look: Callable[[float], Point], begin: Point, first: float, most: int) -> Point:
    """Return a point that meets the strong Wolfe conditions, or the best of those looked at.

    Parameters
    ----------
    look : callable
        Gives the point at a distance.
    begin : Point
        Where the search begins, at 0.
    first : float
        The first distance to try.
    most : int
        How many points may be looked at.
    """
    before, far = begin, first
    if not begin.slope < 0:
        return begin
    for count in range(1, most + 1):
        now = look(far)
        if _is_high(now, begin) or (count > 1 and now.value >= before.value):
            return _zoom(look, begin, before, now, most - count)
        if abs(now.slope) <= -CURVATURE * begin.slope:
            return now
        if now.slope >= 0:
            return _zoom(look, begin, now, before, most - count)
        before, far = now, 2 * far
    return before


def _is_high(now: Point, begin: Point) -> bool:
    # So written, a loss that is no number counts as high.
    return not now.value <= begin.value + DECREASE * now.far * begin.slope


def _zoom(
    look: Callable[[float], Point], begin: Point, low: Point, high: Point, most: int
) -> Point:
    """Return a point between two, of which ``low`` is the better (algorithm 3.6)."""
    for _ in range(most):
        now = look(_between(low, high))
        if _is_high(now, begin) or now.value >= low.value:
            high = now
            continue
        if abs(now.slope) <= -CURVATURE * begin.slope:
            return now
        if now.slope * (high.far - low.far) >= 0:
            high = low
        low = now
    return low


def _between(low: Point, high: Point) -> float:
    """Return where the parabola through ``low``, with its slope, and ``high`` is least, or the middle."""
    width = high.far - low.far
    bend = high.value - low.value - low.slope * width
    share = -low.slope * width / (2 * bend) if np.isfinite(bend) and bend > 0 else 0.5
    return low.far + width * min(max(share, 0.1), 0.9)


# ------------------------------------------------------------------------ arrays


def _joined(arrays: Mapping[str, Array], names: Sequence[str]) -> Array:
    flat = [arrays[name].reshape(-1).astype(np.float64) for name in names]
    return np.concatenate(flat) if flat else np.zeros(0)


def _parted(flat: Array, like: Mapping[str, Array], names: Sequence[str]) -> Arrays:
    """Turn one array back into those of each name, in the type of the weights."""
    ends = np.cumsum([like[name].size for name in names])
    parts = np.split(flat, ends[:-1]) if names else []
    return {
        name: part.reshape(like[name].shape).astype(like[name].dtype)
        for name, part in zip(names, parts, strict=True)
    }


def _named(kind: str, arrays: Arrays) -> Arrays:
    return {f"{name}/{kind}": array for name, array in arrays.items()}


def _pairs(state: Arrays, rule: LBFGS, names: Sequence[str]) -> list[Pair]:
    """Return the pairs in the state; one of zeros is none."""
    found = []
    for number in range(1, rule.history + 1):
        moved, turned = (
            _joined({name: state[f"{name}/{kind}_{number}"] for name in names}, names)
            for kind in ("moved", "turned")
        )
        if float(moved @ turned) > 0:
            found.append((moved, turned))
    return found


def _state(
    state: Arrays, rule: LBFGS, pairs: Sequence[Pair], weights: Arrays, names: Sequence[str]
) -> Arrays:
    """Return the state after a step, from that before it."""
    for number, pair in enumerate(pairs, start=1):
        for kind, flat in zip(("moved", "turned"), pair, strict=True):
            state |= _named(f"{kind}_{number}", _parted(flat, weights, names))
    if rule.ema is not None:
        # Counted from the state before the step: every loss looked at has gone into the session's own.
        for name in names:
            held = state[f"{name}/average"]
            state[f"{name}/average"] = held * rule.ema + weights[name] * (1 - rule.ema)
    return state
