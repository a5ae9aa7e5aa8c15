"""Run exported files: what a phone, a server or a test does with them, in the same words for every format."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unifw.errors import ExportError, FileError
from unifw.export.baking import labels_of
from unifw.export.card import Card
from unifw.export.format import Format, chosen
from unifw.export.runners.drive import runtime_of
from unifw.export.verify import checked, try_file
from unifw.process import noting_changes
from unifw.spec import check

__all__ = ["Loaded", "load"]

Array = npt.NDArray[Any]


class Loaded:
    """An exported file, open in its own runtime; made by ``load``.

    Attributes
    ----------
    path, format : str
        The file, and what it is written in.
    runtime : str
        What runs it, with version.
    inputs, outputs : tuple of Port
        Names, shapes without the batch, and ``"float"`` or ``"int"``.
    labels : dict of str to list of str
        The names of the classes, for each output that has some.
    metadata : dict of str to str
        Where it comes from.
    """

    def __init__(self, path: Path, form: Format, card: Card, native: Any) -> None:
        self.path, self.format, self.runtime = os.fspath(path), form.name, native.about
        self.inputs, self.outputs, self.metadata = card.inputs, card.outputs, dict(card.metadata)
        self.labels = labels_of(card.metadata)
        self._native, self._card = native, card

    def predict(self, x: Any, *, batch_size: int = 256) -> Any:
        """Return the outputs, in the order of the rows.

        Parameters
        ----------
        x : array, or a list or dict of arrays for several inputs
            Any number of rows.
        batch_size : int
            Default 256; does not change the result.

        Returns
        -------
        ndarray, or tuple of ndarray for several outputs
            Of shape ``(n, *out_shape)``, float32.

        Raises
        ------
        DataError
            If arrays do not fit the inputs.
        ExportError
            If the runtime fails.
        """
        arrays = checked(self._card, x)
        size = check.count("batch_size", batch_size)
        rows = range(0, len(arrays[0]), size)
        columns = zip(*(self._run([a[at : at + size] for a in arrays]) for at in rows), strict=True)
        outs = tuple(np.concatenate(column) for column in columns)
        return outs if len(outs) > 1 else outs[0]

    def _run(self, arrays: list[Array]) -> list[Array]:
        named = {port.name: array for port, array in zip(self.inputs, arrays, strict=True)}
        try:
            return list(self._native.predict(named))
        except Exception as err:
            message = f"{self.runtime} cannot run {self.path}: {err}"
            raise ExportError(message) from err

    def __repr__(self) -> str:
        return f"<{self.path}: {self.format}, run by {self.runtime}>"


def load(
    path: str | os.PathLike[str],
    format: str | None = None,  # noqa: A002 - the word that users know
    *,
    trusted: bool = False,
) -> Loaded:
    """Open an exported file in its own runtime, in this process.

    Parameters
    ----------
    path : path
        The file, or the name that the export was given.
    format : str, optional
        Name of the format; by default the path's ending decides.
    trusted : bool
        Whether to do without opening and running it in a process of its own first, where a runtime that a
        damaged file brings down does no harm; that takes a second or so. Default ``False``.

    Raises
    ------
    FileError
        If a file is missing, damaged, too large, or reaches for others.
    ExportError
        If the runtime cannot run it.
    NotInstalled, Clash, UnknownName
        If the runtime is missing or cannot live in this process, or there is no such format.
    """
    check.flag("trusted", trusted)
    form = chosen(Path(path), format)
    main = form.main(Path(path))
    card = form.inspect(main)
    form.check(runs=True)
    form.beside()
    if not trusted:
        try_file(form, main)
    try:
        with noting_changes(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # all frameworks warn of something when imported
            native = runtime_of(str(form.runner))(str(main))
    except Exception as err:
        message = f"{form.name} cannot open {main}: {err}"
        raise FileError(message) from err
    return Loaded(main, form, card, native)
