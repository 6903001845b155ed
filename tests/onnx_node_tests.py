"""ONNX's own tests of single nodes, run with the PyTorch backend.

``python tests/onnx_node_tests.py`` prints those that do not pass; with ``--write`` it puts their
list into docs/backend_torch.md, which test_backend_torch.py compares with what happens.
"""

from __future__ import annotations

import functools
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

import toffee
import toffee.backend.torch as backend

DOC = Path(__file__).parents[1] / "docs" / "backend_torch.md"
BEGIN, END = "<!-- begin: onnx_node_tests.py -->", "<!-- end: onnx_node_tests.py -->"
RANDOM = "random numbers"

#: Why a test may fail: reason -> (what its name looks like, an explanation for the page). What no
#: row knows is "other", which has no place on the page.
REASONS: dict[str, tuple[str, str]] = {
    RANDOM: (
        r"test_(training_dropout|bernoulli)",
        "The expected values are draws of NumPy's generator; PyTorch draws others. Shapes, dtypes "
        "and frequencies are tested apart.",
    ),
    "rounding of the expected values": (
        r"test_dft_inverse|test_attention_4d_causal_fp16",
        "The expected values carry rounding errors of NumPy that are above the tolerance: noise "
        "of 2e-7 in place of 0 after a Fourier transform in single precision, and half-precision "
        "results that are one unit in the last place away.",
    ),
}


def cases() -> Iterator[Any]:
    """The tests of the default domain."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tests compute their values when they are collected
        from onnx.backend.test.case.node import collect_testcases

        collected = collect_testcases(None)
    for case in collected:
        if {node.domain for node in case.model.graph.node} <= {"", "ai.onnx"}:
            yield case


@functools.cache
def all_cases() -> dict[str, Any]:
    return {case.name: case for case in cases()}


def value(item: Any) -> Any:
    """An input or output of a test as the backend has it."""
    if isinstance(item, onnx.TensorProto):
        return numpy_helper.to_array(item)
    return [value(part) for part in item] if isinstance(item, list) else item


def assert_similar(result: Any, expected: Any, rtol: float, atol: float) -> None:
    """As onnx.backend.test.runner compares, and in lists of any depth."""
    if isinstance(expected, list):
        assert len(result) == len(expected)
        for one, other in zip(result, expected, strict=True):
            assert_similar(one, other, rtol, atol)
        return
    if expected is None:
        assert result is None
        return
    expected = np.asarray(expected)
    assert result.shape == expected.shape
    assert result.dtype == expected.dtype
    if expected.dtype == object:
        np.testing.assert_array_equal(result, expected)
        return
    if expected.dtype.kind not in "biufc":  # the dtypes of ml_dtypes
        if expected.dtype.name == "bfloat16":
            rtol = max(rtol, 2**-6)  # the runner's own: two units in the last place
        result, expected = result.astype(np.float32), expected.astype(np.float32)
    np.testing.assert_allclose(result, expected, rtol, atol)


def run(case: Any) -> None:
    """Run CASE; raises what goes wrong."""
    graph = toffee.loads(case.model.SerializeToString())
    with backend.prepare(graph) as rep:
        for inputs, outputs in case.data_sets:
            results = list(rep.run([value(item) for item in inputs]))
            assert_similar(results, [value(item) for item in outputs], case.rtol, case.atol)


def failures() -> dict[str, str]:
    """The tests that do not pass, with what they say."""
    failed = {}
    for name, case in all_cases().items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                run(case)
        except Exception as error:  # whatever it is, it is a failure
            failed[name] = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return failed


def reason_of(name: str) -> str:
    for reason, (pattern, _) in REASONS.items():
        if re.match(pattern, name):
            return reason
    return "other"


def listed() -> dict[str, str]:
    """The tests that the page says do not pass, with the reason."""
    text = DOC.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    found, reason = {}, ""
    for line in text.splitlines():
        if line.startswith("### "):
            reason = line[4:].rpartition(" (")[0]
        elif line.startswith("- `"):
            found[line.split("`")[1]] = reason
    return found


def listing(failed: dict[str, str], n_cases: int) -> str:
    """The part of the page that this script writes."""
    passed = n_cases - len(failed)
    lines = [
        BEGIN,
        "",
        f"{passed} of {n_cases} tests pass ({100 * passed / n_cases:.1f} %, onnx "
        f"{onnx.__version__}). These do not:",
    ]
    for reason, (_, explanation) in REASONS.items():
        names = sorted(name for name in failed if reason_of(name) == reason)
        lines += ["", f"### {reason} ({len(names)})", "", explanation, ""]
        lines += [f"- `{name}`" for name in names]
    return "\n".join([*lines, "", END])


def main() -> int:
    failed = failures()
    for name, message in failed.items():
        print(f"{name} [{reason_of(name)}]: {message[:200]}")
    print(f"{len(all_cases()) - len(failed)} of {len(all_cases())} pass")
    if "--write" in sys.argv[1:]:
        text = DOC.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        after = rest.partition(END)[2]
        DOC.write_text(before + listing(failed, len(all_cases())) + after, encoding="utf-8")
    return 1 if any(reason_of(name) == "other" for name in failed) else 0


if __name__ == "__main__":
    sys.exit(main())
