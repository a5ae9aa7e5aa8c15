"""Sparse linear models on Alink: ``uf.zoo.wide``, trained and predicted with on sparse vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

import unifw as uf
from unifw.backends.alink.ak import load_ak, save_ak
from unifw.errors import DataError

ROWS, COLUMNS, WIDTH = 600, 50, 6
NET = uf.zoo.wide(COLUMNS + 1, WIDTH)


@pytest.fixture(scope="module")
def clicks() -> tuple[csr_matrix, list[np.ndarray], np.ndarray]:
    """Return a matrix whose column 7 is empty, its rows padded, and bits that depend on the columns."""
    draw = np.random.RandomState(3)
    dense = np.zeros((ROWS, COLUMNS), np.float32)
    for row in dense[1:]:  # the first row is empty
        there = draw.choice(COLUMNS, draw.randint(0, WIDTH + 1), replace=False)
        row[there] = draw.standard_normal(len(there))
    dense[:, 7] = 0
    odds = 0.6 * dense @ draw.standard_normal(COLUMNS) - 0.5
    y = draw.uniform(size=ROWS) < 1 / (1 + np.exp(-odds))
    matrix = csr_matrix(dense)
    return matrix, list(uf.sparse.padded(matrix, WIDTH)), y[:, None].astype(np.float32)


def rough(net: uf.Graph = NET) -> dict[str, np.ndarray]:
    draw = np.random.RandomState(4)
    return {name: draw.standard_normal(part.shape) for name, part in net.parts.items()}


def model(backend: str, loss: str, net: uf.Graph = NET, **options: Any) -> Any:
    isolate = {"isolate": False} if backend == "alink" else {}
    return uf.Model(
        net, backend, loss=loss, optimizer="lbfgs", dtype="float64", **isolate, **options
    )


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "mse"])
def test_it_ends_where_numpy_ends_and_moves_on(clicks: Any, loss: str) -> None:
    _, x, y = clicks
    reference = model("numpy", loss)
    least = reference.fit(x, y, epochs=300, batch_size=len(y), verbose=0)["loss"][-1]
    trained = model("alink", loss)
    first = trained.evaluate(x, y)["loss"]
    told = trained.fit(x, y, batch_size=len(y), verbose=0)["loss"][-1]
    assert told == pytest.approx(least, rel=1e-3)
    assert least < 0.9 * first
    assert np.abs(trained.weights["wide.weight"] - reference.weights["wide.weight"]).max() < 0.05
    moved = trained.to("numpy")
    assert np.abs(moved.predict(x) - trained.predict(x)).max() <= 1e-9
    assert moved.evaluate(x, y)["loss"] == pytest.approx(told, rel=1e-9)


def test_what_the_data_does_not_reach_stays_as_it_was(clicks: Any) -> None:
    _, x, y = clicks
    begun = rough()
    trained = model("alink", "binary_cross_entropy", weights=begun)
    trained.fit(x, y, batch_size=len(y), verbose=0)
    still = (trained.weights["wide.weight"] == begun["wide.weight"])[:, 0]
    assert np.flatnonzero(still).tolist() == [0, 8]  # the padding, and the empty column
    assert trained.weights["bias.weight"].shape == (1, 1)


def test_on_two_slots_and_with_weights_of_samples_it_ends_there_too(clicks: Any) -> None:
    _, x, y = clicks
    weights = np.random.RandomState(0).uniform(0.5, 2, len(y))
    ends = [
        model(*given).fit(
            x, y, epochs=epochs, batch_size=len(y), sample_weight=weights, verbose=0
        )["loss"][-1]
        for *given, epochs in (
            ("numpy", "binary_cross_entropy", 300),
            ("alink", "binary_cross_entropy", 1),
        )
    ]  # fmt: skip
    assert ends[1] == pytest.approx(ends[0], rel=1e-3)
    spread = model("alink", "binary_cross_entropy", parallelism=2)
    told = spread.fit(x, y, batch_size=len(y), sample_weight=weights, verbose=0)["loss"][-1]
    assert told == pytest.approx(ends[0], rel=1e-3)


def test_any_rows_are_predicted_as_numpy_does() -> None:
    # An index twice in a row, one behind another that is larger, numbers at index 0, and rows of zeros.
    fields = np.array([[3, 1, 3, 0, 0, 0], [5, 0, 2, 0, 50, 1], [0] * 6, [9] * 6])
    values = np.array([[0.5, 2, -1.5, 0, 0, 0], [1, 3, 0, -1, 1e-30, 1e10], [0] * 6, [0] * 6])
    weights = rough()
    found = uf.Model(NET, "alink", dtype="float64", weights=weights, isolate=False).predict(
        [fields, values]
    )
    wanted = uf.Model(NET, dtype="float64", weights=weights).predict([fields, values])
    assert np.all(np.abs(found - wanted) <= 1e-9 * np.maximum(1, np.abs(wanted)))


def test_targets_that_are_no_bits_are_refused(clicks: Any) -> None:
    _, x, y = clicks
    trained = model("alink", "binary_cross_entropy")
    with pytest.raises(DataError, match="targets of 0 and 1"):
        trained.fit(x, np.full_like(y, 0.5), batch_size=len(y), verbose=0)
    with pytest.raises(DataError, match="no rows of class 1"):
        trained.fit(x, np.zeros_like(y), batch_size=len(y), verbose=0)
    assert trained.epoch == 0


def test_its_ak_file_reads_the_matrix_itself(clicks: Any, tmp_path: Path) -> None:
    matrix, x, _ = clicks
    weights = rough()
    save_ak(NET, weights, tmp_path / "wide.ak", "binary_cross_entropy")
    found = load_ak(tmp_path / "wide.ak")
    assert found.labels == ("1", "0")
    dense = uf.Model(found.net, dtype="float64", weights=found.weights).predict(matrix.toarray())
    wanted = uf.Model(NET, dtype="float64", weights=weights).predict(x)
    assert np.abs(dense - wanted).max() <= 1e-9
