"""From a chain of Dense and how it is trained to the contents of an ``angel.ml.conf``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from unifw.export.angel.job import Job
from unifw.export.angel.rules import activations, heads, penalty, rate, rules, solvers, unset
from unifw.export.content import Content, Training
from unifw.spec import layers as L
from unifw.spec.graph import Graph, Placed

__all__ = ["conf_of", "graph_gaps", "training_gaps"]


@dataclass
class Block:
    """A Dense with what Angel makes one layer of with it."""

    dense: Placed
    function: str = "identity"
    dropout: float | None = None
    wrong: list[str] = field(default_factory=list)

    def follow(self, placed: Placed) -> None:
        """Take the layer that comes next, or remember why Angel cannot."""
        label, layer = f"{placed.name} ({type(placed.layer).__name__})", placed.layer
        if isinstance(layer, L.Dropout):
            if self.dropout is not None:
                self.wrong.append(f"{label}: Angel drops once after a layer")
            elif self.function not in ("identity", "sigmoid", "tanh"):
                self.wrong.append(
                    f"{label}: Angel has no dropout after {self.function}; it has some after Sigmoid, "
                    "Tanh, and a Dense alone"
                )
            self.dropout = layer.rate
        elif self.function != "identity" or self.dropout is not None:
            self.wrong.append(f"{label}: Angel has one activation a layer, before its dropout")
        else:
            self.function = activations[type(layer)]

    def transfunc(self, action: str) -> Any:
        """Return what the file says of activation and dropout."""
        if not self.dropout:
            return self.function
        name = "dropout" if self.function == "identity" else f"{self.function}withdropout"
        # Left at "train", Angel would drop in prediction as well.
        return {"type": name, "proba": self.dropout, "actiontype": action}


# ------------------------------------------------------------------------ what cannot be held


def graph_gaps(graph: Graph) -> list[str]:
    """Return a sentence for all that Angel cannot hold of a net."""
    found = rules.gaps(graph.labelled)
    if found:
        return found
    found = [
        f"{p.name} ({type(p.layer).__name__}): {lost}; Angel cannot hold that"
        for p in graph
        for lost in rules.find(p.layer)(p.layer)
    ]
    shape = _shape_gaps(graph)
    if shape:
        return [*found, *shape]
    return [*found, *(wrong for block in _blocks(graph) for wrong in block.wrong)]


def _shape_gaps(graph: Graph) -> list[str]:
    """Say where a net is no chain of Dense."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        return ["the net must have one input and one output: a chain"]
    before, (end,) = graph.inputs[0].name, graph.outputs
    for placed in graph:
        label = f"{placed.name} ({type(placed.layer).__name__})"
        if placed.sources != (before,):
            return [f"{label}: reads {', '.join(placed.sources)}; the net must be a chain"]
        if placed.owner != placed.name:
            return [
                f"{label}: shares the weights of {placed.owner}; each layer of Angel has its own"
            ]
        before = placed.name
    if before != end:
        return [f"the output {end} must be the end of the chain"]
    return _start_gaps(graph)


def _start_gaps(graph: Graph) -> list[str]:
    """Say where a chain does not begin with Dense, on rows."""
    chain = list(graph)
    flat = chain[1:] if chain and isinstance(chain[0].layer, L.Flatten) else chain
    if not flat or not isinstance(flat[0].layer, L.Dense):
        return ["the net must begin with Dense, or with Flatten and Dense"]
    if len(flat[0].in_shape) != 1:
        return [
            f"the input must be rows of numbers, or go through Flatten; it has {graph.in_shapes[0]}"
        ]
    again = [p.name for p in flat if isinstance(p.layer, L.Flatten)]
    return [f"{name} (Flatten): may stand only at the beginning" for name in again]


def training_gaps(content: Content) -> list[str]:
    """Return a sentence for all that Angel cannot hold of how a net is trained."""
    training = content.training
    if training is None or not training.losses:
        return [
            "the model has no loss: an angel.ml.conf says how to train; give one, uf.Model(net, loss=…)"
        ]
    found = list(_training_gaps(training))
    if found or graph_gaps(content.graph):
        return found
    return [*_head_gaps(content.graph, training), *_penalty_gaps(content.graph, training)]


def _training_gaps(training: Training) -> Iterator[str]:
    named = {type(loss).__name__: loss for loss in training.losses}
    yield from heads.gaps(named)
    if any(weight != 1 for weight in training.loss_weights):
        yield f"loss_weights={training.loss_weights}: Angel has one loss, which counts once"
    solver = training.optimizer
    label = type(solver).__name__
    gaps = solvers.gaps({label: solver})
    yield from gaps
    if not gaps:
        _, lost = solvers.find(solver)(solver)
        other = [word for word in lost if not word.startswith("weight_decay=")]
        yield from (f"{label}: {word}; Angel has nothing for it" for word in other)
        told = rate(solver.learning_rate)
        if isinstance(told, str):
            yield f"{label}: learning_rate={solver.learning_rate!r}: {told}"
        decay = getattr(solver, "weight_decay", 0)
        if decay:
            yield (
                f"{label}: Angel decays no biases; in place of weight_decay give each Dense "
                f"weight_regularizer=L2({decay / 2:g})"
            )


def _head_gaps(graph: Graph, training: Training) -> Iterator[str]:
    loss = training.losses[0]
    label = type(loss).__name__
    name, _ = heads.find(loss)(loss)
    yield from (
        f"{label}: {lost}; Angel's {name} has nothing for it"
        for lost in unset(loss, ("delta", "axis"))
    )
    size = graph.out_shapes[0][-1]
    if name != "softmaxloss" and size != 1:
        yield f"{label}: Angel reads one label a row, so the net must give one number, not {size}"


def _penalty_gaps(graph: Graph, training: Training) -> Iterator[str]:
    _, scale, words = _solver(training)
    for block in _blocks(graph):
        given = block.dense.parts["weight"].regularizer
        if given is not None:
            _, why = penalty(given, words, scale)
            if why:
                yield f"{block.dense.name} (Dense): weight_regularizer={given!r}: {why}"


# ------------------------------------------------------------------------ what is written


def conf_of(content: Content) -> dict[str, Any]:
    """Return the contents of the file for a net without gaps."""
    graph, training, job = content.graph, content.training, content.job or Job()
    assert training is not None  # noqa: S101 - training_gaps has seen to it
    loss, scale, words = _solver(training)
    told = rate(training.optimizer.learning_rate)
    assert not isinstance(told, str)  # noqa: S101 - as above
    rates = dict(told[0])
    if words["type"] in ("sgd", "momentum"):
        rates["lr"] /= scale  # half the gradient, twice the step
    layers: list[dict[str, Any]] = []
    for block in _blocks(graph):
        layers.append(_layer(block, layers[-1]["name"] if layers else "", job))
        given = block.dense.parts["weight"].regularizer
        if given is not None:
            layers[-1]["optimizer"] = words | penalty(given, words, scale)[0]
    end = _free("loss", layers)
    layers.append(
        {
            "name": end,
            "type": "simplelosslayer",
            "lossfunc": loss,
            "inputlayer": layers[-1]["name"],
        }
    )
    width = math.prod(graph.in_shapes[0])
    return job.sections(width, rates) | {"default_optimizer": words, "layers": layers}


def _solver(training: Training) -> tuple[Any, float, dict[str, Any]]:
    """Return the loss, what it is to unifw's, and the optimizer, each in Angel's words."""
    loss, scale = heads.find(training.losses[0])(training.losses[0])
    words, _ = solvers.find(training.optimizer)(training.optimizer)
    if words["type"] == "ftrl":
        # Its weights stay the same if all that sums of gradients are held against shrinks as they do.
        words |= {key: words[key] * scale for key in ("beta", "reg1", "reg2")}
    return loss, scale, words


def _layer(block: Block, before: str, job: Job) -> dict[str, Any]:
    name, units = block.dense.name, block.dense.layer.units
    function = block.transfunc(job.action)
    if not before:
        return {"name": name, "type": "simpleinputlayer", "outputdim": units, "transfunc": function}
    # One fclayer each, so that Angel's matrices bear the names of the net's layers.
    return {
        "name": name, "type": "fclayer", "outputdims": [units], "transfuncs": [function],
        "inputlayer": before,
    }  # fmt: skip


def _free(name: str, layers: list[dict[str, Any]]) -> str:
    taken = {layer["name"] for layer in layers}
    while name in taken:
        name += "_"
    return name


def _blocks(graph: Graph) -> list[Block]:
    blocks: list[Block] = []
    for placed in graph:
        if isinstance(placed.layer, L.Dense):
            blocks.append(Block(placed))
        elif not isinstance(placed.layer, L.Flatten):
            blocks[-1].follow(placed)
    return blocks
