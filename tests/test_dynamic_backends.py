"""What is exported with open sizes, in the hands of all that comes after: inferred, run, compared,
shown, at sizes that were not traced."""

from __future__ import annotations

import copy
import json

import numpy as np
import onnxruntime
import pytest
import torch

import toffee
import toffee.backend.onnxruntime as ort_backend
import toffee.backend.torch as torch_backend
from toffee.backend import c2 as c2_backend
from toffee.cli.main import main
from toffee.torch_toffee import export

SIZES = [(1, 5), (3, 8), (5, 3)]


class Encoder(torch.nn.Module):
    """Positions, a causal mask and slices, all computed with sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(20, 8)
        self.places = torch.nn.Embedding(16, 8)
        self.layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, ids):
        batch, length = ids.shape
        h = self.words(ids) + self.places(torch.arange(length))
        hidden = torch.ones(length, length).triu(1).bool()
        h = self.layer(h, src_mask=hidden)
        odd = h[:, 1::2]
        return h, h.reshape(batch * length, 8), odd, torch.cat([h, h[:, : length // 2]], 1)


class Net(torch.nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            torch.nn.Conv2d(3, 4, 3, stride=2),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2, ceil_mode=True),
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Flatten(),
            torch.nn.Linear(4, 5),
        )


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return Encoder().eval()


@pytest.fixture(scope="module")
def path(encoder, tmp_path_factory):
    path = tmp_path_factory.mktemp("dynamic") / "encoder.toffee"
    ids = torch.randint(0, 20, (2, 7))
    dims = {"ids": {0: "batch", 1: toffee.Dim("length", max=16)}}
    export(encoder, ids, str(path), input_names=["ids"], dynamic_dims=dims)
    return path


@pytest.fixture(scope="module")
def graph(path):
    return toffee.load(path)


@pytest.mark.parametrize(("batch", "length"), SIZES)
def test_inferred_shapes_are_those_of_every_value_that_onnx_runtime_makes(graph, batch, length):
    every = [name for node in graph.node for name in node.output if name]
    inferred = toffee.infer_shapes(graph, {"ids": (batch, length)})
    found = {i.name: i.shape for i in (*inferred.value_info, *inferred.output_info)}
    whole = copy.copy(graph)
    whole.output = every
    session = onnxruntime.InferenceSession(toffee.dumps(whole, format="onnx"))
    made = session.run(None, {"ids": np.zeros((batch, length), np.int64)})
    assert {name: found[name] for name in every} == {
        name: value.shape for name, value in zip(every, made, strict=True)
    }


def test_inferred_symbols_do_not_contradict_the_exporters(graph):
    declared = {i.name: i.shape for i in (*graph.value_info, *graph.output_info)}
    bare = toffee.loads(toffee.dumps(graph))
    bare.value_info.clear()
    for info in bare.output_info:
        info.shape = None
    inferred = toffee.infer_shapes(bare)
    known = 0
    for info in (*inferred.value_info, *inferred.output_info):
        for size, said in zip(info.shape, declared.get(info.name, info.shape), strict=True):
            assert size is None or size == said, info.name
            known += size is not None
    assert known > 50


@pytest.mark.parametrize("backend", [ort_backend, torch_backend], ids=["onnxruntime", "torch"])
def test_backends_compute_what_the_model_does_at_sizes_that_were_not_traced(
    backend, encoder, graph
):
    with backend.prepare(graph) as rep:
        for batch, length in SIZES:
            ids = torch.randint(0, 20, (batch, length), generator=torch.Generator().manual_seed(1))
            with torch.inference_mode():
                expected = encoder(ids)
            for mine, theirs in zip(rep.run(ids), expected, strict=True):
                np.testing.assert_allclose(mine, theirs.numpy(), atol=1e-5)


def test_compare_and_to_module_take_any_size(encoder, graph):
    ids = torch.randint(0, 20, (3, 10))
    assert toffee.compare(encoder, graph, ids, backends=["onnxruntime"]).agree
    module = torch_backend.to_module(graph)
    with torch.inference_mode():
        for mine, theirs in zip(module(ids), encoder(ids), strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


def test_a_module_refuses_sizes_that_the_graph_does_not_allow_also_when_it_is_copied(graph):
    module = copy.deepcopy(torch_backend.to_module(graph))
    with pytest.raises(toffee.BackendError, match=r"input 'ids' must be .*\[batch, length\].* 17"):
        module(torch.zeros(2, 17, dtype=torch.int64))
    with pytest.raises(toffee.BackendError, match=r"int64\[7\] was given"):
        module(torch.zeros(7, dtype=torch.int64))


def test_pages_and_pictures_show_symbols(graph):
    assert "(batch*length)×8" in graph._repr_html_()
    assert "batch*length" in graph.picture().svg
    assert "Long(batch, length)" in str(graph)


def test_caffe2_nets_are_made_once_sizes_are_fixed(graph):
    with pytest.raises(toffee.BackendError, match=r"infer_shapes\(graph, \{'ids': \(N, N\)"):
        c2_backend.emit(graph)
    init, predict = c2_backend.emit(toffee.infer_shapes(graph, {"ids": (2, 7)}))
    assert init and predict


def make_net() -> torch.nn.Module:
    """For the command line."""
    torch.manual_seed(0)
    return Net().eval()


@pytest.fixture
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_nets.py").write_text(f"from {__name__} import make_net\n")


def test_the_command_line_exports_with_open_sizes(here, capsys):
    line = ["export", "my_nets:make_net", "-i", "2x3x20x24", "-o", "net.toffee"]
    assert main([*line, "--dynamic", "input=batch,3,height:8..64,width:8..64"]) == 0
    graph = toffee.load("net.toffee")
    assert graph.input_info[0].shape == ("batch", 3, "height", "width")
    capsys.readouterr()
    sizes = ["--size", "batch=3,height=31", "--size", "width=18"]
    assert main(["compare", "net.toffee", *sizes]) == 0
    assert "onnxruntime computes what torch does" in capsys.readouterr().out
    x = np.random.default_rng(0).standard_normal((5, 3, 17, 40)).astype(np.float32)
    expected = make_net()(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ort_backend.run(graph, x)[0], expected, atol=1e-5)


def test_one_symbol_is_the_first_dimension_of_every_input(here):
    line = ["export", "my_nets:make_net", "-i", "2x3x20x24", "-o", "net.toffee"]
    assert main([*line, "--dynamic", "batch"]) == 0
    graph = toffee.load("net.toffee")
    assert graph.input_info[0].shape == ("batch", 3, 20, 24)
    # No size is needed: Caffe2's nets run at any batch too.
    assert c2_backend.emit(graph)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["batch,height"], "--dynamic batch,height: write NAME=SYMBOL,..., or one symbol"),
        (["3"], "--dynamic 3: write NAME=SYMBOL"),
        (["batch", "x=batch"], "--dynamic batch: write NAME=SYMBOL"),
        (["x=a b"], "'a b' is neither a number nor a symbol such as length"),
        (["x=n:5..2"], "there are no two sizes that it can be"),
        (["x=n", "x=m"], "input 'x' is there twice"),
    ],
)
def test_a_dynamic_size_that_says_nothing_is_wrong_use(here, capsys, options, message):
    line = ["export", "my_nets:make_net", "-i", "2x3x20x24", "-o", "net.toffee"]
    assert main([*line, *(word for text in options for word in ("--dynamic", text))]) == 2
    assert message in capsys.readouterr().err


def test_what_the_exporter_says_of_its_symbols_is_what_backends_hold_inputs_to(graph):
    """The exporter writes it under a key that these read."""
    said = {entry.key: entry.value for entry in graph.metadata_props}
    assert json.loads(said["dynamic_dims"])["length"]["max"] == 16
    with pytest.raises(toffee.BackendError, match="'ids' has 17 in dimension 1 .* at most 16"):
        ort_backend.run(graph, np.zeros((2, 17), np.int64))
    with pytest.raises(ValueError, match="for 'length', which must be at most 16"):
        toffee.infer_shapes(graph, {"ids": (2, 17)})
