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
at five combinations of sizes, two of them short. Models of torchvision and timm are exported with a
batch of two (video, flow and segmentation: of one) and run at 1, 2, 5, 7, 10 and 14 (large video at
1, 2, 4, 5 and 7); nets of convolutions whose head takes what there is ("any side") also with open
height and width, at four combinations. Of the sizes, at least three of each model are such that no
trace was made at.

ONNX Runtime, with its optimizations, gets arguments that were drawn anew. Each sample (slice of the
first axis) of each output must be within 1e-3 of its own scale of what PyTorch computes (2e-2 in
half precision); integers must be equal. Where a sample is not, PyTorch's own rounding may be to
blame, and the next better precision judges (float64; float32 for half): it has to be no further
from that than four times what PyTorch's answer is, and within 1e-2 in any case (5e-2 in half). No
sample and no size that the model takes is passed over. `tests/models/damage.py` shows that this
finds graphs that are wrong at one size only: a number in them that is one more there, or the one of
another size, or a feature map that is moved by a row.

*Nodes* are those of the graph at the traced sizes, and of the graph for any size. Where a least
size is given, the model was refused without: it does something else at smaller sizes
(`toffee.Dim("length", min=4)` says that they will not come, and that is what the refusal advises).
"""


def read_baseline() -> dict[str, dict[str, Any]]:
    return json.loads(BASELINE.read_text()) if BASELINE.exists() else {}


def kept(row: dict[str, Any]) -> dict[str, Any]:
    """What of a row is the same on every machine."""
    keys = ("status", "symbols", "min", "sizes", "static_nodes", "nodes", "rounding")
    keys += ("batch_alone", "note", "reason")
    result = {key: row[key] for key in keys if row.get(key)}
    if "sizes" in result:
        result["sizes"] = [list(sizes.values()) for sizes in result["sizes"]]
    return result


def write_page(baseline: dict[str, dict[str, Any]]) -> None:
    PAGE.write_text(page(baseline))


def page(baseline: dict[str, dict[str, Any]]) -> str:
    """The page for BASELINE: library to model to row."""
    parts = [_HEAD, _sums(baseline), _failures(baseline), _roundings(baseline)]
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
    note, reason = row.get("note", ""), row.get("reason", "")
    text = f"{note[:1].upper()}{note[1:]}. " if note else ""
    text += "**With an open batch alone it agrees.** " if row.get("batch_alone") else ""
    return f"{text}Said: {reason}" if text else reason


def _roundings(baseline: dict[str, dict[str, Any]]) -> str:
    """The rows that agree, but where a sample was beyond the first bound."""
    rows = [
        f"| {library} | {name} | {row['rounding']} |"
        for library, of_library in baseline.items()
        for name, row in of_library.items()
        if row["status"] == "passed" and "rounding" in row
    ]
    if not rows:
        return "No sample of any was further off than the first bound.\n"
    head = [
        "## What PyTorch rounds as badly",
        "",
        "Some sample of these was beyond the first bound, and agrees by the second.",
        "",
        "| library | model | furthest from the better precision, of its scale |",
        "| --- | --- | --- |",
    ]
    return "\n".join([*head, *rows]) + "\n"
