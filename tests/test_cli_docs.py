"""docs/command_line.md says what the program says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from toffee.cli.main import _COMMANDS, build_parser

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import command_line_docs  # noqa: E402

PAGE = (ROOT / "docs" / "command_line.md").read_text()


def test_the_help_on_the_page_is_the_one_that_is_printed():
    """If this fails: python tools/command_line_docs.py"""
    assert command_line_docs.fill(PAGE) == PAGE


@pytest.mark.parametrize("name", ["", *_COMMANDS])
def test_the_page_has_the_help_of_every_command(name):
    (text,) = (
        h for prog, h in command_line_docs.helps().items() if prog == f"toffee {name}".strip()
    )
    assert f"```text\n{text}```\n" in PAGE


def test_every_command_in_a_shell_block_is_one_that_the_parser_takes():
    lines = re.findall(r"^toffee (.*?)(?:  +#.*)?$", PAGE, re.MULTILINE)
    assert len(lines) >= 6
    for line in lines:
        build_parser().parse_args(line.split())
