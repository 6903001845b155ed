"""The command line as a whole: exit codes, errors of one line, pipes; and what imports cost."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

import toffee
from toffee import helper
from toffee.cli.main import _COMMANDS, main


def run(*args, **kwargs):
    """The command line in a process of its own."""
    kwargs = {"capture_output": True, "text": True, **kwargs}
    return subprocess.run([sys.executable, "-m", "toffee", *map(str, args)], **kwargs)


def python(program):
    """Standard output of PROGRAM in a fresh interpreter."""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.fixture
def saved(conv_graph, tmp_path):
    toffee.save(conv_graph, tmp_path / "net.toffee")
    return tmp_path / "net.toffee"


@pytest.fixture
def folder(saved, tmp_path, monkeypatch):
    """A folder to be in, with net.toffee and files that are no good."""
    broken = helper.make_graph([helper.make_node("Relu", ["no"], ["y"])], "g", ["x"], ["y"])
    toffee.save(broken, tmp_path / "broken")
    (tmp_path / "noise").write_bytes(b"PK\3\4 not a graph")
    (tmp_path / "empty").touch()
    (tmp_path / "noise.npy").write_bytes(b"no array")
    (tmp_path / "noise.npz").write_bytes(b"no arrays")
    np.save(tmp_path / "wrong.npy", np.zeros((2, 2), np.float32))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def long_file(tmp_path):
    nodes = [helper.make_node("Relu", [str(i)], [str(i + 1)]) for i in range(20000)]
    toffee.save(helper.make_graph(nodes, "g", ["0"], ["20000"]), tmp_path / "long")
    return tmp_path / "long"


# ---- exit codes --------------------------------------------------------------------------------

FAULTS = [
    ("check broken", "broken: "),
    ("check noise", "noise: "),
    ("check empty", "empty: "),
    ("check missing", "missing"),
    ("check .", "'.'"),
    ("print noise", "noise: "),
    ("print missing", "missing"),
    ("print broken --infer", "broken: "),
    ("print net.toffee --op Gemm", "net.toffee: no node is of the operator Gemm"),
    ("stats noise", "noise: "),
    ("picture noise p.svg", "noise: "),
    ("picture net.toffee p.pdf", "'p.pdf'"),
    ("picture net.toffee no/such/folder/p.svg", "no/such/folder/p.svg"),
    ("view noise", "noise: "),
    ("convert missing out", "missing"),
    ("convert net.toffee no/such/folder/m", "no/such/folder/m"),
    ("convert net.toffee m.onnx --ir-version 1", "ir_version=1"),
    ("convert broken nets --to caffe2", "broken: "),
    ("run noise", "noise: "),
    ("run net.toffee -i missing.npy", "missing.npy: No such file or directory"),
    ("run net.toffee -i noise.npy", "noise.npy: "),
    ("run net.toffee -i noise.npz", "noise.npz: "),
    ("run net.toffee -i wrong.npy", "input 'x' must be float32[batch, 3, 8, 8]"),
    ("run net.toffee --device TPU", "unknown device 'TPU'"),
    ("run net.toffee -o no/such/folder/out.npz", "no/such/folder/out.npz"),
    ("compare net.toffee broken", "broken: ONNX Runtime cannot prepare the graph"),
    ("compare net.toffee noise", "noise: "),
    ("diff net.toffee noise", "noise: "),
    ("diff missing net.toffee", "missing"),
    ("export no_such_module:make -o m", "no module 'no_such_module'"),
    ("export json:no_such_function -o m", "no function 'no_such_function'"),
    ("export json:decoder -o m", "module 'json' has no function 'decoder'"),
    ("export json:loads -o m", "json:loads: TypeError: "),
    ("export collections:OrderedDict -o m", "which is no model"),
    ("export torch.nn:Identity -i 3 -o no/such/folder/m", "there is no folder no/such/folder"),
]


@pytest.mark.parametrize(("line", "said"), FAULTS, ids=[line for line, _ in FAULTS])
def test_a_fault_gives_exit_code_1_and_one_line(line, said, folder, capsys):
    before = sorted(os.listdir())
    assert main(line.split()) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "Traceback" not in err
    assert err.startswith("toffee: ") and said in err
    assert sorted(set(os.listdir()) - {"__pycache__"}) == before


WRONG = [
    ("", "COMMAND"),
    ("frob x", "no command 'frob'"),
    ("check", "FILE"),
    ("convert x", "OUT"),
    ("convert net.toffee m --to tflite", "tflite"),
    ("convert net.toffee - --to caffe2", "folder"),
    ("print net.toffee --color pink", "pink"),
    ("picture net.toffee", "OUT"),
    ("picture net.toffee p.svg --collapse 0", "--collapse is '0'"),
    ("view net.toffee --port http", "http"),
    ("run net.toffee --backend tvm", "tvm"),
    ("run net.toffee -i 1y3", "'1y3' is no shape"),
    ("run net.toffee -i 1x3:float31", "'float31' is no dtype"),
    ("run net.toffee -i y=1x3", "no input 'y': it has x"),
    ("run net.toffee -i 1x3x8x8 -i 3", "one value too many"),
    ("run net.toffee --repeat -1", "--repeat"),
    ("compare net.toffee --backend torch", "two backends"),
    ("compare net.toffee --backend torch --backend torch", "two backends"),
    ("compare a b c", "one or two"),
    ("compare - -", "one of the files only"),
    ("compare a b --backend torch --backend c2", "one backend"),
    ("compare a --tolerance -1", "--tolerance"),
    ("diff - -", "one of the files only"),
    ("export json -o m", "write it as package.module:function"),
    ("export json:loads", "-o"),
    ("export json:loads -i 1xx -o m", "'1xx' is no shape"),
    ("export json:loads -i 1:int31 -o m", "'int31' is no dtype of PyTorch"),
    ("completion tcsh", "tcsh"),
]


@pytest.mark.parametrize(("line", "said"), WRONG, ids=[line or "nothing" for line, _ in WRONG])
def test_wrong_use_gives_exit_code_2_and_says_what_is_wrong(line, said, folder, capsys):
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err.splitlines()[-1] and "Traceback" not in err


def test_every_command_has_help_with_examples_that_the_parser_takes(capsys):
    from toffee.cli.main import build_parser

    for name in _COMMANDS:
        assert main([name, "--help"]) == 0
        text = capsys.readouterr().out
        examples = re.findall(rf"^  .*?(toffee {name}[^|>#\n)]*)", text, re.MULTILINE)
        assert text.startswith(f"usage: toffee {name} ") and examples
        for example in examples:
            build_parser().parse_args(example.split()[1:])


def test_the_help_of_the_program_names_every_command_and_the_exit_codes(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert "exit codes: 0 done" in text
    for name in _COMMANDS:
        assert re.search(rf"^    {name} ", text, re.MULTILINE), name


def test_version_is_the_packages_own():
    assert run("--version").stdout == f"toffee {toffee.__version__}\n"


# ---- pipes and terminals -----------------------------------------------------------------------


def test_a_file_can_come_from_a_pipe_and_go_into_one(saved, conv_graph):
    data = saved.read_bytes()
    there = run("convert", "-", "-", "--to", "onnx", input=data, text=False)
    assert (there.returncode, there.stderr) == (0, b"")
    back = run("convert", "-", "-", input=there.stdout, text=False)
    assert back.stdout == data
    for command, begin in (
        ("print", str(conv_graph).encode()[:40]),
        ("check", b"standard input: 2 nodes, 1 initializer, symbol batch, no fault found"),
        ("stats", b"standard input: opset"),
        ("diff - net.toffee", b"standard input and net.toffee are the same"),
    ):
        words = command.split() if " " in command else [command, "-"]
        result = run(*words, input=there.stdout, text=False, cwd=saved.parent)
        assert (result.returncode, result.stderr) == (0, b"")
        assert result.stdout.startswith(begin)


def test_what_comes_from_a_pipe_and_is_no_graph_is_called_standard_input():
    result = run("print", "-", input="")
    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(r"toffee: standard input: .* empty file\n", result.stderr)


def test_bytes_are_not_written_to_a_terminal_nor_read_from_one(saved):
    leader, terminal = os.openpty()
    out = run("convert", saved, "-", capture_output=False, stdout=terminal, stderr=subprocess.PIPE)
    assert (out.returncode, out.stderr.count("\n")) == (2, 1) and "terminal" in out.stderr
    into = run("check", "-", stdin=terminal)
    assert (into.returncode, into.stderr.count("\n")) == (2, 1) and "terminal" in into.stderr
    os.close(leader)
    os.close(terminal)


def test_a_reader_that_is_gone_is_one_line_and_the_exit_code_of_its_signal(long_file):
    read, write = os.pipe()
    os.close(read)
    result = run("print", long_file, capture_output=False, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert result.returncode == 128 + signal.SIGPIPE
    assert result.stderr == (
        "toffee: the reader of the output has left before its end (broken pipe)\n"
    )


def test_a_disk_that_is_full_is_one_line_and_exit_code_1(saved):
    with open("/dev/full", "w") as full:
        for words in (["check", saved], ["--help"], ["stats", saved, "--json"]):
            result = run(*words, capture_output=False, stdout=full, stderr=subprocess.PIPE)
            assert (result.returncode, result.stderr) == (1, "toffee: No space left on device\n")


def test_no_output_at_all_is_no_reason_to_fail(saved):
    line = f"{sys.executable} -m toffee check {saved} >&- 2>&-"
    assert subprocess.run(line, shell=True).returncode == 0


@pytest.mark.parametrize("command", ["print", "stats", "check"])
def test_a_terminal_that_lacks_a_character_is_told_in_one_line(command, tmp_path):
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["caffè"])], "g", ["x"], ["caffè"])
    toffee.save(graph, tmp_path / "caffè")
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = run(command, tmp_path / "caffè", env=ascii_only)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "toffee: the output has the character '\\xe8', which the encoding ascii lacks: "
        "set PYTHONIOENCODING=utf-8\n"
    )
    assert run(command, "no è", env=ascii_only).stderr.count("\n") == 1
    as_json = run("stats", tmp_path / "caffè", "--json", env=ascii_only)
    assert json.loads(as_json.stdout)["outputs"][0]["name"] == "caffè"


def test_a_folder_without_write_permission_is_told_in_one_line(saved, tmp_path):
    sealed = tmp_path / "sealed"
    sealed.mkdir(mode=0o500)
    # The superuser may write anywhere: become nobody, who can read what lies here.
    for folder in [saved.parent, *saved.parent.parents]:
        if folder.stat().st_uid == os.geteuid() and folder != folder.parent:
            if not folder.stat().st_mode & 0o001:
                folder.chmod(folder.stat().st_mode | 0o011)
    program = f"""
import os, sys
import toffee.cli.main as cli
def codes(folder):
    return [cli.main(words) for words in (
        ["convert", {str(saved)!r}, folder + "/m.toffee"],
        ["convert", {str(saved)!r}, folder + "/nets", "--to", "caffe2"],
        ["run", {str(saved)!r}, "-o", folder + "/out.npz"],
    )]
assert codes({str(tmp_path)!r}) == [0, 0, 0]  # so all is imported: nobody may not read that
if os.geteuid() == 0:
    os.seteuid(65534)
print(codes({str(sealed)!r}))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stderr.count("\n") == 3 and result.stderr.count("Permission denied") == 3
    assert result.stdout.splitlines()[-1:] == ["[1, 1, 1]"]


@pytest.mark.parametrize(
    ("words", "package"),
    [
        (["run", "FILE"], "onnxruntime"),
        (["run", "FILE", "--backend", "torch"], "torch"),
        (["compare", "FILE"], "torch"),
        (["export", "json:loads", "-o", "m"], "torch"),
        (["view", "FILE"], "netron"),
        (["run", "FILE"], "numpy"),
    ],
)
def test_a_package_that_is_missing_is_told_in_one_line(words, package, saved):
    words = [str(saved) if word == "FILE" else word for word in words]
    program = f"""
import sys
sys.modules[{package!r}] = None
from toffee.cli.main import main
sys.exit(main({words!r}))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1 and package in result.stderr
    if package != "numpy":  # which is no extra
        assert f"pip install {package}" in result.stderr


def test_ctrl_c_ends_without_a_traceback(monkeypatch, saved, capsys):
    def interrupt(path):
        raise KeyboardInterrupt

    monkeypatch.setattr("toffee.cli._common.read", interrupt)
    assert main(["print", str(saved)]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_fault_of_toffees_own_is_not_hidden(monkeypatch, saved):
    def fail(path):
        raise AssertionError("this cannot be")

    monkeypatch.setattr("toffee.cli._common.read", fail)
    with pytest.raises(AssertionError, match="this cannot be"):
        main(["print", str(saved)])


# ---- import ------------------------------------------------------------------------------------


def test_a_command_loads_what_it_needs_and_no_more(saved):
    """In one process, from what needs least: what is loaded stays loaded."""
    program = f"""
import sys
from toffee.cli.main import main
path, end = {str(saved)!r}, "/dev/null"
heavy = ["torch", "onnx", "netron", "matplotlib", "numpy", "onnxruntime", "toffee.backend.torch"]
slow = ["subprocess", "asyncio", "multiprocessing", "http", "email"]
for name in heavy + slow:
    assert name not in sys.modules, name
for line, free in (
    (["check", path], heavy + slow + ["toffee.cli.run", "toffee.cli.export", "toffee.backend"]),
    (["print", path, "--color", "always"], heavy + slow + ["toffee.cli.run", "toffee.backend"]),
    (["convert", path, end, "--to", "onnx"], heavy + slow + ["toffee.cli.run", "toffee.backend"]),
    (["--help"], heavy + slow),
    (["completion", "bash"], heavy + slow),
    (["stats", path], heavy),
    (["diff", path, path], heavy),
    (["picture", path, end, "--format", "svg", "--engine", "builtin"], heavy),
    (["run", path], heavy[:4]),
):
    assert main(line) == 0
    print(line[0], [name for name in free if name in sys.modules], file=sys.stderr)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert [line.partition(" ")[2] for line in result.stderr.splitlines()] == ["[]"] * 9


def test_import_toffee_does_not_import_the_command_line():
    program = "import sys, toffee; print([n for n in sys.modules if n.startswith('toffee.cli')])"
    assert python(program) == "[]"


def test_import_toffee_loads_itself_the_hook_and_small_parts_of_python():
    program = """
import sys
before = set(sys.modules)
import toffee
print(*sorted(set(sys.modules) - before))
"""
    light = {"__future__", "importlib", "importlib.machinery", "types", "warnings"}
    found = {name for name in python(program).split() if not name.startswith("_")}
    found -= {name for name in found if name.startswith("importlib._")}
    assert {"toffee", "toffee._autoload"} <= found <= {"toffee", "toffee._autoload", *light}


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
