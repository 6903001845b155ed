"""toffee completion: bash itself is asked; the other two are read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from toffee.cli.main import _COMMANDS, main


@pytest.fixture
def script(capsys):
    def call(shell):
        assert main(["completion", shell]) == 0
        return capsys.readouterr().out

    return call


@pytest.fixture
def complete(script, tmp_path):
    """complete(*words): what bash offers for the last of them, in a folder with one file."""
    (tmp_path / "model.toffee").touch()
    (tmp_path / "script").write_text(script("bash"))

    def call(*words):
        program = (
            'source ./script; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
            'complete -p toffee >/dev/null && _toffee && printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(
            ["bash", "-c", program, "bash", "toffee", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    return call


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["co"], ["convert", "compare", "completion"]),
        (["picture", "x", "p.svg", "--theme", ""], ["auto", "light", "dark"]),
        (["print", "--s"], ["--source"]),
        (["print", "m"], ["model.toffee"]),
        (["print", "--color", "a"], ["auto", "always"]),
        (["run", "x", "--backend", ""], ["onnxruntime", "torch", "c2"]),
        (["run", "x", "-o", "mo"], ["model.toffee"]),
        (["convert", "--ir-version", ""], ["1", "2"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["compare", "x", "--j"], ["--json"]),
        (["run", "x", "--input", "mo"], ["model.toffee"]),
        (["print", "model.toffee", "--op", "m"], []),
        (["nonsense", "mo"], ["model.toffee"]),
    ],
)
def test_bash_completes_commands_options_choices_and_files(words, offered, complete):
    assert complete(*words) == offered


def test_bash_offers_every_command(complete):
    assert set(complete("")) == {*_COMMANDS, "--help", "--version"}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("co", ["compare", "completion", "convert"]),
        ("run --backend ", ["c2", "onnxruntime", "torch"]),
        ("print mod", ["model.toffee"]),
        ("print --op m", []),
        ("print --sou", ["--source"]),
        ("--v", ["--version"]),
    ],
)
def test_fish_completes_the_same(line, offered, script, tmp_path):
    assert "complete -c toffee " in script("fish")
    if shutil.which("fish") is None:
        return  # bash is everywhere, and is asked the same above
    (tmp_path / "model.toffee").touch()
    (tmp_path / "script").write_text(script("fish"))
    done = subprocess.run(
        ["fish", "-c", f"source script; complete -C 'toffee {line}'"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    found = sorted(row.partition("\t")[0] for row in done.stdout.splitlines())
    assert (found, done.stderr) == (offered, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_script_has_every_command_option_and_choice(shell, script):
    text = script(shell)
    for name in _COMMANDS:
        assert re.search(rf"\b{name}\b", text), name
    for option in ("source", "without-params", "tolerance", "fallback"):
        assert re.search(rf"(--|-l ){option}\b", text), option
    assert "onnxruntime torch c2" in text and "bash zsh fish" in text
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=text, text=True, check=True)
