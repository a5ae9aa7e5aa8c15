"""``script``: a CTR net as the TorchScript file that PyTorch on Angel trains."""

from __future__ import annotations

import importlib.util
import os
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from unifw import zoo
from unifw.checkpoint import replacing
from unifw.errors import ExportError, ExportMismatch, NotInstalled, Unsupported
from unifw.spec import check
from unifw.spec import layers as L
from unifw.spec.graph import Graph
from unifw.spec.initializers import random_state

__all__ = ["VERSIONS", "Script", "script"]

Array = npt.NDArray[Any]
# 0.2.1 stands for 0.1.0 to 0.2.1, which call forward_ and then loss; 0.3 hands forward_ the targets as well,
# and takes what it gives in training for the loss. The models that come with 0.3 still have the older form.
VERSIONS = ("0.2.1", "0.3")
TOLERANCE = 1e-5
READABLE = (
    3  # the newest form of the archive that libtorch 1.5 reads, which PyTorch on Angel is built on
)
ROWS = 5


class Trained(Protocol):
    """What is read of a model."""

    @property
    def net(self) -> Graph:
        """The net."""

    @property
    def weights(self) -> dict[str, Array]:
        """Its weights."""

    def predict(self, x: Any) -> Any:
        """Return logits."""


@dataclass(frozen=True)
class Script:
    """What was written, and how it was checked.

    Attributes
    ----------
    path : str
        The file.
    version : str
        The PyTorch on Angel whose calls it takes.
    kind : str
        What ``get_type`` gives.
    difference : float
        The largest from the model's probabilities, by ``forward`` and by ``forward_``, and from the loss,
        relative where that exceeds 1.
    gradients : int
        How many weights ``forward_`` gave gradients for.
    archive : int
        Version of the archive's form.
    torch : str
        The version that wrote and ran it.
    """

    path: str
    version: str
    kind: str
    difference: float
    gradients: int
    archive: int
    torch: str

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.kind} for PyTorch on Angel {self.version}\n"
            f"called as Angel does by torch {self.torch}: differs from the model by {self.difference:.1e}, "
            f"{self.gradients} gradients\n"
            "not run in Angel, of which there is none here; it trains weights of its own"
        )


@dataclass(frozen=True)
class Known:
    """A net that is known, and its weights by the names that Angel has for them."""

    kind: str
    fields: int
    vocabulary: int
    values: bool
    tables: tuple[Array, ...]
    mats: tuple[Array, ...] = ()


def script(model: Trained, path: str | os.PathLike[str], *, version: str) -> Script:
    """Write ``uf.zoo.wide`` or ``uf.zoo.deepfm`` for PyTorch on Angel, and call it as Angel does.

    The file holds the net's structure and, for serving by ``torch.jit.load``, its weights; Angel itself begins
    with weights of its own. Nothing of Angel is run.

    Parameters
    ----------
    model : Model
        On any backend.
    path : path
        Where to, ``.pt``; an older file is replaced only by a whole, checked one.
    version : {"0.2.1", "0.3"}
        Whose calls it is to take: that of 0.1.0 to 0.2.1, or of 0.3 and later. Each refuses the other's.

    Raises
    ------
    Unsupported
        If it is another net.
    NotInstalled
        If torch is missing.
    ExportMismatch
        If what torch computes differs from the model by more than 1e-5.
    ExportError
        If the file cannot be called as Angel does.
    """
    check.choice("version", version, VERSIONS)
    known = _known(model.net, model.weights)
    if importlib.util.find_spec("torch") is None:
        message = "TorchScript for PyTorch on Angel needs torch"
        raise NotInstalled(message, "angel")
    import torch

    with replacing(path) as temporary:
        try:
            with warnings.catch_warnings():
                # torch 2.10 and later would have models exported in another way, which Angel cannot read.
                warnings.simplefilter("ignore", DeprecationWarning)
                torch.jit.script(_module(known, version)).save(str(temporary))
                loaded = torch.jit.load(str(temporary))
            difference, gradients = _called(loaded, known, version, model)
        except RuntimeError as err:
            message = f"torch {torch.__version__} cannot write or call the net: {err}"
            raise ExportError(message) from err
        if not difference <= TOLERANCE:
            message = f"{path} differs from the model by {difference:.3g} when run by torch; it was not kept"
            raise ExportMismatch(message)
        archive = _archive(temporary)
        if archive > READABLE:
            message = f"torch {torch.__version__} writes form {archive}; PyTorch on Angel reads {READABLE}"
            raise ExportError(message)
    kind = str(loaded.get_type())
    return Script(os.fspath(path), version, kind, difference, gradients, archive, torch.__version__)


# ------------------------------------------------------------------------ the net


def _known(net: Graph, weights: Mapping[str, Array]) -> Known:
    """Return what the net is, if the zoo makes it."""
    tables = {p.name: p.layer for p in net if isinstance(p.layer, L.Embedding)}
    fields = net.in_shapes[0][0] if net.in_shapes[0] else 0
    values = len(net.inputs) == 2
    floats = {name: np.asarray(value, np.float32) for name, value in weights.items()}
    if "wide" in tables and fields:
        vocabulary = tables["wide"].num_embeddings
        if net == zoo.wide(vocabulary, fields):
            return Known(
                "wide", fields, vocabulary, values,
                (floats["bias.weight"].reshape(1, 1), floats["wide.weight"]),
            )  # fmt: skip
        hidden = [p.layer.units for p in net if p.name.startswith("hidden") and p.parts]
        size = tables["deep"].embedding_dim if "deep" in tables else 0
        if size and net == zoo.deepfm(
            vocabulary, fields, embedding=size, hidden=hidden, dropout=0, values=values
        ):
            return Known(
                "deepfm", fields, vocabulary, values,
                (floats["logit.bias"].reshape(1, 1), floats["wide.weight"], floats["deep.weight"]),
                tuple(_mats(floats, len(hidden))),
            )  # fmt: skip
    gap = "it is given zoo.wide, and zoo.deepfm with dropout=0 and numbers=0, as the zoo makes them"
    raise Unsupported("PyTorch on Angel", [f"{net.name}: {gap}"])


def _mats(floats: Mapping[str, Array], hidden: int) -> Iterator[Array]:
    for number in range(1, hidden + 1):
        yield floats[f"hidden{number}.weight"]
        yield floats[f"hidden{number}.bias"].reshape(1, -1)  # Angel keeps matrices alone
    yield floats["logit.weight"]


def _module(known: Known, version: str) -> Any:
    import torch

    from unifw.export.angel import modules

    tables = [torch.from_numpy(table.copy()) for table in known.tables]
    if known.kind == "wide":
        made: Any = {"0.2.1": modules.Wide, "0.3": modules.Wide3}[version]
        return made(*tables)
    made = {"0.2.1": modules.Deep, "0.3": modules.Deep3}[version]
    return made(known.fields, *tables, [torch.from_numpy(mat.copy()) for mat in known.mats])


# ------------------------------------------------------------------------ called as Angel does


def _called(loaded: Any, known: Known, version: str, model: Trained) -> tuple[float, int]:
    """Call what was written as Angel's C++ does; return how far it is off, and the number of gradients."""
    import torch

    fields, values = _rows(known)
    logits = np.asarray(model.predict([fields, values] if known.values else fields), np.float64)
    wanted = 1 / (1 + np.exp(-logits[:, 0]))
    index = torch.arange(ROWS).repeat_interleave(known.fields)
    feats, numbers = (torch.from_numpy(x.reshape(-1).copy()) for x in (fields, values))
    targets = torch.from_numpy(np.arange(ROWS, dtype=np.float32) % 2)

    def arguments(training: int) -> list[Any]:
        if version == "0.2.1":
            return [ROWS, index, feats, numbers]
        # What is no training has no targets; Angel hands the values over once more.
        return [ROWS, training, index, feats, numbers, targets if training else numbers]

    given = _pulled(known, feats)
    served, scored = loaded.forward(*arguments(0)), loaded.forward_(*arguments(0), *given)
    told = loaded.forward_(*arguments(1), *given)
    told = told if version == "0.3" else loaded.loss(told, targets)
    told.backward()
    flat = [x for one in given for x in (one if isinstance(one, list) else [one])]
    gradients = sum(x.grad is not None and bool(torch.isfinite(x.grad).all()) for x in flat)
    if gradients != len(flat):
        message = f"forward_ gave gradients for {gradients} of {len(flat)} weights"
        raise ExportError(message)
    loss = _loss(scored.detach().numpy().astype(np.float64), targets.numpy())
    off = [float(np.abs(x.detach().numpy() - wanted).max()) for x in (served, scored)]
    return max(*off, abs(told.item() - loss) / max(1.0, loss)), gradients


def _loss(probabilities: Array, targets: Array) -> float:
    """Return the cross-entropy of what was given; that of logits would be off where those are large."""
    with np.errstate(divide="ignore"):
        logs = np.log(np.where(targets == 1, probabilities, 1 - probabilities))
    return -float(np.maximum(logs, -100).mean())  # torch's least


def _rows(known: Known) -> tuple[Array, Array]:
    draw = random_state("angel", known.kind)
    fields = draw.randint(known.vocabulary, size=(ROWS, known.fields))
    shape = (ROWS, known.fields)
    values = draw.uniform(0.5, 1.5, shape) if known.values else np.ones(shape)
    return fields.astype(np.int64), values.astype(np.float32)


def _pulled(known: Known, feats: Any) -> list[Any]:
    """Return the weights as Angel pulls them for a batch, which take gradients."""
    import torch

    bias, weights, *vectors = (torch.from_numpy(table.copy()) for table in known.tables)
    given = [bias.view(-1), weights[feats].view(-1), *(table[feats] for table in vectors)]
    mats = [torch.from_numpy(mat.copy()).requires_grad_() for mat in known.mats]
    return [*(x.clone().requires_grad_() for x in given), *([mats] if mats else [])]


def _archive(path: Path) -> int:
    with zipfile.ZipFile(path) as file:
        (name,) = (name for name in file.namelist() if name.endswith("/version"))
        return int(file.read(name))
