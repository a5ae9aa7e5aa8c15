"""Alink itself: what it trains, predicts, writes and reads, and what becomes of its JVM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import cli
from unifw import layers as L
from unifw.backends.alink import gateway, jobs
from unifw.backends.alink.ak import load_ak, save_ak
from unifw.backends.alink.cluster import Cluster
from unifw.backends.alink.operators import linked, operator, run, saved, source
from unifw.backends.alink.tables import read_shares, write_rows
from unifw.errors import BackendError, DataError, FileError, SpecError, Unsupported, WorkerDied
from unifw.isolate import environments

DEEP = uf.Sequential(
    [L.Flatten(), L.Dense(32), L.Sigmoid(), L.Dense(24), L.Tanh(), L.Dense(10)],
    input_shape=(1, 8, 8),
)
LINE = uf.Sequential([L.Dense(1)], input_shape=4)
PLANE = uf.Sequential([L.Dense(3)], input_shape=4)


def rows(count: int = 90) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.RandomState(1)
    x = draw.standard_normal((count, 4))
    y = x @ [1, -2, 0.5, 3] + 4 * draw.standard_normal(count)
    return x, y, np.digitize(y, [-2, 2])


def model(
    net: uf.Graph, loss: str = "cross_entropy", optimizer: Any = "lbfgs", **options: Any
) -> Any:
    return uf.Model(
        net, "alink", loss=loss, optimizer=optimizer, dtype="float64", isolate=False, **options
    )


# ------------------------------------------------------------------------ training


def test_a_deep_net_learns_from_its_own_first_weights_and_moves_on(
    digits: Any, tmp_path: Path
) -> None:
    # From Alink's own first weights such a net stays at an accuracy of 0.2.
    x, y = digits
    trained = model(DEEP, metrics=["accuracy"], iterations=60)
    told = trained.fit(
        x[:1400], y[:1400], batch_size=1400, validation_data=(x[1400:], y[1400:]), verbose=0
    )
    assert told["accuracy"][0] > 0.97
    assert told["val_accuracy"][0] > 0.9
    assert told["loss"][0] == pytest.approx(trained.evaluate(x[:1400], y[:1400])["loss"], rel=1e-9)
    trained.save(tmp_path / "deep.unifw")
    numpy = uf.load(tmp_path / "deep.unifw", "numpy")
    assert np.abs(numpy.predict(x) - trained.predict(x)).max() <= 1e-9
    assert trained.export(tmp_path / "deep.onnx").verified
    assert (
        uf.load(tmp_path / "deep.unifw", iterations=1).fit(x, y, batch_size=len(x), verbose=0)[
            "loss"
        ][1]
        < 0.5
    )


def test_on_two_slots_training_begins_from_the_given_weights_too(flat: Any) -> None:
    # There Alink numbers the classes otherwise: taken as they are, the first weights would be mixed up.
    x, y = (array[:500] for array in flat)
    net = uf.Sequential([L.Dense(16), L.Sigmoid(), L.Dense(10)], input_shape=64)
    begun = model(net, iterations=20)
    begun.fit(x, y, batch_size=len(x), verbose=0)
    more = model(net, iterations=1, parallelism=2, weights=begun.weights)
    assert more.fit(x, y, batch_size=len(x), verbose=0)["loss"][0] <= begun.history["loss"][0]


@pytest.mark.parametrize("method", ["owlqn", "gd"])
def test_alinks_other_methods_end_at_the_same_loss(method: str) -> None:
    x, _, y = rows()
    ends = []
    for options in ({"method": method}, {}):
        trained = model(PLANE, **options)
        ends.append(trained.fit(x, y, epochs=2, batch_size=len(x), verbose=0)["loss"][-1])
    assert ends[0] == pytest.approx(ends[1], rel=1e-3)


def test_alinks_own_sgd_goes_down_by_its_rate() -> None:
    x, _, y = rows()
    ends = []
    for rate in (1e-6, 1.0):
        trained = model(PLANE, optimizer=uf.optimizers.SGD(rate), method="sgd", iterations=50)
        first = trained.evaluate(x, y)["loss"]
        ends.append(trained.fit(x, y, batch_size=32, verbose=0)["loss"][0] / first)
    assert ends[0] == pytest.approx(1, abs=1e-3)
    assert ends[1] < 0.8


def test_a_second_epoch_goes_on_from_the_first() -> None:
    x, _, y = rows()
    told = model(PLANE, iterations=3, metrics=["accuracy"]).fit(
        x, y, epochs=3, batch_size=90, verbose=0
    )
    assert told["loss"] == sorted(told["loss"], reverse=True)
    assert len(told["accuracy"]) == 3


@pytest.mark.parametrize(
    ("fit", "error", "why"),
    [
        ({"batch_size": 32}, SpecError, "takes all rows"),
        ({"sample_weight": np.ones(90)}, DataError, "weighs no samples in a softmax regression"),
    ],
)
def test_what_alink_cannot_train_on_is_refused(fit: Any, error: Any, why: str) -> None:
    x, _, y = rows()
    trained = model(PLANE)
    with pytest.raises(error, match=why):
        trained.fit(x, y, **{"batch_size": 90, "verbose": 0} | fit)
    assert trained.epoch == 0


def test_classes_without_rows_and_shares_are_refused() -> None:
    x, y, classes = rows()
    with pytest.raises(DataError, match="no rows of class 2"):
        model(PLANE).fit(x, classes.clip(0, 1), batch_size=90, verbose=0)
    with pytest.raises(DataError, match="not on shares of several"):
        model(PLANE).fit(x, np.full((90, 3), 1 / 3), batch_size=90, verbose=0)
    with pytest.raises(DataError, match="targets of 0 and 1"):
        model(LINE, "binary_cross_entropy").fit(x, np.full((90, 1), 0.5), batch_size=90, verbose=0)
    with pytest.raises(SpecError, match="shuffle=False"):
        model(LINE, "mse", uf.optimizers.SGD(0.1), method="sgd").fit(x, y, shuffle=False, verbose=0)
    with pytest.raises(BackendError, match="no single steps"):
        model(PLANE).session.take_step(None)


# ------------------------------------------------------------------------ predicting


@pytest.mark.parametrize("tail", [L.Softmax(), L.LogSoftmax(), L.Sigmoid()])
def test_what_stands_behind_the_logits_is_given_too(tail: Any) -> None:
    net = uf.Sequential([L.Dense(5), L.Tanh(), L.Dense(3), tail], input_shape=4)
    x = rows()[0]
    found = uf.Model(net, "alink", dtype="float64", isolate=False).predict(x)
    assert np.abs(found - uf.Model(net, dtype="float64").predict(x)).max() <= 1e-9


def test_logits_beyond_all_numbers_are_told() -> None:
    weights = {"dense.weight": np.full((4, 3), 1e6), "dense.bias": np.zeros(3)}
    with pytest.raises(BackendError, match="beyond what Alink's softmax can tell"):
        uf.Model(PLANE, "alink", weights=weights, isolate=False).predict(np.ones((2, 4)))


# ------------------------------------------------------------------------ .ak files


@pytest.mark.parametrize(
    ("net", "loss"),
    [
        (LINE, None),
        (LINE, "binary_cross_entropy"),
        (PLANE, None),
        (
            uf.Sequential(
                [L.Dense(5), L.Tanh(), L.Dense(4), L.Sigmoid(), L.Dense(3)], input_shape=4
            ),
            None,
        ),
    ],
)
def test_a_net_goes_into_an_ak_file_and_comes_back(
    net: uf.Graph, loss: Any, tmp_path: Path
) -> None:
    x, weights = rows()[0], uf.Model(net, seed=4).weights
    save_ak(net, weights, tmp_path / "net.ak", loss)
    found = load_ak(tmp_path / "net.ak")
    assert found.labels == {1: ("1", "0") if loss else (), 3: ("0", "1", "2")}[net.out_shapes[0][0]]
    outs = [
        uf.Model(*given[:1], dtype="float64", weights=given[1]).predict(x)
        for given in ((net, weights), (found.net, found.weights))
    ]
    outs = [out - out[:, -1:] if out.shape[1] > 1 else out for out in outs]
    assert np.abs(outs[0] - outs[1]).max() <= 1e-9
    assert [p.name for p in tmp_path.iterdir()] == ["net.ak"]


def test_alinks_own_predictor_loads_the_file(tmp_path: Path) -> None:
    x, weights = rows()[0], uf.Model(PLANE, seed=4).weights
    save_ak(PLANE, weights, tmp_path / "net.ak")
    write_rows(tmp_path / "rows", x, np.arange(len(x)))
    here = Cluster()
    with gateway.gateway().using(here) as java:
        held = operator(java, "source.AkSourceBatchOp", filePath=str(tmp_path / "net.ak"))
        data = source(java, tmp_path / "rows", "features STRING, n BIGINT")
        told = {
            "vectorCol": "features",
            "predictionCol": "p",
            "predictionDetailCol": "d",
            "reservedCols": ["n"],
        }
        saved(
            java,
            linked(java, "classification.SoftmaxPredictBatchOp", told, held, data),
            tmp_path / "out",
        )
        run(java)
    ends = uf.Sequential([L.Dense(3), L.Softmax()], input_shape=4)
    wanted = uf.Model(ends, dtype="float64", weights=weights).predict(x)
    assert np.abs(read_shares(tmp_path / "out", len(x), 3) - wanted).max() <= 1e-9


def test_what_is_no_ak_file_of_a_known_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "no.ak").write_text("nothing", "utf-8")
    with pytest.raises(FileError, match="no model"):
        load_ak(tmp_path / "no.ak")
    with pytest.raises(FileError, match="there is no file"):
        load_ak(tmp_path / "none.ak")
    with pytest.raises(FileError, match="no such folder"):
        save_ak(PLANE, uf.Model(PLANE).weights, tmp_path / "none" / "net.ak")
    with pytest.raises(Unsupported, match="relu"):
        relu = uf.Sequential([L.Dense(3), L.ReLU(), L.Dense(3)], input_shape=4)
        save_ak(relu, uf.Model(relu).weights, tmp_path / "net.ak")


# ------------------------------------------------------------------------ the JVM


def is_there(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"


def test_it_listens_on_loopback_alone() -> None:
    uf.Model(LINE, "alink", isolate=False).predict(rows()[0])
    pid = gateway.gateway().pid
    sockets = {
        str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()
    }
    heard = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text(encoding="utf-8").splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
                heard.append(words[1].partition(":")[0])
    assert heard
    assert set(heard) <= {
        "0100007F",
        "0000000000000000FFFF00000100007F",
        "00000000000000000000000001000000",
    }


def test_a_jvm_killed_in_a_job_is_told_and_replaced(monkeypatch: Any) -> None:
    x, _, y = rows()
    trained = model(PLANE)
    trained.fit(x, y, batch_size=90, verbose=0)
    before, first = trained.weights, gateway.gateway().pid

    def killing(java: Any) -> None:
        os.kill(java.pid, signal.SIGKILL)
        run(java)

    monkeypatch.setattr(jobs, "run", killing)
    with pytest.raises(WorkerDied, match=f"JVM of Alink .process {first}. has died"):
        trained.fit(x, y, batch_size=90, verbose=0)
    monkeypatch.undo()
    assert trained.epoch == 1
    assert all(np.array_equal(trained.weights[name], weight) for name, weight in before.items())
    trained.fit(x, y, batch_size=90, verbose=0)
    assert gateway.gateway().pid != first
    assert trained.epoch == 2


def test_dismissed_it_is_gone() -> None:
    pid = gateway.gateway().pid
    assert is_there(pid)
    gateway.dismiss()
    assert not is_there(pid)


CHILD = """
import time
from unifw.backends.alink.cluster import Cluster
from unifw.backends.alink.gateway import gateway
with gateway().using(Cluster()) as java:
    print(java.pid, flush=True)
{then}
"""


@pytest.mark.parametrize("then", ["time.sleep(600)", ""])
def test_it_dies_with_its_parent_however_that_ends(then: str, wait_for: Any) -> None:
    command = [sys.executable, "-c", CHILD.format(then=then)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if then:
            assert is_there(pid)
            parent.kill()
    wait_for(lambda: not is_there(pid), 30)


def test_without_the_opens_it_starts_but_does_not_train(monkeypatch: Any) -> None:
    # Why a trial trains: a JVM that starts says nothing.
    x, _, y = rows()
    gateway.dismiss()
    monkeypatch.setattr(gateway, "OPENS", ())
    with pytest.raises(BackendError, match=r"does not .opens java.lang. to unnamed module"):
        model(PLANE).fit(x, y, batch_size=90, verbose=0)
    gateway.dismiss()


def test_isolated_it_is_the_same_and_goes_with_its_worker(wait_for: Any) -> None:
    x, y, _ = rows()
    with uf.Model(
        LINE, "alink", loss="mse", optimizer="lbfgs", isolate=True, dtype="float64"
    ) as apart:
        apart.fit(x, y, batch_size=90, verbose=0)
        here = model(LINE, "mse")
        here.fit(x, y, batch_size=90, verbose=0)
        assert apart.history == here.history
        worker = int(apart.session.where.split()[2].rstrip(":"))
        jvms = [
            pid
            for pid in children(worker)
            if "java" in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")
        ]
        assert len(jvms) == 1
        os.kill(worker, signal.SIGKILL)
    wait_for(lambda: not is_there(jvms[0]), 30)


def children(pid: int) -> list[int]:
    return [
        int(n)
        for t in Path(f"/proc/{pid}/task").iterdir()
        for n in (t / "children").read_text(encoding="utf-8").split()
    ]


# ------------------------------------------------------------------------ commands


def test_doctor_and_env_train_on_it(capsys: Any, monkeypatch: Any, tmp_path: Path) -> None:
    assert cli.main(["env", "check", "alink"]) == 0
    assert capsys.readouterr().out == "alink: Alink 1.6.2 trains\n"
    found = environments.find("alink")
    assert found is not None
    assert found.is_current
    assert cli.main(["doctor", "--json"]) == 0
    printed = {row["backend"]: row for row in json.loads(capsys.readouterr().out)}
    assert printed["alink"]["runs"] == "in-process"
    assert printed["alink"]["why"].startswith("Alink 1.6.2 trains")
    uf.isolate.dismiss()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert cli.main(["env", "check", "alink"]) == 1
    assert "JAVA_HOME" in capsys.readouterr().out
    uf.isolate.dismiss()


def test_the_example_runs_as_it_stands(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "examples" / "03_alink.py"
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "same classes: True" in done.stdout
    assert "verified by ONNX Runtime" in done.stdout
    assert {p.name for p in tmp_path.iterdir()} == {"digits.onnx", "digits.ak"}
