"""What ``Model.fit`` calls between epochs: pruning, and whatever users write themselves."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from unifw.errors import SpecError, UnknownName
from unifw.spec import check
from unifw.spec.graph import Graph

if TYPE_CHECKING:
    from unifw.model import Model

__all__ = ["Callback", "MagnitudePruning", "check_callbacks"]


class Callback:
    """What is called while a model trains; override what you need.

    Epochs are counted from the model's birth, from 0. Weights may be set between epochs, with
    ``model.load_weights``, on every backend.
    """

    def on_train_begin(self, model: Model) -> None:
        """Be called once per ``fit``, before work starts; what is raised here stops it."""

    def on_epoch_trained(self, model: Model, epoch: int) -> None:
        """Be called after the steps of an epoch, before it is validated."""

    def on_epoch_end(self, model: Model, epoch: int, logs: Mapping[str, float]) -> None:
        """Be called with the numbers of a whole epoch, as the history keeps them."""


class MagnitudePruning(Callback):
    """Sets the smallest weights to zero, more of them after each epoch.

    After epoch ``e`` the share of zeros is ``sparsity * (1 - (1 - t) ** 3)``, with ``t`` rising from 0 at
    ``begin`` to 1 at the end of epoch ``end - 1`` (Zhu & Gupta, 2017, eq. 1, from 0). Each weight of two axes
    or more is cut by itself; biases, norms and what is frozen are left alone. Within an epoch all weights train
    freely and are cut again at its end (iterative hard thresholding, Blumensath & Davies, 2009), before it is
    validated: what the history says is what the pruned net does.

    Parameters
    ----------
    sparsity : float
        The share of zeros in the end, above 0 and below 1.
    end : int
        The epoch before which the end is reached, counted from the model's birth; the epochs after it keep the
        share.
    begin : int
        The first epoch after which weights are cut; default 0.
    layers : str
        Which layers, with ``*``, ``?`` and ``[…]`` as in file names; default ``"*"``, all.

    Raises
    ------
    SpecError
        If a number is out of range.
    UnknownName
        From ``fit``, if no weight of two axes lies in such a layer.

    Examples
    --------
    ``model.fit(x, y, epochs=12, callbacks=[uf.callbacks.MagnitudePruning(0.8, end=8)])``
    """

    def __init__(self, sparsity: float, end: int, *, begin: int = 0, layers: str = "*") -> None:
        self.sparsity = check.number("sparsity", sparsity, least=0, open_=True)
        if self.sparsity >= 1:
            message = f"sparsity must lie below 1, got {sparsity}"
            raise SpecError(message)
        self.begin, self.end = check.count("begin", begin, least=0), check.count("end", end)
        if self.end <= self.begin:
            message = f"end must come after begin, got {begin} and {end}"
            raise SpecError(message)
        self.layers = layers

    def on_train_begin(self, model: Model) -> None:
        """Check that there is something to prune."""
        self._chosen(model.net)

    def on_epoch_trained(self, model: Model, epoch: int) -> None:
        """Cut the smallest weights."""
        share = self.share(epoch)
        if share > 0:
            weights = model.weights
            cut = {name: _cut(weights[name], share) for name in self._chosen(model.net)}
            model.load_weights({**weights, **cut})

    def share(self, epoch: int) -> float:
        """Return the share of zeros after an epoch, counted from 0."""
        passed = (epoch + 1 - self.begin) / (self.end - self.begin)
        return self.sparsity * (1 - (1 - min(max(passed, 0.0), 1.0)) ** 3)

    def _chosen(self, net: Graph) -> list[str]:
        able = [name for name, part in net.parts.items() if part.trainable and len(part.shape) > 1]
        found = [name for name in able if fnmatchcase(name.rpartition(".")[0], str(self.layers))]
        if not found:
            raise UnknownName("layer to prune", self.layers, {n.rpartition(".")[0] for n in able})
        return found

    def __repr__(self) -> str:
        return f"MagnitudePruning({self.sparsity}, {self.end}, begin={self.begin}, layers={self.layers!r})"


def check_callbacks(given: Any) -> tuple[Callback, ...]:
    """Return callbacks as a tuple.

    Raises
    ------
    SpecError
        If something else is among them.
    """
    if not isinstance(given, (tuple, list)) or not all(isinstance(c, Callback) for c in given):
        message = f"callbacks must be a list of uf.callbacks.Callback, got {given!r}"
        raise SpecError(message)
    return tuple(given)


def _cut(weight: npt.NDArray[Any], share: float) -> npt.NDArray[Any]:
    """Return a weight with that share of its values, the smallest, set to zero."""
    flat = weight.reshape(-1).copy()
    # A stable sort: which of two equals is cut is the same everywhere.
    flat[np.argsort(np.abs(flat), kind="stable")[: round(share * flat.size)]] = 0
    return flat.reshape(weight.shape)
