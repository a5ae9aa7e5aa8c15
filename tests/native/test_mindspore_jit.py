"""What MindSpore compiles, and when: the setting ``jit``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw.backend import Session
from unifw.errors import SpecError

Compilations = Callable[[Session], int]
NET = uf.Sequential([L.Dense(8), L.ReLU(), L.Dropout(0.5), L.Dense(3)], input_shape=(4,))
BATCH = 8


def opened(net: uf.Graph = NET, **options: Any) -> uf.Model:
    return uf.Model(net, "mindspore", loss="cross_entropy", isolate=False, **options)


def data(rows: int, shape: tuple[int, ...] = (4,)) -> tuple[Any, Any]:
    draw = np.random.RandomState(0)
    return draw.standard_normal((rows, *shape)).astype(np.float32), draw.randint(0, 3, rows)


def trained(model: uf.Model, steps: int, epochs: int = 1) -> list[float]:
    x, y = data(steps * BATCH)
    return list(model.fit(x, y, epochs=epochs, batch_size=BATCH, verbose=0)["loss"])


def test_a_short_training_compiles_nothing(compilations: Compilations) -> None:
    model = opened()
    trained(model, 4, epochs=4)
    assert compilations(model.session) == 0


def test_a_long_training_is_compiled_at_once(compilations: Compilations) -> None:
    model = opened()
    trained(model, 4, epochs=5)
    assert compilations(model.session) == 1


def test_a_model_that_takes_the_place_of_another_is_compiled_once(
    compilations: Compilations,
) -> None:
    for _ in range(3):
        model = opened(jit=True)
        trained(model, 3)
        assert compilations(model.session) == 1


def test_many_short_trainings_are_compiled_in_the_end(compilations: Compilations) -> None:
    model = opened()
    found = []
    for _ in range(4):
        trained(model, 5)
        found.append(compilations(model.session))
    assert found == [0, 0, 0, 1]


@pytest.mark.parametrize("jit", [True, False])
def test_one_can_say_so(*, jit: bool, compilations: Compilations) -> None:
    model = opened(jit=jit)
    trained(model, 1)
    assert compilations(model.session) == jit
    trained(model, 20)
    assert compilations(model.session) == jit
    model.predict(data(40 * BATCH)[0], batch_size=BATCH)
    assert compilations(model.session) == 2 * jit


def test_the_numbers_are_the_same(compilations: Compilations) -> None:
    ways: dict[Any, uf.Model] = {jit: opened(jit=jit) for jit in ("auto", True, False)}
    curves = {jit: [trained(model, 5)[-1] for _ in range(4)] for jit, model in ways.items()}
    assert curves["auto"] == pytest.approx(curves[True], rel=1e-6)
    assert curves[False] == pytest.approx(curves[True], rel=1e-6)
    assert {jit: compilations(model.session) for jit, model in ways.items()} == {
        "auto": 1, True: 1, False: 0,
    }  # fmt: skip


def test_a_few_predictions_compile_nothing(compilations: Compilations) -> None:
    model, x = opened(), data(40)[0]
    for rows in range(1, 41):
        model.predict(x[:rows])
    assert compilations(model.session) == 0
    for _ in range(32):
        model.predict(x[:1])
    assert compilations(model.session) == 1


def test_many_predictions_are_compiled_at_once(compilations: Compilations) -> None:
    model, x = opened(), data(33)[0]
    whole = model.predict(x)
    assert compilations(model.session) == 0
    assert model.predict(x, batch_size=1) == pytest.approx(whole, rel=1e-5, abs=1e-6)
    assert compilations(model.session) == 1


def test_large_batches_are_compiled_sooner(compilations: Compilations) -> None:
    net = uf.Sequential(
        [L.Conv2D(8, 3, padding=1), L.ReLU(), L.GlobalAvgPool(), L.Dense(3)],
        input_shape=(1, 64, 64),
    )
    x, y = data(256, (1, 64, 64))
    found = []
    for rows in (8, 256):
        model = opened(net)
        model.fit(x[:rows], y[:rows], epochs=10, batch_size=rows, verbose=0)
        found.append(compilations(model.session))
    assert found == [0, 1]


def test_a_short_batch_that_is_not_compiled_is_not_filled_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for jit, filled in ((False, 5), (True, BATCH)):
        model = opened(jit=jit)
        sizes: list[int] = []
        tensor = model.session.tensor
        monkeypatch.setattr(
            model.session, "tensor", lambda a, t=tensor, s=sizes: s.append(len(a)) or t(a)
        )
        model.fit(*data(BATCH + 5), batch_size=BATCH, verbose=0)
        assert (5 in sizes) is (filled == 5)


def test_drawn_noise_goes_on_where_it_was(compilations: Compilations) -> None:
    # A generator begins anew when it is compiled, so a net that draws does not switch.
    model = opened(parity=False)
    trained(model, 1)
    assert compilations(model.session) == 1
    loose = opened(parity=False, jit=False, optimizer=uf.optimizers.SGD(0.0))
    losses = [trained(loose, 1)[-1] for _ in range(3)]
    assert len(set(losses)) == 3


def test_the_mode_is_as_it_was() -> None:
    import mindspore

    model = opened(jit=False)
    model.predict(data(2)[0])
    assert mindspore.get_context("mode") == mindspore.GRAPH_MODE


def test_what_is_refused() -> None:
    with pytest.raises(SpecError, match="jit must be 'auto', True or False, got 'never'"):
        opened(jit="never")
    with pytest.raises(SpecError, match="'jit'"):
        uf.Model(NET, "numpy", jit=True)


def test_it_stays_behind(compilations: Compilations) -> None:
    model = opened(jit=True).to("numpy").to("mindspore", isolate=False)
    trained(model, 1)
    assert compilations(model.session) == 0
