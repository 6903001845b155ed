"""What a forward may contain: runs every program of tests/forward_programs.py through toffee and
through torch.onnx.export, both ways, and writes docs/what_forward_may_contain.md.

    python benchmarks/forward_table.py            all three; a few minutes
    python benchmarks/forward_table.py --print    print the table, write nothing

Each exporter exports a fresh model in a process of its own (some of them crash); the file is run by
ONNX Runtime (by onnx's own interpreter where that has no kernel) on inputs other than the traced
ones, and held against eager PyTorch.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import importlib
import io
import logging
import multiprocessing
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnx.reference
import onnxruntime
import torch

import toffee
from toffee import _structure
from toffee.torch_toffee import export

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from forward_programs import PROGRAMS, Program  # noqa: E402

PAGE = ROOT / "docs" / "what_forward_may_contain.md"

# Widths of the types, with room for sums of a few terms in another order.
TOLERANCE = {"bfloat16": 3e-2, "float16": 5e-3, "float32": 1e-4, "float64": 1e-6}


def arrays(tree: Any) -> list[np.ndarray]:
    """The tensors in TREE, in order."""
    return [array(leaf) for _, leaf in _structure.leaves(tree) if isinstance(leaf, torch.Tensor)]


def array(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.clone().numpy()


def expected(program: Program) -> list[np.ndarray]:
    model = make(program)
    with torch.no_grad():
        return arrays(model(*copy.deepcopy(program.other), **copy.deepcopy(program.other_kwargs)))


def make(program: Program) -> Callable[..., Any]:
    torch.manual_seed(0)
    return program.make()


def run(model: bytes, feeds: list[np.ndarray]) -> list[list[np.ndarray]] | None:
    """The outputs of two runs; None if the graph has other inputs than the program."""
    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
        names = [value.name for value in session.get_inputs()]
        if len(names) != len(feeds):
            return None
        return [session.run(None, dict(zip(names, feeds, strict=True))) for _ in range(2)]
    except Exception:  # no kernel for bfloat16, or no NumPy type for it
        evaluator = onnx.reference.ReferenceEvaluator(onnx.load_from_string(model))
        names = evaluator.input_names
        if len(names) != len(feeds):
            return None
        return [evaluator.run(None, dict(zip(names, feeds, strict=True))) for _ in range(2)]


def is_right(program: Program, model: bytes) -> bool:
    """Whether MODEL computes on other inputs what PyTorch does."""
    feeds = arrays((program.other, program.other_kwargs))
    wanted = expected(program)
    try:
        runs = run(model, feeds)
    except Exception:
        return False
    if runs is None or len(runs[0]) != len(wanted):
        return False
    if program.draws:
        first, second = (results[0] - feeds[0] for results in runs)
        return bool((abs(first - 0.5) < 0.51).all() and (first != second).any())
    return all(
        close(np.asarray(result), want, program.tolerance)
        for result, want in zip(runs[0], wanted, strict=True)
    )


def close(result: np.ndarray, wanted: np.ndarray, tolerance: float | None) -> bool:
    if result.shape != wanted.shape or result.dtype != wanted.dtype:
        return False
    tolerance = tolerance or TOLERANCE.get(str(wanted.dtype))
    if tolerance is None or wanted.size == 0:
        return bool((result == wanted).all())
    wide, wanted = result.astype(np.float64), wanted.astype(np.float64)
    scale = max(1.0, float(np.abs(wanted).max()))
    return bool(np.allclose(wide, wanted, rtol=tolerance, atol=tolerance * scale))


# ---- the exporters ------------------------------------------------------------------------------


def by_toffee(program: Program) -> bytes:
    buffer = io.BytesIO()
    export(
        make(program),
        copy.deepcopy(program.args),
        buffer,
        kwargs=copy.deepcopy(program.kwargs),
        format="onnx",
    )
    return buffer.getvalue()


def by_torch(program: Program, dynamo: bool) -> bytes:
    args = copy.deepcopy(program.args)
    if isinstance(args[-1], dict) and not program.kwargs:
        args = (*args, {})  # as its documentation says: a dict at the end is taken for keywords
    with tempfile.TemporaryDirectory() as folder, silence():
        path = Path(folder) / "m.onnx"
        torch.onnx.export(
            make(program),
            args,
            path,
            kwargs=copy.deepcopy(program.kwargs) or None,
            dynamo=dynamo,
        )
        model = onnx.load(path)  # with the external data that one of the two writes
        return model.SerializeToString()


@contextlib.contextmanager
def silence() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


def about_the_trace(warning: warnings.WarningMessage) -> bool:
    """Whether WARNING is about what the graph computes: not about deprecation or settings."""
    if issubclass(warning.category, (toffee.TraceWarning, torch.jit.TracerWarning)):
        return True
    text = str(warning.message)
    return "constant" in text and "trace" in text


def judge(program: Program, exporter: Callable[[Program], bytes], reasons: list[str]) -> str:
    """One cell: right, warned (and right or wrong all the same), refused, or silently wrong."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = exporter(program)
        except Exception as error:
            reasons.append(f"{type(error).__name__}: {str(error).strip().splitlines()[:1]}")
            return "refused"
    said = [w for w in caught if about_the_trace(w)]
    reasons += [f"{w.category.__name__}: {str(w.message).splitlines()[0]}" for w in said]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        right = is_right(program, model)
    if said:
        return "warned; right" if right else "warned; wrong"
    return "right" if right else "**silently wrong**"


def judge_apart(program: Program, exporter: Callable[[Program], bytes]) -> tuple[str, list[str]]:
    """judge() in a process of its own, and the reasons."""
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def work() -> None:
        reasons: list[str] = []
        answers.put((judge(program, exporter, reasons), reasons))

    process = context.Process(target=work)
    process.start()
    process.join()
    return answers.get() if process.exitcode == 0 else ("**crashed**", [])


COLUMNS: dict[str, Callable[[Program], bytes]] = {
    "toffee": by_toffee,
    "torch.onnx, dynamo=True": lambda program: by_torch(program, True),
    "torch.onnx, dynamo=False": lambda program: by_torch(program, False),
}

HEAD = """\
# What a forward may contain

Each row is a program of `tests/forward_programs.py`, exported in three ways, run by ONNX Runtime
(by `onnx.reference` where that has no kernels) on inputs other than the traced ones, and compared
with eager PyTorch. Nothing here is from documentation: `python benchmarks/forward_table.py` ran the
programs with PyTorch {torch} and wrote this page; `tests/test_forward_table.py` runs toffee's
column again.

* **right**: the numbers are PyTorch's.
* **warned**: the exporter said that the graph may hold for the traced inputs only; the numbers on
  the others were right or wrong all the same. toffee's `strict=True` refuses these.
* **refused**: an error and no file.
* **silently wrong**: a file, no word, and other numbers than PyTorch's or other inputs than the
  program's.
* **crashed**: the process died.

"""

OUTCOMES = ("right", "warned", "refused", "silently wrong", "crashed")


def table(cells: dict[str, dict[str, str]]) -> str:
    """The page."""
    lines = [HEAD.format(torch=torch.__version__.split("+")[0])]
    for group in dict.fromkeys(program.group for program in PROGRAMS):
        lines += [f"## {group[0].upper()}{group[1:]}", ""]
        lines += [f"| program | {' | '.join(f'`{name}`' for name in COLUMNS)} |"]
        lines += ["| --- |" + " --- |" * len(COLUMNS)]
        for program in PROGRAMS:
            if program.group == group:
                row = cells[program.name]
                lines.append(f"| {program.name} | {' | '.join(row[name] for name in COLUMNS)} |")
        lines.append("")
    lines += ["## In sum", "", f"| {len(PROGRAMS)} programs | {' | '.join(OUTCOMES)} |"]
    lines += ["| --- |" + " --- |" * len(OUTCOMES)]
    for name in COLUMNS:
        found = [row[name].split(";")[0].strip("*") for row in cells.values()]
        lines.append(f"| `{name}` | {' | '.join(str(found.count(key)) for key in OUTCOMES)} |")
    return "\n".join(lines) + "\n\n" + TAIL


TAIL = """\
## What toffee's answers mean

* Values that depend on inputs and leave the trace (`item()`, `if`, `numpy()`, …) are in the graph
  as they were; the warning names file, line and operator, once for each. Values that depend only on
  shapes, parameters and constants are silent: they are the same in every run of the graph.
* A value that is only checked (in an `assert`, by `torch._check`, in an `if` that does nothing but
  raise) is not reported: where the model raises, the graph computes something.
* `torch.compiler.is_exporting()` says yes while a model is exported. Libraries ask it before they
  look at values to save work: with `if mask.all()` skipped, the mask stays in the graph.
* Random numbers that the graph cannot draw again are reported: those of PyTorch with the line that
  draws them, those of `random` and `numpy.random` with the model. Dropout in training is in the
  graph as `Dropout`.
* The clock, files and the environment can be read without anything that an exporter could see.
  Python's audit hooks see files, but cannot be taken out again, so toffee installs none. What is
  read is in the graph as it was.
* Also out of sight: a capsule made by `torch.utils.dlpack.to_dlpack`, and C extensions that read
  memory by address. `nn.Parameter(y)` and `as_subclass` are seen while y is there; where it is
  gone, that is warned about.
* Arguments that are no tensors are in the graph as they were; its `metadata_props` lists them under
  `baked_arguments`, and the logger `toffee` says so (INFO).
* Objects of classes that nobody has registered, such as the caches of transformers: the tensors in
  their attributes are inputs and outputs, called by the attributes (`cache.layers.0.keys`).
* Tensors that a module keeps on itself while it is exported are replaced afterwards by ordinary
  copies, so that it can be trained. What a plain function keeps elsewhere is not: `clone()` it.
* `torch.autograd.grad` inside forward needs the autograd that an export switches off:
  `torch.func.grad` does not.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--print", action="store_true", help="write nothing")
    parser.add_argument("--only", help="a part of a program's name; implies --print")
    options = parser.parse_args()
    importlib.import_module("torch.onnx._internal.exporter._core")  # once, for all processes
    importlib.import_module("torch._dynamo")
    cells: dict[str, dict[str, str]] = {}
    for program in PROGRAMS:
        if options.only and options.only not in program.name:
            continue
        row = cells[program.name] = {}
        for name, exporter in COLUMNS.items():
            row[name], reasons = judge_apart(program, exporter)
            text = " / ".join(reasons)[:150]
            print(f"{program.name[:44]:44} {name:26} {row[name]:18} {text}", flush=True)
    if options.only:
        return
    page = table(cells)
    if options.print:
        print(page)
    else:
        PAGE.write_text(page)


if __name__ == "__main__":
    main()
