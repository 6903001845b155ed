"""One sample of PyTorch's operator database through export, checkers and runtimes.

Part of ``tests/opinfo.py``, which says what is counted and what is not.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnx.reference
import onnxruntime
import opinfo_cases as database
import torch
from opinfo_cases import Case

import toffee
from toffee.backend import onnxruntime as onnxruntime_backend
from toffee.backend import torch as torch_backend
from toffee.torch_toffee import export

#: What can become of a sample or an entry, best first.
STATUSES = (
    *("pass", "out of scope", "partly", "refused", "warned"),
    *("error", "mismatch", "hang", "crash"),
)


@dataclass(frozen=True)
class Outcome:
    """What became of one sample.

    ``reason`` is short and does not change from run to run, ``detail`` says more. ``means`` are
    the runtimes that agreed with eager PyTorch.
    """

    status: str
    reason: str = ""
    detail: str = ""
    means: str = ""


def run_case(name: str, case: Case | None, *, quick: bool = False) -> Outcome:
    """Export a sample and hold every runtime against eager PyTorch, on other values.

    QUICK: one run of ONNX Runtime, without its optimizations, on the other values only.
    """
    if case is None:
        return Outcome("out of scope", "eager PyTorch refuses the sample")
    why = database.out_of_scope(name, case)
    if why is not None:
        return Outcome("out of scope", why)
    try:
        data, said = _exported(case)
    except toffee.Error as error:
        return Outcome("refused", refusal(str(error)), str(error))
    except Exception as error:
        return Outcome("error", f"export raises {type(error).__name__}", str(error))
    try:
        toffee.checker.check_graph(toffee.loads(data))
        if not quick:
            onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    except Exception as error:
        return Outcome("error", "the checker refuses the graph", str(error))
    outcome = _compared(name, case, data, quick)
    if outcome.status == "mismatch" and said:
        return Outcome("warned", "takes values out of the trace, with a warning", said)
    return outcome


def refusal(text: str) -> str:
    """What an error of export says, without what is of one sample alone."""
    operators = re.findall(r"^  (\w+::[\w.]+) \(", text, re.MULTILINE)
    if operators:
        return "no form in ONNX: " + ", ".join(sorted(set(operators)))
    line = text.splitlines()[0].split("; ")[0]
    return re.sub(r"\d+", "#", line)[:120]


def _exported(case: Case) -> tuple[bytes, str]:
    """The graph of CASE, and what export warned of."""
    buffer = io.BytesIO()
    torch.manual_seed(3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        export(case.function, tuple(x.clone() for x in case.traced), buffer, format="onnx")
    said = [str(w.message) for w in caught if issubclass(w.category, toffee.TraceWarning)]
    return buffer.getvalue(), "\n".join(said)


# ---- runtimes ------------------------------------------------------------------------------------


class NoKernel(Exception):
    """The runtime has no implementation of an operator for an element type."""


Runner = Callable[[tuple[torch.Tensor, ...]], list[np.ndarray]]


def _onnxruntime(data: bytes, optimize: bool) -> Runner:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise _no_kernel(error) from error
    names = [value.name for value in session.get_inputs()]
    if any("bfloat16" in x.type for x in (*session.get_inputs(), *session.get_outputs())):
        # Arrays of types that NumPy lacks have to be handed over in another way.
        rep = onnxruntime_backend.prepare(toffee.loads(data), optimize=optimize)
        return lambda values: list(rep.run([database.as_numpy(x) for x in values]))

    def run(values: tuple[torch.Tensor, ...]) -> list[np.ndarray]:
        feeds = dict(zip(names, map(database.as_numpy, values), strict=True))
        try:
            return session.run(None, feeds)
        except Exception as error:
            raise _no_kernel(error) from error

    return run


#: How ONNX Runtime says that the operator, the element type, or the combination is not built in.
_NO_KERNEL = re.compile(
    r"NOT_IMPLEMENTED|Could not find an implementation|No corresponding Numpy type|"
    r"Type Error: Type|is invalid\.|Unexpected input data type|not supported|NotImplemented|"
    r"Unsupported|unsupported|No suitable|bfloat16|BFloat16|complex"
)


def _no_kernel(error: Exception) -> Exception:
    return NoKernel(str(error)) if _NO_KERNEL.search(str(error)) else error


def _reference(data: bytes) -> Runner:
    evaluator = onnx.reference.ReferenceEvaluator(onnx.load_from_string(data))

    def run(values: tuple[torch.Tensor, ...]) -> list[np.ndarray]:
        feeds = dict(zip(evaluator.input_names, map(database.as_numpy, values), strict=True))
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return [np.asarray(x) for x in evaluator.run(None, feeds)]
        except Exception as error:  # it raises all sorts of them for types that NumPy lacks
            raise NoKernel(str(error)) from error

    return run


def _torch(data: bytes) -> Runner:
    rep = torch_backend.prepare(toffee.loads(data))

    def run(values: tuple[torch.Tensor, ...]) -> list[np.ndarray]:
        feeds = [x.detach().resolve_conj().resolve_neg() for x in values]
        feeds = [torch.view_as_real(x) if x.is_complex() else x for x in feeds]
        return [np.asarray(x) for x in rep.run(feeds)]

    return run


def _compared(name: str, case: Case, data: bytes, quick: bool) -> Outcome:
    wanted = [case.other] if quick else [case.other, case.traced]
    rounds = [(values, _expected(case, values)) for values in wanted]

    @cache
    def exact(i: int) -> list[torch.Tensor]:
        return database.exact_values(case, rounds[i][0])

    def wrong(runner: Runner, steps: float) -> str | None:
        for i, (values, expected) in enumerate(rounds):
            results = runner(values)
            if name in database.PLACES:
                results = database.same_places(name, case, values[0], results, expected)
            if database.difference(name, results, expected, [], steps) is not None:
                text = database.difference(name, results, expected, exact(i), steps)
                if text is not None:
                    return text
        return None

    agreed = []
    missing = ""
    for means, make in _runtimes(quick):
        if means == "onnx.reference" and agreed:
            continue  # only where ONNX Runtime has no kernel
        try:
            rounds_16_bits = not means.startswith("ONNX Runtime")
            text = wrong(make(data), database.STEPS_16_BITS if rounds_16_bits else 0.0)
        except NoKernel as error:
            missing = missing or str(error)
            continue
        except Exception as error:
            return Outcome("error", f"{means} raises {type(error).__name__}", str(error))
        if text is not None:
            return Outcome("mismatch", f"{means} computes something else", text)
        agreed.append(means)
    if not agreed:
        return Outcome("error", "no runtime has the kernels", missing)
    return Outcome("pass", means=", ".join(agreed))


def _runtimes(quick: bool) -> list[tuple[str, Callable[[bytes], Runner]]]:
    plain = ("ONNX Runtime", lambda data: _onnxruntime(data, False))
    if quick:
        return [plain, ("onnx.reference", _reference)]
    return [
        plain,
        ("ONNX Runtime with its optimizations", lambda data: _onnxruntime(data, True)),
        ("onnx.reference", _reference),
        ("toffee.backend.torch", _torch),
    ]


def _expected(case: Case, values: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    return database.tensors_of(database.run_eager(case.function, values))


# ---- the peer ------------------------------------------------------------------------------------


class _Program(torch.nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *tensors: torch.Tensor) -> Any:
        return self.function(*tensors)


def run_peer(name: str, case: Case | None, dynamo: bool) -> Outcome:
    """The same with ``torch.onnx.export``: pass, refused (it raises, or ONNX Runtime cannot run
    what it wrote), or mismatch."""
    if case is None or database.out_of_scope(name, case) is not None:
        return Outcome("out of scope")
    buffer = io.BytesIO()
    names = [f"x{i}" for i in range(len(case.traced))]
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = _Program(case.function).eval()
            values = tuple(x.clone() for x in case.traced)
            if dynamo:
                made = torch.onnx.export(
                    program, values, dynamo=True, input_names=names, verbose=False
                )
                data = made.model_proto.SerializeToString()
            else:
                torch.onnx.export(
                    program, values, buffer, dynamo=False, input_names=names, opset_version=20
                )
                data = buffer.getvalue()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        kept = {value.name for value in session.get_inputs()}
        feeds = {
            name: database.as_numpy(value)
            for name, value in zip(names, case.other, strict=True)
            if name in kept
        }
        results = session.run(None, feeds)
    except Exception as error:
        return Outcome("refused", type(error).__name__, str(error)[:500])
    expected = _expected(case, case.other)
    if name in database.PLACES:
        results = database.same_places(name, case, case.other[0], results, expected)
    text = database.difference(name, results, expected, database.exact_values(case, case.other))
    return Outcome("pass") if text is None else Outcome("mismatch", "", text)
