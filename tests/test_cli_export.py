"""toffee export."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import time

import numpy as np
import onnx
import pytest
import torch

import toffee
from toffee import _progress
from toffee.cli.main import main

#: Progress that tells each step, and shows it.
EAGER = {"clock": time.monotonic, "delay": 0.0, "interval": 0.0}

MODELS = """
import sys
import torch
print("this is printed while the model is imported")

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(8, 2)
    def forward(self, x, scale=None):
        print("and this while it runs")
        y = self.linear(x)
        return y if scale is None else y * scale

class nested:
    make = Net

def make():
    return Net()
def noise():
    return torch.nn.Dropout()
def shows():
    class Shows(torch.nn.Module):
        def forward(self, x):
            print(x.detach().numpy().tolist())
            return x + 1
    return Shows()
def lookup():
    return torch.nn.Embedding(2, 3)
def branch():
    def forward(x):
        return x + 1 if x.sum() > 0 else x
    return forward
def eigenvalues():
    return torch.linalg.eigvals
def bessel():
    return torch.special.bessel_j0
def fails():
    raise RuntimeError("there is no\\nsuch weight")
def leaves():
    sys.exit(3)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "cli_models.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("cli_models", None)


def test_export_writes_the_model_that_the_factory_returns(folder, capsys):
    assert main("export cli_models:make --input 4x8 -o m.toffee --verify".split()) == 0
    out, err = capsys.readouterr()
    size = os.path.getsize("m.toffee")
    assert out == f"m.toffee: 1 node, 2 initializers, {size:,} bytes\n"
    assert "printed while" in err and "while it runs" in err
    graph = toffee.load("m.toffee")
    toffee.checker.check_graph(graph)
    assert [info.shape for info in graph.input_info] == [(4, 8)]
    assert graph.node[0].name == "linear/Gemm"


def test_export_takes_names_dtypes_and_formats(folder):
    line = "export cli_models:nested.make -i 4x8:float32 -i scale=scalar -o m.onnx"
    assert main(line.split()) == 0
    model = onnx.load("m.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [value.name for value in model.graph.input] == ["x", "scale"]
    assert main([*line.split(), "--to", "toffee", "--without-params"]) == 0
    assert len(toffee.load("m.onnx").initializer) == 0
    assert main("export cli_models:lookup -i 5:int64 -o l --verify torch".split()) == 0
    assert toffee.load("l").input_info[0].dtype == toffee.Tensor.INT64
    assert main("export cli_models:noise -i 5:bfloat16 -o b".split()) == 0
    assert toffee.load("b").input_info[0].dtype == toffee.Tensor.BFLOAT16


@pytest.mark.filterwarnings("ignore::toffee.TraceWarning")  # it prints its input
def test_inputs_come_from_files_and_from_ranges(folder, capfd):
    x = np.asfortranarray(np.arange(15, dtype=">f4").reshape(5, 3))
    np.save("x.npy", x)
    assert main("export cli_models:shows -i x=x.npy -o m".split()) == 0
    assert str(x.tolist()) in capfd.readouterr().err
    np.save("x.npy", np.array(["one"]))
    assert main("export cli_models:shows -i x=x.npy -o m".split()) == 1
    assert "x.npy: PyTorch has no <U3" in capfd.readouterr().err
    assert main("export cli_models:shows -i 400:int32:-3..5 -o m".split()) == 0
    (shown,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("[")]
    assert set(json.loads(shown)) == set(range(-3, 6))


def test_export_trains_only_where_it_is_told_to(folder):
    assert main("export cli_models:noise -i 5 -o m --training".split()) == 0
    assert [len(node.input) for node in toffee.load("m")] == [3]  # the last: it is in training
    assert main("export cli_models:noise -i 5 -o m".split()) == 0
    assert [len(node.input) for node in toffee.load("m")] == [2]


def test_the_seed_says_what_the_parameters_are(folder):
    weights = []
    for seed in ("1", "1", "2"):
        assert main(["export", "cli_models:make", "-i", "1x8", "-o", "m", "--seed", seed]) == 0
        weights.append(np.array(toffee.load("m").initializer[0].numpy()))
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_export_writes_to_a_pipe_and_what_the_model_prints_goes_elsewhere(folder):
    command = [sys.executable, "-m", "toffee", "export", "cli_models:make", "-i", "1x8", "-o", "-"]
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 0 and b"while it runs" in done.stderr
    assert len(toffee.loads(done.stdout)) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("cli_models:fails -i 1", "cli_models:fails: RuntimeError: there is no such weight"),
        ("cli_models:leaves -i 1", "cli_models:leaves: SystemExit: 3"),
        ("cli_models:make -i 3", "cli_models:make: RuntimeError: "),
        ("cli_models:make", "cli_models:make: TypeError: "),
        ("cli_models:make -i 1x8 -i 3 -i 4", "cli_models:make: TypeError: "),
        ("cli_broken:make", "importing cli_broken: SyntaxError: "),
        ("cli_needs:make", "importing cli_needs: ModuleNotFoundError: No module named 'no_such_m"),
    ],
)
def test_what_the_users_code_raises_is_shown_and_told_in_one_line(line, said, folder, capsys):
    (folder / "cli_broken.py").write_text("def make(:\n")
    (folder / "cli_needs.py").write_text("import no_such_module\n")
    assert main(["export", *line.split(), "-o", "m"]) == 1
    out, err = capsys.readouterr()
    assert (out, os.path.exists("m")) == ("", False)
    (told,) = [row for row in err.splitlines() if row.startswith("toffee: ")]
    assert told.startswith(f"toffee: {said}") and err.endswith(f"{told}\n")
    if "cli_broken" in line:
        assert "cli_broken.py" in err and "def make(:" in err
    elif "make" not in line:
        assert re.search(r'File ".*cli_models.py", line \d+, in (fails|leaves)', err)
    for path in ("toffee/cli", "importlib", "torch/nn"):  # no lines but the user's
        assert path not in err


def test_what_the_exporter_refuses_keeps_its_lines(folder, capsys):
    assert main("export cli_models:eigenvalues -i 3x3 -o m".split()) == 1
    err = capsys.readouterr().err
    assert "toffee: 1 operator has no form in ONNX opset 20 here:\n  aten::linalg_eig" in err
    assert "Traceback" not in err and not os.path.exists("m")
    assert main("export cli_models:bessel -i 3 -o m --fallback aten".split()) == 0
    assert main("export cli_models:branch -i 3 -o m2 --strict".split()) == 1
    err = capsys.readouterr().err
    assert "cli_models.py:" in err and "Traceback" not in err


def test_traceback_shows_where_it_failed(folder, capsys):
    assert main("export cli_models:fails -i 1 -o m --traceback".split()) == 1
    err = capsys.readouterr().err
    assert 'cli_models.py", line' in err and "in fails" in err


def test_the_module_is_looked_for_in_the_current_folder_first(tmp_path):
    package = tmp_path / "mine" / "models"
    package.mkdir(parents=True)
    (package / "small.py").write_text(
        textwrap.dedent("""
        import torch
        def make():
            return torch.nn.ReLU()
        """)
    )
    command = "-m toffee export mine.models.small:make -i 3 -o m".split()
    done = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert [node.op_type for node in toffee.load(tmp_path / "m")] == ["Relu"]


def test_a_file_that_is_there_stays_as_it_was_after_an_error(folder):
    (folder / "m").write_text("precious")
    assert main("export cli_models:fails -o m".split()) == 1
    assert main("export cli_models:make -i 3 -o m".split()) == 1
    assert (folder / "m").read_text() == "precious"
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("option", "shown"), [("", False), ("--progress", True), ("--no-progress", False)]
)
def test_progress_is_shown_in_a_terminal_or_where_it_is_asked_for(
    folder, capsys, monkeypatch, option, shown
):
    monkeypatch.setattr(_progress.Progress.__init__, "__kwdefaults__", EAGER)
    assert main(f"export cli_models:make -i 2x8 -o m {option}".split()) == 0
    assert ("toffee: tracing: 1 operator, " in capsys.readouterr().err) is shown
    assert main(f"convert m m.onnx {option}".split()) == 0
    assert ("toffee: writing: " in capsys.readouterr().err) is shown
