"""What is shown while an export, a save or an installation runs, and what a program hears of it."""

from __future__ import annotations

import errno
import io
import os
import pty
import signal
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch

import toffee
from toffee import _progress, helper, numpy_helper
from toffee._progress import Progress
from toffee.torch_toffee import export


class Clock:
    """Seconds that pass only when somebody looks: so many at each look."""

    def __init__(self, *, a_look: float = 0.0) -> None:
        self.now = 100.0
        self.a_look = a_look

    def __call__(self) -> float:
        self.now += self.a_look
        return self.now


class Layers(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)

    def forward(self, x):
        return torch.tanh(self.linear(x)) + 1


@pytest.fixture
def large():
    """A graph with three weights of 8 MiB: three steps of the writer and a little."""
    weights = [numpy_helper.from_array(np.full(1 << 21, i, np.float32), f"w{i}") for i in range(3)]
    names = [weight.name for weight in weights]
    return helper.make_graph(
        [helper.make_node("Sum", names, ["y"])],
        "large",
        [],
        [helper.make_tensor_value_info("y", toffee.Tensor.FLOAT, [1 << 21])],
        weights,
    )


class Heard(list):
    """A callback that keeps what it is told, and raises ERROR when it is told a row of STAGE."""

    def __init__(self, stage: str = "", error: BaseException | None = None) -> None:
        super().__init__()
        self.stage, self.error = stage, error

    def __call__(self, stage, done, total):
        self.append((stage, done, total))
        if self.error is not None and stage == self.stage:
            raise self.error

    def of(self, stage):
        return [row[1:] for row in self if row[0] == stage]


def every_step(callback) -> Progress:
    return Progress(callback, interval=0)


# ---- what a program hears ------------------------------------------------------------------------


def test_an_export_tells_its_stages_in_order_and_counts_operators_and_bytes(tmp_path):
    heard = Heard()
    path = tmp_path / "m.toffee"
    export(Layers(), torch.randn(2, 4), path, verify="torch", optimize=True, progress=heard)
    stages = list(dict.fromkeys(stage for stage, _, _ in heard))
    assert stages == ["tracing", "optimizing", "verifying", "writing"]
    assert heard.of("tracing") == [(0, 0), (3, 0)]  # linear, tanh, add
    assert heard.of("verifying")[-1] == (2, 2)
    assert heard.of("writing")[-1] == (path.stat().st_size, path.stat().st_size)


def test_each_operator_can_be_heard(tmp_path):
    heard = Heard()
    export(Layers(), torch.randn(2, 4), io.BytesIO(), progress=every_step(heard))
    assert heard.of("tracing") == [(0, 0), (1, 0), (2, 0), (3, 0), (3, 0)]


def test_an_operator_that_is_taken_apart_counts_once():
    heard = Heard()
    x = torch.randn(3, 3)
    graph = io.BytesIO()
    export(torch.special.entr, x.abs(), graph, progress=every_step(heard))
    assert len(toffee.loads(graph.getvalue())) > 1
    assert heard.of("tracing")[-1] == (1, 0)


@pytest.mark.parametrize("format", ["toffee", "onnx"])
@pytest.mark.parametrize("kind", ["path", "file"])
def test_a_long_save_tells_how_many_bytes_are_out_and_how_many_there_are(
    large, tmp_path, format, kind
):
    heard = Heard()
    path = tmp_path / "m"
    if kind == "path":
        toffee.save(large, path, format=format, progress=every_step(heard))
    else:
        with path.open("wb") as f:
            toffee.save(large, f, format=format, progress=every_step(heard))
    rows = heard.of("writing")
    done = [row[0] for row in rows]
    size = path.stat().st_size
    assert rows[0] == (0, 0) and rows[-1] == (size, size)
    assert {total for _, total in rows[1:]} == {size}
    assert done == sorted(done) and len(set(done)) >= 4
    assert max(b - a for a, b in zip(done, done[1:], strict=False)) <= 8 << 20
    assert path.read_bytes() == toffee.dumps(large, format=format)


def test_weights_in_a_file_of_their_own_count_as_well(large, tmp_path):
    heard = Heard()
    path = tmp_path / "m.onnx"
    toffee.save(large, path, external_data=True, progress=every_step(heard))
    both = path.stat().st_size + (tmp_path / "m.onnx.data").stat().st_size
    assert heard.of("writing")[-1] == (both, both)
    assert (tmp_path / "m.onnx.data").stat().st_size >= 24 << 20 > path.stat().st_size
    for tensor, weight in zip(onnx.load(path).graph.initializer, large.initializer, strict=True):
        expected = numpy_helper.to_array(weight)
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor), expected)


def test_false_is_silent_and_what_is_no_function_is_refused(large, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(_progress, "DELAY", 0.0)
    toffee.save(large, tmp_path / "m", progress=False)
    assert capfd.readouterr().err == ""
    for wrong in (1, None, "yes"):
        with pytest.raises(TypeError, match="True, False or a function"):
            toffee.save(large, tmp_path / "m", progress=wrong)


# ---- what raises ---------------------------------------------------------------------------------


class Stop(Exception):
    pass


def no_trace_is_left():
    """The modes of an export are off, and another one works."""
    graph = io.BytesIO()
    export(Layers(), torch.randn(2, 4), graph)
    assert len(toffee.loads(graph.getvalue())) == 3
    return torch.utils._python_dispatch._get_current_dispatch_mode() is None


@pytest.mark.parametrize("stage", ["tracing", "optimizing", "verifying", "writing"])
@pytest.mark.parametrize("error", [Stop("enough"), KeyboardInterrupt()], ids=["error", "ctrl-c"])
def test_what_the_callback_raises_ends_the_export_and_leaves_the_file(tmp_path, stage, error):
    path = tmp_path / "m.toffee"
    path.write_bytes(b"what was there")
    model = Layers()
    with pytest.raises(type(error)) as caught:
        heard = every_step(Heard(stage, error))
        export(model, torch.randn(2, 4), path, verify="torch", optimize=True, progress=heard)
    assert caught.value is error
    assert path.read_bytes() == b"what was there"
    assert os.listdir(tmp_path) == ["m.toffee"]
    assert model.training and no_trace_is_left()


def test_an_error_between_two_operators_comes_out_though_the_model_keeps_it(tmp_path):
    heard = Heard()

    def callback(stage, done, total):
        heard(stage, done, total)
        if (stage, done) == ("tracing", 1):
            raise Stop

    def forward(x):
        try:
            x = torch.tanh(x)
        except Stop:
            x = x + 1
        return x * 2

    with pytest.raises(Stop):
        export(forward, torch.randn(2), tmp_path / "m", progress=every_step(callback))
    assert os.listdir(tmp_path) == []
    assert no_trace_is_left()


@pytest.mark.parametrize("options", [{}, {"format": "onnx", "external_data": True}])
def test_an_error_in_the_middle_of_the_bytes_leaves_the_folder_as_it_was(large, tmp_path, options):
    path = tmp_path / "m"
    path.write_bytes(b"what was there")

    def callback(stage, done, total):
        if done > 8 << 20:
            raise Stop

    with pytest.raises(Stop):
        toffee.save(large, path, progress=every_step(callback), **options)
    assert os.listdir(tmp_path) == ["m"] and path.read_bytes() == b"what was there"
    large.doc_string = "it can be edited again"


def test_the_callback_may_not_edit_the_graph_that_is_written(large, tmp_path):
    def callback(stage, done, total):
        if done:
            large.doc_string = "other"

    with pytest.raises(RuntimeError):
        toffee.save(large, tmp_path / "m", progress=every_step(callback))
    assert os.listdir(tmp_path) == []


def test_the_callback_may_export_something_else_while_bytes_are_written(large, tmp_path):
    inner = []

    def callback(stage, done, total):
        if not inner:
            inner.append(io.BytesIO())
            export(Layers(), torch.randn(2, 4), inner[0])

    toffee.save(large, tmp_path / "m", progress=every_step(callback))
    assert len(toffee.loads(inner[0].getvalue())) == 3
    assert toffee.load(tmp_path / "m") == large


def test_ctrl_c_while_bytes_are_written_leaves_what_was_there(large, tmp_path):
    path = tmp_path / "m"
    path.write_bytes(b"what was there")
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        # After a tenth of a millisecond: before the bytes are out, which takes some of them.
        signal.setitimer(signal.ITIMER_REAL, 1e-4)
        with pytest.raises(KeyboardInterrupt):
            toffee.save(large, path, progress=False)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert os.listdir(tmp_path) == ["m"] and path.read_bytes() == b"what was there"


def test_ctrl_c_is_heard_while_a_file_object_takes_the_bytes(large):
    class Raw(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            os.kill(os.getpid(), signal.SIGINT)
            return len(data)

    with pytest.raises(KeyboardInterrupt):
        toffee.save(large, Raw(), progress=False)


# ---- what a person sees --------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def becomes_stderr(monkeypatch, stream):
    """Of the module: between a fixture and its test, pytest puts back that of ``sys``."""
    rest = {name: module for name, module in sys.modules.items() if name != "IPython"}
    monkeypatch.setattr(_progress, "sys", SimpleNamespace(stderr=stream, modules=rest))
    return stream


@pytest.fixture
def stderr(monkeypatch):
    """A stderr that is a pipe."""
    return becomes_stderr(monkeypatch, io.StringIO())


@pytest.fixture
def terminal(monkeypatch):
    return becomes_stderr(monkeypatch, Terminal())


@pytest.fixture
def without_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)


def run(progress, clock, seconds, stages=("tracing",), unit="op"):
    """A job that steps once in each of SECONDS, in each of its stages."""
    for stage in stages:
        with progress.stage(stage, unit):
            for second in range(1, seconds + 1):
                clock.now += 1
                progress.step(second * 1000, 0)


def test_nothing_is_shown_below_a_second(monkeypatch):
    for stream in (io.StringIO(), Terminal()):
        becomes_stderr(monkeypatch, stream)
        clock = Clock()
        progress = Progress(True, clock=clock)
        with progress.stage("tracing", "op"):
            clock.now += 0.99
            progress.step(1000)
        with progress.stage("optimizing"):
            pass
        assert stream.getvalue() == ""


def test_lines_come_less_and_less_often(stderr):
    clock = Clock()
    run(Progress(True, clock=clock), clock, 300)
    lines = stderr.getvalue().splitlines()
    assert lines[0] == "toffee: tracing: 1,000 operators, 1 s"
    seconds = [int(line.split()[-2]) for line in lines]
    assert seconds == [1, 2, 4, 8, 16, 32, 64, 124, 184, 244]


def test_a_stage_that_counts_nothing_says_that_it_begins(stderr):
    clock = Clock()
    progress = Progress(True, clock=clock)
    clock.now += 5
    with progress.stage("optimizing"):
        clock.now += 5
    assert stderr.getvalue() == "toffee: optimizing, 5 s\n"


def test_a_terminal_without_tqdm_has_one_line_that_goes_away(terminal, without_tqdm):
    clock = Clock()
    progress = Progress(True, clock=clock)
    with progress.stage("writing", "B"):
        clock.now += 2
        progress.step(120_000_000, 900_000_000)
        progress.step(900_000_000, 900_000_000)
    first, second, blank, _ = terminal.getvalue().split("\r")[1:]
    assert first == "toffee: writing: 120 of 900 MB, 2 s"
    assert second == "toffee: writing: 900 of 900 MB, 2 s"
    assert blank.strip() == "" and len(blank) == len(second)


def test_a_terminal_has_the_bar_of_tqdm_for_each_stage(terminal):
    import threading

    clock = Clock()
    progress = Progress(True, clock=clock)
    threads = threading.active_count()
    run(progress, clock, 2)
    with progress.stage("writing", "B"):
        progress.step(120_000_000, 900_000_000)
    text = terminal.getvalue()
    assert "toffee: tracing: 2.00k operators [00:02" in text
    assert "toffee: writing:  13%" in text and "120M/900M" in text
    assert text.rpartition("\r")[2] == ""  # the last bar is wiped away
    assert threading.active_count() == threads


def test_in_a_notebook_a_bar_is_shown_though_stderr_is_no_terminal(stderr, monkeypatch):
    class Shell:
        kernel = object()

    class IPython:
        @staticmethod
        def get_ipython():
            return Shell()

    _progress.sys.modules["IPython"] = IPython
    assert isinstance(_progress._display_for(stderr), _progress._Bar)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    assert isinstance(_progress._display_for(stderr), _progress._Text)


def test_an_export_that_takes_long_is_shown(stderr, tmp_path):
    clock = Clock(a_look=0.7)
    export(
        Layers(),
        torch.randn(2, 4),
        tmp_path / "m",
        progress=Progress(True, clock=clock, interval=0),
    )
    assert stderr.getvalue().startswith("toffee: tracing: ")
    assert len(toffee.load(tmp_path / "m")) == 3


class Broken(io.StringIO):
    def write(self, text):
        raise OSError(errno.EIO, "the terminal is gone")

    def isatty(self):
        return self.terminal


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_that_is_gone_ends_no_export(monkeypatch, tmp_path, terminal):
    broken = Broken()
    broken.terminal = terminal
    for stream in (broken, None):
        becomes_stderr(monkeypatch, stream)
        progress = Progress(True, clock=Clock(a_look=1.0), interval=0)
        export(Layers(), torch.randn(2, 4), tmp_path / "m", progress=progress)
    assert len(toffee.load(tmp_path / "m")) == 3


PROGRAM = """
import sys
import torch
from toffee._progress import Progress
from toffee.torch_toffee import export

class Clock:
    now = 0.0
    def __call__(self):
        self.now += 0.7
        return self.now

def forward(x):
    for _ in range(5):
        x = torch.tanh(x)
    return x

export(forward, torch.ones(2), sys.argv[1], progress=Progress(True, clock=Clock(), interval=0))
"""


def test_a_real_terminal_shows_the_bar_and_a_pipe_lines(tmp_path):
    ours, theirs = pty.openpty()
    try:
        code = textwrap.dedent(PROGRAM)
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "m")], stderr=theirs, check=True)
        shown = os.read(ours, 1 << 16).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "toffee: tracing: 5.00 operators [" in shown
    piped = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m")], capture_output=True, text=True
    )
    assert piped.stderr.startswith("toffee: tracing: ") and "\r" not in piped.stderr
