"""Everything that unifw raises, as one tree.

::

    UnifwError
    ├── SpecError (ValueError)            a net, layer, loss or option is described wrongly
    │   ├── ShapeError                    shapes do not fit together
    │   └── UnknownName                   no loss, metric, backend … of that name
    ├── DataError (ValueError)            arrays that cannot be trained or predicted on
    ├── WeightsError (ValueError)         weights or state that do not fit the net
    ├── Unsupported                       a backend cannot run this net; says why and what can
    ├── BackendError
    │   ├── NotInstalled (ImportError)    the framework is missing; says how to install it
    │   ├── VersionUnsupported (ImportError)  the framework's version lies outside the tested range
    │   ├── Clash (ImportError)           the framework cannot live beside one loaded before
    │   ├── DeviceUnavailable (ValueError)  no such device; lists those that are there
    │   ├── EnvironmentFailed             an environment for a framework cannot be made
    │   └── WorkerError                   the process of an isolated session failed
    │       ├── WorkerDied                it ended by itself: a crash, a kill, no memory left
    │       ├── WorkerTimeout             it did not answer in time
    │       └── VersionMismatch           it runs another unifw, or something else altogether
    ├── FileError (ValueError)            a file is truncated, foreign or of another version
    └── ExportError
        └── ExportMismatch                the exported file computes other numbers than the model
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

__all__ = [
    "BackendError",
    "Clash",
    "DataError",
    "DeviceUnavailable",
    "EnvironmentFailed",
    "ExportError",
    "ExportMismatch",
    "FileError",
    "NotInstalled",
    "ShapeError",
    "SpecError",
    "UnifwError",
    "UnknownName",
    "Unsupported",
    "VersionMismatch",
    "VersionUnsupported",
    "WeightsError",
    "WorkerDied",
    "WorkerError",
    "WorkerTimeout",
]


class UnifwError(Exception):
    """The root of all errors that unifw raises itself."""


class SpecError(UnifwError, ValueError):
    """A net, layer, loss, optimizer or option is described wrongly."""


class ShapeError(SpecError):
    """Shapes do not fit together."""


class UnknownName(SpecError):
    """There is nothing of that name; the message gives the nearest that there is.

    Parameters
    ----------
    what : str
        What was looked for: ``"loss"``, ``"backend"`` …
    name : object
        The name that was given.
    known : iterable of str
        The names that exist.
    """

    def __init__(self, what: str, name: object, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(f"No {what} named {name!r}.{hint} Known: {', '.join(names) or 'none'}.")


class DataError(UnifwError, ValueError):
    """Arrays that cannot be trained or predicted on: NaN, wrong shapes, labels out of range."""


class WeightsError(UnifwError, ValueError):
    """Weights or optimizer state that do not fit the net."""


class Unsupported(UnifwError):
    """A backend, device or format cannot hold this net.

    Parameters
    ----------
    where : str
        Who refuses, for example ``"backend 'megengine'"``.
    gaps : sequence of str
        One sentence for each layer or option that is the cause.
    instead : str, optional
        What can do it.
    """

    def __init__(self, where: str, gaps: Sequence[str], instead: str = "") -> None:
        self.where, self.gaps, self.instead = where, tuple(gaps), instead
        lines = [f"{where} cannot run this net:", *(f"  - {gap}" for gap in gaps)]
        super().__init__("\n".join([*lines, instead] if instead else lines))


class BackendError(UnifwError):
    """A backend cannot be used here."""


class NotInstalled(BackendError, ImportError):
    """A framework or optional package is missing.

    Parameters
    ----------
    what : str
        What is missing, for example ``"Backend 'paddle' needs PaddlePaddle"``.
    extra : str
        The extra of unifw that installs it.
    cause : str, optional
        What the import said.
    mend : str, optional
        What mends it, if that is not the extra alone.
    """

    def __init__(self, what: str, extra: str, cause: str = "", mend: str = "") -> None:
        because = f" ({cause})" if cause else ""
        way = mend or install(extra)
        super().__init__(f"{what}, which cannot be imported here{because}. Try:  {way}")


class VersionUnsupported(BackendError, ImportError):
    """The framework that is installed lies outside the range unifw is tested with."""


class Clash(BackendError, ImportError):
    """The framework cannot be imported beside one that this process has loaded already."""


class DeviceUnavailable(BackendError, ValueError):
    """There is no such device here; the message lists those that are."""


class EnvironmentFailed(BackendError):
    """An environment for a framework cannot be made, or does not work."""


class WorkerError(BackendError):
    """The process of an isolated session failed; the process of the caller is as it was.

    Parameters
    ----------
    message : str
        What went wrong.
    output : str, optional
        What the process printed last.

    Attributes
    ----------
    output : str
        As given.
    epoch : int or None
        The epoch that was being trained, counted from 1 as ``fit`` shows it; ``None`` if none was.
    step : int
        How many steps of that epoch were known to be done.
    """

    def __init__(self, message: str, output: str = "") -> None:
        self.message, self.output = message, output
        self.epoch: int | None = None
        self.step = 0
        super().__init__(message)

    def __str__(self) -> str:
        """Say what went wrong, where in training, and what the process printed last."""
        reached = f" in epoch {self.epoch}, after step {self.step}" if self.epoch else ""
        said = f"\nIts last output:\n{self.output}" if self.output else ""
        return f"{self.message}{reached}{said}"


class WorkerDied(WorkerError):
    """The process of an isolated session ended by itself: it crashed, was killed or ran out of memory."""


class WorkerTimeout(WorkerError):
    """The process of an isolated session did not answer in time, and was ended."""


class VersionMismatch(WorkerError):
    """The process of an isolated session runs another unifw, or speaks something else altogether."""


class FileError(UnifwError, ValueError):
    """A file is truncated, foreign, or written by a version that this one cannot read."""


class ExportError(UnifwError):
    """An export could not be written or checked; no file is left behind."""


class ExportMismatch(ExportError):
    """The exported file runs, but computes other numbers than the model."""


def install(extra: str) -> str:
    """Return the command that installs an extra of unifw."""
    return f"pip install 'unifw[{extra}]'"
