"""Recurrent layers as Paddle's own kernel, on CPU, eagerly.

Unrolled, an LSTM of 60 steps takes ten times as long (paddle 3.3). The kernel is public only in ``nn.LSTM``,
``nn.GRU`` and ``nn.SimpleRNN``, which hold weights of their own: ours are copied in before each pass, and the
gradients handed on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import paddle
from paddle import nn
from paddle.autograd import PyLayer

from unifw.backends.eager import Call, Forward
from unifw.spec import layers as L
from unifw.spec.graph import Placed

__all__ = ["by_kernel"]


class Kernel(PyLayer):
    """The pass of a net whose weights are given: ``(net, x, lengths, sequences, *weights) -> outputs``."""

    @staticmethod
    def forward(ctx: Any, net: Any, x: Any, lengths: Any, sequences: Any, *weights: Any) -> Any:
        net.train()
        given = (x, lengths, *weights)
        x = x.detach()
        x.stop_gradient = False
        with paddle.enable_grad():
            y = _passed(net, x, lengths, sequences, *weights)
        ctx.kept = (net.parameters(), given, x, y)
        return y.detach()

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        owns, given, x, y = ctx.kept
        # The kernel fails where any gradient is left out (paddle 3.3); what takes none must get None.
        to_x, *to_weights = paddle.grad([y], [x, *owns], [dy])
        pairs = zip(given, (to_x, None, *to_weights), strict=True)
        told = [(tensor, grad) for tensor, grad in pairs if tensor is not None]
        return tuple([None if tensor.stop_gradient else grad for tensor, grad in told])


def _evaluated(net: Any, *given: Any) -> Any:
    """Return the same where no gradient is wanted, for which the kernel then keeps nothing."""
    net.eval()
    return _passed(net, *given)


def _passed(net: Any, x: Any, lengths: Any, sequences: Any, *weights: Any) -> Any:
    with paddle.no_grad():
        for own, weight in zip(net.parameters(), weights, strict=True):
            if weight is not None:
                # In plain order, as what is transposed is copied ten times as slowly (paddle 3.3).
                own.set_value(weight.contiguous())
    y, last = net(x, None, lengths)
    if sequences:
        return y
    # Of the last layer: (directions, n, units), side by side.
    last = last[0] if isinstance(last, tuple) else last
    return paddle.concat(list(last[-net.num_directions :]), 1)


def by_kernel(placed: Placed, formula: Forward) -> Forward:
    """Return the rule of a recurrent layer; where the kernel does not serve, that of its formula."""
    layer = placed.layer
    # Lengths and one direction, backwards, do not go together in the kernel.
    backwards = layer.reverse and len(placed.in_shapes) > 1
    if backwards or not paddle.in_dynamic_mode() or paddle.get_device() != "cpu":
        return formula
    net = _net(placed)

    def forward(call: Call) -> Any:
        if not paddle.in_dynamic_mode():
            return formula(call)
        x = call.x.flip([1]) if layer.reverse else call.x
        lengths = call.inputs[1].reshape([-1]).astype("int32") if len(call.inputs) > 1 else None
        run = Kernel.apply if paddle.is_grad_enabled() else _evaluated
        y = run(net, x, lengths, layer.return_sequences, *_packed(layer, call.weights))
        return y.flip([1]) if layer.reverse and layer.return_sequences else y

    return forward


def _net(placed: Placed) -> Any:
    layer = placed.layer
    kinds: dict[type, Any] = {L.SimpleRNN: nn.SimpleRNN, L.LSTM: nn.LSTM, L.GRU: nn.GRU}
    more: dict[str, Any] = (
        {"activation": layer.activation} if isinstance(layer, L.SimpleRNN) else {}
    )
    direction = "bidirect" if layer.bidirectional else "forward"
    # A bias that we have none for stays zero.
    for place in ("bias_ih_attr", "bias_hh_attr"):
        more[place] = paddle.ParamAttr(initializer=nn.initializer.Constant(0.0))
    size = placed.in_shape[1]
    return kinds[type(layer)](size, layer.units, layer.layers, direction, **more)


def _packed(layer: Any, weights: Mapping[str, Any]) -> list[Any]:
    """Return the weights as the kernel wants them: gates first, and two biases for each direction, if any."""
    found = []
    for readings in layer.stack:
        for suffix, _ in readings:
            found += [weights[name + suffix].T for name in ("weight", "recurrent_weight")]
            found.append(weights.get("bias" + suffix))
            second = weights.get("recurrent_bias" + suffix)
            if second is not None:
                zeros = paddle.zeros([(layer.gates - 1) * layer.units], dtype=second.dtype)
                second = paddle.concat([zeros, second])
            found.append(second)
    return found
