"""The zoo: published sizes, readable names, and that every architecture is tested on every backend."""

from __future__ import annotations

import inspect
import re
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unifw as uf
from unifw import layers as L
from unifw import zoo
from unifw.errors import ShapeError, SpecError
from unifw.testing.compare import curve, opened
from unifw.testing.zoo import ZOO, ZooCase
from unifw.weights import initial
from unifw.zoo.blocks import eights

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
    "shufflenet_v2": 2_278_604,
    "mobilenet_v2": 3_504_872,
}
# What follows from their form alone.
COUNTED = {"alexnet_small": 23_272_266, "resnet8": 75_290, "unet_small": 482_737}

TEN = ("mlp", "lenet5", "alexnet_small", "resnet8", "resnet20")
OUT_SHAPES = dict.fromkeys(TEN, ((10,),)) | {
    "autoencoder": ((1, 28, 28),), "unet_small": ((1, 128, 128),),
}  # fmt: skip


@pytest.mark.parametrize("name", [*PUBLISHED, *COUNTED])
def test_parameters_are_those_published(name: str) -> None:
    make = getattr(zoo, name)
    net = make()
    assert net.parameter_count == (PUBLISHED | COUNTED)[name]
    assert f"{net.parameter_count:,} parameters" in make.__doc__
    assert net.out_shapes == (OUT_SHAPES.get(name, ((1000,),)))


def test_parameters_by_formula() -> None:
    assert zoo.text_cnn(1000, 50).parameter_count == 300 * 1000 + 3 * 100 + 3600 * 100 + 602
    deep = 4 * 32 + 5, 1024, 512, 256, 1
    dense = sum((a + 1) * b for a, b in pairwise(deep))
    assert zoo.wide_and_deep(1000, 4, 5).parameter_count == 1000 * (32 + 1) + 5 + dense
    assert zoo.wide_and_deep(1000, 4).in_shapes == ((4,),)
    pairs = 4 * 10 + 5, 400, 400, 400, 1
    dense = sum((a + 1) * b for a, b in pairwise(pairs))
    assert zoo.deepfm(1000, 4, 5).parameter_count == 1000 * (10 + 1) + 5 + dense
    # Keras' examples for IMDB: one logit after two LSTMs; two after a transformer's block of 10,656.
    assert zoo.lstm_classifier(20_000, 200, 1).parameter_count == 2_757_761
    assert zoo.transformer_classifier(20_000, 200).parameter_count == 20_200 * 32 + 10_656 + 702
    # ShuffleNet 0.5 x, 1 x with 8 groups, and 2 x: 0.7M, 2.4M and 5.4M in its authors' table.
    sizes = ({"width": 0.5}, {"groups": 8}, {"width": 2.0})
    counts = [zoo.shufflenet_v1(**size).parameter_count for size in sizes]  # type: ignore[arg-type]
    assert [round(count / 1e6, 1) for count in counts] == [0.7, 2.4, 5.4]


def test_other_widths_are_those_published() -> None:
    # Of torchvision's ShuffleNetV2 0.5 x, 1.5 x and 2 x.
    sizes = ((48, 96, 192), 1024), ((176, 352, 704), 1024), ((244, 488, 976), 2048)
    counts = [zoo.shufflenet_v2(filters=f, last=n).parameter_count for f, n in sizes]
    assert counts == [1_366_792, 3_503_624, 7_393_996]
    # Filters of MobileNetV2 are whole eights: those of 0.5 x and 1.4 x have 1.97M and 6.11M weights.
    counts = [zoo.mobilenet_v2(width=width).parameter_count for width in (0.5, 1.4)]
    assert [round(count / 1e6, 2) for count in counts] == [1.97, 6.11]
    # 16 * 1.4 = 22.4 is nearest to 24; 24 * 0.75 = 18 would lose more than a tenth as 16.
    assert [eights(*given) for given in ((16, 1.4), (24, 0.75), (3, 1.0))] == [24, 24, 8]


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


AVERAGED = {  # the least image of each
    "resnet8": 1, "resnet18": 1, "resnet50": 1, "squeezenet": 17, "shufflenet_v1": 1,
    "shufflenet_v2": 1, "mobilenet_v2": 1, "alexnet": 63, "vgg11": 32,
}  # fmt: skip


@pytest.mark.parametrize("name", AVERAGED)
def test_averaged_nets_take_images_of_any_size(name: str) -> None:
    make, least = getattr(zoo, name), AVERAGED[name]
    nets = [make(7, (4, size, size + 3)) for size in (least, least + 1, 2 * least + 7)]
    assert {net.out_shapes for net in nets} == {((7,),)}
    assert {net.parameter_count for net in nets} == {make(7, (4, 224, 224)).parameter_count}


def test_deepfm_sums_the_products_of_all_pairs() -> None:
    net = zoo.deepfm(12, 4, embedding=3, hidden=(2,), dropout=0)
    draw = np.random.default_rng(3)
    weights = {name: draw.normal(size=part.shape) for name, part in net.parts.items()}
    weights["logit.weight"] *= 0
    model = uf.Model(net, weights=weights, dtype="float64")
    fields = draw.integers(0, 12, (5, 4))
    vectors, linear = weights["deep.weight"][fields], weights["wide.weight"][fields, 0].sum(axis=1)
    pairs = sum(np.sum(vectors[:, i] * vectors[:, j], axis=1) for i, j in combinations(range(4), 2))
    wanted = weights["logit.bias"] + linear + pairs
    assert model.predict(fields)[:, 0] == pytest.approx(wanted)


def test_wide_and_deep_sums_the_weights_of_all_fields() -> None:
    net = zoo.wide_and_deep(12, 4, embedding=3, hidden=(2,))
    weights = {name: np.zeros(part.shape) for name, part in net.parts.items()}
    weights["wide.weight"][:, 0] = np.arange(12)
    model = uf.Model(net, weights=weights, dtype="float64")
    assert model.predict([[0, 3, 6, 9], [2, 2, 2, 11]])[:, 0].tolist() == [18.0, 17.0]


def test_values_multiply_what_is_looked_up() -> None:
    fields, values = np.array([[3, 1, 0], [2, 3, 1]]), np.array([[0.5, -2, 0], [1, 4, 0.25]])
    net = zoo.wide(4, 3)
    assert net.parameter_count == 4 + 1
    weights = {"wide.weight": np.array([[9.0], [1], [10], [100]]), "bias.weight": [[0.5]]}
    model = uf.Model(net, weights=weights, dtype="float64")
    assert model.predict([fields, values])[:, 0].tolist() == [48.5, 410.75]
    draw = np.random.default_rng(3)
    net = zoo.deepfm(4, 3, embedding=2, hidden=(2,), dropout=0, values=True)
    weights = {name: draw.normal(size=part.shape) for name, part in net.parts.items()}
    weights["logit.weight"] *= 0
    scaled = weights["deep.weight"][fields] * values[..., None]
    pairs = sum((scaled[:, i] * scaled[:, j]).sum(axis=1) for i, j in combinations(range(3), 2))
    linear = (weights["wide.weight"][fields, 0] * values).sum(axis=1)
    model = uf.Model(net, weights=weights, dtype="float64")
    assert model.predict([fields, values])[:, 0] == pytest.approx(
        weights["logit.bias"] + linear + pairs
    )


def test_lstm_classifier_reads_no_more_than_the_text() -> None:
    model = uf.Model(zoo.lstm_classifier(9, 5, 3, embedding=4, units=4), seed=1)
    short = {"tokens": [[1, 2, 3, 0, 0]], "lengths": [[3]]}
    other = {"tokens": [[1, 2, 3, 8, 7]], "lengths": [[3]]}
    longer = {"tokens": [[1, 2, 3, 8, 7]], "lengths": [[4]]}
    read = [model.predict({k: np.array(v) for k, v in x.items()}) for x in (short, other, longer)]
    assert np.array_equal(read[0], read[1])
    assert not np.allclose(read[1], read[2])


def test_shufflenet_v2_deals_out_what_passed_and_what_was_convolved() -> None:
    net = zoo.shufflenet_v2()
    halves = [p.layer.places for p in net if isinstance(p.layer, L.Slice)][:2]
    assert halves == [((None, 58, None),), ((58, None, None),)]
    shuffles = [p.layer for p in net if isinstance(p.layer, L.Permute)]
    assert len(shuffles) == 16
    assert {layer.axes for layer in shuffles} == {(2, 1, 3, 4)}


def test_mobilenet_v2_adds_where_shapes_allow_it() -> None:
    net = zoo.mobilenet_v2()
    assert sum(isinstance(p.layer, L.Add) for p in net) == 10
    assert net["stage7_block1_narrow_norm"].out_shape == (320, 7, 7)
    assert "stage1_block1_widen_conv.weight" not in net.parts


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
        (lambda: zoo.mlp(hidden=(0,)), SpecError, "every one of hidden"),
        (lambda: zoo.mobilenet_v2(width=-1), SpecError, "width"),
        (lambda: zoo.shufflenet_v2(filters=(8, 16)), SpecError, "one for each of depths"),
        (lambda: zoo.shufflenet_v2(filters=(9,), depths=(1,)), SpecError, "even numbers"),
        (lambda: zoo.unet_small(1, (3, 20, 24)), ShapeError, r"multiples of 8, got \(20, 24\)"),
        (lambda: zoo.deepfm(10, 3, -1), SpecError, "numbers"),
        (lambda: zoo.transformer_classifier(10, 3, heads=0), SpecError, "heads"),
        (lambda: zoo.wide_and_deep(10, 3, -1), SpecError, "numbers"),
        (lambda: zoo.resnet18(input_shape=(32, 32)), ShapeError, "channels first"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: zoo.mlp(hidden=5), "hidden must be a sequence"),  # type: ignore[arg-type]
        (lambda: zoo.vgg((0, 1)), "every one of depths"),
        (lambda: zoo.resnet(()), "depths must be a sequence"),
        (lambda: zoo.resnet((1,), bottleneck="no"), "bottleneck"),  # type: ignore[arg-type]
        (lambda: zoo.resnet_cifar(-1), "depth"),
        (lambda: zoo.resnet_cifar(width=15), "width must be even"),
        (lambda: zoo.unet_small(depth=-1), "depth"),
        (lambda: zoo.unet_small(width=1.5), "width"),  # type: ignore[arg-type]
        (lambda: zoo.text_cnn(10, 5, windows=()), "windows must be a sequence"),
        (lambda: zoo.shufflenet_v1(groups=3.0), "groups"),  # type: ignore[arg-type]
        (lambda: zoo.shufflenet_v2(filters=3), "filters must be a sequence"),  # type: ignore[arg-type]
        (lambda: zoo.mobilenet_v2(stages=((1, 2),)), "expansion, filters"),  # type: ignore[arg-type]
        (lambda: zoo.transformer_classifier(10, 4, blocks=-1), "blocks"),
    ],
)
def test_arguments_of_the_wrong_kind_are_refused(make: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        make()


def test_every_function_says_what_it_takes() -> None:
    for name in zoo.__all__:
        make = getattr(zoo, name)
        text = inspect.getdoc(make)
        assert text
        parameters = text.partition("Parameters\n")[2] or text
        for argument in inspect.signature(make).parameters:
            said = re.search(
                rf"^{argument}(,| :)|, {argument}(,| :)|``{argument}``", parameters, re.MULTILINE
            )
            assert said or argument in {"classes", "input_shape", "options"}, (name, argument)
