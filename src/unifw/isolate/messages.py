"""What crosses the wall, as plain data and named arrays, and back: the same words on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy.typing as npt

import unifw
from unifw import errors
from unifw.backend import Epoch, Options, Plan
from unifw.data import Data
from unifw.isolate.wire import Message
from unifw.spec import losses, metrics, optimizers
from unifw.spec.value import decode

__all__ = [
    "build",
    "data_arrays",
    "epoch_message",
    "error_message",
    "numbered",
    "options_data",
    "plan_data",
    "read_data",
    "read_epoch",
    "read_error",
    "read_options",
    "read_plan",
]

Array = npt.NDArray[Any]


@cache
def build() -> str:
    """Return what both sides must have in common: the version, and a digest of unifw's own source.

    Two copies may bear one version and yet differ while unifw is being worked on.
    """
    root = Path(unifw.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{unifw.__version__} ({digest.hexdigest()[:8]})"


# ------------------------------------------------------------------------ arrays


def numbered(label: str, arrays: Iterable[Array]) -> dict[str, Array]:
    """Name arrays by their place: ``x0``, then ``x1``."""
    return {f"{label}{place}": array for place, array in enumerate(arrays)}


def _in_order(label: str, arrays: Mapping[str, Array]) -> tuple[Array, ...]:
    count = sum(name[: len(label)] == label and name[len(label) :].isdigit() for name in arrays)
    return tuple(arrays[f"{label}{place}"] for place in range(count))


def data_arrays(data: Data) -> dict[str, Array]:
    """Turn data into named arrays."""
    named = numbered("x", data.xs) | numbered("y", data.ys)
    return named if data.weights is None else named | {"weights": data.weights}


def read_data(arrays: Mapping[str, Array]) -> Data:
    """Turn the arrays of ``data_arrays`` back."""
    return Data(_in_order("x", arrays), _in_order("y", arrays), arrays.get("weights"))


# ------------------------------------------------------------------------ options, plans, epochs


def options_data(options: Options) -> dict[str, Any]:
    """Turn options into plain data."""
    return {
        "losses": [loss.to_data() for loss in options.losses],
        "optimizer": options.optimizer.to_data(),
        "device": options.device,
        "dtype": options.dtype,
        "precision": options.precision,
        "seed": options.seed,
        "parity": options.parity,
        "loss_weights": options.loss_weights,
        "settings": dict(options.settings),
    }


def read_options(about: Mapping[str, Any]) -> Options:
    """Turn the data of ``options_data`` back."""
    return Options(
        losses=decode(about["losses"], losses.CATALOGUE),
        optimizer=decode(about["optimizer"], optimizers.STORED),
        device=about["device"],
        dtype=about["dtype"],
        precision=about["precision"],
        seed=about["seed"],
        parity=about["parity"],
        loss_weights=tuple(about["loss_weights"]),
        settings=about["settings"],
    )


def plan_data(plan: Plan) -> dict[str, Any]:
    """Turn a plan into plain data."""
    columns = [[[m.to_data() for m in column], flag] for column, flag in plan.metrics]
    return asdict(plan) | {"metrics": columns}


def read_plan(about: Mapping[str, Any]) -> Plan:
    """Turn the data of ``plan_data`` back."""
    columns = ((decode(column, metrics.CATALOGUE), flag) for column, flag in about["metrics"])
    return Plan(**{**about, "metrics": tuple(columns)})


def epoch_message(epoch: Epoch) -> Message:
    """Turn an epoch into an answer."""
    about = {"number": epoch.number, "metrics": epoch.metrics, "parts": epoch.parts}
    return Message("answer", about, {"losses": epoch.losses, "shares": epoch.shares})


def read_epoch(message: Message) -> Epoch:
    """Turn the answer of ``epoch_message`` back."""
    columns = tuple(tuple(column) for column in message.about["metrics"])
    losses_, shares = message.arrays["losses"], message.arrays["shares"]
    parts = tuple(message.about["parts"])
    return Epoch(message.about["number"], losses_, shares, columns, parts)


# ------------------------------------------------------------------------ errors


def error_message(err: errors.UnifwError) -> Message:
    """Turn an error of unifw's own tree into a message."""
    known = next(k.__name__ for k in type(err).__mro__ if k.__name__ in errors.__all__)
    plain = (str, tuple, int, type(None))
    facts = {key: value for key, value in vars(err).items() if isinstance(value, plain)}
    return Message("error", {"type": known, "text": str(err), "facts": facts})


def read_error(message: Message) -> errors.UnifwError:
    """Turn the message of ``error_message`` back; only classes of the tree are ever built."""
    kind = message.about["type"]
    known = getattr(errors, kind) if kind in errors.__all__ else errors.WorkerError
    err: errors.UnifwError = known.__new__(known)
    err.args = (message.about["text"],)
    for name, value in message.about["facts"].items():
        setattr(err, name, tuple(value) if isinstance(value, list) else value)
    return err
