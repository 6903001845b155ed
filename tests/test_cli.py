"""python -m toffee, and what the package costs to import."""

from __future__ import annotations

import os
import subprocess
import sys

import onnx
import pytest

import toffee
from toffee import helper
from toffee.__main__ import main


def run(*args, **kwargs):
    return subprocess.run(
        [sys.executable, "-m", "toffee", *map(str, args)], capture_output=True, text=True, **kwargs
    )


def python(program):
    """Standard output of PROGRAM in a fresh interpreter."""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.fixture
def saved(conv_graph, tmp_path):
    toffee.save(conv_graph, tmp_path / "net.toffee")
    return tmp_path / "net.toffee"


def test_check_says_that_no_fault_was_found(saved):
    result = run("check", saved)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{saved}: 2 nodes, 1 initializers, no fault found\n"


def test_print_prints_the_listing(saved, conv_graph):
    result = run("print", saved)
    assert (result.returncode, result.stdout.strip()) == (0, str(conv_graph).strip())


def test_convert_goes_to_onnx_and_back(saved, conv_graph, tmp_path):
    assert run("convert", saved, tmp_path / "net.onnx").returncode == 0
    onnx.checker.check_model(onnx.load(tmp_path / "net.onnx"), full_check=True)
    assert run("convert", tmp_path / "net.onnx", tmp_path / "back").returncode == 0
    assert (tmp_path / "back").read_bytes() == saved.read_bytes()
    assert run("convert", saved, tmp_path / "bare", "--without-params").returncode == 0
    assert len(toffee.load(tmp_path / "bare").initializer) == 0
    assert run("convert", saved, tmp_path / "x", "--to", "onnx").returncode == 0
    assert onnx.load(tmp_path / "x").graph.name == "net"


def test_a_fault_gives_exit_code_1_and_one_line(capsys, tmp_path):
    broken = helper.make_graph([helper.make_node("Relu", ["no"], ["y"])], "g", ["x"], ["y"])
    toffee.save(broken, tmp_path / "broken")
    (tmp_path / "noise").write_bytes(b"PK\3\4 not a graph")
    (tmp_path / "empty").touch()
    for arguments in (
        ["check", "broken"],
        ["print", "noise"],
        ["check", "empty"],
        ["print", "missing"],
        ["convert", "broken", "no/such/folder/m"],
        ["convert", "broken", "m.onnx", "--ir-version", "1"],
    ):
        path = tmp_path / arguments[1]
        rest = [str(tmp_path / a) if i == 0 else a for i, a in enumerate(arguments[2:])]
        assert main([arguments[0], str(path), *rest]) == 1, arguments
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1 and "Traceback" not in err
        assert str(tmp_path) in err


def test_wrong_arguments_give_exit_code_2():
    for arguments in ([], ["check"], ["frob", "x"], ["convert", "x"]):
        assert run(*arguments).returncode == 2


def test_version_is_the_packages_own():
    assert run("--version").stdout == f"toffee {toffee.__version__}\n"


def test_a_reader_that_leaves_early_is_no_error_to_talk_about(tmp_path):
    nodes = [helper.make_node("Relu", [str(i)], [str(i + 1)]) for i in range(20000)]
    toffee.save(helper.make_graph(nodes, "g", ["0"], ["20000"]), tmp_path / "long")
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "toffee", "print", str(tmp_path / "long")],
        stdout=write,
        stderr=subprocess.PIPE,
    )
    os.close(write)
    os.read(read, 10)
    os.close(read)
    _, errors = process.communicate(timeout=60)
    assert errors == b""


# ---- import ------------------------------------------------------------------------------------


def test_import_toffee_loads_no_torch_no_numpy_and_not_even_the_extension():
    program = """
import sys, toffee
print([name for name in ('torch', 'numpy', 'toffee._core', 'onnx') if name in sys.modules])
"""
    assert python(program) == "[]"


def test_graphs_can_be_made_and_read_without_numpy():
    program = """
import sys
sys.modules['numpy'] = None
import toffee
from toffee import helper
graph = helper.make_graph([helper.make_node('Relu', ['x'], ['y'])], 'g', ['x'], ['y'])
toffee.checker.check_graph(toffee.loads(toffee.dumps(graph)))
"""
    assert python(program) == ""


def test_every_public_name_is_there_and_unknown_ones_are_attribute_errors():
    for name in [*toffee.__all__, "torch_toffee"]:
        assert getattr(toffee, name) is not None
        assert name in dir(toffee)
    with pytest.raises(AttributeError, match="'toffee' has no attribute 'lod'"):
        toffee.lod  # noqa: B018
    with pytest.raises(ImportError):
        from toffee import lod  # noqa: F401
    assert toffee.GraphProto is toffee.Graph and toffee.TensorProto is toffee.Tensor


@pytest.mark.parametrize(
    "program",
    [
        "import toffee, torch, torch.toffee as t",
        "import torch, toffee; t = torch.toffee",
        "import toffee; from torch import toffee as t",
        "import toffee; from torch.toffee import export; import torch; t = torch.toffee",
        "import toffee.torch_toffee as t, torch.toffee; assert torch.toffee is t",
        "import torch, toffee._autoload as a; a._autoload(); a._autoload(); t = torch.toffee",
    ],
)
def test_torch_toffee_resolves_in_every_spelling(program):
    assert python(program + "; print(t.export.__name__, 'export' in dir(t))") == "export True"


def test_torch_toffee_is_one_module_and_loads_nothing_before_it_is_used():
    program = """
import torch, sys, toffee
assert 'toffee._core' not in sys.modules
lazy = torch.toffee
assert not hasattr(lazy, '__wrapped__') and 'toffee._core' not in sys.modules
lazy.export
import toffee.torch_toffee, torch.toffee
assert torch.toffee is toffee.torch_toffee is sys.modules['torch.toffee']
assert toffee.torch_toffee.__spec__.name == 'toffee.torch_toffee'
try:
    torch.toffee.exprot
except AttributeError as error:
    print(error)
"""
    assert python(program) == "module 'toffee.torch_toffee' has no attribute 'exprot'"


def test_the_entry_point_imports_two_small_modules_and_nothing_else():
    """What it costs `import torch`: two files to read. PyTorch has loaded the rest by then."""
    program = """
import importlib.machinery, sys, types
sys.modules['torch'] = types.ModuleType('torch')
before = set(sys.modules)
import toffee._autoload
toffee._autoload._autoload()
print(sorted(set(sys.modules) - before))
"""
    assert python(program) == "['toffee', 'toffee._autoload']"
