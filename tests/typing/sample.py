"""A program that uses toffee as its users do, and says in its annotations what it expects.

tests/test_typing.py holds it against mypy --strict and pyright in strict mode, and runs it.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

import toffee
import toffee.backend.onnxruntime
import toffee.backend.torch
from toffee import checker, helper, numpy_helper, printer
from toffee.lowering import GraphBuilder, TracedValue
from toffee.torch_toffee import export  # what torch.toffee.export is; checkers see it here


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.linear(x))


def export_it(model: torch.nn.Module, path: Path) -> torch.Tensor:
    result = export(model, (torch.ones(1, 3),), path, input_names=["x"], optimize=("dead",))
    assert isinstance(result, torch.Tensor)  # export returns what the model returns
    memory = io.BytesIO()
    export(model, torch.ones(1, 3), memory, format="onnx", verify=False)
    again: toffee.Graph = toffee.loads(memory.getvalue())
    assert len(again) > 0
    return result


def look_at(path: Path) -> list[str]:
    graph: toffee.Graph = toffee.load(path)
    with path.open("rb") as file:
        assert toffee.load(file) == graph
    lines: list[str] = []
    for node in graph:
        inputs: Sequence[str] = list(node.input)
        lines.append(f"{node.op_type}({', '.join(inputs)}) of {node.name}, {node.doc_string}")
        for attribute in node.attribute:
            number: int = attribute.i
            name: str = attribute.name
            lines.append(f"{name} = {number}, {attribute.ints.copy()}")
    weights: dict[str, np.ndarray] = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    lines += [f"{name}: {array.dtype} {array.shape}" for name, array in weights.items()]
    for info in graph.value_info:
        shape: tuple[int | str | None, ...] | None = info.shape
        lines.append(f"{info.name}: {shape}")
    opsets: dict[str, int] = {entry.domain: entry.version for entry in graph.opset_import}
    lines.append(f"{opsets}, {printer.to_text(graph)}, {printer.to_text(graph.node[0])}")
    return lines


def make_one() -> toffee.Graph:
    scale: toffee.Tensor = numpy_helper.from_array(np.full(2, 0.5, np.float32), "scale")
    node: toffee.Node = helper.make_node("Mul", ["x", "scale"], ["y"], name="half")
    graph: toffee.Graph = helper.make_graph(
        [node],
        "halves",
        [helper.make_tensor_value_info("x", toffee.Tensor.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", toffee.Tensor.FLOAT, ["n", 2])],
        [scale],
    )
    graph.node.append(toffee.Node(op_type="Identity", input=["y"], output=["z"]))
    graph.output = ["z"]
    graph.value_info.append(toffee.ValueInfo(name="y", dtype=toffee.Tensor.FLOAT, shape=["n", 2]))
    last: toffee.Node = graph.node[-1]
    some: list[toffee.Node] = graph.node[:1]
    value: int | float | str = toffee.Attribute(name="axis", i=1).i
    assert (last.op_type, some[0].op_type, value) == ("Identity", "Mul", 1)
    graph.metadata_props.append(toffee.StringStringEntry(key="author", value="me"))
    checker.check_graph(graph)
    checker.check_node(last)
    typed: toffee.Graph = toffee.infer_shapes(graph, {"x": (4, 2)})
    names: tuple[str, ...] = toffee.passes()
    assert "dead" in names
    clean: toffee.Graph = toffee.optimize(typed, passes=["no_ops"])
    data: bytes = toffee.dumps(clean, format="onnx")
    assert toffee.loads(data).node == clean.node
    return clean


def run_it(graph: toffee.Graph, x: np.ndarray) -> np.ndarray:
    rep = toffee.backend.onnxruntime.prepare(graph, device="CPU")
    outputs: toffee.backend.Outputs = rep.run({"x": x})
    by_name: object = outputs["z"]
    (again,) = toffee.backend.torch.run(graph, [torch.tensor(x)])
    np.testing.assert_array_equal(np.asarray(by_name), np.asarray(again))
    module: torch.nn.Module = toffee.backend.torch.to_module(graph)
    result = module(torch.tensor(x))
    assert isinstance(result, torch.Tensor)
    return result.detach().numpy()


def compare_it(model: torch.nn.Module, graph: toffee.Graph) -> None:
    report = toffee.compare(model, graph, (torch.ones(1, 3),), backends=["onnxruntime"])
    for row in [*report.rows, *report.outputs]:
        worst: float = max(difference.relative for difference in row.differences.values())
        assert worst < 1e-3, f"{row.op_type} {row.what}"


@toffee.register_lowering("aten::erfcx")
def lower_erfcx(g: GraphBuilder, x: TracedValue) -> TracedValue:
    rank: int | None = x.rank
    assert rank is not None
    square: TracedValue = g.op("Mul", x, x)
    one: TracedValue = g.constant(1.0)
    product: TracedValue = g.op("Mul", g.op("Exp", square), g.op("Sub", one, g.op("Erf", x)))
    return product


def refused(path: Path) -> str:
    try:
        toffee.loads(b"no graph")
    except toffee.FormatError as error:
        offset: int | None = error.offset
        assert offset is None or offset >= 0
        return str(error)
    except (toffee.CheckError, toffee.LimitError, toffee.UnsupportedOperatorError):
        raise
    return f"{path} could be read"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.toffee")
        model = Net()
        export_it(model, path)
        print("\n".join(look_at(path)))
        graph = make_one()
        toffee.save(graph, str(path.with_suffix(".onnx")))
        print(run_it(graph, np.ones((4, 2), np.float32)))
        compare_it(model, toffee.load(path))
        with path.open("wb") as file:
            toffee.save(graph, file, format="onnx")
        drawing: toffee.Picture = graph.picture(theme="light")
        print(drawing.svg[:4], refused(path))
    lowering = toffee.registered_lowerings()["aten::erfcx"]
    assert toffee.unregister_lowering("aten::erfcx") is lowering


if __name__ == "__main__":
    main()
