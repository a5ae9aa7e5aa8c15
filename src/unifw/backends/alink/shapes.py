"""Which nets Alink can hold, and why it cannot hold another."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from unifw.backend import Options
from unifw.backends.alink.sparse import NAMES, is_wide
from unifw.spec import layers as L
from unifw.spec import losses
from unifw.spec.graph import Graph, Placed
from unifw.spec.losses import Loss
from unifw.spec.optimizers import LBFGS, SGD
from unifw.spec.regularizers import L2

__all__ = ["METHODS", "Kind", "Shape", "gaps", "shape_of"]

# By which of Alink's methods each optimizer trains; the first one unless another is asked for.
METHODS: Mapping[type, tuple[str, ...]] = MappingProxyType(
    {LBFGS: ("lbfgs", "owlqn", "gd"), SGD: ("sgd",)}
)
HIDDEN = (L.Sigmoid, L.Tanh)
TAILS = (L.Softmax, L.LogSoftmax, L.Sigmoid)


class Kind(enum.Enum):
    """What a net is to Alink."""

    LINEAR = "linear regression"
    LOGISTIC = "logistic regression"
    SOFTMAX = "softmax regression"
    MLP = "multilayer perceptron"


@dataclass(frozen=True)
class Shape:
    """A net as Alink holds it.

    Attributes
    ----------
    kind : Kind
        Which operators train it.
    names : tuple of dict of str to str
        For each layer with weights, the first first, what its weight and its bias are called in the net.
    layers : tuple of int
        The sizes of its layers, the inputs first.
    folded : tuple of bool
        For each hidden layer whether it ends in a tanh, which is folded into a sigmoid.
    tail : Layer or None
        What comes behind the last of them.
    sparse : bool
        Whether it is ``uf.zoo.wide``, which reads indices and numbers.
    """

    kind: Kind
    names: tuple[Mapping[str, str], ...]
    layers: tuple[int, ...]
    folded: tuple[bool, ...] = ()
    tail: L.Layer | None = None
    sparse: bool = False

    @property
    def units(self) -> int:
        """How many outputs it has."""
        return self.layers[-1]

    @property
    def has_bias(self) -> bool:
        """Whether its last layer has a bias."""
        return "bias" in self.names[-1]


def gaps(graph: Graph, options: Options) -> list[str]:
    """Return a sentence for all that Alink cannot do of a net and its options."""
    found = _of_net(graph)
    if options.losses:
        found += _of_optimizer(options)
        found += _held(graph, options)
        if not found:
            found += _of_loss(graph, options)
    return found


def shape_of(graph: Graph, options: Options) -> Shape:
    """Return a net that has no gaps as Alink holds it."""
    if is_wide(graph):
        columns = graph.parts[NAMES["weight"]].shape[0]
        return Shape(_kind((columns, 1), options.losses), (NAMES,), (columns, 1), sparse=True)
    rest = list(graph)
    if isinstance(rest[0].layer, L.Flatten):
        rest = rest[1:]
    dense = [placed for placed in rest if isinstance(placed.layer, L.Dense)]
    last = rest[-1].layer
    between = [placed.layer for placed in rest if not isinstance(placed.layer, L.Dense)]
    tail = None if isinstance(last, L.Dense) else between.pop()
    folded = tuple(isinstance(layer, L.Tanh) for layer in between)
    layers = (int(dense[0].in_shape[0]), *(int(placed.out_shape[0]) for placed in dense))
    names = tuple(placed.weights for placed in dense)
    return Shape(_kind(layers, options.losses), names, layers, folded, tail)


def _kind(layers: Sequence[int], rules: tuple[Loss, ...]) -> Kind:
    if len(layers) > 2:
        return Kind.MLP
    if layers[-1] > 1:
        return Kind.SOFTMAX
    two_sided = isinstance(rules[:1] and rules[0], losses.BinaryCrossEntropy)
    return Kind.LOGISTIC if two_sided else Kind.LINEAR


# ------------------------------------------------------------------------ layers


def _of_net(graph: Graph) -> list[str]:
    if is_wide(graph):
        return []
    found = []
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        found.append("several inputs or outputs: Alink's models have one vector each")
    if any(node.dtype == "int" for node in graph.inputs):
        found.append(
            "inputs of whole numbers: Alink reads vectors of floats, and uf.zoo.wide's rows"
        )
    nodes = list(graph)
    before = graph.inputs[0].name
    for place, placed in enumerate(nodes):
        label = f"{placed.name} ({type(placed.layer).__name__})"
        if placed.sources != (before,):
            found.append(f"{label}: Alink's models are chains; no branches, no joins")
        if placed.owner != placed.name:
            found.append(f"{label}: its weights are another layer's; Alink shares none")
        found += [f"{label}: {why}" for why in _of_layer(placed, place, nodes)]
        before = placed.name
    if not any(isinstance(placed.layer, L.Dense) for placed in nodes):
        found.append("no Dense layer: there is nothing that Alink could hold")
    elif not found and graph.outputs != (before,):
        found.append("an output in the middle: Alink gives those of the last layer")
    return found


def _of_layer(placed: Placed, place: int, nodes: list[Placed]) -> list[str]:
    layer, last = placed.layer, place == len(nodes) - 1
    before = nodes[place - 1].layer if place else None
    if isinstance(layer, L.Flatten):
        return [] if place == 0 else ["Alink flattens nothing but the inputs"]
    if isinstance(layer, L.Dense):
        found = []
        if len(placed.in_shape) != 1:
            found.append("Alink's models read one vector a row; put Flatten before it")
        if isinstance(before, L.Dense):
            found.append(
                "Alink's MLP has a sigmoid between two layers; put Sigmoid or Tanh before it"
            )
        if not layer.bias and any(isinstance(p.layer, L.Dense) for p in nodes if p is not placed):
            found.append("Alink's MLP has a bias in every layer; drop bias=False")
        return found
    if not isinstance(before, L.Dense):
        return [f"{_only()}, and each follows a Dense layer"]
    if last:
        return _of_tail(layer, placed.out_shape)
    return [] if type(layer) in HIDDEN else [f"{_only()}"]


def _only() -> str:
    return "Alink's MLP has sigmoid hidden layers only (and Tanh, which is folded into them)"


def _of_tail(layer: L.Layer, shape: tuple[int, ...]) -> list[str]:
    if type(layer) not in TAILS:
        return ["Alink's models end in Dense, or in Softmax, LogSoftmax or Sigmoid behind it"]
    return []


# ------------------------------------------------------------------------ how it is trained


def _of_optimizer(options: Options) -> list[str]:
    rule = options.optimizer
    label = f"optimizer {type(rule).__name__}"
    methods = METHODS.get(type(rule))
    if methods is None:
        why = (
            "Alink has L-BFGS (optimizer='lbfgs'; with method='owlqn' or 'gd' two others that take all "
            "rows) and SGD of its own (optimizer='sgd', method='sgd'); a model without a loss only "
            "predicts, and needs none"
        )
        return [f"{label}: {why}"]
    found = []
    method = options.settings.get("method")
    if type(rule) is SGD and method is None:
        found.append(
            f"{label}: Alink's SGD is another than unifw's: it draws its rows without a seed, and divides the "
            "rate by the largest gradient and the root of the step; say method='sgd' if that is "
            "meant, or take optimizer='lbfgs'"
        )
    elif method is not None and method not in methods:
        found.append(f"method={method!r}: it goes with another optimizer; {label} has {methods}")
    plain = type(rule)() if type(rule) is LBFGS else SGD(rule.learning_rate)
    if rule != plain or not isinstance(rule.learning_rate, float):
        found.append(
            f"{rule!r}: Alink's method is its own; of this optimizer it knows {_known(rule)}"
        )
    return found


def _known(rule: Any) -> str:
    return "a constant learning_rate alone" if type(rule) is SGD else "no options"


def _held(graph: Graph, options: Options) -> list[str]:
    """Return what is said about single weights that Alink does not hear."""
    frozen = [name for name, part in graph.parts.items() if not part.trainable]
    found = [f"{name} is frozen: Alink trains all weights" for name in frozen]
    found += [
        f"{name}: Alink's methods know no {rule!r}" for name, rule in graph.constraints.items()
    ]
    squares = type(options.losses[0]) is losses.MSE
    for name, rule in graph.regularizers.items():
        if squares and isinstance(rule, L2):
            if is_wide(graph):
                found.append(
                    f"{name}, {rule!r}: L2 comes as rows of data, which unifw writes for Dense alone"
                )
        else:
            found.append(
                f"{name}, {rule!r}: Alink 1.6 looks for its step with the loss alone, without the penalty, and "
                "stops beside the least value; L2 with the loss MSE is exact, as rows of data"
            )
    return found


# ------------------------------------------------------------------------ losses


def _of_loss(graph: Graph, options: Options) -> list[str]:
    shape, (rule,) = shape_of(graph, options), options.losses
    label, found = f"loss {type(rule).__name__}", []
    if options.loss_weights != (1.0,):
        found.append(f"{label}: alone, its weight must be 1, got {options.loss_weights[0]:g}")
    method = options.settings.get("method", "lbfgs")
    if shape.kind is Kind.MLP and method != "lbfgs":
        found.append(f"method={method!r}: Alink trains its MLP by L-BFGS alone")
    if shape.kind is Kind.SOFTMAX and not shape.has_bias:
        found.append(
            f"{shape.names[0]['weight']}: Alink 1.6's softmax regression divides by zero where it starts "
            "from given weights without a bias; drop bias=False"
        )
    why = _LOSSES.get(type(rule), _other)(shape, rule)
    return [*found, f"{label}: {why}"] if why else found


def _alone(shape: Shape) -> bool:
    return shape.kind is not Kind.MLP and shape.units == 1 and shape.tail is None


def _squares(shape: Shape, rule: Any) -> str:
    del rule
    one = "Alink's regression is linear, with one output: Dense(1) alone"
    return "" if _alone(shape) else one


def _two_sided(shape: Shape, rule: Any) -> str:
    del rule
    one = "Alink's logistic regression is Dense(1) alone; else take CrossEntropy of two classes"
    return "" if _alone(shape) else one


def _logits(shape: Shape, rule: Any) -> str:
    if rule.label_smoothing:
        return "Alink smooths no labels"
    behind = f"Alink's softmax stands behind the logits; drop the net's {type(shape.tail).__name__}"
    return "" if shape.tail is None else behind


def _logarithms(shape: Shape, rule: Any) -> str:
    del rule
    end = "Alink's loss is that of LogSoftmax, in which the net must end"
    return "" if type(shape.tail) is L.LogSoftmax else end


def _other(shape: Shape, rule: Any) -> str:
    del shape, rule
    return (
        "Alink trains by MSE (linear regression), BinaryCrossEntropy (logistic regression) and "
        "CrossEntropy (softmax regression and MLP)"
    )


_LOSSES: Mapping[type[Loss], Callable[[Shape, Any], str]] = MappingProxyType(
    {
        losses.MSE: _squares,
        losses.BinaryCrossEntropy: _two_sided,
        losses.CrossEntropy: _logits,
        losses.NLL: _logarithms,
    }
)
