"""Isolated sessions: the same as in this process; and what really happens when a worker fails."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw import registry
from unifw.backend import Plan
from unifw.errors import (
    BackendError,
    DataError,
    SpecError,
    Unsupported,
    VersionMismatch,
    WorkerDied,
    WorkerError,
    WorkerTimeout,
)
from unifw.isolate import child as child_module
from unifw.isolate import environments, idle
from unifw.isolate.output import Output

NET = uf.Sequential([L.Dropout(0.2), L.Dense(8), L.Tanh(), L.Dense(3)], input_shape=4, name="small")

FAULTY = '''
"""NumPy, but for what the environment variable FAULT says."""

import ctypes, os, subprocess, sys, time
import numpy as np
from unifw.backends.numpy import NumpyBackend
from unifw.backends.numpy.session import NumpySession
from unifw.isolate.worker import main  # the module is there in the worker as well

FAULT = os.environ.get("FAULT", "")


def memory():
    import resource
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28,) * 2)
    np.ones(2**40)


def rubbish():
    print("rubbish " * 20000)
    os.write(1, b"UFW1 more rubbish")
    os.write(2, "错误\\n".encode())
    subprocess.run([sys.executable, "-c", "print('from a program that it started')"], check=True)


FAULTS = {
    "segfault": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "exit": lambda: os._exit(3),
    "memory": memory,
    "rubbish": rubbish,
    "error": lambda: (print("some last words"), 1 / 0),
    "slow": lambda: time.sleep(0.05),
    "hang": lambda: time.sleep(1000),
}


class FaultySession(NumpySession):
    def train_batch(self, batch, coefficients, masks):
        if self.steps > 4 and FAULT in FAULTS:
            FAULTS[FAULT]()
        return super().train_batch(batch, coefficients, masks)


class FaultyBackend(NumpyBackend):
    name = title = "faulty"

    def load(self):
        if FAULT == "hang at start":
            time.sleep(1000)
        super().load()

    def missing(self, graph, options):
        return ["dense: none"] if FAULT == "gap" else []

    def session(self, graph, options):
        return FaultySession(graph, options)
'''


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: Any) -> str:
    """Install a backend that does whatever FAULT says, in step 5 and after."""
    (tmp_path / "faulty.py").write_text(FAULTY, encoding="utf-8")
    about = tmp_path / "faulty-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1\n", "utf-8")
    (about / "entry_points.txt").write_text(
        "[unifw.backends]\nfaulty = faulty:FaultyBackend\n", "utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "faulty"
    registry.backend.cache_clear()
    sys.modules.pop("faulty", None)
    idle.dismiss()


@pytest.fixture
def data() -> Any:
    draw = np.random.RandomState(0)
    x = draw.standard_normal((40, 4)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)


def small(backend: str = "numpy", **options: Any) -> uf.Model:
    return uf.Model(NET, backend, loss="cross_entropy", metrics=["accuracy"], **options)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text("utf-8").rpartition(")")[2].split()[0] == "Z"


def wait_until(condition: Any, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


def pid_of(model: uf.Model) -> int:
    session: Any = model.session
    return int(session.where.split()[2].rstrip(":"))


# ------------------------------------------------------------------------ the same as here


def test_an_isolated_model_cannot_be_told_apart(data: Any, tmp_path: Any, capsys: Any) -> None:
    here, there = small(isolate=False), small(isolate=True)
    told = []
    for model in (here, there):
        model.fit(*data, epochs=2, batch_size=16, validation_split=0.25, verbose=2)
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert "epoch 2/2" in told[0]
    assert here.history == there.history
    assert here.evaluate(*data) == there.evaluate(*data)
    assert np.array_equal(here.predict(data[0], batch_size=7), there.predict(data[0], batch_size=7))
    for name, value in here.checkpoint().state.items():
        assert np.array_equal(there.checkpoint().state[name], value)
    there.save(tmp_path / "there.unifw")
    again = uf.load(tmp_path / "there.unifw", isolate=True).to("numpy", isolate=False)
    moved = here.to("numpy", isolate=True)
    for model in (here, again, moved):
        model.fit(*data, epochs=1, batch_size=16, verbose=0)
    assert again.history["loss"] == moved.history["loss"] == here.history["loss"]
    assert there.export(tmp_path / "there.onnx").verified
    assert here.session.where == "in this process"
    assert there.session.where.startswith("in process ")
    assert sys.executable in there.session.where


class Steps:
    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def __call__(self, done: int, steps: int) -> None:
        self.told.append((done, steps))


def test_float64_weights_and_every_step_reported(data: Any) -> None:
    found = []
    for isolate in (True, False):
        with small(isolate=isolate, dtype="float64", seed=4) as model:
            weights = {name: value + 0.1 for name, value in model.weights.items()}
            model.load_weights(weights)
            assert all(np.array_equal(model.weights[n], weights[n]) for n in weights)
            steps = Steps()
            epochs = model.session.fit(model._training_data(*data), Plan(0, 2, 16), steps)
            losses = [epoch.losses.tolist() for epoch in epochs]
            assert steps.told == [(1, 3), (2, 3), (3, 3)] * 2
            found.append(losses)
    assert found[0] == found[1]


def test_native_is_refused_with_the_way_to_it() -> None:
    with small(isolate=True) as model, pytest.raises(BackendError, match="isolate=False"):
        _ = model.native


def test_bad_data_and_gaps_are_refused_as_here(data: Any, faulty: str, monkeypatch: Any) -> None:
    with small(isolate=True) as model, pytest.raises(DataError, match="NaN"):
        model.fit(data[0] * np.nan, data[1])
    with pytest.raises(uf.errors.DeviceUnavailable, match="there are: cpu"):
        small(isolate=True, device="abacus")
    monkeypatch.setenv("FAULT", "gap")
    with pytest.raises(Unsupported, match="dense: none") as caught:
        small(faulty, isolate=True)
    assert caught.value.gaps == ("dense: none",)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"isolate": "yes"}, "isolate must be True, False or 'auto'"),
        ({"isolate": 1}, "isolate must be"),
        ({"isolate": False, "python": sys.executable}, "isolate=False forbids one"),
        ({"python": "no/such/python"}, "is neither"),
        ({"python": ""}, "is neither"),
        ({"python": 3.10}, "must be the path of an interpreter"),
    ],
)
def test_wrong_options_are_refused(options: Any, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        small(**options)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_an_interpreter_in_this_folder(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "mine").symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    assert environments.interpreter("./mine") == str(tmp_path / "mine")
    with pytest.raises(SpecError, match="'mine' is neither"):
        environments.interpreter("mine")


def test_what_clashes_goes_behind_the_wall(monkeypatch: Any) -> None:
    backend = type(registry.backend("numpy"))
    monkeypatch.setattr(backend, "clashes", ("json",))
    monkeypatch.setattr(backend, "module", "pyclbr")
    with small() as model:
        assert model.session.is_remote


def test_a_closed_model_is_closed_and_its_worker_serves_the_next() -> None:
    model = small(isolate=True)
    pid = pid_of(model)
    model.close()
    model.close()
    with pytest.raises(BackendError, match="has been closed"):
        model.predict(np.zeros((1, 4)))
    with small(isolate=True) as second, small(isolate=True) as third:
        assert pid_of(second) == pid
        assert pid_of(third) != pid
        alive = pid_of(third)
    uf.isolate.dismiss()
    assert is_gone(pid)
    assert is_gone(alive)


def test_a_worker_that_refuses_serves_the_next() -> None:
    with small(isolate=True) as model:
        pid = pid_of(model)
    with pytest.raises(Unsupported, match="mixed"):
        small(isolate=True, precision="mixed")
    with small(isolate=True) as model:
        assert pid_of(model) == pid
    uf.isolate.dismiss()
    assert is_gone(pid)


def test_a_forgotten_model_leaves_no_process() -> None:
    model = small(isolate=True)
    pid = pid_of(model)
    del model
    gc.collect()
    assert wait_until(lambda: is_gone(pid))


def test_an_environment_variable_that_changes_means_another_worker(monkeypatch: Any) -> None:
    with small(isolate=True) as model:
        pid = pid_of(model)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with small(isolate=True) as model:
        assert pid_of(model) != pid
    uf.isolate.dismiss()


def test_a_model_is_not_for_a_fork(data: Any) -> None:
    with small(isolate=True) as model:
        pid = os.fork()
        if not pid:
            try:
                model.predict(data[0])
            except WorkerError as err:
                os._exit(7 if "another process" in str(err) else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        assert len(model.predict(data[0])) == 40


# ------------------------------------------------------------------------ faults, really done


def unbroken(data: Any, epochs: int) -> list[float]:
    return small(isolate=False).fit(*data, epochs=epochs, batch_size=16, verbose=0)["loss"]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("segfault", r"crashed \(SIGSEGV\)(.|\n)*Segmentation fault(.|\n)*train_batch"),
        ("abort", r"crashed \(SIGABRT\)"),
        ("exit", r"ended by itself \(exit status 3\)"),
        ("memory", r"ran out of memory(.|\n)*Error: Unable to allocate"),
    ],
)
def test_a_worker_that_dies_is_named_and_the_model_goes_on(
    faulty: str, data: Any, monkeypatch: Any, tmp_path: Any, fault: str, told: str
) -> None:
    monkeypatch.setenv("FAULT", fault)
    model = small(faulty, isolate=True)
    pid = pid_of(model)
    model.save(tmp_path / "first.unifw")
    with pytest.raises(WorkerDied, match=told) as caught:
        model.fit(*data, epochs=3, batch_size=16, verbose=0)
    # Three steps an epoch: the fault strikes in the second.
    assert caught.value.epoch == 2
    assert "in epoch 2, after step" in str(caught.value)
    assert is_gone(pid)
    assert model.epoch == 1
    assert uf.load(tmp_path / "first.unifw", "numpy").epoch == 0
    model.save(tmp_path / "second.unifw")
    monkeypatch.delenv("FAULT")
    model.fit(*data, epochs=2, batch_size=16, verbose=0)
    assert model.history["loss"] == unbroken(data, 3)
    rescued = uf.load(tmp_path / "second.unifw", "numpy")
    assert rescued.fit(*data, epochs=2, batch_size=16, verbose=0)["loss"] == unbroken(data, 3)


def test_a_worker_killed_in_mid_epoch(faulty: str, data: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("FAULT", "slow")
    model = small(faulty, isolate=True)
    model.fit(*data, epochs=1, batch_size=4, verbose=0)
    threading.Timer(0.25, os.kill, (pid_of(model), signal.SIGKILL)).start()
    with pytest.raises(WorkerDied, match="was killed") as caught:
        model.fit(*data, epochs=3, batch_size=4, verbose=0)
    assert caught.value.epoch == 2
    model.fit(*data, epochs=1, batch_size=4, verbose=0)
    assert model.epoch == 2
    wanted = small().fit(*data, epochs=2, batch_size=4, verbose=0)["loss"]
    assert model.history["loss"] == wanted


def test_a_worker_that_dies_between_calls_is_replaced(data: Any) -> None:
    with small(isolate=True) as model:
        wanted = model.predict(data[0])
        os.kill(pid_of(model), signal.SIGKILL)
        assert wait_until(lambda: is_gone(pid_of(model)))
        with pytest.raises(WorkerDied, match="was killed"):
            model.predict(data[0])
        assert np.array_equal(model.predict(data[0]), wanted)


def test_a_dead_worker_is_closed_without_ado() -> None:
    with small(isolate=True) as model:
        os.kill(pid_of(model), signal.SIGKILL)


def test_single_steps_cannot_be_taken_back(data: Any) -> None:
    model = small(isolate=True)
    checked = model._training_data(*data)
    model.session.take_step(checked)
    wanted = small(isolate=False)
    wanted.session.take_step(checked)
    for name, value in wanted.weights.items():
        assert np.array_equal(model.weights[name], value)
    os.kill(pid_of(model), signal.SIGKILL)
    for told in ("was killed", "open the session anew"):
        with pytest.raises(WorkerDied, match=told):
            model.predict(data[0])


def test_output_beyond_all_use_is_thrown_away(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("unifw.isolate.output.KEPT", 10)
    output = Output(tmp_path / "output")
    output.write(b"0123456789")
    output.trim()
    assert output.text == "0123456789"
    output.write(b"!")
    output.trim()
    assert output.text == ""
    output.write(b"the end")
    output.close()
    assert output.tail == "  the end"


def test_an_error_of_the_framework_is_told_with_what_it_printed(
    faulty: str, data: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("FAULT", "error")
    model = small(faulty, isolate=True)
    with pytest.raises(
        WorkerError, match="ZeroDivisionError: division by zero in epoch 2"
    ) as caught:
        model.fit(*data, epochs=3, batch_size=16, verbose=0)
    assert not isinstance(caught.value, WorkerDied)
    assert "some last words" in model.session.output  # type: ignore[attr-defined]
    assert len(model.predict(data[0])) == 40


def test_whatever_is_printed_does_no_harm_and_can_be_read(
    faulty: str, data: Any, monkeypatch: Any, capfd: Any
) -> None:
    monkeypatch.setenv("FAULT", "rubbish")
    model = small(faulty, isolate=True)
    model.fit(*data, epochs=3, batch_size=16, verbose=0)
    assert model.history["loss"] == unbroken(data, 3)
    output = model.session.output  # type: ignore[attr-defined]
    for text in ("UFW1 more rubbish", "错误", "from a program that it started"):
        assert text in output
    assert capfd.readouterr() == ("", "")


def test_a_framework_that_hangs_at_start(faulty: str, monkeypatch: Any) -> None:
    monkeypatch.setenv("FAULT", "hang at start")
    monkeypatch.setenv("UNIFW_START_SECONDS", "2")
    with pytest.raises(WorkerTimeout, match="did not answer within 2 s and was ended"):
        small(faulty, isolate=True)
    monkeypatch.setenv("UNIFW_START_SECONDS", "soon")
    with pytest.raises(SpecError, match="UNIFW_START_SECONDS"):
        small(isolate=True)


def script(folder: Path, text: str) -> str:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("exec sleep 1000", WorkerTimeout, "did not start within 1 s"),
        ("exec yes rubbish", VersionMismatch, "no worker of unifw"),
        (
            "echo out of order >&2; exit 4",
            WorkerDied,
            r"exit status 4\)\nIts last.*\n  out of order",
        ),
    ],
)
def test_an_interpreter_that_is_none(
    tmp_path: Path, monkeypatch: Any, text: str, kind: type[Exception], told: str
) -> None:
    monkeypatch.setenv("UNIFW_START_SECONDS", "1")
    with pytest.raises(kind, match=told):
        small(python=script(tmp_path, f"echo $$ > {tmp_path}/pid; {text}"))
    assert is_gone(int((tmp_path / "pid").read_text("utf-8")))


def test_a_worker_that_prints_before_it_listens(tmp_path: Path, data: Any) -> None:
    python = script(tmp_path, f'echo good morning; exec {sys.executable} "$@"')
    with small(python=python) as model:
        assert len(model.predict(data[0])) == 40
        assert model.session.output == "good morning\n"  # type: ignore[attr-defined]


def test_a_worker_of_another_version(tmp_path: Path) -> None:
    shutil.copytree(Path(uf.__file__).parent, tmp_path / "unifw")
    init = tmp_path / "unifw" / "__init__.py"
    text = init.read_text(encoding="utf-8")
    init.write_text(text.replace(uf.__version__, "0.0.9"), encoding="utf-8")
    python = script(tmp_path, f'shift; PYTHONPATH={tmp_path} exec {sys.executable} "$@"')
    with pytest.raises(
        VersionMismatch, match=rf"has unifw 0\.0\.9 .*this process {uf.__version__}"
    ):
        small(python=python)
    init.write_text(text + "\n# the same version, another text\n", encoding="utf-8")
    with pytest.raises(VersionMismatch, match="both must be the same"):
        small(python=python)


# ------------------------------------------------------------------------ Ctrl-C, and a parent that dies


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as at a terminal: for what is started in the background, shells have it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_stops_after_the_step_and_the_model_goes_on(
    faulty: str, data: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("FAULT", "slow")
    model = small(faulty, isolate=True)
    pid = pid_of(model)
    model.fit(*data, epochs=1, batch_size=4, verbose=0)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data, epochs=100, batch_size=4, verbose=0)
    assert pid_of(model) == pid
    assert 10 < model.session.steps < 20
    assert model.epoch == 1
    assert np.isfinite(model.fit(*data, epochs=1, batch_size=4, verbose=0)["loss"]).all()


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_a_worker_that_hangs(faulty: str, data: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("FAULT", "hang")
    monkeypatch.setattr(child_module, "STOPPING", 0.3)
    model = small(faulty, isolate=True)
    pid = pid_of(model)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data, epochs=3, batch_size=16, verbose=0)
    assert is_gone(pid)
    monkeypatch.delenv("FAULT")
    model.fit(*data, epochs=2, batch_size=16, verbose=0)
    assert model.history["loss"] == unbroken(data, 3)


PARENT = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np, unifw as uf
net = uf.Sequential([uf.layers.Dense(3)], input_shape=4)
model = uf.Model(net, "faulty", loss="cross_entropy", isolate=True)
print(model.session.where.split()[2].rstrip(":"), flush=True)
try:
    model.fit(np.ones((40, 4)), np.zeros(40, int), epochs=1000, batch_size=1, verbose=0)
except KeyboardInterrupt:
    print("interrupted", len(model.predict(np.ones((5, 4)))), flush=True)
"""


@pytest.fixture
def parent(faulty: str, tmp_path: Path, monkeypatch: Any, interruptible: None) -> Any:
    """A process of its own, in the middle of an isolated fit, and the number of its worker."""
    del interruptible
    monkeypatch.setenv("FAULT", "slow")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        stdout=subprocess.PIPE, encoding="utf-8", start_new_session=True,
    )  # fmt: skip
    worker = int(process.stdout.readline())
    time.sleep(0.5)
    yield process, worker
    process.kill()
    process.wait()
    process.stdout.close()


def test_ctrl_c_at_a_terminal_reaches_the_parent_alone(parent: Any) -> None:
    process, worker = parent
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    assert process.stdout.readline() == "interrupted 5\n"
    assert process.wait(10) == 0
    assert wait_until(lambda: is_gone(worker))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_parent_that_dies_leaves_nothing_behind(parent: Any, tmp_path: Path, how: int) -> None:
    process, worker = parent
    assert not is_gone(worker)
    assert list(tmp_path.glob("unifw-worker-*"))
    os.kill(process.pid, how)
    process.wait(10)
    assert wait_until(lambda: is_gone(worker))
    assert wait_until(lambda: not list(tmp_path.glob("unifw-worker-*")))
