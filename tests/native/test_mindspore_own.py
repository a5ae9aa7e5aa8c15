"""MindSpore's own operations where unifw has two ways, or they have a trap; and sessions after other work."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw import registry
from unifw.backend import Options
from unifw.errors import DeviceUnavailable
from unifw.testing.cases import LAYERS
from unifw.testing.compare import judge_gradients, opened

CONVOLUTIONS = (L.Conv1D, L.Conv2D, L.SeparableConv1D, L.SeparableConv2D)
CASES = {case.name: case for case in LAYERS if isinstance(case.layer, CONVOLUTIONS)}

MODEL = """
import mindspore, numpy
import unifw as uf
x = numpy.array([[-1, 1]], numpy.float32)
{before}
model = uf.Model(uf.Sequential([uf.layers.ReLU()], input_shape=(2,)), "mindspore", isolate=False)
print(model.predict(x))
{after}
"""
USED, SET = "mindspore.ops.relu(mindspore.Tensor(x)).asnumpy()", "mindspore.set_device('CPU')"


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Have convolutions go the way that is not the quicker one here; the names of that one and this."""
    registry.backend("mindspore").load()
    from unifw.backends.mindspore import windows

    own = windows.own_is_quicker()
    monkeypatch.setattr(windows, "own_is_quicker", lambda: not own)
    return ("Columns", "Own") if own else ("Own", "Columns")


@pytest.mark.parametrize("name", CASES)
def test_the_other_way_to_convolve(name: str, other: tuple[str, str]) -> None:
    case = CASES[name]
    with opened("mindspore", case.probed) as session:
        kinds = {type(cell).__name__ for _, cell in session.native.cells_and_names()}
    assert other[0] in kinds
    assert other[1] not in kinds
    judge_gradients("mindspore", case.probed, case.probed_inputs())


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("shape", [(2,), (2, 1, 1), (2, 2)])
def test_running_statistics_of_few_values(rows: int, shape: tuple[int, ...]) -> None:
    # The framework's own variance of one value is NaN.
    net = uf.Sequential([L.BatchNorm(0.25), L.Flatten(), L.Dense(1)], input_shape=shape)
    x = np.random.RandomState(0).standard_normal((rows, *shape)).astype(np.float32)
    judge_gradients("mindspore", net, (x,))


def test_another_device_than_the_one_in_use() -> None:
    net = uf.Sequential([L.ReLU()], input_shape=(2,))
    x = np.array([[-1, 1]], np.float32)
    plugin = registry.backend("mindspore")
    with opened("mindspore", net) as session:
        assert session.forward((x,))[0].tolist() == [[0, 1]]
        with pytest.raises(DeviceUnavailable, match="one device a process"):
            plugin.session(net, Options((), uf.optimizers.SGD(1.0), device="gpu:0"))
        with opened("mindspore", net) as later:
            assert later.forward((x,))[0].tolist() == [[0, 1]]


@pytest.mark.parametrize(("before", "after"), [(USED, ""), (SET, USED), ("", SET)])
def test_other_work_in_the_process(before: str, after: str) -> None:
    command = [sys.executable, "-c", MODEL.format(before=before, after=after)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert "[[0. 1.]]" in done.stdout
