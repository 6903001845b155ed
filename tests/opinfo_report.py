"""tests/opinfo_baseline.json and docs/operators.md.

Part of ``tests/opinfo.py``. The documentation is what the baseline and the table of lowerings give;
``tests/test_opinfo.py`` holds it to that.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from toffee import _core

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ROOT / "tests" / "opinfo_baseline.json"
DOCS = ROOT / "docs" / "operators.md"


def load_baseline() -> dict[str, Any]:
    """The baseline: ``counts`` by dtype and status, ``entries`` that do not pass."""
    return json.loads(BASELINE.read_text(encoding="utf-8"))


def save_baseline(baseline: dict[str, Any]) -> None:
    """Write it sorted, with a line for each entry, so that changes read well."""
    head = {key: value for key, value in baseline.items() if key != "entries"}
    lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in head.items()]
    rows = [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in baseline["entries"].items()]
    lines.append('"entries": {\n' + ",\n".join(rows) + "\n}")
    BASELINE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def write() -> None:
    """Write docs/operators.md."""
    DOCS.write_text(text(load_baseline()), encoding="utf-8")


def text(baseline: dict[str, Any]) -> str:
    """docs/operators.md for BASELINE."""
    parts = [_HEAD, _counts(baseline), *_peer(baseline), _not_passing(baseline), _lowerings()]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


_HEAD = """
# Operators

<!-- Written by tests/opinfo.py --write-docs from tests/opinfo_baseline.json and toffee's table of
lowerings. Do not edit. -->

What PyTorch's own operator database (`op_db`, the samples that PyTorch tests itself with) becomes.
`tests/opinfo.py` exports each sample, checks the graph, runs it with ONNX Runtime (optimizations
off and on; `onnx.reference` where that has no kernel for the dtype) and with toffee's PyTorch
backend, and compares with eager PyTorch on values other than the traced ones. Its docstring says
what *out of scope* means and what is compared.
"""


def _counts(baseline: dict[str, Any]) -> str:
    statuses = ["pass", "partly", "refused", "warned", "error", "mismatch", "hang", "crash"]
    used = [s for s in statuses if any(s in c for c in baseline["counts"].values())]
    lines = [
        f"## In numbers\n\nPyTorch {baseline['torch']}, the first {baseline['samples']} samples of "
        "each entry.\n",
        "| dtype | entries | out of scope | " + " | ".join(used) + " | passes whole |",
        "| --- |" + " ---: |" * (len(used) + 3),
    ]
    for dtype, count in baseline["counts"].items():
        total, outside = sum(count.values()), count.get("out of scope", 0)
        share = f"{100 * count.get('pass', 0) / max(total - outside, 1):.1f} %"
        cells = [total, outside, *(count.get(s, 0) for s in used)]
        lines.append(f"| {dtype} | " + " | ".join(map(str, cells)) + f" | {share} |")
    lines.append(
        "\nPassing entries by the runtime that every sample of theirs was compared with:\n"
    )
    kinds = sorted({kind for counts in baseline["means"].values() for kind in counts})
    lines.append("| dtype | " + " | ".join(kinds) + " |")
    lines.append("| --- |" + " ---: |" * len(kinds))
    for dtype, count in baseline["means"].items():
        lines.append(f"| {dtype} | " + " | ".join(str(count.get(k, 0)) for k in kinds) + " |")
    return "\n".join(lines)


def _peer(baseline: dict[str, Any]) -> list[str]:
    if "peer" not in baseline:
        return []
    rows = {name: row for name, row in baseline["peer"].items() if name != "samples"}
    n = baseline["peer"]["samples"]
    count = "sample" if n == 1 else f"{n} samples"
    lines = [
        f"## Beside torch.onnx.export\n\nThe first {count} of each "
        "entry in float32, run by ONNX Runtime on other values: entries of which every sample is "
        "right, some sample is wrong, or none is wrong but some refused (or ONNX Runtime refuses "
        "the file).\n",
        "| | entries | right | wrong | refused | right in % |",
        "| --- |" + " ---: |" * 5,
    ]
    for name, row in rows.items():
        total = sum(row.values())
        share = f"{100 * row['right'] / total:.1f}"
        cells = [total, row["right"], row["wrong"], row["refused"], share]
        lines.append(f"| {name} | " + " | ".join(map(str, cells)) + " |")
    return ["\n".join(lines)]


def _not_passing(baseline: dict[str, Any]) -> str:
    grouped: dict[str, dict[str, dict[str, list[str]]]] = defaultdict(lambda: defaultdict(dict))
    for name, rows in baseline["entries"].items():
        for dtype, row in rows.items():
            status, reason = row.split(": ", 1)
            grouped[status][reason].setdefault(name, []).append(dtype)
    lines = ["## What does not pass\n\nEntries by reason, with the dtypes it is the reason for."]
    for status in ("crash", "hang", "mismatch", "error", "warned", "refused", "partly"):
        if status in grouped:
            lines += ["", f"### {status.capitalize()}", "", *_reasons(grouped[status])]
    if "out of scope" in grouped:
        lines += ["", "### Out of scope", "", *_reasons(grouped["out of scope"])]
    return "\n".join(lines)


def _reasons(reasons: dict[str, dict[str, list[str]]]) -> list[str]:
    """One item for each reason, most entries first."""
    lines = []
    for reason, names in sorted(reasons.items(), key=lambda x: (-len(x[1]), x[0])):
        by_dtypes: dict[str, list[str]] = defaultdict(list)
        for name, dtypes in sorted(names.items()):
            by_dtypes[", ".join(dtypes)].append(f"`{name}`")
        text = "; ".join(f"{', '.join(n)} ({d})" for d, n in sorted(by_dtypes.items()))
        lines.append(f"* {reason.replace('<', '&lt;')}: {text}")
    return lines


def _lowerings() -> str:
    rows = _core.lowerings()
    plain = [(name, onnx) for name, onnx in rows if name.startswith("aten::")]
    others = sorted({name.split("::")[0] for name, _ in rows} - {"aten"})
    lines = [
        f"## Lowerings\n\n{len(plain)} ATen operators have a lowering, in all their overloads, "
        "in-place and `out=` spellings. Where it is one ONNX operator in the main, that is named; "
        f"the others emit several. ({', '.join(others)} operators, "
        f"{len(rows) - len(plain)} rows, are what PyTorch's decompositions and its quantization "
        "end in.) What is not "
        "here is taken apart by PyTorch into what is, or refused.\n",
        "| ATen | ONNX |",
        "| --- | --- |",
    ]
    lines += [f"| `{name.removeprefix('aten::')}` | {onnx or ''} |" for name, onnx in plain]
    return "\n".join(lines)
