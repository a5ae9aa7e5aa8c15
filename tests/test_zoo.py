"""The zoo: published sizes, readable names, and that every architecture is tested on every backend."""

from __future__ import annotations

import inspect
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import unifw as uf
from unifw import layers as L
from unifw import zoo
from unifw.errors import ShapeError, SpecError
from unifw.testing.compare import curve, opened
from unifw.testing.zoo import ZOO, ZooCase
from unifw.weights import initial

# Trained parameters, as published with torchvision's models, by the papers or by the authors' code.
PUBLISHED = {
    "mlp": 669_706,  # Keras' mnist_mlp
    "autoencoder": 2_837_314,  # Hinton & Salakhutdinov, 784-1000-500-250-30
    "lenet5": 61_706,
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg16": 138_357_544,
    "resnet20": 269_722,  # the 0.27M of table 6
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "squeezenet": 1_235_496,
    "shufflenet_v1": 1_864_728,  # the 1.9M of its authors' table
}
# What follows from their form alone.
COUNTED = {"alexnet_small": 23_272_266, "resnet8": 75_290}


@pytest.mark.parametrize("name", [*PUBLISHED, *COUNTED])
def test_parameters_are_those_published(name: str) -> None:
    make = getattr(zoo, name)
    net = make()
    assert net.parameter_count == (PUBLISHED | COUNTED)[name]
    assert f"{net.parameter_count:,} parameters" in make.__doc__
    assert net.out_shapes in (((1000,),), ((10,),), net.in_shapes)


def test_parameters_by_formula() -> None:
    assert zoo.text_cnn(1000, 50).parameter_count == 300 * 1000 + 3 * 100 + 3600 * 100 + 602
    deep = 4 * 32 + 5, 1024, 512, 256, 1
    dense = sum((a + 1) * b for a, b in pairwise(deep))
    assert zoo.wide_and_deep(1000, 4, 5).parameter_count == 1000 * (32 + 1) + 5 + dense
    assert zoo.wide_and_deep(1000, 4).in_shapes == ((4,),)
    # ShuffleNet 0.5 x, 1 x with 8 groups, and 2 x: 0.7M, 2.4M and 5.4M in its authors' table.
    sizes = ({"width": 0.5}, {"groups": 8}, {"width": 2.0})
    counts = [zoo.shufflenet_v1(**size).parameter_count for size in sizes]  # type: ignore[arg-type]
    assert [round(count / 1e6, 1) for count in counts] == [0.7, 2.4, 5.4]


def test_every_architecture_has_a_case_on_every_backend() -> None:
    cases = {case.name for case in ZOO}
    special = {"vgg11": "vgg", "vgg16": "vgg", "resnet8": "resnet_cifar", "resnet20": "resnet_cifar",
               "resnet18": "resnet", "resnet34": "resnet", "resnet50": "resnet_bottleneck"}  # fmt: skip
    for name in zoo.__all__:
        assert special.get(name, name) in cases


@pytest.mark.parametrize("case", ZOO, ids=lambda case: case.name)
def test_small_nets_train_travel_and_give_logits(case: ZooCase) -> None:
    net = case.graph
    assert uf.Graph.from_json(net.to_json()) == net
    ends = [net[name].layer for name in net.outputs]
    assert not any(isinstance(layer, L.Softmax | L.Sigmoid) for layer in ends)
    assert net.parameter_count < 25_000
    rule = uf.optimizers.SGD(case.rate)
    with opened("numpy", net, (case.loss,), rule, weights=initial(net, 0)) as session:
        losses = curve(session, case.data(), 20)
    assert losses.max() - losses.min() > 0.05


@pytest.mark.parametrize("case", ZOO, ids=lambda case: case.name)
def test_every_architecture_is_exported(case: ZooCase, tmp_path: Path) -> None:
    report = uf.Model(case.graph, loss=case.loss).export(tmp_path / "net.onnx")
    assert report.verified


def test_names_of_weights_are_readable() -> None:
    parts = list(zoo.resnet18().parts)
    assert parts[0] == "stem_conv.weight"
    assert "stage4_block2_2_norm.running_var" in parts
    assert "stage2_block1_shortcut_conv.weight" in parts
    assert parts[-1] == "classes.bias"
    assert "fire9_expand3.bias" in zoo.squeezenet().parts


@pytest.mark.parametrize("name", ["resnet8", "resnet18", "resnet50", "squeezenet", "shufflenet_v1"])
@pytest.mark.parametrize("size", [17, 33, 64])
def test_averaged_nets_take_images_of_any_size(name: str, size: int) -> None:
    net = getattr(zoo, name)(7, (4, size, size + 3))
    assert net.out_shapes == ((7,),)
    assert net.parameter_count == getattr(zoo, name)(7, (4, 224, 224)).parameter_count


def test_squeezenet_leaves_no_pixel_out() -> None:
    # PyTorch's ceil_mode: 18 -> 8 after the stem -> 4 -> 2 -> 1.
    net = zoo.squeezenet(10, (3, 18, 18))
    pools = [p.out_shape[1:] for p in net if isinstance(p.layer, L.MaxPool2D)]
    assert pools == [(4, 4), (2, 2), (1, 1)]


def test_resnet_shortcuts_without_weights() -> None:
    net = zoo.resnet8()
    assert [n for n in net.parts if "shortcut" in n] == []
    (x, y) = net["pad"].in_shape, net["pad"].out_shape
    assert (x, y) == ((16, 16, 16), (32, 16, 16))


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: zoo.shufflenet_v1(groups=5), SpecError, "groups must be one of 1, 2, 3, 4, 8"),
        (lambda: zoo.alexnet(width=0), SpecError, "width"),
        (lambda: zoo.alexnet(10, (3, 32, 32)), ShapeError, "does not fit into"),
        (lambda: zoo.lenet5(10, (1, 8, 8)), ShapeError, "a window of 5 does not fit into 4"),
        (lambda: zoo.mlp(hidden=(0,)), SpecError, "units"),
        (lambda: zoo.wide_and_deep(10, 3, -1), SpecError, "numbers"),
        (lambda: zoo.resnet18(input_shape=(32, 32)), ShapeError, "channels first"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make()


def test_every_function_says_what_it_takes() -> None:
    for name in zoo.__all__:
        make = getattr(zoo, name)
        assert inspect.getdoc(make)
        for argument in inspect.signature(make).parameters:
            own = argument in make.__doc__
            assert own or argument in {"classes", "input_shape", "options"}, (name, argument)
