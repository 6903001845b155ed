"""docs/models.md from the baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "models.md"

_HEAD = """# Models

What of torchvision, timm and transformers exports, and agrees with PyTorch. `make test-models` runs
all of it, `python tests/models/run.py --write` writes this page; CI runs some of them
(`tests/test_model_zoo.py`), and holds the rest to the list: it may only get better.

Each model has random weights (with noise where fresh ones are constant, and the statistics of what
a normalization sees), and is called with its own forward and its defaults: caches and output
objects included. It is exported on one set of inputs, checked by toffee's checker and by ONNX's,
and run by ONNX Runtime, with optimizations off and on, **on other inputs**. All outputs must be
within 1e-3 of their scale (2e-2 in half precision), integers equal; or, where PyTorch's own single
precision is further than that from its double precision, within twice that distance and 4e-2 (some
deep networks of random weights are chaotic). Models of transformers have 2 layers of width 32,
those of timm are the smallest of their family, those of torchvision whole. bfloat16 graphs run in
`onnx.reference`: ONNX Runtime has no kernels for them on a CPU.

Detection models of torchvision are exported up to where they select boxes by their scores: how many
come out depends on the image, and no graph of static shapes computes that.
"""

WORDS = {
    "passed": "agrees",
    "refused": "**refused**",
    "mismatch": "**differs**",
    "invalid": "**no valid graph**",
    "broken": "does not run in PyTorch",
    "crash": "**crashes**",
    "time-out": "**takes too long**",
}


def write_page(baseline: dict[str, dict[str, Any]]) -> None:
    PAGE.write_text(page(baseline))


def page(baseline: dict[str, dict[str, Any]]) -> str:
    """The page for BASELINE: library to model to row."""
    parts = [_HEAD, _sums(baseline), _failures(baseline), _warnings(baseline)]
    for library, rows in baseline.items():
        lines = [
            f"## {library}",
            "",
            "| model | parameters | nodes | |",
            "| --- | ---: | ---: | --- |",
        ]
        for name, row in rows.items():
            word = WORDS[row["status"]] + (", warns" if row.get("warnings") else "")
            parameters, nodes = (f"{row[key]:,}" if key in row else "" for key in _COUNTS)
            lines.append(f"| {name} | {parameters} | {nodes} | {word} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


_COUNTS = ("parameters", "nodes")


def _sums(baseline: dict[str, dict[str, Any]]) -> str:
    lines = [
        "| library | models | agree | warn | do not pass |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for library, rows in baseline.items():
        n_passed = sum(row["status"] == "passed" for row in rows.values())
        n_warn = sum(bool(row.get("warnings")) for row in rows.values())
        lines.append(
            f"| {library} | {len(rows)} | {n_passed} ({n_passed / len(rows):.1%}) | {n_warn} "
            f"| {len(rows) - n_passed} |"
        )
    return "\n".join(lines) + "\n"


def _failures(baseline: dict[str, dict[str, Any]]) -> str:
    lines = [
        f"| {library} | {name} | {WORDS[row['status']]} | {cell(_why(row))} |"
        for library, rows in baseline.items()
        for name, row in rows.items()
        if row["status"] != "passed"
    ]
    if not lines:
        return "All of them pass.\n"
    head = ["## What does not pass, and why", "", "| library | model | | reason |"]
    return "\n".join([*head, "| --- | --- | --- | --- |", *lines]) + "\n"


def _why(row: dict[str, Any]) -> str:
    reason = row.get("reason", "")
    return f"{row['note']} ({reason})" if "note" in row else reason


def _warnings(baseline: dict[str, dict[str, Any]]) -> str:
    """What is warned about, and by whom: the values of an input decide what these models do."""
    models: dict[str, list[str]] = {}
    for rows in baseline.values():
        for name, row in rows.items():
            for text in row.get("warnings", ()):
                models.setdefault(text, []).append(name)
    if not models:
        return ""
    lines = [f"| {cell(text)} | {', '.join(names)} |" for text, names in sorted(models.items())]
    head = [
        "## What is warned about",
        "",
        "The values of an input decide what these models do, or they draw random numbers:",
        "`toffee.TraceWarning` says where. The graph does what was done on the traced input.",
        "",
        "| warning | models |",
    ]
    return "\n".join([*head, "| --- | --- |", *lines]) + "\n"


def cell(text: str) -> str:
    """TEXT in a table: no end of a cell in it, and nothing that looks like a link."""
    return text.replace("|", "\\|").replace("\n", " ").replace("](", "] (")
