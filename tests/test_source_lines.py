"""Every traced node says which line of the user's code, and which module, it comes from."""

from __future__ import annotations

import copy
import functools
import gc
import io
import sys
import threading
import types
import weakref
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
import torch.toffee
from exported import to_bytes, to_graph
from torch import nn

import toffee
from toffee import _tracing

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
from seed_models import import_torchvision  # noqa: E402

HERE = Path(__file__).name
X = torch.linspace(-2, 2, 12).reshape(3, 4)


def line_of(text: str, function: Any) -> int:
    """The number of the line in FUNCTION's source that holds TEXT."""
    code = function.__code__
    lines = Path(code.co_filename).read_text(encoding="utf-8").splitlines()
    found = [i + 1 for i, line in enumerate(lines) if text in line and i + 1 >= code.co_firstlineno]
    return found[0]


def lines(graph: Any) -> list[tuple[str, str]]:
    return [(node.op_type, node.doc_string) for node in graph.node]


def names(graph: Any) -> list[str]:
    return [node.name for node in graph.node]


def program(text: str, filename: str = "<string>", **given: Any) -> dict[str, Any]:
    """What TEXT defines, as code of FILENAME."""
    space: dict[str, Any] = {"torch": torch, "nn": nn, "__name__": "given", **given}
    exec(compile(text, filename, "exec"), space)
    return space


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.act = nn.Sequential(nn.ReLU(), nn.Tanh())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.fc(x)  # the layer
        y = self.act(y)  # the activation
        return x + y  # the sum


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block()])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)
        return torch.sigmoid(x)  # the end


# ---- lines ---------------------------------------------------------------------------------------


def test_a_node_has_the_line_of_the_users_code_that_called_its_operator():
    at = functools.partial(line_of, function=Block.forward)
    end = line_of("# the end", Net.forward)
    block = [
        ("Gemm", f"{HERE}:{at('# the layer')}"),
        ("Relu", f"{HERE}:{at('# the activation')}"),
        ("Tanh", f"{HERE}:{at('# the activation')}"),
        ("Add", f"{HERE}:{at('# the sum')}"),
    ]
    assert lines(to_graph(Net(), X)) == [*block, *block, ("Sigmoid", f"{HERE}:{end}")]


def test_a_loop_over_several_lines_gives_each_its_own():
    def model(x):
        for _ in range(3):
            x = torch.tanh(x)
            x = torch.exp(x)
        return x

    first = line_of("torch.tanh", model)
    want = [("Tanh", f"{HERE}:{first}"), ("Exp", f"{HERE}:{first + 1}")] * 3
    assert lines(to_graph(model, X)) == want


def test_a_call_over_several_lines_and_a_lambda_have_the_line_where_the_operator_is_called():
    def model(x):
        return torch.tanh(
            torch.exp(x),
        )

    first = line_of("torch.tanh", model)
    assert lines(to_graph(model, X)) == [
        ("Exp", f"{HERE}:{first + 1}"),
        ("Tanh", f"{HERE}:{first}"),
    ]
    sine = lambda x: torch.sin(x)  # noqa: E731
    assert lines(to_graph(sine, X)) == [("Sin", f"{HERE}:{sine.__code__.co_firstlineno}")]


def test_a_function_that_forward_calls_has_its_own_lines():
    def helper(x):
        return torch.exp(x)

    def model(x):
        return torch.tanh(helper(x))

    assert lines(to_graph(model, X)) == [
        ("Exp", f"{HERE}:{line_of('torch.exp', helper)}"),
        ("Tanh", f"{HERE}:{line_of('torch.tanh', model)}"),
    ]


def test_the_pieces_of_an_operator_that_is_taken_apart_have_the_line_of_its_call():
    def model(x):
        x = torch.exp(x)
        return nn.functional.huber_loss(x, x * 2, delta=0.5)

    graph = to_graph(model, X)
    call = f"{HERE}:{line_of('huber_loss', model)}"
    assert len(graph.node) > 3
    assert {doc for op, doc in lines(graph) if op != "Exp"} == {call}


def test_a_write_has_the_line_of_the_write_and_not_of_the_read_that_needs_it():
    def model(x):
        y = x + 1
        y[:, 0] = torch.tanh(x[:, 1])  # the write
        return y.exp()  # the read

    write, read = line_of("# the write", model), line_of("# the read", model)
    found = lines(to_graph(model, X))
    assert found[0] == ("Add", f"{HERE}:{write - 1}")
    assert found[-1] == ("Exp", f"{HERE}:{read}")
    assert {doc for _, doc in found[1:-1]} == {f"{HERE}:{write}"}


def test_a_write_that_the_output_alone_needs_has_its_line_too():
    def model(x):
        y = x + 1
        y[:, 0] = x[:, 1]  # the write
        return y

    found = lines(to_graph(model, X))
    assert {doc for _, doc in found[1:]} == {f"{HERE}:{line_of('# the write', model)}"}


def test_a_library_of_models_is_user_code_and_is_called_as_it_is_imported(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "menagerie"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "net.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.act = nn.Tanh()\n"
        "    def forward(self, x):\n"
        "        return self.act(x)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    from menagerie.net import Net as Zoo  # type: ignore[import-not-found]

    assert lines(to_graph(Zoo(), X)) == [("Tanh", "menagerie/net.py:7")]
    here = nn.Sequential(Zoo(), nn.ReLU())
    assert lines(to_graph(here, X))[0] == ("Tanh", "menagerie/net.py:7")


def test_torchvisions_own_line_is_the_users():
    torchvision = import_torchvision()
    graph = to_graph(torchvision.models.resnet18(), torch.zeros(1, 3, 64, 64))
    assert graph.node[0].name == "conv1/Conv"
    file, line = graph.node[0].doc_string.rsplit(":", 1)
    assert file == "torchvision/models/resnet.py"
    source = Path(torchvision.__file__).parent / "models" / "resnet.py"
    assert "self.conv1(x)" in source.read_text().splitlines()[int(line) - 1]


def test_a_model_that_is_all_of_pytorchs_layers_has_the_lines_of_the_layers():
    graph = to_graph(nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Softmax(-1))), X)
    (gemm, gemm_line), (softmax, softmax_line) = lines(graph)
    assert (gemm, softmax) == ("Gemm", "Softmax")
    assert gemm_line.startswith("torch/nn/modules/linear.py:")
    assert softmax_line.startswith("torch/nn/modules/activation.py:")


def test_a_function_of_pytorch_alone_has_the_line_that_exports_it():
    buffer = io.BytesIO()
    torch.toffee.export(torch.tanh, X, buffer)  # the export
    here = test_a_function_of_pytorch_alone_has_the_line_that_exports_it
    want = f"{HERE}:{line_of('# the export', here)}"
    assert lines(toffee.loads(buffer.getvalue())) == [("Tanh", want)]


def test_code_without_a_file_says_so():
    model = program("def model(x):\n    y = x.exp()\n    return y.tanh()\n")["model"]
    assert lines(to_graph(model, X)) == [("Exp", "<string>:2"), ("Tanh", "<string>:3")]


@pytest.mark.parametrize("name", ["模型/été.py", "with space.py", "a:b.py"])
def test_a_file_may_have_any_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = program("def model(x):\n    return x.exp()\n", str(tmp_path / name))["model"]
    assert lines(to_graph(model, X)) == [("Exp", f"{name}:2")]


def test_a_file_name_that_is_no_unicode_is_escaped():
    model = program("def model(x):\n    return x.exp()\n", "caf\udce9.py")["model"]
    assert lines(to_graph(model, X)) == [("Exp", "caf\\udce9.py:2")]
    assert onnx.load_from_string(to_bytes(model, X, format="onnx")).graph.node[0].doc_string


def test_files_are_named_from_the_path_they_are_imported_from_then_the_current_folder(
    tmp_path, monkeypatch
):
    source = "def model(x):\n    return x.exp()\n"
    deep = tmp_path / "lib" / "pkg" / "m.py"
    model = program(source, str(deep))["model"]
    assert lines(to_graph(model, X)) == [("Exp", f"{deep}:2")]
    monkeypatch.chdir(tmp_path)
    assert lines(to_graph(model, X)) == [("Exp", "lib/pkg/m.py:2")]
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "lib")])
    assert lines(to_graph(model, X)) == [("Exp", "pkg/m.py:2")]


def test_a_current_folder_that_is_gone_is_no_error(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert to_graph(lambda x: x.exp(), X).node[0].doc_string


def test_code_without_lines_has_its_file_alone():
    def model(x):
        return x.exp()

    bare = types.FunctionType(model.__code__.replace(co_linetable=b""), {})
    assert [doc.split(":")[0] for _, doc in lines(to_graph(bare, X))] == [HERE]


def test_lines_are_right_in_a_function_that_is_very_long():
    text = "def model(x):\n" + "    x = x.exp()\n" * 3000 + "    return x\n"
    model = program(text)["model"]
    assert lines(to_graph(model, X)) == [("Exp", f"<string>:{i + 2}") for i in range(3000)]


# ---- names ---------------------------------------------------------------------------------------


def test_a_name_is_the_path_of_the_module_and_the_operator():
    assert names(to_graph(Net(), X)) == [
        "blocks.0.fc/Gemm",
        "blocks.0.act.0/Relu",
        "blocks.0.act.1/Tanh",
        "blocks.0/Add",
        "blocks.1.fc/Gemm",
        "blocks.1.act.0/Relu",
        "blocks.1.act.1/Tanh",
        "blocks.1/Add",
        "Sigmoid",
    ]


def test_a_module_that_is_called_twice_numbers_its_nodes():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = Block()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.block(self.block(self.block.fc(x)))

    assert names(to_graph(Twice(), X)) == [
        "block.fc/Gemm",
        *["block.fc/Gemm_1", "block.act.0/Relu", "block.act.1/Tanh", "block/Add"],
        *["block.fc/Gemm_2", "block.act.0/Relu_1", "block.act.1/Tanh_1", "block/Add_1"],
    ]


def test_a_module_that_is_registered_twice_has_its_first_name_as_its_parameters_have():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 4)
            self.second = self.first

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(x)

    graph = to_graph(Tied(), X)
    assert names(graph) == ["first/Gemm"] and graph.input[0] == "first.weight"


def test_functions_outside_of_modules_are_named_by_operator_and_number():
    linear = nn.Linear(4, 4)
    graph = to_graph(lambda x: torch.exp(torch.exp(linear(x) + 1) + 1), X)
    assert names(graph) == ["Gemm", "Add", "Exp", "Add_1", "Exp_1"]


def test_the_module_behind_a_bound_method_and_a_partial_names_its_parts():
    net = Net()
    assert names(to_graph(net.forward, X)) == names(to_graph(net, X))
    assert names(to_graph(functools.partial(net), X)) == names(to_graph(net, X))
    assert names(to_graph(net.blocks[0].act.forward, X)) == ["0/Relu", "1/Tanh"]


def test_a_module_that_forward_makes_belongs_to_the_module_around():
    class Makes(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.Sequential(nn.Tanh(), nn.ReLU())(x)

    assert names(to_graph(nn.Sequential(Makes()), X)) == ["0/Tanh", "0/Relu"]


def test_a_functional_call_in_forward_belongs_to_the_module_that_makes_it():
    class Functional(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.softmax(nn.functional.relu(x), dim=-1)

    assert names(to_graph(nn.Sequential(Functional()), X)) == ["0/Relu", "0/Softmax"]


def test_a_module_with_hooks_is_found_and_so_are_the_hooks():
    net = nn.Sequential(nn.Tanh())
    net[0].register_forward_hook(lambda module, args, output: output.exp())
    net[0].register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    assert names(to_graph(net, X)) == ["0/Add", "0/Tanh", "0/Exp"]


def test_a_class_with_a_call_of_its_own_is_found():
    class Calls(nn.Tanh):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return super().__call__(*args, **kwargs)

    assert names(to_graph(nn.Sequential(Calls()), X)) == ["0/Tanh"]


def test_recursion_ends_in_the_innermost_call():
    class Down(nn.Module):
        def __init__(self, depth: int) -> None:
            super().__init__()
            self.inner = Down(depth - 1) if depth else None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.exp() if self.inner is None else self.inner(x).tanh()

    assert names(to_graph(Down(2), X)) == ["inner.inner/Exp", "inner/Tanh", "Tanh"]


def test_names_are_unique_also_where_an_operators_name_ends_in_a_number():
    with torch.library._scoped_library("numbered", "FRAGMENT") as library:
        for operator in ("op", "op_1"):
            library.define(f"{operator}(Tensor x) -> Tensor")
            library.impl(operator, lambda x: x.clone(), "CPU")
        ops = torch.ops.numbered
        graph = to_graph(lambda x: ops.op(ops.op(ops.op_1(ops.op(x)))), X, fallback="aten")
    assert names(graph) == [
        "numbered::op",
        "numbered::op_1",
        "numbered::op_2",
        "numbered::op_3",
    ]


def test_numbers_do_not_count_what_nothing_uses():
    def model(x):
        x.exp()
        y = x.exp() + 1
        x.exp()
        return y.exp()

    assert names(to_graph(model, X)) == ["Exp", "Add", "Exp_1"]


# ---- the switches, and the file ------------------------------------------------------------------


@pytest.mark.parametrize("source_lines", [True, False])
@pytest.mark.parametrize("module_names", [True, False])
def test_each_can_be_switched_off(source_lines, module_names):
    graph = to_graph(Net(), X, source_lines=source_lines, module_names=module_names)
    assert {bool(node.doc_string) for node in graph.node} == {source_lines}
    assert {bool(node.name) for node in graph.node} == {module_names}


def test_they_change_nothing_else():
    net = Net()
    plain = to_graph(net, X, source_lines=False, module_names=False)
    said = to_graph(net, X)
    assert str(said) == str(plain) and said != plain
    for node in said.node:
        node.name = node.doc_string = ""
    assert said == plain


def test_the_same_model_gives_the_same_bytes():
    net = Net()
    first, second = (to_bytes(net, X) for _ in range(2))
    assert first == second == to_bytes(copy.deepcopy(net), X)


def test_the_listing_and_the_2017_form_are_as_without():
    net = Net()
    plain, said = (to_graph(net, X, source_lines=on, module_names=on) for on in (False, True))
    assert toffee.printer.to_text(plain) == toffee.printer.to_text(said)
    old = toffee.loads(toffee.dumps(said, ir_version=1))
    assert {node.name for node in said.node} >= {node.name for node in old.node if node.name}


def test_onnx_reads_them():
    message = onnx.load_from_string(to_bytes(Net(), X, format="onnx"))
    onnx.checker.check_model(message, full_check=True)
    assert [node.name for node in message.graph.node] == names(to_graph(Net(), X))
    assert message.graph.node[0].doc_string.startswith(f"{HERE}:")


# ---- errors, threads, and what is left behind ----------------------------------------------------


class Fails(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError(f"of the model: {tuple(self.fc(x).shape)}")


def test_an_error_inside_forward_leaves_nothing_behind():
    net = nn.Sequential(Block(), Fails())
    before = {path: dict(vars(part)) for path, part in net.named_modules()}
    with pytest.raises(RuntimeError, match="of the model"):
        to_graph(net, X)
    for path, part in net.named_modules():
        assert vars(part).keys() == before[path].keys()
        assert not part._forward_hooks and not part._forward_pre_hooks
    assert nn.Module.__call__ is nn.Module._wrapped_call_impl
    assert not nn.modules.module._global_forward_hooks
    assert not nn.modules.module._global_forward_pre_hooks
    assert names(to_graph(net[0], X)) == ["fc/Gemm", "act.0/Relu", "act.1/Tanh", "Add"]


def test_an_export_keeps_neither_the_model_nor_its_code_alive():
    net = Net()
    made = program("def model(x, net):\n    return net(x).exp()\n")["model"]
    graph = to_graph(made, (X, net), module_names=True)
    to_graph(net, X)
    seen = [weakref.ref(net), weakref.ref(made.__code__)]
    del net, made
    gc.collect()
    assert [ref() for ref in seen] == [None, None] and graph.node[-1].doc_string == "<string>:2"


def test_activations_die_when_the_model_lets_go_of_them():
    alive: list[weakref.ref[Any]] = []

    class Watch(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            gone = [ref() is None for ref in alive]
            assert all(gone), gone
            y = x.exp()
            del x
            alive.append(weakref.ref(y))
            y = y.tanh()
            return y

    assert len(to_graph(nn.Sequential(Watch(), Watch(), Watch()), X).node) == 6


def test_several_threads_export_one_model_at_a_time():
    net = Net()
    want = [(node.name, node.doc_string) for node in to_graph(net, X).node]
    found: list[Any] = []

    def work() -> None:
        for _ in range(5):
            found.append([(node.name, node.doc_string) for node in to_graph(net, X).node])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20 and all(rows == want for rows in found)


def test_locate_says_what_it_needs():
    tracer = _tracing.Tracer()
    with pytest.raises(RuntimeError, match="begin"):
        tracer.locate(None, None, None)
