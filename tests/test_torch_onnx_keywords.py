"""torch.onnx.export's keywords: what is taken means the same there and here, the rest says what to
do instead."""

from __future__ import annotations

import inspect
import io
import logging
import os
import re
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import version_converter

import toffee
from toffee import _torch_onnx
from toffee._torch_onnx import KEYWORDS
from toffee.torch_toffee import export

PAGE = Path(__file__).parent.parent / "docs" / "migrating_from_torch_onnx.md"
ROWS = {row.name: row for row in KEYWORDS}
Mode = torch.onnx.TrainingMode
Export = torch.onnx.OperatorExportTypes


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.norm = torch.nn.BatchNorm2d(4)
        self.linear = torch.nn.Linear(4, 2)

    def forward(self, x, scale=None):
        x = torch.relu(self.norm(self.conv(x))).mean((2, 3))
        x = self.linear(x)
        return x if scale is None else x * scale


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net().eval()


@pytest.fixture
def x():
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def theirs(model, args, **keywords) -> bytes:
    """The file that torch.onnx.export writes with its TorchScript exporter."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, args, buffer, **{"dynamo": False, **keywords})
    return buffer.getvalue()


def ours(model, args, **keywords) -> bytes:
    buffer = io.BytesIO()
    export(model, args, buffer, format="onnx", **keywords)
    return buffer.getvalue()


def results(model, feeds):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip([i.name for i in session.get_inputs()], feeds, strict=True)))


def names(data: bytes) -> tuple[list[str], list[str]]:
    graph = onnx.load_from_string(data).graph
    return [value.name for value in graph.input], [value.name for value in graph.output]


# ---- the table -----------------------------------------------------------------------------------


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def test_the_table_has_a_row_for_each_parameter_of_torch_onnx_export():
    now = version(torch.__version__)
    rows = {row.name for row in KEYWORDS if not row.until or now < version(row.until)}
    assert rows == set(inspect.signature(torch.onnx.export).parameters)


def test_the_signature_has_our_own_parameters_and_the_typed_rest():
    parameters = inspect.signature(export).parameters
    foreign = {row.name for row in KEYWORDS if not row.is_ours}
    assert {row.name for row in KEYWORDS if row.is_ours} <= set(parameters)
    assert foreign.isdisjoint(parameters)
    assert foreign == set(_torch_onnx.TorchOnnxKeywords.__annotations__)


def test_the_page_has_the_table():
    """If this fails: put the rows that the message shows into the page."""
    rows = "".join(
        f"| `{row.name}` | {row.values} | {row.meaning} | {row.instead[:1].upper()}"
        f"{row.instead[1:]}{'.' if row.instead else ''} |\n"
        for row in KEYWORDS
    )
    assert rows in PAGE.read_text(), rows


def test_what_is_refused_says_what_to_do_instead():
    for row in KEYWORDS:
        if row.takes is not _torch_onnx._all:
            assert len(row.instead) > 15, row.name


# ---- taken ---------------------------------------------------------------------------------------

#: What torch.onnx's TorchScript exporter and ours take as it is, with the same result.
TAKEN = [
    {"input_names": ["image"], "output_names": ["scores"]},
    {"export_params": True},
    {"keep_initializers_as_inputs": False},
    {"opset_version": 20},
    {"opset_version": None},
    {"verbose": False},
    {"verbose": None},
    {"training": Mode.EVAL},
    {"do_constant_folding": True},
    {"do_constant_folding": False},
    {"operator_export_type": Export.ONNX},
    {"custom_opsets": None},
    {"custom_opsets": {}},
    {"export_modules_as_functions": False},
    {"autograd_inlining": True},
    {"dynamic_axes": None},
    {"dynamic_axes": {}},
    {"dynamic_axes": {"image": {0: "batch"}}, "input_names": ["image"], "output_names": ["scores"]},
    {"dynamic_shapes": None},
    {"external_data": False},
    {"report": False, "profile": False, "dump_exported_program": False},
    {"artifacts_dir": "."},
    {"custom_translation_table": None},
    {"optimize": True},
    {"optimize": False},
    {"verify": False},
]


@pytest.mark.parametrize("keywords", TAKEN, ids=lambda row: ", ".join(map(str, row.items())))
def test_a_keyword_that_is_taken_means_the_same_in_torch_onnx(net, x, keywords):
    there, here = theirs(net, (x,), **keywords), ours(net, (x,), dynamo=False, **keywords)
    if "input_names" in keywords:
        assert names(there) == names(here) == (["image"], ["scores"])
    feed = torch.randn(2, 3, 8, 8).numpy()
    np.testing.assert_allclose(
        results(here, [feed])[0], results(there, [feed])[0], rtol=1e-4, atol=1e-5
    )


def test_all_foreign_keywords_are_among_those_that_were_compared():
    compared = {name for row in TAKEN for name in row} | {"dynamo"}
    assert {row.name for row in KEYWORDS if not row.is_ours} <= compared


def test_the_call_for_torch_onnx_with_dynamo_is_taken_as_it_is(net, x, tmp_path):
    keywords = {
        "kwargs": {"scale": torch.tensor(2.0)},
        "input_names": ["image", "scale"],
        "output_names": ["scores"],
        "opset_version": 20,
        "dynamo": True,
        "external_data": True,
        "optimize": True,
        "verify": True,
        "report": False,
        "verbose": False,
        "artifacts_dir": str(tmp_path),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (x,), tmp_path / "theirs.onnx", **keywords)
    export(net, (x,), tmp_path / "ours.onnx", **keywords)
    feeds = [torch.randn(2, 3, 8, 8).numpy(), np.array(3.0, np.float32)]
    there, here = (results(str(tmp_path / f"{who}.onnx"), feeds) for who in ("theirs", "ours"))
    np.testing.assert_allclose(here[0], there[0], rtol=1e-4, atol=1e-5)
    assert names((tmp_path / "theirs.onnx").read_bytes()) == names(
        (tmp_path / "ours.onnx").read_bytes()
    )


def test_training_mode_is_understood(net, x):
    net.train()
    there = onnx.load_from_string(theirs(net, (x,), training=Mode.TRAINING))
    here = onnx.load_from_string(ours(net, (x,), training=Mode.TRAINING))
    for model in (there, here):
        (norm,) = (node for node in model.graph.node if node.op_type == "BatchNormalization")
        assert [a.i for a in norm.attribute if a.name == "training_mode"] == [1]
    assert ours(net, (x,), training=Mode.EVAL) == ours(net, (x,))


def test_without_params_both_make_them_inputs(net, x):
    keywords = {"export_params": False, "do_constant_folding": False, "input_names": ["x"]}
    there, here = (names(f(net, (x,), **keywords))[0] for f in (theirs, ours))
    assert "x" in there and "x" in here
    assert {"linear.weight", "linear.bias"} <= set(there) & set(here)
    assert here[-1] == "x"  # as the page says


def test_constant_folding_is_the_pass_of_that_name():
    def forward(x):
        return x + torch.arange(3).cumsum(0)

    y = torch.randn(3)
    plain = toffee.loads(ours(forward, y))
    chosen = toffee.loads(ours(forward, y, do_constant_folding=True))
    assert chosen == toffee.loads(ours(forward, y, optimize=["constants"]))
    without = toffee.loads(ours(forward, y, optimize=True, do_constant_folding=False))
    passes = [name for name in toffee.passes() if name != "constants"]
    assert without == toffee.loads(ours(forward, y, optimize=passes))
    assert len(chosen) <= len(plain)


def test_external_data_is_a_file_beside_the_model(tmp_path):
    model = torch.nn.Linear(64, 64).eval()
    x = torch.randn(2, 64)
    path = tmp_path / "m.onnx"
    export(model, x, path, external_data=True)
    assert sorted(os.listdir(tmp_path)) == ["m.onnx", "m.onnx.data"]
    stored = onnx.load(path, load_external_data=False).graph.initializer
    outside = [t.name for t in stored if t.data_location == onnx.TensorProto.EXTERNAL]
    assert outside == ["weight"]  # the bias is small
    onnx.checker.check_model(str(path), full_check=True)
    feed = torch.randn(2, 64)
    (result,) = results(str(path), [feed.numpy()])
    np.testing.assert_allclose(result, model(feed).detach().numpy(), rtol=1e-4, atol=1e-5)
    assert toffee.numpy_helper.to_array(toffee.load(path).initializer[0]).shape == (64, 64)


def test_without_large_weights_there_is_no_file_beside_the_model(tmp_path):
    export(torch.nn.Linear(2, 2), torch.randn(2, 2), tmp_path / "m.onnx", external_data=True)
    assert os.listdir(tmp_path) == ["m.onnx"]


def test_external_data_without_a_place_for_it_is_an_error_before_the_model_runs(tmp_path):
    def forward(x):
        raise AssertionError("it ran")

    x = torch.randn(2)
    with pytest.raises(ValueError, match="needs a path.*a file object"):
        export(forward, x, io.BytesIO(), format="onnx", external_data=True)
    with pytest.raises(ValueError, match="format='onnx', and this is a path and format='toffee'"):
        export(forward, x, tmp_path / "m.toffee", external_data=True)
    with pytest.raises(ValueError, match="beside the path of a file, and this is none"):
        export(
            torch.nn.Linear(64, 64),
            torch.randn(1, 64),
            "/dev/null",
            format="onnx",
            external_data=True,
        )
    assert os.listdir(tmp_path) == []


def test_what_changes_nothing_is_logged(net, x, caplog):
    with caplog.at_level(logging.INFO, "toffee"):
        ours(net, (x,), dynamo=True, opset_version=20)
    said = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("dynamo=True changes nothing: There is one way") for line in said)
    assert any(line.startswith("opset_version=20 changes nothing") for line in said)


def test_fallback_of_older_versions_is_told_apart_from_ours(net, x):
    assert ours(net, (x,), fallback=False) == ours(net, (x,))
    with pytest.raises(ValueError, match="fallback=True is refused: there is no other exporter"):
        ours(net, (x,), fallback=True)


# ---- refused -------------------------------------------------------------------------------------

REFUSED = [
    ({"opset_version": 17}, "writes opset 20 only. onnx.version_converter"),
    ({"opset_version": 23}, "opset_version=23 is refused"),
    ({"opset_version": True}, "opset 20 only"),
    ({"dynamo": "yes"}, "one way to export"),
    ({"external_data": None}, "can be True or False"),
    ({"custom_translation_table": {1: print}}, "toffee.register_lowering"),
    ({"report": True}, "the logger 'toffee'"),
    ({"profile": True}, "cProfile"),
    ({"dump_exported_program": True}, "torch.export.save"),
    ({"keep_initializers_as_inputs": True}, "export_params=False"),
    ({"training": Mode.PRESERVE}, "training=model.training"),
    ({"training": 1}, "can be False"),
    ({"operator_export_type": Export.ONNX_ATEN_FALLBACK}, "fallback='aten'"),
    ({"do_constant_folding": 1}, "can be True or False"),
    ({"custom_opsets": {"my.domain": 2}}, "g.import_domain"),
    ({"export_modules_as_functions": True}, "names of the nodes"),
    ({"autograd_inlining": False}, "torch.library.custom_op"),
    ({"f": None}, "toffee.loads"),
]


@pytest.mark.parametrize(("keywords", "message"), REFUSED, ids=lambda row: str(row)[:40])
def test_what_means_something_else_is_refused_before_the_model_runs(keywords, message, tmp_path):
    def forward(x):
        raise AssertionError("it ran")

    arguments = {"f": tmp_path / "m.onnx", **keywords}
    with pytest.raises(ValueError, match=message):
        export(forward, torch.randn(2), **arguments)
    assert os.listdir(tmp_path) == []


def test_every_row_that_refuses_something_is_tested():
    tested = {name for keywords, _ in REFUSED for name in keywords} | {"fallback"}
    assert tested == {row.name for row in KEYWORDS if row.instead}


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("opset_verion", "opset_version"), ("input_name", "input_names"), ("progres", "progress")],
)
def test_an_unknown_keyword_is_a_type_error_that_knows_what_was_meant(tmp_path, wrong, meant):
    with pytest.raises(TypeError, match=f"argument '{wrong}'. Did you mean '{meant}'"):
        export(torch.tanh, torch.randn(2), tmp_path / "m", **{wrong: 1})
    with pytest.raises(TypeError, match="unexpected keyword argument 'zzz'$"):
        export(torch.tanh, torch.randn(2), tmp_path / "m", zzz=1)


# ---- what the messages advise --------------------------------------------------------------------


@pytest.mark.parametrize("opset", [17, 19, 21, 22])
def test_onnx_converts_our_files_to_other_opsets(net, x, opset):
    model = onnx.load_from_string(ours(net, (x,)))
    converted = version_converter.convert_version(model, opset)
    onnx.checker.check_model(converted, full_check=True)
    (result,) = results(converted.SerializeToString(), [x.numpy()])
    np.testing.assert_allclose(result, net(x).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_the_module_of_an_exported_program_can_be_exported(net, x):
    program = torch.export.export(net, (x,))
    (result,) = results(ours(program.module(), (x,)), [x.numpy()])
    np.testing.assert_allclose(result, net(x).detach().numpy(), rtol=1e-4, atol=1e-5)
