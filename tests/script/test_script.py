"""TorchScript for PyTorch on Angel, called as its C++ calls it. No Angel runs here."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unifw as uf
from unifw.errors import ExportError, ExportMismatch, FileError
from unifw.export import angel

NETS = {
    "wide": uf.zoo.wide(9, 4),
    "deepfm": uf.zoo.deepfm(9, 4, embedding=3, hidden=(5, 2), dropout=0),
    "values": uf.zoo.deepfm(9, 4, embedding=3, hidden=(5,), dropout=0, values=True),
}


def load(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # as unifw does; Angel reads no other form
        return torch.jit.load(str(path))


def trained(net: uf.Graph) -> uf.Model:
    draw = np.random.RandomState(1)
    weights = {name: draw.normal(size=part.shape) for name, part in net.parts.items()}
    return uf.Model(net, loss="binary_cross_entropy", weights=weights)


@pytest.mark.parametrize("version", ["0.2.1", "0.3"])
@pytest.mark.parametrize("name", NETS)
def test_forward_is_that_of_the_model(name: str, version: str, tmp_path: Path) -> None:
    net, path = NETS[name], tmp_path / "net.pt"
    model = trained(net)
    report = angel.script(model, path, version=version)
    assert report.difference < 1e-6
    assert report.gradients == {"wide": 2, "deepfm": 8, "values": 6}[name]
    assert report.archive == 3  # what libtorch 1.5 reads
    assert f"for PyTorch on Angel {version}" in str(report)
    assert "not run in Angel" in str(report)
    loaded = load(path)
    assert loaded.get_type() == ("BIAS_WEIGHT" if name == "wide" else "BIAS_WEIGHT_EMBEDDING_MATS")
    assert loaded.get_name() == ("wide" if name == "wide" else "deepfm")
    assert loaded.input_dim == 9
    if name != "wide":
        assert (loaded.n_fields, loaded.embedding_dim) == (4, 3)
        assert {mat.ndim for mat in loaded.mats} == {2}
    draw = np.random.RandomState(2)
    fields = draw.randint(9, size=(7, 4))
    values = (
        draw.normal(size=(7, 4)).astype("float32")
        if len(net.inputs) == 2
        else np.ones((7, 4), "float32")
    )
    logits = model.predict([fields, values] if len(net.inputs) == 2 else fields)[:, 0]
    index = torch.arange(7).repeat_interleave(4)
    entries = (index, torch.from_numpy(fields).view(-1), torch.from_numpy(values).view(-1))
    given = (7, *entries) if version == "0.2.1" else (7, 0, *entries, entries[2])
    assert np.allclose(loaded.forward(*given).detach(), 1 / (1 + np.exp(-logits)), atol=1e-6)
    with pytest.raises(RuntimeError, match="argument"):  # each refuses the other's calls
        loaded.forward(*((7, 0, *entries, entries[2]) if version == "0.2.1" else (7, *entries)))


def test_rows_of_a_linear_model_may_differ_in_length(tmp_path: Path) -> None:
    model = trained(NETS["wide"])
    angel.script(model, tmp_path / "net.pt", version="0.2.1")
    loaded = load(tmp_path / "net.pt")
    got = loaded.forward(2, torch.tensor([0, 0, 0, 1]), torch.tensor([3, 1, 8, 2]), torch.ones(4))
    rows = [[3, 1, 8, 0], [2, 0, 0, 0]], [[1, 1, 1, 0], [1, 0, 0, 0]]
    wanted = 1 / (1 + np.exp(-model.predict([np.array(x) for x in rows])[:, 0]))
    assert np.allclose(got.detach(), wanted, atol=1e-6)


def test_gradients_are_those_of_the_model(tmp_path: Path) -> None:
    net = NETS["values"]
    model = trained(net)
    angel.script(model, tmp_path / "net.pt", version="0.3")
    loaded = load(tmp_path / "net.pt")
    draw = np.random.RandomState(4)
    fields, values = draw.randint(9, size=(6, 4)), draw.normal(size=(6, 4)).astype("float32")
    y = (np.arange(6) % 2).astype("float32")
    feats, index = torch.from_numpy(fields).view(-1), torch.arange(6).repeat_interleave(4)
    weights = loaded.weights.detach()[feats].view(-1).requires_grad_()
    vectors = loaded.embedding.detach()[feats].requires_grad_()
    bias = loaded.bias.detach().view(-1).requires_grad_()
    mats = [mat.detach().requires_grad_() for mat in loaded.mats]
    entries = (index, feats, torch.from_numpy(values).view(-1), torch.from_numpy(y))
    loaded.forward_(6, 1, *entries, bias, weights, vectors, mats).backward()
    before, rate = model.weights, 0.125
    stepped = uf.Model(
        net, loss="binary_cross_entropy", optimizer=uf.optimizers.SGD(rate), weights=before
    )
    stepped.fit([fields, values], y[:, None], batch_size=6, verbose=0)
    moved = {name: (before[name] - after) / rate for name, after in stepped.weights.items()}
    table = np.zeros((9, 3), "float32")
    np.add.at(table, fields.reshape(-1), vectors.grad.numpy())
    assert np.allclose(moved["deep.weight"], table, atol=1e-5)
    assert np.allclose(moved["logit.bias"], bias.grad, atol=1e-5)
    assert np.allclose(moved["hidden1.weight"], mats[0].grad, atol=1e-5)


def test_what_differs_or_cannot_be_called_is_not_kept(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "net.pt"
    path.write_text("old", encoding="utf-8")
    model = trained(NETS["wide"])
    monkeypatch.setattr(model, "predict", lambda x: np.zeros((5, 1)))
    with pytest.raises(ExportMismatch, match="differs from the model"):
        angel.script(model, path, version="0.3")
    from unifw.export.angel import modules

    monkeypatch.setattr(modules, "Wide3", modules.Wide)
    with pytest.raises(ExportError, match="cannot write or call the net"):
        angel.script(trained(NETS["wide"]), path, version="0.3")
    assert path.read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["net.pt"]
    with pytest.raises(FileError, match="cannot write"):
        angel.script(model, tmp_path / "none" / "net.pt", version="0.3")
