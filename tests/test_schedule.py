"""In which order nets are computed: what may change places, what must not, and what is let go of."""

from __future__ import annotations

import unifw as uf
from unifw import layers as L
from unifw.backends.schedule import batch_last, learning, schedule


def order(net: uf.Graph) -> list[tuple[str, tuple[str, ...], str]]:
    return [(type(s.placed.layer).__name__, s.sources, s.target) for s in schedule(net)]


def test_relu_comes_after_a_maximum() -> None:
    net = uf.Sequential([L.Conv2D(2, 3), L.ReLU(), L.MaxPool2D(2)], input_shape=(1, 8, 8))
    assert order(net)[1:] == [
        ("MaxPool2D", ("conv2d",), "relu"),
        ("ReLU", ("relu",), "max_pool2d"),
    ]


def stays(net: uf.Graph) -> bool:
    return [s.target for s in schedule(net)] == [s.placed.name for s in schedule(net)]


def test_relu_stays_where_somebody_else_reads_it() -> None:
    x = uf.Input((1, 8, 8))
    h = L.ReLU()(x)
    pooled = L.MaxPool2D(2)(h)
    assert stays(uf.Graph(x, [h, pooled]))
    assert stays(uf.Graph(x, [pooled, L.GlobalAvgPool()(h)]))


def test_relu_stays_before_a_mean() -> None:
    assert stays(uf.Sequential([L.ReLU(), L.AvgPool2D(2)], input_shape=(1, 8, 8)))


def test_values_are_spent_with_their_last_reader() -> None:
    x = uf.Input((4,))
    a = L.Dense(4, name="a")(x)
    b = L.Dense(4, name="b")(a)
    net = uf.Graph(x, [L.Add(name="c")(a, b), b])
    assert [step.spent for step in schedule(net)] == [("input",), (), ("a",)]


def test_what_lies_with_its_batch_last() -> None:
    x = uf.Input((1, 8, 8))
    h = L.Conv2D(2, 3, name="conv")(L.Tanh(name="early")(x))
    summed = L.Add(name="sum")(L.ReLU(name="relu")(h), h)
    net = uf.Graph(x, L.Dense(3, name="dense")(L.GlobalAvgPool(name="mean")(summed)))
    held, worked = batch_last(schedule(net))
    assert held == {"conv", "relu", "sum"}
    assert worked == {"conv", "relu", "sum", "mean"}


def test_only_what_depends_on_a_weight_learns() -> None:
    net = uf.Sequential([L.Flatten(), L.Dense(3), L.ReLU()], input_shape=(2, 2))
    assert learning(schedule(net)) == {"dense", "relu"}
