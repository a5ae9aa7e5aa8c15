"""Losses as formulas: outputs and targets to one value per place, or per sample; samples first.

Targets of classes come in the shape of the outputs, as ``wanted`` makes them. All hold at kinks: what is
compared passes no gradient on, so every framework has the same there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from unifw.formulas.derived import magnitude
from unifw.formulas.functional import Functional
from unifw.rules import Rules
from unifw.spec import losses as S
from unifw.spec.losses.base import along_classes

__all__ = ["Judge", "LossFormula", "loss_formulas", "wanted"]

# (outputs, targets) -> values. The width of padded labels is the one shape that is read in it.
Judge = Callable[[Any, Any], Any]
# (loss, shape of one output without the batch, vocabulary) -> Judge
LossFormula = Callable[[Any, tuple[int, ...], Functional], Judge]

loss_formulas = Rules("unifw's formulas of losses")


def wanted(loss: S.Loss, shape: tuple[int, ...], f: Functional) -> Callable[[Any], Any]:
    """Return what turns class numbers, without the class axis, into ones at those classes."""
    axis, order = along_classes(loss, len(shape) + 1)
    size = shape[axis - 1]

    def spread(target: Any) -> Any:
        return f.transpose(f.one_hot(target, size), order)

    return spread


# ------------------------------------------------------------------------ helpers


def _positive(f: Functional) -> Any:
    """Return ``max(x, 0)``, with gradient 0 at 0."""

    def positive(x: Any) -> Any:
        return f.where(x > 0, x, x * 0.0)

    return positive


def _log_softmax(f: Functional, axis: int) -> Any:
    def log_softmax(x: Any) -> Any:
        shifted = x - f.amax(x, (axis,), True)
        return shifted - f.log(f.sum(f.exp(shifted), (axis,), True))

    return log_softmax


def _place(loss: S.Loss, shape: tuple[int, ...]) -> tuple[int]:
    return (loss.place(len(shape) + 1),)


# ------------------------------------------------------------------------ values


@loss_formulas(S.SmoothL1)
def smooth_l1(loss: S.SmoothL1, shape: tuple[int, ...], f: Functional) -> Judge:
    del shape
    beta, size = loss.beta, magnitude(f)

    def applied(out: Any, target: Any) -> Any:
        apart = out - target
        far = size(apart)
        return f.where(far <= beta, apart * apart * (0.5 / beta), far - beta / 2)

    return applied


@loss_formulas(S.LogCosh)
def log_cosh(loss: S.LogCosh, shape: tuple[int, ...], f: Functional) -> Judge:
    del loss, shape
    half = math.log(2.0)

    def applied(out: Any, target: Any) -> Any:
        apart = out - target
        return apart + f.softplus(apart * -2.0) - half

    return applied


@loss_formulas(S.Poisson)
def poisson(loss: S.Poisson, shape: tuple[int, ...], f: Functional) -> Judge:
    del shape
    log_input = loss.log_input

    def applied(out: Any, target: Any) -> Any:
        if log_input:
            return f.exp(out) - target * out
        return out - target * f.log(out + 1e-7)

    return applied


@loss_formulas(S.Hinge, S.SquaredHinge)
def hinge(loss: S.Loss, shape: tuple[int, ...], f: Functional) -> Judge:
    del shape
    squared, positive = isinstance(loss, S.SquaredHinge), _positive(f)

    def applied(out: Any, target: Any) -> Any:
        # The right side of 0 and of -1 is the same.
        lacking = positive(1.0 - f.where(target > 0, out, out * -1.0))
        return lacking * lacking if squared else lacking

    return applied


# ------------------------------------------------------------------------ classes


@loss_formulas(S.CategoricalHinge)
def categorical_hinge(loss: S.CategoricalHinge, shape: tuple[int, ...], f: Functional) -> Judge:
    axes, positive = _place(loss, shape), _positive(f)

    def applied(out: Any, target: Any) -> Any:
        others = out * (1.0 - target)
        best = f.amax(others, axes, True)
        # The largest once more, as a mean over those that are it, for amax has no gradient.
        first = f.where(others >= best, others * 0.0 + 1.0, others * 0.0)
        first = f.detach(first)
        most = f.sum(first * others, axes, False) / f.sum(first, axes, False)
        return positive(most - f.sum(target * out, axes, False) + 1.0)

    return applied


@loss_formulas(S.KLDiv)
def kl_div(loss: S.KLDiv, shape: tuple[int, ...], f: Functional) -> Judge:
    axes, from_logits = _place(loss, shape), loss.from_logits
    log_softmax = _log_softmax(f, axes[0])

    def applied(out: Any, target: Any) -> Any:
        log_q = log_softmax(out) if from_logits else out
        # Where a probability is 0, the logarithm of 1 stands for its own.
        log_p = f.log(f.where(target > 0, target, target * 0.0 + 1.0))
        return f.sum(target * f.where(target > 0, log_p - log_q, 0.0), axes, False)

    return applied


@loss_formulas(S.NLL)
def nll(loss: S.NLL, shape: tuple[int, ...], f: Functional) -> Judge:
    axes = _place(loss, shape)

    def applied(out: Any, target: Any) -> Any:
        # What is not wanted may have the logarithm of 0.
        return f.sum(target * f.where(target > 0, out, 0.0), axes, False) * -1.0

    return applied


@loss_formulas(S.CategoricalFocal)
def categorical_focal(loss: S.CategoricalFocal, shape: tuple[int, ...], f: Functional) -> Judge:
    axes, gamma, alpha = _place(loss, shape), loss.gamma, loss.alpha
    log_softmax = _log_softmax(f, axes[0])

    def applied(out: Any, target: Any) -> Any:
        log_p = log_softmax(out)
        values = target * log_p
        if gamma > 0:
            rest = 1.0 - f.exp(log_p)
            # Where nothing is left, the power of 1 stands for that of 0, whose slope may be endless.
            none = rest * 0.0
            there = f.detach(f.where(rest > 0, none + 1.0, none))
            power = f.exp(f.log(f.where(there > 0, rest, none + 1.0)) * gamma)
            values = values * power * there
        return f.sum(values, axes, False) * -alpha

    return applied


@loss_formulas(S.BinaryFocal)
def binary_focal(loss: S.BinaryFocal, shape: tuple[int, ...], f: Functional) -> Judge:
    del shape
    gamma, alpha = loss.gamma, loss.alpha

    def applied(out: Any, target: Any) -> Any:
        # -log(p) and -log(1 - p): powers of p are exponentials of them, exact at both ends.
        yes, no = f.softplus(out * -1.0), f.softplus(out)
        hit, miss = target * yes * alpha, (1.0 - target) * no * (1.0 - alpha)
        if gamma > 0:
            hit, miss = hit * f.exp(no * -gamma), miss * f.exp(yes * -gamma)
        return hit + miss

    return applied


# ------------------------------------------------------------------------ sequences

# The logarithm of a probability of 0: far below all others, and yet their sums are finite.
NEVER = -1e30


@loss_formulas(S.CTC)
def ctc(loss: S.CTC, shape: tuple[int, ...], f: Functional) -> Judge:
    time, classes = shape
    blank = loss.blank
    log_softmax = _log_softmax(f, 2)

    def between(blanks: Any, labels: Any, shape: Any) -> Any:
        """Return blanks and labels in turn along the last axis, which begins and ends with a blank."""
        count = shape[-1]
        wide = f.reshape(labels, (*shape, 1))
        pairs = f.concat((wide * 0.0 + f.reshape(blanks, (*shape[:-1], 1, 1)), wide), len(shape))
        flat = f.reshape(pairs, (*shape[:-1], 2 * count))
        return f.concat((flat, blanks), len(shape) - 1)

    def step(emitted: Any, t: int, count: int) -> Any:
        return f.reshape(f.cut(emitted, 1, t, t + 1, 1), (-1, 2 * count + 1))

    def summed(a: Any, b: Any, c: Any) -> Any:
        """Return the logarithm of the sum of three exponentials."""
        top = f.detach(f.where(a > b, a, b))
        top = f.where(top > c, top, f.detach(c))
        return top + f.log(f.exp(a - top) + f.exp(b - top) + f.exp(c - top))

    def applied(out: Any, target: Any) -> Any:
        count = target.shape[1]
        log_p = log_softmax(out)
        # Rows of zeros where labels are filled up: -1 becomes class 0, which is cut off.
        ones = f.cut(f.one_hot(target + 1, classes + 1), 2, 1, classes + 1, 1)
        labelled = f.matmul(log_p, f.transpose(ones, (0, 2, 1)))
        blanks = f.cut(log_p, 2, blank, blank + 1, 1)
        emitted = between(blanks, labelled, (-1, time, count))

        there = f.sum(ones, (2,), False)
        none = f.zeros(out, (1,))
        # A blank between two labels may be left out, unless the labels are the same.
        same = none + 1.0
        last = there
        if count > 1:
            before, after = f.cut(ones, 1, 0, count - 1, 1), f.cut(ones, 1, 1, count, 1)
            same = f.concat((same, f.sum(before * after, (2,), False)), 1)
            last = there - f.concat((f.cut(there, 1, 1, count, 1), none), 1)
        skipping = between(none + NEVER, same * NEVER, (-1, count))
        # An alignment ends at the last label, or at the blank behind it: one state later.
        ends = between(none, last, (-1, count))
        ends = ends + f.concat((1.0 - f.cut(there, 1, 0, 1, 1), f.cut(ends, 1, 0, 2 * count, 1)), 1)

        reached = f.concat((f.zeros(out, (2,)), f.zeros(out, (2 * count - 1,)) + NEVER), 1) + step(
            emitted, 0, count
        )
        for t in range(1, time):
            once = f.concat((none + NEVER, f.cut(reached, 1, 0, 2 * count, 1)), 1)
            twice = f.concat(
                (none + NEVER, none + NEVER, f.cut(reached, 1, 0, 2 * count - 1, 1)), 1
            )
            reached = summed(reached, once, twice + skipping) + step(emitted, t, count)
        whole = reached + (1.0 - ends) * NEVER
        top = f.amax(whole, (1,), True)
        total = f.log(f.sum(f.exp(whole - top), (1,), True)) + top
        return total * -1.0

    return applied


# ------------------------------------------------------------------------ vectors


@loss_formulas(S.CosineSimilarity)
def cosine_similarity(loss: S.CosineSimilarity, shape: tuple[int, ...], f: Functional) -> Judge:
    axes = _place(loss, shape)

    def applied(out: Any, target: Any) -> Any:
        a, b = f.sum(out * out, axes, False), f.sum(target * target, axes, False)
        # 1 where both have a direction: elsewhere the cosine is 0, and so is its gradient.
        none = a * 0.0
        there = f.where(a > 1e-24, f.where(b > 1e-24, none + 1.0, none), none)
        a = f.where(there > 0, a, none + 1.0)
        b = f.where(there > 0, b, none + 1.0)
        dot = f.sum(out * target, axes, False)
        return 1.0 - f.detach(there) * dot / (f.sqrt(a) * f.sqrt(b))

    return applied


@loss_formulas(S.Triplet)
def triplet(loss: S.Triplet, shape: tuple[int, ...], f: Functional) -> Judge:
    size, margin, positive = math.prod(shape[1:]), loss.margin, _positive(f)

    def distance(a: Any, b: Any) -> Any:
        apart = a - b
        squared = f.sum(apart * apart, (1, 2), False)
        # The root of 1 stands for that of 0, whose slope is endless.
        none = squared * 0.0
        there = f.detach(f.where(squared > 0, none + 1.0, none))
        return there * f.sqrt(f.where(there > 0, squared, none + 1.0))

    def applied(out: Any, target: Any) -> Any:
        whole = f.reshape(out, (-1, 3, size))
        anchor = f.cut(whole, 1, 0, 1, 1)
        near, far = f.cut(whole, 1, 1, 2, 1), f.cut(whole, 1, 2, 3, 1)
        return positive(distance(anchor, near) - distance(anchor, far) + margin)

    return applied
