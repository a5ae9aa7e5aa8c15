"""Environments: for each framework a Python with the versions that are tested together, and this unifw.

They lie in the user's data directory (``unifw env list`` says where). An environment counts once its
file ``unifw.json`` is there, which is written last, after a training step has been tried.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

import platformdirs

from unifw import registry
from unifw.backend import Backend
from unifw.errors import EnvironmentFailed, SpecError
from unifw.isolate.messages import build
from unifw.isolate.trial import trial
from unifw.isolate.wheel import write_wheel
from unifw.process import environment
from unifw.spec import check

__all__ = ["Environment", "create", "every", "find", "interpreter", "remove", "root"]

ABOUT = "unifw.json"
# The interpreter that runs here.
HERE = sys.executable
INSTALLERS = ("auto", "uv", "pip")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Environment:
    """One environment.

    Attributes
    ----------
    backend : str
        What it is for.
    folder : str
        Where it is.
    python, version : str
        Its interpreter, and that one's version.
    framework : str
        The framework's name and version.
    build : str
        The version of its unifw, and a digest of the source.
    """

    backend: str
    folder: str
    python: str
    version: str
    framework: str
    build: str

    @property
    def is_current(self) -> bool:
        """Whether its unifw is the one that runs here."""
        return self.build == build()


def root() -> Path:
    """Return the folder that holds all environments."""
    return platformdirs.user_data_path("unifw", appauthor=False) / "environments"


def find(backend: str) -> Environment | None:
    """Return the environment of a backend, if it has one that is whole."""
    try:
        told = json.loads(Path(root(), backend, ABOUT).read_text(encoding="utf-8"))
        found = Environment(**told)
    except (OSError, ValueError, TypeError):
        return None
    return found if Path(found.python).exists() else None


def every() -> list[Environment]:
    """Return all environments, in the order of the backends' names."""
    folders = sorted(root().iterdir()) if root().is_dir() else []
    return [found for folder in folders if (found := find(folder.name)) is not None]


def remove(backend: str) -> Path:
    """Remove the environment of a backend, whole or not, and return where it was.

    Raises
    ------
    UnknownName
        If there is no such backend.
    EnvironmentFailed
        If it has none.
    """
    folder = root() / registry.backend(backend).name
    if not folder.is_dir():
        message = f"backend {backend!r} has no environment; unifw env list shows those there are"
        raise EnvironmentFailed(message)
    shutil.rmtree(folder)
    return folder


def interpreter(python: str | os.PathLike[str]) -> str:
    """Return the interpreter that a user names: a file, a command, or the folder of an environment.

    Raises
    ------
    SpecError
        If there is none.
    """
    given = os.fspath(python)
    # As it was given: Path would make a command to be looked for of "./python".
    inside = _python_in(Path(given)) if given and Path(given).is_dir() else given
    found = shutil.which(inside) if given else None
    if found is None:
        message = (
            f"python must be an interpreter, or the folder of an environment; {given!r} is neither"
        )
        raise SpecError(message)
    return str(Path(found).absolute())


def create(
    backend: str,
    *,
    python: str | None = None,
    installer: str = "auto",
    say: Say = lambda _: None,
) -> Environment:
    """Make the environment of a backend, or bring the one that is there up to date, and try it.

    Parameters
    ----------
    backend : str
        Name of the backend.
    python : str, optional
        Version (``"3.10"``) or path of the interpreter; default the best tested one that is found. An
        environment that is there is made anew then.
    installer : {"auto", "uv", "pip"}
        Default uv where there is one, else venv and pip.
    say : callable, optional
        Told, in words, what is going on.

    Raises
    ------
    UnknownName
        If there is no such backend.
    SpecError
        If the installer is none of these.
    EnvironmentFailed
        If it cannot be made or does not work, with the last words of what failed.
    """
    chosen = registry.backend(backend)
    if not chosen.pins:
        message = (
            f"no versions of {chosen.title} are known to be tested together: make an environment "
            f"yourself, install unifw {build()} into it, and name it with python="
        )
        raise EnvironmentFailed(message)
    tool = _tool(check.choice("installer", installer, INSTALLERS))
    folder = root() / chosen.name
    if python is not None or find(chosen.name) is None:
        say(f"{chosen.name}: makes {folder}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        tool.make(folder, chosen, python)
    inside = _python_in(folder)
    with tempfile.TemporaryDirectory(prefix="unifw-") as temporary:
        wheel = write_wheel(Path(temporary))
        say(f"{chosen.name}: installs {', '.join(chosen.pins)}")
        tool.install(inside, [f"unifw @ {wheel.as_uri()}", *chosen.pins])
    chosen.furnish(folder, str(inside), say)
    say(f"{chosen.name}: tries one step of training")
    tried = trial(chosen.name, str(inside))
    made = Environment(
        chosen.name, str(folder), str(inside), tried.python, tried.framework, build()
    )
    Path(folder, ABOUT).write_text(json.dumps(asdict(made), indent=1), encoding="utf-8")
    return made


def _python_in(folder: Path) -> Path:
    places = [folder / "bin" / "python", folder / "Scripts" / "python.exe"]
    return next((place for place in places if place.exists()), places[0])


# ------------------------------------------------------------------------ uv, or venv and pip


class _Uv:
    def __init__(self, program: str) -> None:
        self._program = program

    def make(self, folder: Path, backend: Backend, python: str | None) -> None:
        _run([self._program, "venv", "--python", self._choice(backend, python), str(folder)])

    def _choice(self, backend: Backend, python: str | None) -> str:
        if python is not None:
            return python
        for version in backend.pythons:
            here = [self._program, "python", "find", "--no-python-downloads", version]
            found = _output(here)
            if found is not None:
                return found
        return backend.pythons[0]  # uv may know where to get it

    def install(self, inside: Path, requirements: Sequence[str]) -> None:
        _run([self._program, "pip", "install", "--python", str(inside),
              "--reinstall-package", "unifw", *requirements])  # fmt: skip


class _Pip:
    def make(self, folder: Path, backend: Backend, python: str | None) -> None:
        wanted = (python,) if python is not None else backend.pythons
        for version in wanted:
            found = _base(version)
            if found is not None:
                _run([found, "-m", "venv", str(folder)])
                return
        message = (
            f"found no Python {' or '.join(wanted)} for {backend.title}. Install one, or uv, which "
            "finds or fetches it (pip install uv), or name one with --python"
        )
        raise EnvironmentFailed(message)

    def install(self, inside: Path, requirements: Sequence[str]) -> None:
        pip = [str(inside), "-m", "pip", "install", "--disable-pip-version-check"]
        _run([*pip, *requirements])
        _run([*pip, "--force-reinstall", "--no-deps", requirements[0]])


def _tool(installer: str) -> _Uv | _Pip:
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    program = shutil.which("uv", path=beside) if installer != "pip" else None
    if program is not None:
        return _Uv(program)
    if installer == "uv":
        message = "there is no uv here. Try:  pip install uv, or the installer pip"
        raise EnvironmentFailed(message)
    return _Pip()


def _base(version: str) -> str | None:
    """Return an interpreter of that version, or at that path."""
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    for name in (sys.executable, f"python{version}", version):
        if shutil.which(name) and (_output([name, "-c", ask]) == version or name == version):
            return name
    return None


def _output(command: Sequence[str]) -> str | None:
    done = subprocess.run(  # noqa: S603 - interpreters and installers that were found
        command, capture_output=True, encoding="utf-8", errors="replace", check=False,
        env=environment(),
    )  # fmt: skip
    return None if done.returncode else done.stdout.strip()


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - interpreters and installers that were found
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
            errors="replace", check=False, env=environment(),
        )  # fmt: skip
    except OSError as err:
        _failed(command, str(err))
    if done.returncode:
        _failed(command, "\n".join(done.stdout.strip().splitlines()[-15:]))


def _failed(command: Sequence[str], told: str) -> NoReturn:
    message = f"this failed:  {' '.join(command)}\n{told}"
    raise EnvironmentFailed(message)
