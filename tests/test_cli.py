"""The command line: what it prints, its JSON, and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import unifw as uf
from unifw import cli, demo, registry
from unifw.parity import Curve, Parity


def told(capsys: Any, *arguments: str) -> tuple[int, str, str]:
    status = cli.main(arguments)
    out, err = capsys.readouterr()
    return status, out, err


def test_backends_lists_all_with_the_command_that_installs(capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(type(registry.backend("paddle")), "distributions", ("no-such-thing",))
    status, out, _ = told(capsys, "backends", "--no-devices")
    assert status == 0
    for name in registry.backend_names():
        assert name in out
    assert "paddle: pip install 'unifw[paddle]'" in out
    status, out, _ = told(capsys, "backends", "--json")
    rows = {row["backend"]: row for row in json.loads(out)}
    assert rows["numpy"] | {"version": ""} == {
        "backend": "numpy", "framework": "NumPy", "version": "", "tested": ">=1.25,<3",
        "ready": True, "isolated": False, "problem": "", "install": "", "devices": ["cpu"],
    }  # fmt: skip
    assert rows["paddle"]["ready"] is False
    assert rows["paddle"]["install"] == "pip install 'unifw[paddle]'"


def test_demo_learns_exports_and_compares(capsys: Any, tmp_path: Any) -> None:
    arguments = ("--backend", "numpy", "--folder", str(tmp_path / "new" / "place"))
    status, out, _ = told(capsys, "demo", *arguments)
    assert status == 0
    assert "on 360 test images" in out
    assert "verified by ONNX Runtime" in out
    assert out.endswith("all is well on numpy\n")
    assert (tmp_path / "new" / "place" / "digits.onnx").exists()
    status, out, _ = told(capsys, "demo", "--json", "--epochs", "1", *arguments)
    result = json.loads(out)
    assert status == 1  # one epoch does not reach 0.96
    assert result["passed"] is False
    assert result["runs"][0]["accuracy"] < 0.96
    assert result["parity"]["curves"][0]["difference"] < 1e-5


def test_a_folder_that_cannot_be_is_refused_before_any_work(capsys: Any, tmp_path: Any) -> None:
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "within")
    status, out, err = told(capsys, "demo", "--backend", "numpy", "--folder", folder)
    assert (status, out) == (1, "")
    assert f"cannot write to {folder}" in err


def test_a_folder_that_is_not_to_be_written_to_is_refused(
    capsys: Any, tmp_path: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # as for those who are not root
    status, out, err = told(capsys, "demo", "--backend", "numpy", "--folder", str(tmp_path))
    assert (status, out) == (1, "")
    assert f"cannot write to {tmp_path}: Permission denied" in err


def test_parity_fails_above_its_tolerance(capsys: Any, tmp_path: Any) -> None:
    plot = tmp_path / "parity.png"
    few = ("parity", "--backend", "numpy", "--net", "mlp", "--optimizer", "sgd", "--steps", "5")
    status, out, _ = told(capsys, *few, "--plot", str(plot))
    assert status == 0
    assert "mlp, 5 steps" in out
    assert plot.stat().st_size > 1000
    status, out, _ = told(capsys, *few, "--tolerance", "1e-12", "--json")
    assert status == 1
    assert len(json.loads(out)[0]["curves"][0]["losses"]) == 5
    assert told(capsys, "parity", "--plot", str(plot))[0] == 2


def test_summary_of_a_file(capsys: Any, tmp_path: Any, model: uf.Model, few: Any) -> None:
    model.fit(*few, verbose=0)
    model.save(tmp_path / "m.unifw")
    status, out, _ = told(capsys, "summary", str(tmp_path / "m.unifw"))
    assert status == 0
    assert "trained for 1 epochs, 4 steps with Adam()" in out
    status, out, _ = told(capsys, "summary", "--json", str(tmp_path / "m.unifw"))
    assert json.loads(out)["history"] == model.history
    assert uf.Graph.from_json(json.dumps(json.loads(out)["graph"])) == model.net


def test_errors_are_one_line_and_status_1(capsys: Any) -> None:
    status, out, err = told(capsys, "summary", "none.unifw")
    assert (status, out) == (1, "")
    assert err == "unifw: there is no file none.unifw\n"
    status, _, err = told(capsys, "demo", "--backend", "padle")
    assert status == 1
    assert "Did you mean 'paddle'" in err


def test_wrong_commands_are_status_2() -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["trane"])
    assert caught.value.code == 2


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "unifw", "--version"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout == f"unifw {uf.__version__}\n"


def test_a_backend_that_cannot_run_is_named_in_the_table(monkeypatch: Any) -> None:
    from unifw import parity as module

    def dies(*_: Any, **__: Any) -> Any:
        raise uf.errors.BackendError("the process died")

    real = sys.modules["unifw.parity"].losses
    monkeypatch.setattr(
        sys.modules["unifw.parity"], "losses",
        lambda *given, **where: (dies if where else real)(*given, **where),
    )  # fmt: skip
    result = module(demo.NETS["mlp"], demo.digits(), ["numpy"], optimizers=["sgd"], steps=2)
    assert not result.complete
    assert "cannot run" in str(result)
    assert "numpy: the process died" in str(result)


def test_parity_prints_plain_text_in_a_notebook_too(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")  # as IPython's kernel does
    curve = Curve("toy", "1.0", "SGD()", (1.0,), problem="it is not here")
    printed = str(Parity("small", 1, {"SGD()": (1.0,)}, (curve,)))
    assert "largest relative difference" in printed
    assert "toy: it is not here" in printed
    assert "\x1b" not in printed
    assert not capsys.readouterr().out


def test_parity_refuses_wrong_data_and_takes_one_name() -> None:
    from unifw import parity as function

    x, y = demo.digits()
    with pytest.raises(uf.errors.DataError, match="data must be"):
        function(demo.NETS["mlp"], x)
    with pytest.raises(uf.errors.SpecError, match="at least one backend"):
        function(demo.NETS["mlp"], (x, y), [])
    found = function(demo.NETS["mlp"], (x, y), "numpy", optimizers=["sgd"], steps=2)
    assert [curve.backend for curve in found.curves] == ["numpy"]
