"""What an optimizer's options keep for each weight, in plain arithmetic that every framework has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unifw.spec.optimizers import Optimizer

__all__ = ["Extras"]


class Extras:
    """The running average of the weights, and gradients that wait for those of further batches.

    Parameters
    ----------
    optimizer : Optimizer
        Says which of the two are wanted.
    weights : sequence of tensor
        The weights that are trained.
    zeros : callable
        Makes of a tensor another, of zeros.

    Attributes
    ----------
    arrays : dict of str to list of tensor
        What is kept, by the names of ``optimizer.extras``, in the order of the weights.
    """

    def __init__(
        self, optimizer: Optimizer, weights: Sequence[Any], zeros: Callable[[Any], Any]
    ) -> None:
        self._optimizer, self._zeros = optimizer, zeros
        self.arrays = {kind: [zeros(weight) for weight in weights] for kind in optimizer.extras}

    def mean(self, grads: Sequence[Any], steps: int) -> Sequence[Any] | None:
        """Return the mean gradients since the last update, or ``None`` while batches are missing."""
        count = self._optimizer.accumulate
        if count == 1:
            return grads
        held = self.arrays["accumulated"]
        sums = [before + grad for before, grad in zip(held, grads, strict=True)]
        if steps % count:
            self.arrays["accumulated"] = sums
            return None
        self.arrays["accumulated"] = [self._zeros(total) for total in sums]
        return [total / count for total in sums]

    def follow(self, weights: Sequence[Any]) -> None:
        """Take the weights after an update into their average."""
        keep = self._optimizer.ema
        if keep is not None:
            pairs = zip(self.arrays["average"], weights, strict=True)
            self.arrays["average"] = [held * keep + new * (1 - keep) for held, new in pairs]

    def state(self, names: Sequence[str], host: Callable[[Any], Any]) -> dict[str, Any]:
        """Return all that is kept, ``weight/kind``, in NumPy."""
        return {
            f"{name}/{kind}": host(array)
            for kind, arrays in self.arrays.items()
            for name, array in zip(names, arrays, strict=True)
        }

    def load(
        self, names: Sequence[str], state: Mapping[str, Any], tensor: Callable[[Any], Any]
    ) -> None:
        """Set all that is kept."""
        for kind in self.arrays:
            self.arrays[kind] = [tensor(state[f"{name}/{kind}"]) for name in names]
