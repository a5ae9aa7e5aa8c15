"""The table of rules, and what passes between them.

A rule is called once per node with its ``Placed`` and returns the forward pass; that takes a
``Call`` and returns the output and the backward pass; that takes the output's gradient and returns
the gradients of the inputs and of the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy.typing as npt

from unifw.backends.numpy.crew import ALONE, Member
from unifw.backends.numpy.layout import Room
from unifw.rules import Rules
from unifw.spec.graph import Placed

__all__ = ["Backward", "Call", "Forward", "pure", "rules"]

Array = npt.NDArray[Any]
Backward = Callable[[Array], tuple[tuple[Any, ...], Mapping[str, Array]]]
rules = Rules("backend 'numpy'")


class Call(NamedTuple):
    """What a forward pass gets.

    Attributes
    ----------
    weights : mapping of str to ndarray
        Its weights by part.
    inputs : tuple of ndarray
        Its inputs.
    training : bool
        The mode.
    room, scratch : Room
        Memory of its own for what outlives the call, and memory that every layer may use meanwhile.
    mask : ndarray or None
        Of dropout; or the noise that is added.
    needs_input_gradient : bool
        Whether anything before it learns.
    member : Member
        Who works on these rows, which may be a part of the batch.
    """

    weights: Mapping[str, Array]
    inputs: tuple[Array, ...]
    training: bool
    room: Room
    scratch: Room
    mask: Array | None = None
    needs_input_gradient: bool = True
    member: Member = ALONE.members[0]


Forward = Callable[[Call], tuple[Array, Backward]]


def pure(function: Callable[[Any, Array], tuple[Array, Callable[[Array], Array]]]) -> Any:
    """Make a rule of a function ``(layer, x) -> y, backward`` of one input without weights."""

    def rule(placed: Placed) -> Forward:
        def forward(call: Call) -> tuple[Array, Backward]:
            y, back = function(placed.layer, call.inputs[0])
            return y, lambda dy: ((back(dy),), {})

        return forward

    return rule
