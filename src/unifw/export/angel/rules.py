"""What of unifw Angel has too: layers, losses, optimizers and rates, in the words of its parser.

What its optimizers compute was read off their update functions (``com.tencent.angel.ml.psf.optimizer``, Angel
3), not off their names.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from unifw.rules import Reason, Rules
from unifw.spec import layers as L
from unifw.spec import losses, optimizers, regularizers, schedules

__all__ = ["activations", "heads", "penalty", "rate", "rules", "solvers", "unset"]

rules = Rules("format 'angel-json'")
heads = Rules("format 'angel-json'")
solvers = Rules("format 'angel-json'")
Words = dict[str, Any]


def unset(value: Any, translated: tuple[str, ...] = ()) -> list[str]:
    """Return the fields of a description that differ from their defaults and have no word in Angel."""
    fields = dataclasses.fields(value)
    differ = [f for f in fields if f.name not in translated and getattr(value, f.name) != f.default]
    return [f"{f.name}={getattr(value, f.name)!r}" for f in differ]


# ------------------------------------------------------------------------ layers

ONLY = (
    "an angel.ml.conf holds chains of Dense, each with ReLU, Sigmoid, Tanh or Softmax, and Dropout where "
    "Angel has it"
)
activations: Mapping[type[L.Layer], str] = {
    L.ReLU: "relu",
    L.Sigmoid: "sigmoid",
    L.Tanh: "tanh",
    L.Softmax: "softmax",
}


@rules(L.Dense)
def _dense(layer: L.Dense) -> list[str]:
    lost = unset(
        layer, ("name", "units", "weight_init", "bias_init", "weight_regularizer", "trainable")
    )
    if not layer.bias:
        lost = [
            "bias=False, as Angel's layers all have one",
            *(x for x in lost if x != "bias=False"),
        ]
    if not layer.trainable:
        lost.append("trainable=False: Angel freezes nothing")
    return lost


@rules(*activations)
def _activation(layer: L.Layer) -> list[str]:
    # Angel's softmax runs over the last axis, the only one that a chain of Dense has.
    return unset(layer, ("name", "trainable", "axis"))


@rules(L.Dropout, L.Flatten)
def _plain(layer: L.Layer) -> list[str]:
    return unset(layer, ("name", "trainable", "rate"))


for kind in L.CATALOGUE.values():
    if rules.why_not(kind) is not None and kind is not L.Embedding:
        rules.lacks(kind, Reason.FRAMEWORK, ONLY)
rules.lacks(
    L.Embedding, Reason.NOT_WRITTEN, "of nets with embeddings, unifw.export.angel.script writes wide and deepfm"
)  # fmt: skip

# ------------------------------------------------------------------------ losses


@heads(losses.MSE)
def _mse(loss: losses.MSE) -> tuple[Any, float]:
    return "l2loss", 0.5  # Angel's has a half before the square


@heads(losses.BinaryCrossEntropy)
def _log(loss: losses.BinaryCrossEntropy) -> tuple[Any, float]:
    return "logloss", 1.0


@heads(losses.Hinge)
def _hinge(loss: losses.Hinge) -> tuple[Any, float]:
    return "hingeloss", 1.0


@heads(losses.Huber)
def _huber(loss: losses.Huber) -> tuple[Any, float]:
    # The parser matches a number with a decimal point only.
    return {"type": "huberloss", "delta": float(loss.delta)}, 1.0


@heads(losses.CrossEntropy)
def _softmax(loss: losses.CrossEntropy) -> tuple[Any, float]:
    return "softmaxloss", 1.0


for other in losses.CATALOGUE.values():
    if heads.why_not(other) is not None:
        heads.lacks(
            other, Reason.FRAMEWORK,
            "Angel has MSE, BinaryCrossEntropy, Hinge, Huber and CrossEntropy",
        )  # fmt: skip

# ------------------------------------------------------------------------ optimizers


@solvers(optimizers.SGD)
def _sgd(rule: optimizers.SGD) -> tuple[Words, list[str]]:
    lost = unset(rule, ("learning_rate", "momentum"))
    if not rule.momentum:
        return {"type": "sgd"}, lost
    return {"type": "momentum", "momentum": rule.momentum}, lost


@solvers(optimizers.Adam)
def _adam(rule: optimizers.Adam) -> tuple[Words, list[str]]:
    # Angel's letters are the other way round than one would think: beta is of the mean, gamma of the squares.
    words = {"type": "adam", "beta": rule.beta1, "gamma": rule.beta2}
    return words, unset(rule, ("learning_rate", "beta1", "beta2"))


@solvers(optimizers.RMSprop)
def _rmsprop(rule: optimizers.RMSprop) -> tuple[Words, list[str]]:
    # What Angel calls adagrad forgets old squares by beta: it is RMSprop.
    return {"type": "adagrad", "beta": rule.rho}, unset(rule, ("learning_rate", "rho"))


@solvers(optimizers.Adadelta)
def _adadelta(rule: optimizers.Adadelta) -> tuple[Words, list[str]]:
    words = {"type": "adadelta", "alpha": rule.rho, "beta": rule.rho}
    lost = unset(rule, ("rho",))  # also the rate: Angel's takes none
    return words, lost


@solvers(optimizers.Ftrl)
def _ftrl(rule: optimizers.Ftrl) -> tuple[Words, list[str]]:
    lost = unset(rule, ("learning_rate", "beta", "l1", "l2", "initial_sum"))
    if isinstance(rule.learning_rate, schedules.Schedule):
        lost.append(f"learning_rate={rule.learning_rate!r}, as Angel's FTRL has one rate")
    if rule.initial_sum > 1e-6:
        lost.append(
            f"initial_sum={rule.initial_sum:g}, as Angel's starts from 0; take 1e-6 or less"
        )
    words = {"type": "ftrl", "alpha": rule.learning_rate, "beta": rule.beta}
    return words | {"reg1": rule.l1, "reg2": 2 * rule.l2}, lost


solvers.lacks(
    optimizers.Adagrad, Reason.FRAMEWORK,
    "what Angel calls adagrad forgets old squares by beta, as RMSprop does; take RMSprop",
)  # fmt: skip
for solver in optimizers.CATALOGUE.values():
    if solvers.why_not(solver) == Reason.NOT_WRITTEN.value:
        solvers.lacks(
            solver, Reason.FRAMEWORK,
            "Angel has SGD (with momentum), Adam, RMSprop (which it calls adagrad), Adadelta and Ftrl",
        )  # fmt: skip

# ------------------------------------------------------------------------ rates and penalties


def rate(given: float | schedules.Schedule) -> tuple[Words, bool] | str:
    """Return the words for a learning rate, and whether it changes with each batch; or why there are none.

    ``InverseSqrt`` is Angel's ``StandardDecay``, ``eta / sqrt(1 + alpha * t)`` with ``t`` counted from 1.
    """
    if not isinstance(given, schedules.Schedule):
        # Without a word of it, Angel would let the rate decay.
        return {"lr": float(given), "decayclass": "ConstantLearningRate"}, False
    if isinstance(given, schedules.InverseSqrt) and given.steps > 1:
        alpha = 1 / (given.steps - 1)
        first = given.learning_rate * math.sqrt(1 + alpha)
        return {"lr": first, "decayclass": "StandardDecay", "decayalpha": alpha}, True
    return "Angel has constant rates and InverseSqrt of more than one step; its restarts begin a step late"


def penalty(
    given: regularizers.Regularizer, words: Words, scale: float
) -> tuple[dict[str, float], str]:
    """Return ``reg1`` and ``reg2`` that lead to the same minimum, and why they cannot, if so.

    Parameters
    ----------
    given : Regularizer
        Of the layer's weight.
    words : dict
        The optimizer's.
    scale : float
        What Angel's loss is to unifw's.
    """
    l1, l2 = float(getattr(given, "l1", 0.0)) * scale, float(getattr(given, "l2", 0.0)) * scale
    if words["type"] == "ftrl":
        return (
            {},
            "Angel's FTRL weighs penalties against sums of gradients; give them to Ftrl, as l1 and l2",
        )
    if l1 and words["type"] in ("adam", "momentum"):
        return (
            {},
            f"Angel's {words['type']} takes no notice of L1; take SGD without momentum or RMSprop",
        )
    # reg2 is the factor of w in the gradient, unifw's l2 that of w²; where Angel shrinks the weights beside
    # the velocity, which sums up 1 / (1 - momentum) gradients, it must be as much larger.
    strong = 2 * l2 / (1 - words.get("momentum", 0.0))
    return {key: value for key, value in (("reg1", l1), ("reg2", strong)) if value}, ""
