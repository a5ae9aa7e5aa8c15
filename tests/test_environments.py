"""Environments without a network: what is packed, found, listed and removed, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import cli, registry
from unifw import layers as L
from unifw.errors import EnvironmentFailed, NotInstalled, UnknownName
from unifw.isolate import environments
from unifw.isolate.messages import build
from unifw.isolate.place import Place
from unifw.isolate.wheel import write_wheel

NET = uf.Sequential([L.Dense(3)], input_shape=4)


class Borrowed:
    """Stands in for uv and pip: an environment that borrows the packages of this one."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.installed: list[str] = []

    def make(self, folder: Path, backend: Any, python: str | None) -> None:
        self.made.append(python or backend.pythons[0])
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)

    def install(self, inside: Path, requirements: Any) -> None:
        self.installed = list(requirements)
        (site,) = inside.parents[1].glob("lib/python*/site-packages")
        purelib = sysconfig.get_path("purelib")
        (site / "borrowed.pth").write_text(f"import site; site.addsitedir({purelib!r})\n", "utf-8")


@pytest.fixture
def borrowed(monkeypatch: Any) -> Borrowed:
    tool = Borrowed()
    monkeypatch.setattr(environments, "_tool", lambda _: tool)
    return tool


def test_an_environment_is_made_found_used_and_removed(
    borrowed: Borrowed, home: Path, capsys: Any, monkeypatch: Any
) -> None:
    assert cli.main(["env", "create", "numpy"]) == 0
    out = capsys.readouterr().out
    assert "tries one step of training" in out
    assert f"NumPy {np.__version__}" in out
    assert borrowed.made == ["3.11"]
    first, *pins = borrowed.installed
    assert first.startswith("unifw @ file:")
    assert pins == list(registry.backend("numpy").pins)
    found = environments.find("numpy")
    assert found is not None
    assert found.is_current
    with uf.Model(NET, isolate=True) as model:
        assert str(home) in model.session.where
    with uf.Model(NET, python=home / "numpy") as model:
        assert found.python in model.session.where
    uf.isolate.dismiss()
    # Again: it stays, and only unifw is brought up to date; unless a Python is named.
    assert cli.main(["env", "create", "numpy"]) == 0
    assert len(borrowed.made) == 1
    assert cli.main(["env", "create", "numpy", "--python", "3.10"]) == 0
    assert borrowed.made[1:] == ["3.10"]
    assert cli.main(["env", "check"]) == 0
    assert cli.main(["env", "list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert row["build"] == build()
    monkeypatch.setattr(environments, "build", lambda: "0.0.9")
    assert cli.main(["env", "list"]) == 0
    assert "another; unifw env" in capsys.readouterr().out
    assert cli.main(["env", "remove", "numpy"]) == 0
    assert environments.every() == []
    assert not (home / "numpy").exists()
    with pytest.raises(EnvironmentFailed, match="has no environment"):
        environments.remove("numpy")
    uf.isolate.dismiss()


def test_what_cannot_be_used_here_runs_in_its_environment(
    borrowed: Borrowed, monkeypatch: Any
) -> None:
    environments.create("numpy")
    monkeypatch.setattr(type(registry.backend("numpy")), "tested", ">=90")
    # The worker has the real range: only this process finds its NumPy too old.
    with uf.Model(NET) as model:
        assert model.session.is_remote
        assert model.predict(np.ones((2, 4))).shape == (2, 3)
    uf.isolate.dismiss()


def test_an_environment_half_made_does_not_count(home: Path, borrowed: Borrowed) -> None:
    (home / "numpy").mkdir(parents=True)
    (home / "numpy" / "left over").touch()
    assert environments.find("numpy") is None
    environments.create("numpy")
    assert not (home / "numpy" / "left over").exists()
    (home / "numpy" / "unifw.json").write_text("{", "utf-8")
    assert environments.find("numpy") is None
    assert environments.every() == []


def test_an_environment_that_computes_something_else_fails(
    borrowed: Borrowed, monkeypatch: Any
) -> None:
    monkeypatch.setattr("unifw.isolate.trial.TOLERANCE", -1.0)
    with pytest.raises(EnvironmentFailed, match="computes a loss of"):
        environments.create("numpy")
    assert environments.find("numpy") is None


def test_what_cannot_be_made_is_refused(monkeypatch: Any, home: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'paddle'"):
        environments.create("padle")
    with pytest.raises(UnknownName, match="installer"):
        environments.create("numpy", installer="conda")
    monkeypatch.setattr(type(registry.backend("numpy")), "pythons", ("2.4",))
    with pytest.raises(EnvironmentFailed, match=r"found no Python 2\.4 for NumPy"):
        environments.create("numpy", installer="pip")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(EnvironmentFailed, match="there is no uv here"):
        environments.create("numpy", installer="uv")
    monkeypatch.setattr(type(registry.backend("numpy")), "pins", ())
    with pytest.raises(EnvironmentFailed, match="make an environment yourself"):
        environments.create("numpy")
    assert environments.every() == []


def test_a_command_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(EnvironmentFailed, match=r"this failed(.|\n)*out of paper"):
        environments._run([sys.executable, "-c", "raise SystemExit('out of paper')"])


def test_a_missing_framework_is_told_with_both_ways_to_it(monkeypatch: Any) -> None:
    monkeypatch.setattr(type(registry.backend("paddle")), "distributions", ("no-such-thing",))
    with pytest.raises(NotInstalled, match="unifw env create paddle"):
        uf.Model(NET, "paddle")
    with pytest.raises(NotInstalled) as caught:
        uf.Model(NET, "paddle", isolate=False)
    assert "unifw env create" not in str(caught.value)


def test_doctor_says_what_runs_and_what_mends_the_rest(capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(type(registry.backend("paddle")), "distributions", ("no-such-thing",))
    assert cli.main(["doctor", "--json"]) == 0
    rows = {row["backend"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["numpy"]["runs"] == "in-process"
    assert f"NumPy {np.__version__} trains" in rows["numpy"]["why"]
    assert rows["paddle"]["runs"] == "not available"
    assert "unifw env create paddle" in rows["paddle"]["mend"]
    assert cli.main(["doctor", "--no-trial"]) == 0
    assert "paddle: unifw env create paddle" in capsys.readouterr().out
    monkeypatch.setattr("unifw.isolate.trial.TOLERANCE", -1.0)
    assert cli.main(["doctor"]) == 1
    assert "fails" in capsys.readouterr().out


def test_doctor_names_the_extra_that_the_terminal_would_take_for_a_style(
    capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    why = "Try:  pip install 'unifw[paddle]'"
    monkeypatch.setattr("unifw.cli.wall.place", lambda _: Place("python", why))
    assert cli.main(["doctor", "--no-trial"]) == 0
    assert why in capsys.readouterr().out


def test_the_wheel_is_this_very_unifw(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path)
    target = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    code = f"import sys; sys.path.insert(0, {str(target)!r}); import unifw; print(unifw.__file__);"
    code += "from unifw.isolate.messages import build; print(build())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.splitlines() == [str(target / "unifw" / "__init__.py"), build()]
    record = (target / f"unifw-{uf.__version__}.dist-info" / "RECORD").read_text("utf-8")
    listed = {line.partition(",")[0] for line in record.splitlines()}
    assert listed == {p.relative_to(target).as_posix() for p in target.rglob("*")
                      if p.is_file() and "__pycache__" not in p.parts}  # fmt: skip
    shutil.rmtree(target)
