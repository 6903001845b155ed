"""Write the help of every command into docs/command_line.md: python tools/command_line_docs.py

tests/test_cli_docs.py tells when that is to be done.
"""

from __future__ import annotations

import re
from pathlib import Path

from toffee.cli.main import build_parser

PAGE = Path(__file__).parent.parent / "docs" / "command_line.md"
_BLOCK = re.compile(r"(?<=^```text\nusage: )(toffee[ \w]*?)(?= \[).*?(?=^```$)", re.M | re.S)


def helps() -> dict[str, str]:
    """The help of ``toffee`` and of each ``toffee COMMAND``."""
    parser = build_parser()
    (tree,) = (action for action in parser._actions if action.dest == "command")
    parsers = [parser, *tree.choices.values()]  # type: ignore[union-attr]
    return {each.prog: each.format_help() for each in parsers}


def fill(page: str) -> str:
    """PAGE with the help of today in each block that begins with ``usage: toffee``."""
    found = helps()
    return _BLOCK.sub(lambda match: found[match[1]].removeprefix("usage: "), page)


if __name__ == "__main__":
    PAGE.write_text(fill(PAGE.read_text()))
