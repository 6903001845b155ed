"""The code blocks of the documentation: found, told apart, and run.

A block is run unless a comment in front of it says otherwise: ``<!-- test: … -->`` in Markdown,
``.. test: …`` in reStructuredText, neither of which a reader sees. It holds words from MARKS and
REASONS, with commas between them. Blocks that go together are a session: it runs in one process and
one empty folder, its Python in one namespace.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import toffee

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    *ROOT.glob("benchmarks/*.md"),
    *sorted(DOCS.rglob("*.md")),
    *sorted(DOCS.rglob("*.rst")),
]

MARKS = {
    "continues": "runs after the block before it, in the same namespace and folder",
    "output": "is what the block before it prints; an ellipsis stands for anything",
    "file NAME": "is what a file of that name holds, in the folder of the session",
    "needs caffe2": "is run by tests/c2, where Caffe2's runtime is",
    "needs torchvision": "imports torchvision, which needs help beside a CPU build of PyTorch",
}
#: Why a block may be left out. Each is written ``not run: WORD``.
REASONS = {
    "make": "make targets, and scripts that make targets call: that they exist is tested",
    "installs": "changes the machine it runs on",
    "sketch": "the form of something, with parts left out",
    "drawing": "a diagram or a line of a table",
    "command line": "each line goes through the parser in tests/test_cli_docs.py",
    "elsewhere": "a file of another project, or a program with libraries that are not here",
}
#: What an unmarked shell block may call. All else has to say why it is left out.
SAFE = re.compile(r"(toffee|python -m toffee|python \w+\.py|cat|ls|head|echo|#)(\s|$)")

_MD_FENCE = re.compile(r"^(`{3,})(.*)$")
_MD_MARK = re.compile(r"^<!-- test: (.*?) -->$")
_RST_BLOCK = re.compile(r"^\.\. (?:code-block|code|sourcecode):: *(\S*)$")
_RST_MARK = re.compile(r"^\.\. test: (.*)$")


@dataclass
class Block:
    page: Path
    line: int
    language: str
    text: str
    marks: list[str] = field(default_factory=list)

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def reason(self) -> str | None:
        """Why it is not run, as it is said."""
        found = [mark for mark in self.marks if mark.startswith("not run")]
        return found[0].removeprefix("not run").lstrip(": ") if found else None

    @property
    def runs(self) -> bool:
        return self.language in ("python", "sh") and self.reason is None

    @property
    def is_help(self) -> bool:
        """What a command says with --help: tests/test_cli_docs.py holds it against the program."""
        return self.page.name == "command_line.md" and self.text.startswith("usage: toffee")

    @property
    def unsafe(self) -> list[str]:
        """Commands of a shell block that a test must not run."""
        lines = self.text.replace("\\\n", " ").splitlines() if self.language == "sh" else []
        commands = [part.strip() for line in lines for part in re.split(r"\||&&|;", line)]
        return [command for command in commands if command and not SAFE.match(command)]

    def marked(self, mark: str) -> bool:
        return mark in self.marks


def _marks(text: str) -> list[str]:
    return [mark.strip() for mark in text.split(",")]


def _markdown(page: Path) -> Iterator[Block]:
    marks: list[str] = []
    fence, block = "", None
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if block is not None:
            if line.strip() == fence:
                if not block.language.startswith("{"):
                    yield block
                block = None
            else:
                block.text += line + "\n"
        elif match := _MD_FENCE.match(line):
            fence = match[1]
            block = Block(page, number, match[2].strip(), "", marks)
            marks = []
        elif match := _MD_MARK.match(line):
            marks = _marks(match[1])
        elif line.strip():
            marks = []
    assert block is None, f"{page}: a fence is not closed"


def _restructured(page: Path) -> Iterator[Block]:
    lines = page.read_text().splitlines()
    marks: list[str] = []
    for i, line in enumerate(lines):
        if match := _RST_MARK.match(line):
            marks = _marks(match[1])
        elif match := _RST_BLOCK.match(line):
            body = []
            for inner in lines[i + 1 :]:
                if inner.strip() and not inner.startswith("   "):
                    break
                body.append(inner[3:])
            text = "\n".join(body).strip("\n") + "\n"
            yield Block(page, i + 1, match[1], text, marks)
            marks = []
        elif line.strip() and not line.startswith(" "):
            marks = []


def blocks(page: Path) -> list[Block]:
    """All blocks of PAGE, in order; directives of MyST are none."""
    return list(_markdown(page) if page.suffix == ".md" else _restructured(page))


BLOCKS = [block for page in PAGES for block in blocks(page)]


# ---- sessions -----------------------------------------------------------------------------------


def sessions(*, caffe2: bool) -> list[list[Block]]:
    """Blocks that run together, with the outputs between them. With CAFFE2 those that need it, and
    what comes before them; else all others."""
    found: list[list[Block]] = []
    for block in BLOCKS:
        if block.runs and not block.marked("continues"):
            found.append([block])
        elif block.runs or block.marked("output"):
            assert found and found[-1][0].page == block.page, f"{block.where}: continues what?"
            found[-1].append(block)
    if caffe2:
        return [one for one in found if any(block.marked("needs caffe2") for block in one)]
    rest = [[block for block in one if not block.marked("needs caffe2")] for one in found]
    return [one for one in rest if one]


_DRIVER = r"""
import contextlib, io, json, os, subprocess, sys
steps, outputs, names = json.load(open(sys.argv[1])), [], {"__name__": "__main__"}
sys.argv = [""]
sys.path.insert(0, os.getcwd())
if any("needs torchvision" in step["marks"] for step in steps):
    sys.path.append(os.environ["TOFFEE_EXAMPLES"])
    __import__("seed_models").import_torchvision()
SHELL = 'python() { "$TOFFEE_PYTHON" "$@"; }; toffee() { python -m toffee "$@"; }; set -eo pipefail'
for step in steps:
    name = next((mark[5:] for mark in step["marks"] if mark.startswith("file ")), None)
    if name:
        with open(name, "w") as file:
            file.write(step["text"])
        outputs.append("")
    elif step["language"] == "python":
        with open(step["file"], "w") as file:
            file.write(step["text"])
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(step["text"], os.path.abspath(step["file"]), "exec"), names)
        outputs.append(printed.getvalue())
    else:
        command = ["bash", "-c", SHELL + "\n" + step["text"]]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{step['where']}: exit code {done.returncode}: {done.stdout}{done.stderr}")
        outputs.append(done.stdout)
with open("outputs.json", "w") as file:
    json.dump(outputs, file)
"""


def run(session: list[Block], folder: Path) -> None:
    """Run the blocks of SESSION in FOLDER and hold the outputs against those that are shown."""
    programs = [block for block in session if block.runs]
    for block in programs:
        assert not block.unsafe, f"{block.where}: not run in a test: {block.unsafe}; mark the block"
    steps = [
        {
            "where": block.where,
            "language": block.language,
            "file": f"{block.page.stem}_{block.line}.py",
            "text": block.text,
            "marks": block.marks,
        }
        for block in programs
    ]
    (folder / "steps.json").write_text(json.dumps(steps))
    path = [str(Path(toffee.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "TOFFEE_PYTHON": sys.executable,
        "TOFFEE_EXAMPLES": str(ROOT / "examples"),
    }
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER, "steps.json"],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{session[0].where}:\n{done.stderr}"
    outputs = json.loads((folder / "outputs.json").read_text())
    printed = ""
    remaining = iter(outputs)
    for block in session:
        if block.runs:
            printed = next(remaining)
        else:
            assert shows(block.text, printed), f"{block.where}: what is printed is\n{printed}"


def shows(shown: str, printed: str) -> bool:
    """Whether SHOWN is PRINTED, where an ellipsis stands for anything: for lines if it is alone."""
    pattern = ""
    for line in shown.rstrip("\n").split("\n"):
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*"
        else:
            pattern += "[^\n]*".join(map(re.escape, line.rstrip().split("…"))) + r"[ ]*\n"
    return re.fullmatch(pattern, printed.rstrip("\n") + "\n") is not None
