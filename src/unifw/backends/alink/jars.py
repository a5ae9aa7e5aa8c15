"""The jars of Alink and Flink: where they lie, and how they get there.

They come in two Python distributions, of which nothing but the jars is taken: PyAlink's own package is for
Python 3.6 to 3.9 and pandas below 1.2, its jars run under any.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import platformdirs

from unifw.errors import EnvironmentFailed
from unifw.process import environment

__all__ = ["ALINK", "DISTRIBUTIONS", "FOLDER", "Distribution", "fetch", "folder", "jars", "unpack"]

Say = Callable[[str], None]

ALINK, FLINK = "1.6.2", "1.13.6"
# Another version gets another folder, so none is ever half of this and half of that.
FOLDER = f"jars-alink-{ALINK}-flink-{FLINK}"
# Names another folder with the jars, for those who have them already.
VARIABLE = "UNIFW_ALINK_JARS"
# All jars together have 300 MB; nothing that claims more is unpacked.
LARGEST = 500_000_000


@dataclass(frozen=True)
class Distribution:
    """A distribution as the package index has it.

    Attributes
    ----------
    name, version : str
        What is asked for.
    file, sha256 : str
        The file that must come, and its digest.
    inside : str
        The folder within it that holds the jars.
    """

    name: str
    version: str
    file: str
    sha256: str
    inside: str


DISTRIBUTIONS = (
    Distribution(
        "pyalink",
        "1.6.2.post0",
        "pyalink-1.6.2.post0-py3-none-any.whl",
        "85082ece534edf0adc12f1afbe8b9941c3870c7819a17559a34b563bf8ba8df2",
        "pyalink/lib",
    ),
    Distribution(
        "apache-flink-libraries",
        FLINK,
        f"apache-flink-libraries-{FLINK}.tar.gz",
        "2834e022cd64864d570021562aaf84412c69ca34f6731c17453e04bba3db3efc",
        f"apache-flink-libraries-{FLINK}/deps/lib",
    ),
)


def folder() -> Path | None:
    """Return the folder that holds the jars, if there is one.

    That is what ``UNIFW_ALINK_JARS`` names, else beside the Python that runs, else in the environment that
    ``unifw env create alink`` has made.
    """
    named = os.environ.get(VARIABLE)
    made = platformdirs.user_data_path("unifw", appauthor=False) / "environments" / "alink"
    places = [Path(named)] if named else [Path(sys.prefix, FOLDER), made / FOLDER]
    return next((place for place in places if any(place.glob("alink_core*.jar"))), None)


def jars() -> list[str]:
    """Return the paths of all jars, Alink's first; none if they are not here."""
    found = folder()
    return [] if found is None else sorted(map(str, found.glob("*.jar")))


# ------------------------------------------------------------------------ getting them


def fetch(target: Path, python: str, say: Say) -> None:
    """Download both distributions with pip, check them, and unpack their jars into ``target / FOLDER``.

    Parameters
    ----------
    target : Path
        The environment's folder.
    python : str
        Its interpreter, which has pip.
    say : callable
        Told what is going on.

    Raises
    ------
    EnvironmentFailed
        If they cannot be had, or are not the files they should be; nothing is left then.
    """
    goal = target / FOLDER
    if goal.is_dir():
        return
    with tempfile.TemporaryDirectory(prefix="unifw-alink-", dir=target) as temporary:
        room = Path(temporary)
        loaded, half = room / "loaded", room / "jars"
        loaded.mkdir()
        half.mkdir()
        for wanted in DISTRIBUTIONS:
            say(f"alink: fetches {wanted.file}")
            _download(wanted, python, loaded)
            unpack(loaded / wanted.file, wanted, half)
        half.rename(goal)


def _download(wanted: Distribution, python: str, into: Path) -> None:
    # With its digest in the requirement, pip checks a file before it opens it.
    requirement = into / f"{wanted.name}.txt"
    line = f"{wanted.name}=={wanted.version} --hash=sha256:{wanted.sha256}\n"
    requirement.write_text(line, encoding="utf-8")
    command = [
        python, "-m", "pip", "download", "--no-deps", "--require-hashes", "--quiet",
        "--disable-pip-version-check", "--dest", str(into), "--requirement", str(requirement),
    ]  # fmt: skip
    done = subprocess.run(  # noqa: S603 - the environment's own pip
        command, capture_output=True, encoding="utf-8", errors="replace", check=False,
        env=environment(),
    )  # fmt: skip
    if done.returncode or not (into / wanted.file).is_file():
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-10:])
        message = f"{wanted.file} cannot be had:  {' '.join(command)}\n{last}"
        raise EnvironmentFailed(message)


def unpack(archive: Path, wanted: Distribution, into: Path) -> None:
    """Check a distribution's file and unpack its jars, and nothing else of it.

    Raises
    ------
    EnvironmentFailed
        If it is another file than it should be, holds no jars, or more than they can be.
    """
    digest = _digest(archive)
    if digest != wanted.sha256:
        message = (
            f"{archive.name} has the sha256 {digest} instead of {wanted.sha256}; it is not used"
        )
        raise EnvironmentFailed(message)
    room = LARGEST - sum(jar.stat().st_size for jar in into.iterdir())
    found = 0
    for name, size, content in _members(archive):
        before, _, last = name.rpartition("/")
        # Nothing but the last part of a name becomes one here, so none leads elsewhere.
        if before != wanted.inside or not last.endswith(".jar") or last != Path(last).name:
            continue
        room -= size
        if room < 0:
            message = f"{archive.name} holds jars of more than {LARGEST} bytes; it is not used"
            raise EnvironmentFailed(message)
        with content as source, (into / last).open("xb") as target:
            shutil.copyfileobj(source, target)
        found += 1
    if not found:
        message = f"{archive.name} holds no jars in {wanted.inside}"
        raise EnvironmentFailed(message)


def _digest(archive: Path) -> str:
    digest = hashlib.sha256()
    with archive.open("rb") as file:
        for block in iter(partial(file.read, 1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _members(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Yield name, size and content of the files in a wheel or a source distribution."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for entry in wheel.infolist():
                yield entry.filename, entry.file_size, wheel.open(entry)
        return
    with tarfile.open(archive, "r:gz") as source:
        for member in source:
            content = source.extractfile(member) if member.isfile() else None
            if content is not None:
                yield member.name, member.size, content
