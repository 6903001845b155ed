"""toffee picture and view: that the options arrive. What pictures look like is tested elsewhere."""

from __future__ import annotations

import subprocess
import sys
from xml.etree import ElementTree

import pytest

import toffee
from toffee.cli.main import main


@pytest.fixture
def net(conv_graph, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toffee.save(conv_graph, "net.toffee")
    return "net.toffee"


def test_picture_writes_what_the_name_ends_in(net, tmp_path):
    assert main(["picture", net, "net.svg", "--engine", "builtin"]) == 0
    root = ElementTree.parse(tmp_path / "net.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert {"Conv", "Relu"} <= {"".join(element.itertext()) for element in root.iter()}
    assert main(["picture", net, "net.dot"]) == 0
    assert (tmp_path / "net.dot").read_text().startswith("digraph")


def test_picture_passes_its_options_on(net, monkeypatch):
    from toffee import _picture

    seen = []
    draw = _picture.draw

    def record(graph, **options):
        seen.append(options)
        return draw(graph, **options)

    monkeypatch.setattr(_picture, "draw", record)
    for words in (
        [],
        "--collapse 2 --theme dark --initializers --engine builtin".split(),
        ["--collapse", "no"],
    ):
        assert main(["picture", net, "p", "--format", "dot", *words]) == 0
    usual = {"collapse": None, "theme": "auto", "initializers": False, "engine": "auto"}
    given = {"collapse": 2, "theme": "dark", "initializers": True, "engine": "builtin"}
    assert seen == [usual, given, {**usual, "collapse": False}]


def test_picture_goes_into_a_pipe(net):
    command = [sys.executable, "-m", "toffee", "picture", net, "-", "--format", "dot"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("digraph")


def test_graphviz_that_is_not_there_is_told_in_one_line(net, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    assert main(["picture", net, "p.svg", "--engine", "dot"]) == 1
    assert not (tmp_path / "p.svg").exists()
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1) and "Graphviz" in err


def test_view_says_where_and_waits(net, monkeypatch, capsys):
    seen = []

    def view(graph, *, browse, address):
        seen.append((len(graph), browse, address))
        return "localhost", 1234

    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr("toffee._netron.view", view)
    monkeypatch.setattr("toffee.cli.picture._wait", interrupt)
    assert main(["view", net, "--port", "1234", "--no-browser"]) == 0
    assert seen == [(2, False, 1234)]
    assert "http://localhost:1234 shows net.toffee" in capsys.readouterr().out
