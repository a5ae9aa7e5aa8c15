"""Where Java is, which one, and what it must be told so that Flink runs on it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from unifw.errors import NotInstalled, VersionUnsupported
from unifw.process import environment

__all__ = ["RELEASES", "find_java", "release"]

RELEASES = (8, 11, 17)
GET = "a JRE of Java 8, 11 or 17, for example from https://adoptium.net, and JAVA_HOME or PATH to name it"


def find_java() -> str:
    """Return the Java that is to run Alink: that of ``JAVA_HOME``, else the first on ``PATH``.

    Raises
    ------
    NotInstalled
        If there is none, or ``JAVA_HOME`` holds none.
    VersionUnsupported
        If it is of another release than 8, 11 or 17.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which(Path(home, "bin", "java") if home else "java")
    if found is None:
        why = f"JAVA_HOME={home} has no bin/java" if home else "there is none on PATH"
        needs = "Backend 'alink' needs Java"
        raise NotInstalled(needs, "alink", why, GET)
    number = release(found)
    if number not in RELEASES:
        message = (
            f"Alink 1.6 on Flink 1.13 runs on Java 8, 11 and 17; {found} is {number}. Try:  {GET}"
        )
        raise VersionUnsupported(message)
    return str(found)


@cache
def release(program: str) -> int:
    """Return the release of a Java: 8, 11, 17 …; 0 if it does not say."""
    try:
        done = subprocess.run(  # noqa: S603 - the Java that was found
            [program, "-version"], capture_output=True, encoding="utf-8", errors="replace",
            timeout=60, check=False, env=environment(),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return 0
    told = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(told.group(1)) if told else 0
