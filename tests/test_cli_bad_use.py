"""Every command of the command line beside everything that can go wrong around it.

What is asked is the same everywhere: the exit code is not 0, there is one line on standard error,
which names what is at fault, and no traceback; nothing is left behind or put on standard output.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import toffee
from toffee import helper, numpy_helper
from toffee.cli.main import _COMMANDS, main

UNDECODABLE = os.fsdecode(b"b\xffd.toffee")

MODELS = """
import torch
def make():
    return torch.nn.ReLU()
def interrupted():
    raise KeyboardInterrupt
"""


def _fill(folder):
    """The files of this page: good ones, and what people take for one by mistake."""
    weights = numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["h"], name="features.0/Conv", kernel_shape=[3, 3]),
        helper.make_node("Relu", ["h"], ["y"], name="b/Relu"),
    ]
    x = helper.make_tensor_value_info("x", toffee.Tensor.FLOAT, [1, 3, 8, 8])
    graph = helper.make_graph(nodes, "g", [x], ["y"], [weights])
    for name in ("good.toffee", "good.onnx", UNDECODABLE, "caffè.toffee"):
        toffee.save(graph, folder / name)
    named = helper.make_graph([helper.make_node("Relu", ["x"], ["è"])], "g", ["x"], ["è"])
    toffee.save(named, folder / "names.toffee")
    data = (folder / "good.toffee").read_bytes()
    (folder / "folder").mkdir()
    for name, content in {
        "empty": b"",
        "random": np.random.default_rng(0).bytes(4000),
        "cut.toffee": data[: len(data) // 2],
        "cut.onnx": (folder / "good.onnx").read_bytes()[:-50],
        "old.pth": b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",
        "m.png": b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + bytes(17),
        "m.txt": b"this is text\n" * 10,
        "m.json": b'{"a": 1}',
        "m.safetensors": struct.pack("<Q", 2) + b"{}",
        "noise.npy": b"no array",
        "cli_bad_models.py": MODELS.encode(),
    }.items():
        (folder / name).write_bytes(content)
    with zipfile.ZipFile(folder / "m.pth", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
    np.save(folder / "x.npy", np.zeros((1, 3, 8, 8), np.float32))
    np.save(folder / "object.npy", np.array([{}], object), allow_pickle=True)
    (folder / "cut.npy").write_bytes((folder / "x.npy").read_bytes()[:200])
    (folder / "zip.npy").write_bytes((folder / "m.pth").read_bytes())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad_use")
    _fill(folder)
    return folder


@pytest.fixture
def here(place, monkeypatch):
    """In the folder with the files, which must have the same names in it after the test."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = sorted(os.listdir())
    yield place
    sys.modules.pop("cli_bad_models", None)
    assert sorted(set(os.listdir()) - {"__pycache__"}) == before


@pytest.fixture
def call(here, monkeypatch):
    """The command line in this process, on streams as strict as a terminal's."""

    def run(*words, stdin=b"", encoding="utf-8"):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
        streams[1].reconfigure(errors="backslashreplace")  # as Python's own
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        code = main([str(word) for word in words])
        for stream in streams:
            stream.flush()
        out, err = (stream.buffer.getvalue() for stream in streams)
        return code, out, err.decode(encoding)

    return run


def said_in_one_line(err, *names):
    assert err.startswith("toffee") and err.endswith("\n") and err.count("\n") == 1, err
    assert "Traceback" not in err
    for name in names:
        assert name in err
    return True


# ---- files that are no graphs ------------------------------------------------------------------

READERS = [
    "check FILE",
    "check FILE --json",
    "print FILE",
    "print FILE --source --infer --color always",
    "stats FILE",
    "stats FILE --json",
    "picture FILE new.svg",
    "view FILE --no-browser",
    "convert FILE new.toffee",
    "convert FILE new.onnx",
    "convert FILE new --to caffe2",
    "run FILE",
    "run FILE --json -o new.npz",
    "compare FILE",
    "compare FILE good.toffee --json",
    "compare good.toffee FILE",
    "diff FILE good.toffee",
    "diff good.toffee FILE --json",
]

NO_GRAPHS = [
    ("missing.toffee", "No such file"),
    ("missing/m.toffee", "No such file"),
    ("good.toffee/m.toffee", "Not a directory"),
    ("folder", "directory"),
    ("empty", "empty file"),
    ("random", "not a ToffeeIR or ONNX graph"),
    ("cut.toffee", "runs past the end"),
    ("cut.onnx", "runs past the end"),
    ("m.pth", "zip archive"),
    ("old.pth", "pickle"),
    ("m.png", "PNG image"),
    ("m.txt", "text"),
    ("m.json", "JSON"),
    ("m.safetensors", "not a ToffeeIR or ONNX graph"),
    ("x.npy", "NumPy array"),
    (os.fsdecode(b"no\xff"), "No such file"),
    ("-", "standard input"),
]


@pytest.mark.parametrize("line", READERS)
def test_a_file_that_is_no_graph_is_told_by_each_command(line, call):
    for file, why in NO_GRAPHS:
        code, out, err = call(*(file if word == "FILE" else word for word in line.split()))
        assert code == 1, file
        if line == "check FILE --json":  # where the fault is the answer
            (row,) = json.loads(out)["files"]
            assert why in row["fault"] and row["file"] == file and err == ""
        else:
            name = os.fsencode(file).decode(errors="replace").replace("-", "standard input")
            assert said_in_one_line(err, why, name) and out == b"", file


@pytest.mark.parametrize(
    ("value", "code", "why"),
    [
        ("missing.npy", 1, "missing.npy: No such file"),
        ("missing.npz", 1, "missing.npz: No such file"),
        ("noise.npy", 1, "noise.npy: "),
        ("cut.npy", 1, "cut.npy: "),
        ("zip.npy", 1, "zip.npy: it is no .npy file"),
        ("object.npy", 1, "object.npy: "),
        ("good.toffee", 2, "'good.toffee' is neither a .npy nor an .npz file, nor a shape"),
        ("m.png", 2, "neither"),
        ("photo", 2, "'photo' is no shape"),
        ("1x3x8x8:datetime64", 2, "'datetime64' is no dtype that random numbers have"),
        ("1x3x8x8:int64:5..1", 2, "the range ends before it begins"),
        ("1x3x9999999999999999", 1, "input 'x': "),
        ("1x3x99999999999999999999999", 1, "input 'x': "),
    ],
)
def test_an_input_that_is_none_is_told_by_run_and_compare(value, code, why, call):
    for line in (
        "run good.toffee -i",
        "compare good.toffee --backend torch --backend onnxruntime -i",
    ):
        found, out, err = call(*line.split(), value)
        assert (found, out) == (code, b"") and said_in_one_line(err, why)
        found, out, err = call(*line.split(), f"x={value}")
        assert (found, out) == (code, b"") and said_in_one_line(err)


def test_a_file_that_may_not_be_read_is_told(place):
    lines = [line for line in READERS if "--json" not in line]
    program = f"""
import os, shutil, sys
import netron
import toffee.cli.main as cli
os.chdir({str(place)!r})
lines = {lines!r}
for line in lines:  # so all is imported: nobody may not read that
    if not line.startswith("view"):
        cli.main([word.replace("FILE", "good.toffee") for word in line.split()])
for name in ("new.svg", "new.toffee", "new.onnx"):
    os.unlink(name)
shutil.rmtree("new")
print("---", flush=True); print("---", file=sys.stderr, flush=True)
os.chmod("sealed", 0)
if os.geteuid() == 0:  # who may read anything
    os.setegid(65534); os.seteuid(65534)
print([cli.main([word.replace("FILE", "sealed") for word in line.split()]) for line in lines])
"""
    for folder in [place, *place.parents]:
        if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    (place / "sealed").write_bytes((place / "good.toffee").read_bytes())
    try:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    finally:
        (place / "sealed").unlink()
    codes = done.stdout.rpartition("---\n")[2]
    assert codes == f"{[1] * len(lines)}\n", done.stderr
    for line in done.stderr.rpartition("---\n")[2].splitlines():
        assert line == "toffee: cannot open 'sealed': Permission denied"


# ---- places that cannot be written to ----------------------------------------------------------

WRITERS = [
    "convert good.toffee OUT",
    "convert good.toffee OUT --to onnx",
    "convert good.toffee OUT --to caffe2",
    "picture good.toffee OUT --format svg",
    "picture good.toffee OUT --format dot",
    "run good.toffee -o OUT.npz",
    "export cli_bad_models:make -i 3 -o OUT",
]


@pytest.mark.parametrize("line", WRITERS)
def test_an_output_that_cannot_be_written_is_told_by_each_command(line, call):
    for out, why in (("no/such/folder/m", "no/such/folder"), ("m.txt/m", "m.txt"), ("folder", "")):
        if out == "folder" and ("caffe2" in line or ".npz" in line):
            continue  # where it is a place to write to
        if "caffe2" in line and out.startswith("no/"):
            continue  # it makes the folders
        code, text, err = call(*line.replace("OUT", out).split())
        assert (code, text) == (1, b"") and said_in_one_line(err, why), out
        assert os.listdir("folder") == []


@pytest.mark.parametrize("line", [line for line in WRITERS if "caffe2" not in line])
def test_a_device_is_written_to_and_stays_a_device(line, call, tmp_path):
    """/dev/full has no space; a pipe under the name that is asked for has a reader."""
    line = line.replace("OUT.npz", "OUT")
    name = str(tmp_path / "device.npz")
    os.symlink("/dev/full", name)
    code, out, err = call(*line.replace("OUT", name).split())
    assert (code, out) == (1, b"") and said_in_one_line(err, "No space left on device", name)
    assert os.path.islink(name) and stat.S_ISCHR(os.stat("/dev/full").st_mode)
    os.unlink(name)
    os.mkfifo(name)
    with subprocess.Popen(["cat", name], stdout=subprocess.PIPE) as reader:
        code, out, err = call(*line.replace("OUT", name).split())
        data = reader.stdout.read()
    assert (code, err) == (0, "") and len(data) > 100
    assert stat.S_ISFIFO(os.stat(name).st_mode)


def test_what_is_written_takes_the_place_of_no_input(call, here):
    before = (here / "good.toffee").read_bytes()
    code, _, err = call("picture", "good.toffee", "./good.toffee", "--format", "svg")
    assert code == 2 and said_in_one_line(err, "good.toffee is the file that is read")
    code, _, err = call("run", "good.toffee", "-o", "good.toffee")
    assert code == 2 and said_in_one_line(err, "does not end in .npz")
    os.link("good.toffee", "link.npz")
    code, _, err = call("run", "good.toffee", "-o", "link.npz")
    os.unlink("link.npz")
    assert code == 2 and said_in_one_line(err, "link.npz is the file that is read")
    assert (here / "good.toffee").read_bytes() == before


def test_a_port_that_is_taken_is_told(call):
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
        code, out, err = call("view", "good.toffee", "--no-browser", "--port", port)
    assert (code, out) == (1, b"")
    assert said_in_one_line(
        err, f"good.toffee cannot be served at port {port}: Address already in use"
    )


# ---- streams -----------------------------------------------------------------------------------

SPEAKERS = [
    "--help",
    "--version",
    "check good.toffee",
    "check good.toffee --json",
    "print good.toffee",
    "stats good.toffee",
    "stats good.toffee --json",
    "picture good.toffee -",
    "convert good.toffee -",
    "run good.toffee",
    "run good.toffee --json",
    "run good.toffee -o -",
    "compare good.toffee good.onnx",
    "compare good.toffee good.onnx --json",
    "diff good.toffee good.onnx",
    "diff good.toffee good.onnx --json",
    "export cli_bad_models:make -i 3 -o -",
    "completion bash",
    "completion zsh",
    "completion fish",
]


@pytest.mark.parametrize("line", SPEAKERS)
def test_a_disk_that_is_full_and_a_reader_that_left_are_told(line, here, monkeypatch):
    for code, why in ((1, "No space left on device"), (128 + signal.SIGPIPE, "(broken pipe)")):
        if code == 1:
            out = open("/dev/full", "w")
        else:
            read, write = os.pipe()
            os.close(read)
            out = os.fdopen(write, "w")
        errors = io.StringIO()
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", errors)
        assert main(line.split()) == code
        monkeypatch.undo()
        monkeypatch.chdir(here)
        assert said_in_one_line(errors.getvalue(), why)
        out.close()  # it may: what was buffered has gone to /dev/null


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_shell_sees_the_exit_code_of_cat_and_one_line(unbuffered, tmp_path):
    nodes = [helper.make_node("Relu", [str(i)], [str(i + 1)]) for i in range(20000)]
    toffee.save(helper.make_graph(nodes, "g", ["0"], ["20000"]), tmp_path / "long")
    line = "{} {} 2>err | {} >out; echo ${{PIPESTATUS[0]}}"

    def status(command, reader):
        done = subprocess.run(
            ["bash", "-c", line.format(command, tmp_path / "long", reader)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
        return int(done.stdout), (tmp_path / "out").read_text(), (tmp_path / "err").read_text()

    code, out, err = status(f"{sys.executable} -m toffee print", "head -1")
    assert code == 141 and status("cat", "head -1 | wc")[0] == 141
    assert out == "graph(%0) {\n" and said_in_one_line(err, "broken pipe")
    code, out, err = status(f"{sys.executable} -m toffee print", "cat")
    assert (code, out.count("\n"), err) == (0, 20003, "")


@pytest.mark.parametrize("line", [line.replace("FILE", "-") for line in READERS])
def test_standard_input_that_is_closed_is_told(line, here, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and said_in_one_line(err, "standard input is closed")


@pytest.mark.parametrize("line", [line for line in SPEAKERS if line.endswith(" -")])
def test_standard_output_that_is_closed_is_told_where_it_is_the_output(line, call, monkeypatch):
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", errors)
    assert main(line.split()) == 2
    assert said_in_one_line(errors.getvalue(), "standard output is closed")


@pytest.mark.parametrize(
    "line",
    [
        "check caffè.toffee",
        "print names.toffee",
        "print names.toffee --infer --source",
        "stats caffè.toffee",
        "stats names.toffee",
        "run names.toffee -i x=3",
        "compare good.toffee caffè.toffee",
        "diff caffè.toffee good.toffee",
        "diff names.toffee good.toffee",
    ],
)
def test_a_terminal_without_the_character_gets_one_line_and_json_and_pictures_work(line, call):
    code, out, err = call(*line.split(), encoding="ascii")
    assert (code, out) == (1, b"")
    assert said_in_one_line(err, "'\\xe8'", "PYTHONIOENCODING=utf-8")
    words = line.split()
    if words[0] != "print":
        code, out, err = call(*words, "--json", encoding="ascii")
        assert json.loads(out) and err == ""
    code, out, err = call("picture", "names.toffee", "-", encoding="ascii")
    assert (code, err) == (0, "") and "è" in out.decode("utf-8")


@pytest.mark.parametrize("line", READERS)
def test_a_name_that_is_no_utf8_is_as_good_as_any(line, call):
    if line.startswith("view"):
        return  # it would serve the page
    words = [UNDECODABLE if word == "FILE" else word for word in line.split()]
    code, out, err = call(*words)
    assert (code, err) == (0, "")
    out.decode()  # and what is said of it is UTF-8
    for name in ("new.svg", "new.toffee", "new.onnx", "new.npz"):
        if os.path.exists(name):
            os.unlink(name)
    if os.path.isdir("new"):
        for name in os.listdir("new"):
            os.unlink(f"new/{name}")
        os.rmdir("new")


def test_names_of_outputs_may_be_no_utf8(call, tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    for line in ("convert good.toffee", "picture good.toffee --format svg", "run good.toffee -o"):
        out = name + ".npz" if line.startswith("run") else name
        assert call(*line.split(), out)[::2] == (0, "")
        assert os.path.getsize(out) > 100
    code, out, _ = call("export", "cli_bad_models:make", "-i", "3", "-o", name)
    assert code == 0 and "1 node, 0 initializers" in out.decode()


def test_help_is_as_wide_as_ever_in_a_narrow_terminal(call, monkeypatch):
    wide = call("run", "--help")
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("TERM", "dumb")
    assert call("run", "--help") == wide and wide[0] == 0


# ---- Ctrl-C ------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [line.replace("FILE", "good.toffee") for line in READERS])
def test_ctrl_c_is_exit_code_130_and_no_line(line, call, monkeypatch):
    def interrupt(path):
        raise KeyboardInterrupt

    monkeypatch.setattr("toffee.cli._common.read", interrupt)
    assert call(*line.split()) == (130, b"", "")


def test_ctrl_c_in_a_model_is_exit_code_130_and_no_line(call):
    assert call("export", "cli_bad_models:interrupted", "-o", "new") == (130, b"", "")


def test_a_real_signal_ends_a_real_process_without_a_traceback(place):
    """While it waits for standard input."""
    command = [sys.executable, "-m", "toffee", "print", "-"]
    pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
    program = (
        "import os, signal, sys\n"
        "from toffee.cli import _common\n"
        "from toffee.cli.main import main\n"
        "read = _common.read\n"
        "def tell(path):\n"
        "    os.write(1, b'reads')\n"
        "    return read(path)\n"
        "_common.read = tell\n"
        "sys.exit(main(['print', '-']))\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=place, **pipes) as process:
        assert process.stdout.read(5) == b"reads"
        process.send_signal(signal.SIGINT)
        assert (process.wait(60), process.stderr.read()) == (130, b"")


# ---- wrong words -------------------------------------------------------------------------------


@pytest.mark.parametrize("command", _COMMANDS)
def test_an_option_that_is_unknown_or_a_word_too_few_is_one_line(command, call):
    required = {"export": "m:f -o o", "completion": "bash", "convert": "a b", "picture": "a b"}
    words = required.get(command, "a b" if command == "diff" else "a").split()
    for wrong in ([*words, "--frob"], []):
        code, out, err = call(command, *wrong)
        assert (code, out) == (2, b"")
        assert said_in_one_line(err, f"toffee {command}: ")
        assert ("--frob" in err) == bool(wrong) and "--help" in err


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("prnit good.toffee", "there is no command 'prnit': did you mean print?"),
        ("frobnicate", "there is no command 'frobnicate': see toffee --help"),
        ("", "COMMAND"),
        ("--frob", "COMMAND"),
        ("run good.toffee -i 1x3x8x8 -i x=1x3x8x8", "input 'x' is given twice"),
        ("run good.toffee --json -o -", "both write to standard output"),
        ("run good.toffee -o out.npy", "does not end in .npz"),
        ("run good.toffee --seed -1", "'-1' is no integer from 0 on"),
        ("run good.toffee --seed x", "'x' is no integer from 0 on"),
        ("run good.toffee --repeat -1", "'-1' is no integer from 0 on"),
        ("stats good.toffee --largest -1", "'-1' is no integer from 0 on"),
        ("view good.toffee --port 99999", "'99999' is no integer from 0 to 65535"),
        ("view good.toffee --port -1", "'-1' is no integer from 0 to 65535"),
        ("convert good.toffee new --device CPU", "--device goes with --to caffe2 only"),
        ("convert good.toffee new --prefer aten", "--prefer goes with --to caffe2 only"),
        ("convert good.toffee new --to caffe2 --ir-version 1", "--ir-version does not go with"),
        ("convert good.toffee new --to caffe2 --without-params", "--without-params does not go"),
        ("compare good.toffee --tolerance nan", "--tolerance must be 0 or more"),
        ("export cli_bad_models -i 3 -o new", "write it as package.module:function"),
        ("export cli_bad_models: -i 3 -o new", "write it as package.module:function"),
        ("export ./cli_bad_models.py:make -o new", "did you mean cli_bad_models:make?"),
        ("export .cli_bad_models:make -o new", "no name of a module"),
        ("export cli_bad_models:make -i x=3 -i x=3 -o new", "input 'x' is given twice"),
        ("export cli_bad_models:make -i x.npz -o new", "a shape or a .npy file"),
    ],
)
def test_words_that_have_no_meaning_are_told_in_one_line(line, why, call):
    code, out, err = call(*line.split())
    assert (code, out) == (2, b"") and said_in_one_line(err, why)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("print good.toffee --op conv", "no node is of the operator conv: did you mean Conv?"),
        ("print good.toffee --op Gather", "no node is of the operator Gather"),
        ("print good.toffee --module c", "no node is in the module c"),
        (
            "print good.toffee --module fetures",
            "no node is in the module fetures: did you mean feat",
        ),
        ("print good.toffee --module features --op Relu", "none of its 2 nodes is asked for"),
        ("export cli_bad_models.py:make -o new", "did you mean cli_bad_models:make?"),
        ("export cli_bad_models:mak -o new", "has no function 'mak'"),
        ("export cli_bad_models:make -i 3x99999999999999 -o new", "--input 3x99999999999999: "),
        ("export cli_bad_models:make -i 3x9999999999999999999999 -o new", "--input 3x99"),
        ("export cli_bad_models:make -i cut.npy -o new", "cut.npy: "),
    ],
)
def test_what_is_not_there_is_told_with_what_is_near(line, why, call):
    code, out, err = call(*line.split())
    assert (code, out) == (1, b"") and said_in_one_line(err, why)


# ---- packages that are missing -----------------------------------------------------------------


def test_what_needs_no_package_runs_without_any(place):
    lines = [line for line in SPEAKERS if not line.startswith(("run", "compare", "export"))]
    program = f"""
import os, sys
for name in ("torch", "onnx", "onnxruntime", "netron", "cairosvg", "matplotlib", "tqdm"):
    sys.modules[name] = None
from toffee.cli.main import main
os.chdir({str(place)!r})
codes = [main(line.split()) for line in {lines!r}]
print(codes, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert done.stderr.decode() == f"{[0] * len(lines)}\n"


def test_a_png_without_graphviz_and_cairosvg_says_what_to_install(call, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setitem(sys.modules, "cairosvg", None)
    code, out, err = call("picture", "good.toffee", "new.png")
    assert (code, out) == (1, b"")
    assert said_in_one_line(err, "apt-get install graphviz", "pip install cairosvg")
