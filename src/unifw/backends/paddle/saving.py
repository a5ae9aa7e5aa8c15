"""Paddle's inference model: a program in JSON, and beside it the weights, for ``paddle.inference``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import paddle

from unifw.backends.eager import Forward, Walk
from unifw.backends.paddle.rules import rules as trained
from unifw.rules import Rules
from unifw.spec import layers as L
from unifw.spec.graph import Graph, Placed

__all__ = ["save"]

# As in training, but for what oneDNN, which Paddle Inference uses on CPU unless told otherwise, makes of the
# shared formulas (3.3): stretched where's, and a logarithm that is raised, come out wrong.
rules = Rules("Paddle's inference model")


@rules(L.Maximum, L.Minimum)
def extreme(placed: Placed) -> Forward:
    best = paddle.maximum if isinstance(placed.layer, L.Maximum) else paddle.minimum
    shape = [-1, *placed.out_shape]

    def forward(call: Any) -> Any:
        first, *others = (x.expand(shape) for x in call.inputs)
        for x in others:
            first = best(first, x)
        return first

    return forward


@rules(L.Power)
def power(placed: Placed) -> Forward:
    exponent = float(placed.layer.exponent)
    return lambda call: paddle.pow(call.x, exponent)


rules.adopt(trained, lambda rule: rule)


class Saved(paddle.nn.Layer):
    """A net, evaluating, as ``paddle.jit.save`` wants it: with a list of all inputs.

    Parameters
    ----------
    net : Layer
        Holds the weights.
    graph : Graph
        The description.
    """

    def __init__(self, net: Any, graph: Graph) -> None:
        super().__init__()
        self.net, self._graph = net, graph
        # Paddle Inference opens no file without weights (3.3): a net that has none gets this one.
        self.nothing = None if graph.parts else self.create_parameter([1], is_bias=True)
        self.eval()

    # It runs as it stands; rewritten by Paddle's compiler it would do the same.
    @paddle.jit.not_to_static
    def outputs(self, xs: Any) -> Any:
        # Built anew while the program is recorded: constants from before would not be part of it.
        outs = Walk(self._graph, rules, self.net.weight)(tuple(xs), training=False, masks={})
        # What goes straight through, or out twice, bears one name only (paddle 3.3 refuses to run it).
        outs = tuple(
            paddle.assign(out) if any(out is other for other in (*xs, *outs[:place])) else out
            for place, out in enumerate(outs)
        )
        if self.nothing is None:
            return outs
        return (outs[0] + self.nothing.astype(outs[0].dtype), *outs[1:])

    def forward(self, xs: Any) -> Any:
        return self.outputs(xs)


def save(net: Any, graph: Graph, path: str) -> None:
    """Write ``NAME.json`` and ``NAME.pdiparams``, the latter being ``path``."""
    kinds = {"int": "int64", "float": "float32"}
    inputs = [
        paddle.static.InputSpec([None, *node.shape], kinds[node.dtype], name=node.name)
        for node in graph.inputs
    ]
    prefix = str(Path(path).with_suffix(""))
    paddle.jit.save(Saved(net, graph), prefix, input_spec=[inputs])
