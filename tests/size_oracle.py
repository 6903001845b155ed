"""What a random program over sizes has to come to: a graph that computes what eager PyTorch does at
sizes that were not traced, or a refusal that says where or at which sizes.

What begins past the largest size that the model was run at (``x[:, :50]`` where 13 was the largest)
cannot be seen by running it. So a program with a fixed threshold is held to its word up to that
size in each symbol; all others also at sizes beyond, up to 130.
"""

from __future__ import annotations

import contextlib
import functools
import io
import re
import warnings
import zlib
from collections.abc import Iterator, Sequence
from random import Random
from unittest import mock

import onnxruntime
import torch
from exported import as_numpy, compare
from size_data import SizeProgram
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

import toffee
from toffee import _size_runs
from toffee.backend import torch as torch_backend
from toffee.torch_toffee import export

TOLERANCE = 1e-4
N_COMBINATIONS = 7
MAX_ELEMENTS = 100_000

#: Sizes far from those at which the exporter itself runs a model.
FAR = (61, 64, 77, 90, 97, 128, 130)

#: Operators that end the process in ONNX Runtime 1.x where a tensor has no elements (a division by
#: zero): there only the other backend is compared.
CRASHES = {"Einsum", "Gemm", "MatMul"}

#: Sizes that a symbol is given: one, both parities, primes, multiples, and large ones.
CHOICES = (
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
    14,
    15,
    16,
    17,
    19,
    20,
    23,
    24,
    29,
    32,
    37,
    40,
)


class _Watch(TorchDispatchMode):
    """Notes whether a tensor without elements comes up, and ends what grows too large."""

    def __init__(self) -> None:
        super().__init__()
        self.has_empty = False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for leaf in pytree.tree_leaves((args, result)):
            if isinstance(leaf, torch.Tensor):
                self.has_empty |= leaf.numel() == 0
                if leaf.numel() > MAX_ELEMENTS:
                    raise ValueError("too large to be compared in little time")
        return result


@contextlib.contextmanager
def _sizes_that_run() -> Iterator[list[tuple[int, ...]]]:
    """The sizes that an export runs its model at, and that it takes."""
    found: list[tuple[int, ...]] = []
    run = _size_runs.Runner.run

    def noted(self, sizes):
        result = run(self, sizes)
        found.append(sizes)
        return result

    with mock.patch.object(_size_runs.Runner, "run", noted):
        yield found


def combinations(program: SizeProgram, most: Sequence[int]) -> Iterator[dict[str, int]]:
    """Sizes to compare at; MOST are the largest ones for a program with a threshold."""
    base = dict(program.base)
    random = Random(zlib.crc32(repr((program.inputs, program.base)).encode()))
    limit = dict.fromkeys(base, CHOICES[-1])
    if program.has_threshold:
        limit = {name: max(n, size) for (name, size), n in zip(base.items(), most, strict=True)}
    room = {name: [n for n in CHOICES if n <= end] for name, end in limit.items()}
    yield dict.fromkeys(base, 1)
    yield dict.fromkeys(base, 2)
    yield limit
    for _ in range(N_COMBINATIONS - 3):
        yield {name: random.choice(sizes) for name, sizes in room.items()}
    one = random.choice(list(base))
    yield {name: 1 if name == one else random.choice(room[name]) for name in base}
    # The tables end after 64 rows. What is too large to be compared in little time is passed over.
    has_table = any("self.row" in line or "self.table" in line for line in program.lines)
    if not program.has_threshold and not has_table:
        yield {name: random.choice(FAR) for name in base}
        one = random.choice(list(base))
        yield {name: random.choice(FAR if name == one else room[name]) for name in base}
        yield {name: random.choice(FAR) if name == one else 1 for name in base}


def _session(data: bytes, optimizes: bool) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    if not optimizes:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _session_of(program: SizeProgram, data: bytes) -> onnxruntime.InferenceSession:
    """ONNX Runtime on DATA. Its optimizer breaks some valid graphs (version 1.32: a pool of no
    channels is "ReorderOutput ... invalid channel count"; x * a * b before a product, with x * a
    read by another, is "Node input is not a graph input"). It is not blamed on the open sizes if it
    also breaks the graph of the traced sizes alone; then the graph is run as it is."""
    try:
        return _session(data, optimizes=True)
    except Exception:
        static = io.BytesIO()
        export(program.module(), program.arguments(dict(program.base), 0), static, format="onnx")
        try:
            _session(static.getvalue(), optimizes=True)
        except Exception:
            return _session(data, optimizes=False)
        raise


def check_size_program(program: SizeProgram) -> str | None:
    """Export PROGRAM with open sizes and compare at others.

    Returns
    -------
    None when all is equal (integers and booleans bit for bit, floats within TOLERANCE of the value
    and of the output's scale); the text of the error when the export was refused.

    Raises
    ------
    AssertionError
        The graph computes something else, or is no valid graph, or a refusal says neither a line
        nor sizes.
    Exception
        Whatever else goes wrong: that is a failure, too.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings(), _sizes_that_run() as runs:
        warnings.simplefilter("ignore")
        try:
            export(
                program.module(),
                program.arguments(dict(program.base), 0),
                buffer,
                format="onnx",
                dynamic_dims=program.dynamic_dims,
            )
        except toffee.Error as error:
            text = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
            assert re.search(r"size_program\.py:\d|\b[nmk]=\d", text), f"says no place: {text}"
            return text
    # The symbols of the export are in the order in which they stand in the inputs.
    order = [*dict.fromkeys(d for t in program.inputs for d in t.dims if isinstance(d, str))]
    largest = {
        name: max(column) for name, column in zip(order, zip(*runs, strict=True), strict=True)
    }
    most = [largest[name] for name, _ in program.base]
    data = buffer.getvalue()
    graph = toffee.loads(data)
    toffee.checker.check_graph(graph)
    # Made where it is run first: it computes what is constant, and CRASHES may be.
    session = functools.cache(functools.partial(_session_of, program, data))
    names = [tensor.name for tensor in program.inputs]
    n_compared = 0
    with torch_backend.prepare(graph) as rep:
        for seed, sizes in enumerate(combinations(program, most), 1):
            watch = _Watch()
            try:
                with torch.inference_mode(), warnings.catch_warnings(), watch:
                    warnings.simplefilter("ignore")
                    leaves = program.module()(*program.arguments(sizes, seed))
            except Exception:  # what PyTorch does not take, the graph may do anything with
                continue
            if not all(map(_is_tame, leaves)):
                continue
            values = dict(zip(names, program.arguments(sizes, seed), strict=True))
            feeds = {name: as_numpy(values[name]) for name in names}
            backends = {  # in this order: see _is_small
                "toffee.backend.torch": lambda values=values: rep.run([values[n] for n in names]),
                "ONNX Runtime": lambda feeds=feeds: session().run(None, feeds),
            }
            if watch.has_empty and CRASHES & {node.op_type for node in graph.node}:
                del backends["ONNX Runtime"]
            for who, run in backends.items():
                try:
                    results = list(run())
                except Exception:
                    if watch.has_empty:  # not all runtimes take tensors without elements
                        continue
                    raise
                assert len(results) == len(leaves)
                for i, (result, leaf) in enumerate(zip(results, leaves, strict=True)):
                    what = f"{who}, output {i} ({program.results[i]}) at {sizes}"
                    result = as_numpy(result) if isinstance(result, torch.Tensor) else result
                    try:
                        compare(result, as_numpy(leaf), TOLERANCE, TOLERANCE, what)
                    except AssertionError:
                        if not _is_rounding(program, sizes, seed, i, result, leaf) and not (
                            who == "ONNX Runtime" and _is_small(result, leaf)
                        ):
                            raise
            n_compared += 1
    return None


def _is_rounding(
    program: SizeProgram, sizes: dict[str, int], seed: int, i: int, result, leaf: torch.Tensor
) -> bool:
    """Whether RESULT is about as far from output I in float64 as LEAF, PyTorch's own in float32, is
    itself: a softmax of scores around 1e6 has no digit that two runtimes share. The middle of
    linspace(-1, 1, 19) is 0, or -8e-9 where a product is not rounded before it is subtracted."""
    if not leaf.is_floating_point() or result.shape != tuple(leaf.shape):
        return False
    module = program.module().double()
    inputs = [t.double() if t.is_floating_point() else t for t in program.arguments(sizes, seed)]
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # of what the program makes itself
    try:
        with torch.inference_mode():
            exact = module(*inputs)[i]
    except Exception:  # float32 is written into the program
        return False
    finally:
        torch.set_default_dtype(usual)
    own = float((leaf - exact).abs().max())
    return own > TOLERANCE and float((torch.as_tensor(result) - exact).abs().max()) < 8 * own


def _is_small(result, leaf: torch.Tensor) -> bool:
    """Whether RESULT, of ONNX Runtime, is off by its rounding. With PyTorch's kernels the same
    graph was right at the same sizes; a layer_norm of what is left of sums that cancel is noise in
    both, enlarged 300 times."""
    if not leaf.is_floating_point() or result.shape != tuple(leaf.shape):
        return False
    scale = max(float(leaf.abs().max()), 1.0)
    return float((torch.as_tensor(result) - leaf).abs().max()) < 1e-2 * scale


def _is_tame(leaf: torch.Tensor) -> bool:
    return not leaf.is_floating_point() or bool((leaf.abs() < 1e6).all())
