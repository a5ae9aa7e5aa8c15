"""The wire: what goes in comes out, and rubbish is told from a message."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import unifw as uf
from unifw import losses, metrics, optimizers
from unifw.backend import Epoch, Options, Plan
from unifw.isolate import messages
from unifw.isolate.wire import GREETING, HEAD, TAG, Message, Wire, WireError

DTYPES = st.sampled_from(["f4", "f8", "i8", "i4", "u1", "?"])
ANY_ARRAY = arrays.arrays(DTYPES, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0))
ABOUT = st.dictionaries(st.text(), st.integers() | st.text() | st.booleans() | st.none())


def through(message: Message) -> Message:
    stream = io.BytesIO()
    Wire(stream, stream).send(message)
    stream.seek(0)
    return Wire(stream, stream).receive()


@given(st.text(), ABOUT, st.dictionaries(st.text(), ANY_ARRAY, max_size=3))
def test_messages_come_out_as_they_went_in(kind: str, about: Any, named: Any) -> None:
    found = through(Message(kind, about, named))
    assert (found.kind, found.about) == (kind, about)
    assert list(found.arrays) == list(named)
    for name, wanted in named.items():
        assert found.arrays[name].dtype == wanted.dtype
        assert found.arrays[name].shape == wanted.shape
        assert found.arrays[name].tobytes() == wanted.tobytes()


def test_strided_arrays_keep_their_order() -> None:
    array = np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)[::2]
    assert np.array_equal(through(Message("a", {}, {"x": array})).arrays["x"], array)


def written(header: Any) -> Wire:
    text = json.dumps(header).encode()
    return Wire(io.BytesIO(HEAD.pack(TAG, len(text)) + text), io.BytesIO())


def test_rubbish_is_no_message() -> None:
    with pytest.raises(WireError, match="Hell"):
        Wire(io.BytesIO(b"Hello, world"), io.BytesIO()).receive()
    for header in ([], {"kind": "a"}, {"kind": "a", "about": {}, "arrays": [["x", "O", [1]]]}):
        with pytest.raises(WireError):
            written(header).receive()


def test_the_end_of_the_stream_is_told() -> None:
    whole = io.BytesIO()
    Wire(whole, whole).send(Message("a", {}, {"x": np.ones(9)}))
    for length in (0, 5, 20, len(whole.getvalue()) - 1):
        cut = io.BytesIO(whole.getvalue()[:length])
        with pytest.raises(EOFError):
            Wire(cut, cut).receive()


def test_what_comes_before_the_greeting_is_set_apart() -> None:
    stream = io.BytesIO(b"said first" + GREETING + b"UFW1")
    assert Wire(stream, stream).await_greeting() == b"said first"
    assert stream.read() == b"UFW1"
    with pytest.raises(EOFError, match="said only"):
        Wire(io.BytesIO(b"said only"), stream).await_greeting()
    with pytest.raises(WireError, match="yyyy"):
        Wire(io.BytesIO(b"y" * 100_000), stream).await_greeting()


def test_options_plans_and_epochs_travel() -> None:
    options = Options(
        (losses.CrossEntropy(0.1), losses.Huber(0.5)),
        optimizers.Adam(0.01, clip_norm=1.0), "gpu:1", "float64", 7,
        settings={"cluster": "here:8081", "parallelism": 2, "epsilon": 1e-9},
    )  # fmt: skip
    plan = Plan(2, 5, 16, shuffle=False, metrics=(((metrics.F1(),), True), ((), False)))
    about = json.loads(json.dumps([messages.options_data(options), messages.plan_data(plan)]))
    assert messages.read_options(about[0]) == options
    assert messages.read_plan(about[1]) == plan
    epoch = Epoch(3, np.array([0.5, np.nan]), np.array([2.0, 1.0]), ((0.25, float("nan")), ()))
    found = messages.read_epoch(through(messages.epoch_message(epoch)))
    assert repr(found) == repr(epoch)


@pytest.mark.parametrize(
    "err",
    [
        uf.errors.Unsupported("backend 'paddle'", ["no Dense", "no loss"], "numpy can"),
        uf.errors.UnknownName("loss", "mze", ["mse"]),
        uf.errors.NotInstalled("Backend 'x' needs X", "x"),
        uf.errors.WorkerError("RuntimeError: boom", "said"),
    ],
)
def test_errors_travel_with_all_they_hold(err: uf.errors.UnifwError) -> None:
    found = messages.read_error(through(messages.error_message(err)))
    assert type(found) is type(err)
    assert str(found) == str(err)
    assert vars(found) == vars(err)


def test_an_error_of_a_plugin_arrives_as_its_nearest_kin() -> None:
    class Mine(uf.errors.DataError):
        """A plugin's own."""

    assert type(messages.read_error(messages.error_message(Mine("odd")))) is uf.errors.DataError
    foreign = Message("error", {"type": "os.system", "text": "rm", "facts": {}})
    assert isinstance(messages.read_error(foreign), uf.errors.WorkerError)
