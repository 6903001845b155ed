"""How Caffe2 computes each operator, and how far from PyTorch: docs/caffe2_operators.md.

For every operator of the emission table, ONNX's own tests of that operator give graphs: shapes,
attributes, dtypes. Their floating-point inputs are replaced by random ones of the same range, and
what Caffe2 computes, with its own operators and with ATen, is compared with what today's PyTorch
computes (toffee.backend.torch).

    python tests/c2/operator_table.py            prints the table, and every case that is wrong
    python tests/c2/operator_table.py --write    writes the page as well
"""

from __future__ import annotations

import re
import sys
import warnings
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

sys.path.insert(0, str(Path(__file__).parents[1]))
from c2_nets import read_net  # noqa: E402
from onnx_node_tests import all_cases, value  # noqa: E402

import toffee  # noqa: E402
import toffee.backend.c2 as caffe2  # noqa: E402
import toffee.backend.torch as pytorch  # noqa: E402
from toffee import _core  # noqa: E402

PAGE = Path(__file__).parents[2] / "docs" / "caffe2_operators.md"
WAYS = ("caffe2", "aten")

#: Operators whose results are draws: nothing to compare.
RANDOM = {
    "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
    "RandomUniformLike",
}  # fmt: skip

#: Inputs that say where to look and not what is there: scales, regions.
KEPT = {"MaxRoiPool": {1}, "Resize": {1, 2}, "RoiAlign": {1}, "Upsample": {1}}

REFUSAL = "cannot compute it: "


@dataclass
class Way:
    """What was seen of one operator, computed one way."""

    functions: Counter[str] = field(default_factory=Counter)
    n_cases: int = 0
    difference: float = 0.0  #: the largest, of the scale of the output it was seen in
    worst: str = ""
    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def random_like(array: Any, generator: np.random.Generator) -> Any:
    """Other values for a floating-point input, in the range of those it has."""
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.size == 0:
        return array  # indices, sizes, conditions: other values may mean nothing
    finite = array[np.isfinite(array)]
    if finite.size == 0:
        return array
    low, high = float(finite.min()), float(finite.max())
    drawn = generator.uniform(low, high, array.shape) if high > low else array
    # What is no number, and where it stands, is often what the test is about.
    return np.where(np.isfinite(array), drawn, array).astype(array.dtype)


def difference(result: np.ndarray, expected: np.ndarray) -> float:
    """The largest, of the scale of EXPECTED; infinite where kinds, shapes or NaNs differ."""
    if result.shape != expected.shape or result.dtype != expected.dtype:
        return np.inf
    if expected.dtype.kind not in "fc":
        return 0.0 if np.array_equal(result, expected) else np.inf
    a, b = result.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(np.isnan(a), np.isnan(b)) or not np.array_equal(
        a[~finite & ~np.isnan(b)], b[~finite & ~np.isnan(b)]
    ):
        return np.inf
    if not finite.any():
        return 0.0
    scale = max(float(np.abs(b[finite]).max()), 1e-6)
    return float(np.abs(a[finite] - b[finite]).max()) / scale


def op_of(case: Any) -> str | None:
    """The operator that a test is of, if it is one of the table."""
    nodes = case.model.graph.node
    return nodes[0].op_type if len(nodes) == 1 and nodes[0].op_type in table_rows() else None


def known_form(case: Any, inputs: list[Any]) -> tuple[toffee.Graph, list[Any]] | None:
    """The graph of CASE with all inputs but the first as initializers, which is what sizes, axes
    and weights are in an exported graph; None if there are none, or they are no tensors."""
    rest = inputs[1:]
    if not rest or not all(isinstance(array, np.ndarray) for array in rest):
        return None
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    for info, array in zip(list(model.graph.input)[1:], rest, strict=True):
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, info.name))
        model.graph.input.remove(info)
    return toffee.loads(model.SerializeToString()), inputs[:1]


def table_rows() -> dict[str, tuple[str | None, str | None]]:
    return {op: (own, aten) for op, own, aten in _core.caffe2_rules()}


def run_on_caffe2(
    graph: toffee.Graph, inputs: list[Any], way: str
) -> tuple[list[Any], str | None, Any]:
    """What Caffe2 gives, why it refuses, and the net that it ran.

    Where a test's graph leaves sizes open, the first inputs say them: it is refused in the run.
    """
    try:
        with caffe2.prepare(graph, prefer=way) as rep:
            results = list(rep.run(inputs))
    except toffee.BackendError as error:
        message = " ".join(str(error).split())
        if REFUSAL not in message:
            raise
        return [], message.rpartition(REFUSAL)[2], None
    try:
        net = read_net(caffe2.emit(graph, prefer=way)[1])
    except toffee.BackendError:  # of open sizes: the names of operators are all that is lost
        net = read_net(b"")
    return results, None, net


def measure(case: Any, way: str, seen: Way) -> None:
    """Run CASE on Caffe2 and PyTorch, and note in SEEN what came of it."""
    graph = toffee.loads(case.model.SerializeToString())
    generator = np.random.default_rng(zlib.crc32(case.name.encode()))
    kept = KEPT.get(graph.node[0].op_type, set())
    inputs = [
        value(item) if i in kept else random_like(value(item), generator)
        for i, item in enumerate(case.data_sets[0][0])
    ]
    seen.n_cases += 1
    with pytorch.prepare(graph) as rep:
        expected = list(rep.run(inputs))
    results, why, net = run_on_caffe2(graph, inputs, way)
    if why is not None:
        form = known_form(case, inputs)
        if form is not None:
            results, why, net = run_on_caffe2(*form, way)
    if why is not None:
        seen.refused[case.name] = why
        return
    seen.functions.update(set(net.functions))
    for result, wanted in zip(results, expected, strict=True):
        d = difference(np.asarray(result), np.asarray(wanted))
        if d > seen.difference or not seen.worst:
            seen.difference, seen.worst = max(d, seen.difference), case.name


def measure_all() -> dict[str, dict[str, Way]]:
    """What was seen of every operator of the table that has tests."""
    found: dict[str, dict[str, Way]] = defaultdict(lambda: {way: Way() for way in WAYS})
    for name, case in sorted(all_cases().items()):
        op = op_of(case)
        if op is None or op in RANDOM:
            continue
        for way in WAYS:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    measure(case, way, found[op][way])
                except Exception as error:  # whatever it is, the case failed
                    found[op][way].failed[name] = f"{type(error).__name__}: {error}"
    return found


# ---- the page ----------------------------------------------------------------------------------

HEAD = """# Operators on Caffe2

Made by `python tests/c2/operator_table.py --write`. Each operator of opset 20, and what it
becomes with `prefer="caffe2"` and with `prefer="aten"`: Caffe2's own operators, or `aten::NAME`,
which is PyTorch 1.10's function, called by Caffe2's operator `ATen`. Where one way does not cover
the attributes or dtypes of a node, the other is taken, so both may stand in one cell. The
difference is the largest from today's PyTorch over random inputs, of the scale of the output; the
inputs have the shapes, attributes and dtypes of ONNX's own tests of the operator. A case is one
of these tests; what is refused is refused before it runs, with the reason.

| operator | `prefer="caffe2"` | difference | `prefer="aten"` | difference | cases | refused |
| --- | --- | --- | --- | --- | --- | --- |
"""


def cell(way: Way) -> str:
    names = [name for name, _ in way.functions.most_common()]
    shown = ", ".join(f"`{name}`" for name in names[:6])
    return shown + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def number(way: Way) -> str:
    if not way.functions:
        return ""
    return "0" if way.difference == 0 else f"{way.difference:.0e}"


def page(found: dict[str, dict[str, Way]]) -> str:
    rows, reasons = [], defaultdict(set)
    for op in sorted(found):
        own, aten = (found[op][way] for way in WAYS)
        refused = sorted(own.refused)
        for name in refused:
            reason = re.sub(r"^'[^']*' is of dtype", "a value is of dtype", own.refused[name])
            reasons[re.sub(r"^'[^']*'", "a value", reason)].add(op)
        cells = [f"`{op}`", cell(own), number(own), cell(aten), number(aten)]
        rows.append(" | ".join(["", *cells, str(own.n_cases), str(len(refused) or ""), ""]).strip())
    untested = sorted(set(table_rows()) - set(found))
    missing = sorted({row["name"] for row in _core.op_table()} - set(table_rows()))
    why = [
        f"- {reason}: {', '.join(f'`{op}`' for op in sorted(ops))}"
        for reason, ops in sorted(reasons.items())
    ]
    return "\n".join(
        [
            HEAD + "\n".join(rows),
            "",
            "## Not compared",
            "",
            "Random operators have nothing to compare, and some have no test of their own: "
            + ", ".join(f"`{op}`" for op in untested)
            + ".",
            "",
            "## Why cases are refused",
            "",
            *why,
            "",
            "## Operators that Caffe2 has in neither way",
            "",
            ", ".join(f"`{op}`" for op in missing) + ".",
            "",
        ]
    )


def main() -> int:
    found = measure_all()
    wrong = 0
    for op, ways in sorted(found.items()):
        for name, way in ways.items():
            print(
                f"{op:28} {name:7} {way.n_cases:4} cases {len(way.refused):4} refused "
                f"{way.difference:8.1e} {', '.join(way.functions)[:60]}"
            )
            for case, error in way.failed.items():
                print(f"    failed {case}: {error[:300]}")
            # Single precision, and as many terms as the tests add up.
            if way.difference > 1e-4:
                print(f"    wrong  {way.worst}: {way.difference:.1e}")
            wrong += len(way.failed) + (way.difference > 1e-4)
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(found), encoding="utf-8")
    print(f"{len(found)} operators, {wrong} wrong or failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
