"""Errors and warnings show the user's lines: in a terminal, in IPython, as a page, and in logs."""

from __future__ import annotations

import copy
import io
import json
import linecache
import os
import pickle
import re
import subprocess
import sys
import traceback
import warnings
import zipfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
import torch.toffee
from exported import to_graph
from nbclient import NotebookClient
from test_html import KNOWN, Page
from torch import nn

import toffee
from toffee import _display, _places
from toffee.errors import Place

X = torch.ones(2, 3)
ROOT = Path(__file__).parent.parent
INTERPRETERS = [
    Path(sys.executable),
    *sorted(Path("~/.pyenv/versions").expanduser().glob("3.1*/bin/python")),
]

NET = """\
import torch


class Body(torch.nn.Module):
    def forward(self, x):
        y = x * 2
        return torch.igamma(y, y)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(Body(), torch.nn.ReLU())

    def forward(self, x):
        if x.sum() > 0:
            x = x + 1
        return self.body(x)
"""
IGAMMA, BRANCH = 7, 16  # lines of NET


def module_at(path: Path, text: str = NET) -> dict[str, Any]:
    """What TEXT defines, written to PATH and run."""
    path.write_text(text)
    names: dict[str, Any] = {"__name__": path.stem}
    exec(compile(text, str(path), "exec"), names)
    return names


def refused(model: Any, *args: Any, **options: Any) -> toffee.Error:
    """The error of an export of MODEL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", toffee.TraceWarning)
        with pytest.raises(toffee.Error) as caught:
            torch.toffee.export(model, args or X, io.BytesIO(), **options)
    return caught.value


def note(error: BaseException) -> str:
    (text,) = error.__notes__
    return str(text)


def model_of(line: str, filename: str = "<string>") -> Any:
    names: dict[str, Any] = {"torch": torch}
    exec(compile(f"def model(x):\n    return {line}\n", filename, "exec"), names)
    return names["model"]


# ---- what an error has ---------------------------------------------------------------------------


def test_an_error_has_its_places_with_function_module_and_operator(tmp_path):
    path = tmp_path / "net.py"
    error = refused(module_at(path)["Net"]())
    function = "Body.forward" if sys.version_info >= (3, 11) else "forward"
    assert error.places == (Place(str(path), IGAMMA, function, "body.0", "aten::igamma"),)


def test_the_note_has_the_line_and_its_neighbours_as_the_file_has_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    error = refused(module_at(tmp_path / "net.py")["Net"]())
    assert note(error).splitlines() == [
        "  net.py:7, in Body.forward, module body.0: aten::igamma",
        "      5 | def forward(self, x):",
        "      6 |     y = x * 2",
        "    > 7 |     return torch.igamma(y, y)",
    ]


def test_the_message_stays_one_line_a_place(tmp_path):
    path = tmp_path / "net.py"
    text = str(refused(module_at(path)["Net"]()))
    assert f"{path}:7: return torch.igamma(y, y)" in text
    assert "y = x * 2" not in text


def test_a_strict_error_is_about_the_branch(tmp_path):
    path = tmp_path / "net.py"
    error = refused(module_at(path)["Net"](), strict=True)
    assert [(place.line, place.module) for place in error.places] == [(BRANCH, "")]
    assert "> 16 |     if x.sum() > 0:" in note(error)


def test_a_strict_error_that_the_model_catches_comes_back_with_its_place():
    def model(x):
        try:
            return x * float(x.sum())
        except toffee.TraceError:
            return x + 1

    error = refused(model, strict=True)
    assert ">" in note(error) and "float(x.sum())" in note(error)


@pytest.mark.parametrize(
    ("model", "line"),
    [
        (lambda x: setattr(x, "data", x + 1) or x, "setattr"),
        (lambda x: x.clone().view(torch.int32).add_(1).view(torch.float32), "torch.int32"),
    ],
)
def test_errors_raised_while_the_model_runs_have_the_line_that_ran(model, line):
    error = refused(model)
    assert error.places and line in note(error)


def test_a_lowering_that_raises_is_the_cause_and_both_places_are_shown():
    def lowering(g, self, other):
        return {}["nothing"]

    toffee.register_lowering("aten::igamma", lowering)
    try:
        error = refused(lambda x: torch.igamma(x, x))
    finally:
        toffee.unregister_lowering("aten::igamma")
    assert isinstance(error.__cause__, KeyError) and "torch.igamma(x, x)" in note(error)
    text = "\n".join(error._render_traceback_())
    cause = text[text.index("Caused by") :]
    assert "KeyError: 'nothing'" in cause and 'return {}["nothing"]' in cause


def test_the_models_own_exceptions_come_through_as_they_are():
    def model(x):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="^mine$") as caught:
        to_graph(model, X)
    assert not hasattr(caught.value, "places") and not hasattr(caught.value, "__notes__")


def test_errors_that_are_about_no_line_have_no_places():
    with pytest.raises(toffee.FormatError) as caught:
        toffee.loads(b"no graph")
    assert caught.value.places == () and not hasattr(caught.value, "__notes__")
    assert toffee.Error.places == () and toffee.TraceWarning.places == ()


def test_an_error_can_be_pickled_and_copied():
    error = refused(lambda x: torch.igamma(x, x))
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert again.places == error.places and str(again) == str(error)
        assert again.__notes__ == error.__notes__


def test_no_source_is_read_before_there_is_an_error(monkeypatch):
    read: list[str] = []
    for name in ("getlines", "getline", "updatecache", "checkcache"):
        monkeypatch.setattr(linecache, name, lambda *args, name=name: read.append(name) or [])
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    assert len(to_graph(model, X).node) == 2 and not read
    refused(lambda x: torch.igamma(x, x))
    assert read


# ---- source that is hard to come by --------------------------------------------------------------


def test_a_file_that_is_gone_leaves_the_plain_place(tmp_path):
    path = tmp_path / "net.py"
    names = module_at(path)
    path.unlink()
    error = refused(names["Net"]())
    assert note(error) == f"  {path}:7, in Body.forward, module body.0: aten::igamma"
    assert f"{path}:7\n" in str(error)


def test_a_file_that_became_shorter_leaves_the_plain_place(tmp_path):
    path = tmp_path / "net.py"
    names = module_at(path)
    path.write_text("pass\n")
    assert "|" not in note(refused(names["Net"]()))


def test_a_file_in_another_encoding_is_read_as_it_says(tmp_path):
    path = tmp_path / "latin.py"
    text = "# coding: latin-1\ndef model(x):\n    return x.igamma(x)  # été\n"
    path.write_bytes(text.encode("latin-1"))
    names: dict[str, Any] = {}
    exec(compile(path.read_bytes(), str(path), "exec"), names)
    assert "> 3 |     return x.igamma(x)  # été" in note(refused(names["model"]))


def test_a_file_that_is_no_text_leaves_the_plain_place(tmp_path):
    path = tmp_path / "net.py"
    names = module_at(path)
    path.write_bytes(b"\xff\xfe\x00" * 100)
    assert "|" not in note(refused(names["Net"]()))


@pytest.mark.parametrize("filename", ["<string>", "<stdin>", "", "/"])
def test_code_without_a_file_has_its_name_and_line(filename):
    error = refused(model_of("torch.igamma(x, x)", filename))
    assert [(place.file, place.line) for place in error.places] == [(filename, 2)]
    assert ":2, in model: aten::igamma" in note(error) and "|" not in note(error)
    assert error._repr_html_() and error._render_traceback_()


def test_a_module_in_a_zip_file_has_lines(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "lib.zip", "w") as file:
        file.writestr("zipped_net.py", NET)
    monkeypatch.syspath_prepend(str(tmp_path / "lib.zip"))
    import zipped_net  # type: ignore[import-not-found]

    error = refused(zipped_net.Net())
    assert "lib.zip" in error.places[0].file
    assert "> 7 |     return torch.igamma(y, y)" in note(error)


def test_a_loader_that_fails_is_no_second_error(monkeypatch):
    class Loader:
        def get_source(self, name: str) -> str:
            raise RuntimeError("no source today")

    names: dict[str, Any] = {"torch": torch, "__name__": "odd", "__loader__": Loader()}
    exec(compile("def model(x):\n    return torch.igamma(x, x)\n", "odd.py", "exec"), names)
    assert "odd.py:2" in note(refused(names["model"]))


def test_a_lambda_has_its_line():
    error = refused(lambda x: torch.igamma(x, x))
    assert "refused(lambda x: torch.igamma(x, x))" in note(error)
    assert "<lambda>" in error.places[0].function


def test_a_line_longer_than_the_terminal_is_cut(monkeypatch, tmp_path):
    wide = "\N{CJK UNIFIED IDEOGRAPH-6A21}" * 400
    text = f"import torch\ndef model(x):\n    return torch.igamma(x, x)  # {wide}\n"
    error = refused(module_at(tmp_path / "wide.py", text)["model"])

    def columns(line: str) -> int:
        return sum(2 if ord(letter) > 0x1100 else 1 for letter in line)

    meant = next(line for line in note(error).splitlines() if ">" in line)
    assert columns(meant) <= 100 and meant.endswith("...")
    monkeypatch.setenv("COLUMNS", "60")
    shown = "\n".join(error._render_traceback_()).splitlines()
    meant = next(line for line in shown if "torch.igamma" in line and "|" in line)
    assert columns(meant.replace("\x1b[31m", "").replace("\x1b[0m", "")) <= 60 + len("\x1b[1m")


def test_what_a_terminal_would_act_on_is_escaped(tmp_path):
    text = "def model(x):\n    return x.igamma(x)  # \x1b[2J\u202e\x07\n"
    error = refused(module_at(tmp_path / "evil.py", text)["model"])
    assert "\\x1b[2J\\u202e\\x07" in note(error)
    for shown in (note(error), error._repr_html_()):
        assert not {"\x1b", "\u202e", "\x07"} & set(shown)


# ---- several places ------------------------------------------------------------------------------


def many(path: Path, n: int) -> toffee.Error:
    lines = ["import torch", "def model(x):", *["    x = torch.igamma(x, x)"] * n, "    return x"]
    return refused(module_at(path, "\n".join(lines) + "\n")["model"])


def test_the_first_places_are_shown_in_full_and_the_rest_in_a_line_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    error = many(tmp_path / "many.py", 40)
    assert [place.line for place in error.places] == list(range(3, 43))
    lines = note(error).splitlines()
    assert sum(line.startswith("    > ") for line in lines) == _places.FULL
    assert sum("many.py:" in line for line in lines) == _places.FULL + _places.BRIEF
    assert lines[-1] == f"  and {40 - _places.FULL - _places.BRIEF} more places"
    assert lines[-2].endswith(": x = torch.igamma(x, x)")
    assert max(map(len, lines)) <= 100
    assert "and 25 more places" in "\n".join(error._render_traceback_())
    assert "and 25 more places" in Page(error._repr_html_()).words


def test_each_operator_is_shown_before_one_is_shown_twice():
    def model(x):
        x = torch.igamma(x, x)
        x = torch.igamma(x, x)
        return torch.special.airy_ai(x)

    operators = [place.operator for place in refused(model).places]
    assert operators == ["aten::igamma", "aten::special_airy_ai", "aten::igamma"]


# ---- warnings ------------------------------------------------------------------------------------


def test_a_warning_is_issued_from_the_users_line_and_has_its_place(tmp_path):
    path = tmp_path / "net.py"
    net = module_at(path, NET.replace("torch.igamma(y, y)", "y * float(y.sum())"))["Net"]()
    with pytest.warns(toffee.TraceWarning) as caught:
        to_graph(net, X)
    assert [(w.filename, w.lineno) for w in caught] == [(str(path), BRANCH), (str(path), IGAMMA)]
    second = caught[1].message
    assert isinstance(second, toffee.TraceWarning)
    assert [(place.line, place.module) for place in second.places] == [(IGAMMA, "body.0")]
    assert str(second).endswith("    > 7 |     return y * float(y.sum())")


def script(tmp_path: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "main.py").write_text(text)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *options, "main.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )


EXPORT = (
    "import io, torch, net\n"
    "torch.toffee.export(net.Net(), torch.ones(2, 3), io.BytesIO(), progress=False)\n"
)


def test_python_prints_the_lines_of_a_warning_and_of_an_error(tmp_path):
    done = script(tmp_path, EXPORT)
    said = done.stderr[: done.stderr.index("Traceback")].splitlines()
    assert said[0].startswith(f"{tmp_path / 'net.py'}:{BRANCH}: TraceWarning: ")
    assert said[1:] == [
        "  net.py:16, in Net.forward: aten::is_nonzero",
        "      15 | def forward(self, x):",
        "    > 16 |     if x.sum() > 0:",
        "      17 |         x = x + 1",
        "      18 |     return self.body(x)",
        "  if x.sum() > 0:",
    ]
    assert done.stderr.splitlines()[-4:] == [
        "  net.py:7, in Body.forward, module body.0: aten::igamma",
        "      5 | def forward(self, x):",
        "      6 |     y = x * 2",
        "    > 7 |     return torch.igamma(y, y)",
    ]


def test_a_warning_made_an_error_has_the_lines_too(tmp_path):
    done = script(tmp_path, EXPORT, "-W", "error::UserWarning")
    assert done.returncode == 1
    tail = done.stderr[done.stderr.rindex("TraceWarning: ") :]
    assert "> 16 |     if x.sum() > 0:" in tail
    with warnings.catch_warnings():
        warnings.simplefilter("error", toffee.TraceWarning)
        with pytest.raises(toffee.TraceWarning) as caught:
            to_graph(lambda x: x * float(x.sum()), X)
    assert not hasattr(caught.value, "__notes__")
    shown = "\n".join(caught.value._render_traceback_())
    assert shown.count("| ") == str(caught.value).count("| ")  # not in the message as well
    assert "What to do:" in Page(caught.value._repr_html_()).words


# ---- Python 3.10, which prints no notes ----------------------------------------------------------


def test_without_notes_the_source_is_the_end_of_the_message(monkeypatch, tmp_path):
    monkeypatch.setattr(_places, "_HAS_NOTES", False)
    error = refused(module_at(tmp_path / "net.py")["Net"]())
    assert not hasattr(error, "__notes__")
    assert str(error).endswith("    > 7 |     return torch.igamma(y, y)")
    text = "\n".join(error._render_traceback_())
    assert text.count("y = x * 2") == 1  # not in the message as well


@pytest.mark.parametrize("python", INTERPRETERS, ids=lambda path: path.parts[-3])
def test_every_python_at_hand_prints_the_source_once(python, tmp_path):
    (tmp_path / "places.py").write_text((ROOT / "toffee" / "_places.py").read_text())
    (tmp_path / "main.py").write_text(
        "import places, sys\n"
        "def model():\n"
        "    raise places.attach(ValueError('no'), [places.of_frame(sys._getframe(), 3, 'a.0')])\n"
        "model()\n"
    )
    done = subprocess.run([python, "main.py"], cwd=tmp_path, capture_output=True, text=True)
    name = "main.py:3, in model, module a.0"
    assert "ValueError: no\n  " + name in done.stderr, done.stderr
    assert done.stderr.count("    > 3 |     raise places.attach(") == 1


# ---- as a page -----------------------------------------------------------------------------------


def test_the_page_escapes_what_html_would_act_on(tmp_path):
    evil = "</code></div><script>alert('1')</script><!-- &lt; \""
    text = f"def model(x):\n    return x.igamma(x)  # {evil}\n"
    error = refused(module_at(tmp_path / "evil.py", text)["model"])
    page = Page(error._repr_html_())
    assert set(page.tags) <= KNOWN
    assert {name for name, _ in page.attributes} <= {"class"}
    assert evil in page.words


def test_a_message_with_markup_is_text():
    for kind in (toffee.Error, toffee.TraceError, toffee.TraceWarning, toffee.CheckError):
        page = Page(kind("<b onclick='x'>&amp;\n\x1b[31m" + "long " * 10_000)._repr_html_())
        assert set(page.tags) <= KNOWN and "<b onclick='x'>&amp;" in page.words
        assert len(page.words) < 20_000
        assert kind()._repr_html_() and kind()._render_traceback_()


def test_the_page_has_the_source_the_way_there_and_what_to_do(tmp_path):
    error = refused(module_at(tmp_path / "net.py")["Net"]())
    words = Page(error._repr_html_()).words
    for wanted in ("UnsupportedOperatorError", "module body.0", "y = x * 2", "What to do:"):
        assert wanted in words
    assert "called from" in words and "torch.toffee.export(model" in words


# ---- IPython -------------------------------------------------------------------------------------

IPYTHON = """
import contextlib, io, json, sys
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
for cell in json.load(sys.stdin):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        shell.run_cell(cell, store_history=True)
    print(json.dumps(out.getvalue()))
"""
CELLS = [
    NET,
    "import io, torch, toffee, warnings\nwarnings.simplefilter('ignore', toffee.TraceWarning)",
    "torch.toffee.export(Net(), torch.ones(2, 3), io.BytesIO(), progress=False)",
    "%tb",
    "%xmode Minimal\n%tb",
    "%xmode Verbose\n%tb",
    "%xmode Context\n%colors NoColor\n%tb",
    "toffee.loads(b'no graph')",
    "1 / 0",
]


@pytest.fixture(scope="module")
def printed() -> list[str]:
    """What IPython prints of each of CELLS."""
    done = subprocess.run(
        [sys.executable, "-c", IPYTHON],
        input=json.dumps(CELLS),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": os.devnull, "COLUMNS": "100"},
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def bare(text: str) -> str:
    for code in _display._Colours():
        text = text.replace(code, "")
    assert "\x1b" not in text
    return text


def test_ipython_shows_the_cells_line_and_no_frame_of_torch(printed):
    text = bare(printed[2])
    assert "  > 7 |     return torch.igamma(y, y)\n" in text
    assert "Cell In[1], line 7, in Body.forward, module body.0: aten::igamma\n" in text
    assert "called from Cell In[3], line 1: torch.toffee.export(Net()" in text
    assert "What to do: fallback='aten'" in text
    assert "site-packages" not in text and "torch_toffee.py" not in text
    assert len(text.splitlines()) < 25
    assert printed[2] != text  # it has colours
    assert printed[3] == printed[2]  # %tb


def test_ipythons_modes_are_kept(printed):
    minimal, verbose, plain = printed[4], re.sub(r"\x1b\[[\d;]*m", "", printed[5]), printed[6]
    assert "|" not in minimal and "UnsupportedOperatorError" in minimal
    assert "torch_toffee.py" in verbose and "What to do:" in verbose
    assert "\x1b" not in plain and bare(printed[2]) in plain


def test_ipython_shows_the_call_where_an_error_is_about_no_line(printed):
    text = bare(printed[7]) if "\x1b" in printed[7] else printed[7]
    assert text.startswith("FormatError: ") and "> 1 | toffee.loads(b'no graph')" in text


def test_other_exceptions_look_as_ever_in_ipython(printed):
    assert "ZeroDivisionError" in printed[8] and "%xmode" not in printed[8]


def test_a_notebook_shows_the_same_and_the_page_too(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    page = "try:\n    export()\nexcept toffee.Error as error:\n    display(error)"
    cells = [
        CELLS[0],
        CELLS[1] + "\ndef export():\n    " + CELLS[2],
        page,
        "export()",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(book, timeout=120, allow_errors=True, kernel_name="python3").execute()
    (shown,), (raised,) = (cell.outputs for cell in book.cells[2:])
    words = Page(shown["data"]["text/html"]).words
    assert "Cell In[1], line 7" in words and "return torch.igamma(y, y)" in words
    text = bare("\n".join(raised["traceback"]))
    assert "  > 7 |     return torch.igamma(y, y)\n" in text
    assert "called from Cell In[2], line 4, in export: torch.toffee.export(Net()" in text
    assert "site-packages" not in text
    assert raised["ename"] == "UnsupportedOperatorError"


def test_the_notes_are_what_the_standard_library_prints():
    error = refused(lambda x: torch.igamma(x, x))
    printed = "".join(traceback.format_exception_only(type(error), error))
    assert printed == f"toffee.UnsupportedOperatorError: {error}\n{note(error)}\n"
