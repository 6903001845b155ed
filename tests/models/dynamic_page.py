"""docs/dynamic_models.md from the baseline of tests/models/dynamic.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zoo_page import WORDS, cell

BASELINE = Path(__file__).parent / "dynamic_baseline.json"
PAGE = Path(__file__).parents[2] / "docs" / "dynamic_models.md"

_HEAD = """# Models at any size

What of torchvision, timm and transformers exports with open dimensions (`dynamic_dims`) and agrees
with PyTorch at other sizes than the traced ones. `make test-models` runs all of it, `python
tests/models/dynamic.py --write` writes this page; CI runs some of them
(`tests/test_dynamic_zoo.py`), and holds the rest to the list: it may only get better.

The models are those of [the page of fixed sizes](models.md), with random weights and the arguments
there. Models of transformers are exported with an open batch, an open length of text, and for
decoders of their own an open length of the target; images and sound keep their size. They are run
at four combinations of sizes that no trace was made at. Models of torchvision and timm are exported
with a batch of two (video, flow and segmentation: of one) and run at 1, 2, 5 and 7; nets of
convolutions whose head takes what there is ("any side") also with open height and width. ONNX
Runtime, with its optimizations, gets arguments that were drawn anew; all outputs must be within
1e-3 of their scale (2e-2 in half precision) with integers equal. Where that is exceeded, samples
are looked at one by one, against what PyTorch computes in the next better precision: one may be
four times as far off as PyTorch itself is from that, and samples where PyTorch is off by more than
2 % have no right answer and are passed over (random weights make some deep networks chaotic, most
of all EfficientNets); sizes where most samples are such do not count.

*Nodes* are those of the graph at the traced sizes, and of the graph for any size. Where a least
size is given, the model was refused without: it does something else at smaller sizes
(`toffee.Dim("length", min=2)` says that they will not come).
"""


def read_baseline() -> dict[str, dict[str, Any]]:
    return json.loads(BASELINE.read_text()) if BASELINE.exists() else {}


def kept(row: dict[str, Any]) -> dict[str, Any]:
    """What of a row is the same on every machine."""
    keys = ("status", "symbols", "min", "sizes", "static_nodes", "nodes", "note", "reason")
    result = {key: row[key] for key in keys if row.get(key)}
    if "sizes" in result:
        result["sizes"] = [list(sizes.values()) for sizes in result["sizes"]]
    return result


def write_page(baseline: dict[str, dict[str, Any]]) -> None:
    PAGE.write_text(page(baseline))


def page(baseline: dict[str, dict[str, Any]]) -> str:
    """The page for BASELINE: library to model to row."""
    parts = [_HEAD, _sums(baseline), _failures(baseline)]
    for library, rows in baseline.items():
        lines = [
            f"## {library}",
            "",
            "| model | open | agrees at | nodes | |",
            "| --- | --- | --- | ---: | --- |",
        ]
        lines += [_line(name, row) for name, row in rows.items()]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _line(name: str, row: dict[str, Any]) -> str:
    least = ", ".join(f"{symbol} ≥ {n}" for symbol, n in row.get("min", {}).items())
    word = WORDS[row["status"]] + (f" for {least}" if least else "")
    sizes = ", ".join("×".join(map(str, each)) for each in row.get("sizes", ()))
    nodes = f"{row['static_nodes']:,} → {row['nodes']:,}" if "nodes" in row else ""
    return f"| {name} | {' × '.join(row.get('symbols', ()))} | {sizes} | {nodes} | {word} |"


def _sums(baseline: dict[str, dict[str, Any]]) -> str:
    lines = [
        "| library | models | agree | of these with a least size | do not pass |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for library, rows in baseline.items():
        passed = [row for row in rows.values() if row["status"] == "passed"]
        n_least = sum("min" in row for row in passed)
        lines.append(
            f"| {library} | {len(rows)} | {len(passed)} ({len(passed) / max(len(rows), 1):.1%}) "
            f"| {n_least} | {len(rows) - len(passed)} |"
        )
    return "\n".join(lines) + "\n"


def _failures(baseline: dict[str, dict[str, Any]]) -> str:
    lines = [
        f"| {library} | {name} | {WORDS[row['status']]} | {cell(row.get('reason', ''))} |"
        for library, rows in baseline.items()
        for name, row in rows.items()
        if row["status"] != "passed"
    ]
    if not lines:
        return "All of them pass.\n"
    head = ["## What does not pass, and why", "", "| library | model | | reason |"]
    return "\n".join([*head, "| --- | --- | --- | --- |", *lines]) + "\n"
