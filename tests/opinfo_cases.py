"""PyTorch's operator database as programs to export: samples, other values, tolerances, scope.

Part of ``tests/opinfo.py``, which says what is counted and what is not.
"""

from __future__ import annotations

import itertools
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch.testing._comparison import default_tolerances
from torch.testing._internal.common_device_type import toleranceOverride
from torch.testing._internal.opinfo.core import DecorateInfo, OpInfo, SampleInput
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

DTYPES = ("float32", "bool", "int64", "float16", "bfloat16", "complex64")

#: Entries whose result is whatever lies in memory.
UNINITIALISED = frozenset(
    {"empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided"}
)

#: Element types that a PyTorch tensor can have and that opset 20 of ONNX has no name for.
NO_ELEMENT_TYPE = frozenset({torch.complex32, torch.bits8, torch.uint1})

#: Entry -> (rtol, atol, why), where the defaults and OpInfo's own overrides are too narrow.
WIDER: dict[str, tuple[float, float, str]] = {}

#: How many units in the last place of its largest number a result of 16 bits may be wrong where the
#: runtime rounds to 16 bits after each node, as a graph of 16 bits says. Eager PyTorch rounds once,
#: at the end of an operator; so does ONNX Runtime, which computes neighbours together in float32,
#: and is held to the narrow tolerances.
STEPS_16_BITS = 8.0

#: Operators whose result has places of equal values, of which PyTorch promises no order: entry ->
#: which result has the places, and where the dimension is among the arguments behind the tensor.
PLACES: dict[str, tuple[int, int]] = {
    "argsort": (0, 0),
    "kthvalue": (1, 1),
    "median": (1, 0),
    "mode": (1, 0),
    "nanmedian": (1, 0),
    "sort": (1, 0),
    "topk": (1, 1),
}


@cache
def entries() -> dict[str, OpInfo]:
    """The database, by the unique name of each entry."""
    from torch.testing._internal import common_methods_invocations

    # Entries that draw random numbers seed the generator themselves, always alike.
    common_methods_invocations.wrapper_set_seed = _unseeded
    return {op.formatted_name: op for op in common_methods_invocations.op_db}


def _unseeded(op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return op(*args, **kwargs)


def entry_names(dtype: str) -> list[str]:
    """Entries that take DTYPE on a CPU, sorted."""
    wanted = getattr(torch, dtype)
    return sorted(n for n, op in entries().items() if wanted in op.supported_dtypes("cpu"))


# ---- samples -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One sample as a program: a function of tensors, and two sets of values for them.

    Attributes
    ----------
    function : callable
        Takes as many tensors as ``traced`` has, and returns what the operator returns. It may
        write to them.
    traced : tuple of torch.Tensor
        The sample's tensors, in the order of its arguments.
    other : tuple of torch.Tensor
        Other values, of the same shapes and dtypes.
    other_from : {"sample", "permutation", "scaling", "none"}
        Where ``other`` comes from: the same sample drawn with another seed; the values of
        ``traced`` in another order; smaller by a quarter; they are those of ``traced``, as
        the operator takes no others, or there are no tensors.
    args, kwargs
        The arguments of the sample behind the first.
    """

    function: Callable[..., Any]
    traced: tuple[torch.Tensor, ...]
    other: tuple[torch.Tensor, ...]
    other_from: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


def samples(name: str, dtype: str, n_samples: int) -> list[Callable[[], Case | None]]:
    """The first N_SAMPLES samples of an entry, each made when called; None for one that eager
    PyTorch refuses."""
    op = entries()[name]
    drawn = _draw(op, dtype, n_samples, seed=0)
    try:
        redrawn = _draw(op, dtype, n_samples, seed=1)
    except Exception:  # a generator that does not take another seed
        redrawn = []
    return [partial(_case, op, x, [*redrawn[i : i + 1], *redrawn]) for i, x in enumerate(drawn)]


def _draw(op: OpInfo, dtype: str, n: int, seed: int) -> list[SampleInput]:
    """Samples with tensors of SEED. Python's and NumPy's numbers, which become arguments that are
    fixed in the graph, are those of one seed always."""
    torch.manual_seed(seed)
    random.seed(0)
    np.random.seed(0)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        # Not op.sample_inputs(), which seeds the generator itself, and looks through the stack.
        samples = op.sample_inputs_func(op, "cpu", getattr(torch, dtype), False)
        return list(itertools.islice(samples, n))


def _leaves(sample: SampleInput) -> tuple[list[Any], Any]:
    flat, spec = pytree.tree_flatten(((sample.input, *sample.args), dict(sample.kwargs)))
    return [x.detach() if isinstance(x, torch.Tensor) else x for x in flat], spec


def _case(op: OpInfo, sample: SampleInput, twins: list[SampleInput]) -> Case | None:
    leaves, spec = _leaves(sample)
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]

    def function(*tensors: torch.Tensor) -> Any:
        filled = list(leaves)
        for place, tensor in zip(places, tensors, strict=True):
            filled[place] = tensor
        args, kwargs = pytree.tree_unflatten(filled, spec)
        return op.op(*args, **kwargs)

    traced = tuple(leaves[i] for i in places)
    try:
        expected = run_eager(function, traced)
    except Exception:
        return None
    for source, candidate in _candidates(leaves, spec, twins):
        if any(x.layout != torch.strided for x in candidate) or _equal(candidate, traced):
            continue
        try:
            result = run_eager(function, candidate)
        except Exception:  # out of the operator's domain
            continue
        if _count_nan(result) <= _count_nan(expected):
            return Case(function, traced, candidate, source, sample.args, sample.kwargs)
    return Case(function, traced, traced, "none", sample.args, sample.kwargs)


def _candidates(
    leaves: list[Any], spec: Any, twins: list[SampleInput]
) -> Iterator[tuple[str, tuple[torch.Tensor, ...]]]:
    for twin in twins:
        others, other_spec = _leaves(twin)
        if other_spec == spec and all(map(_pairs, leaves, others)):
            yield "sample", tuple(x for x in others if isinstance(x, torch.Tensor))
    tensors = [x for x in leaves if isinstance(x, torch.Tensor)]
    if any(x.layout != torch.strided for x in tensors):
        return
    generator = torch.Generator().manual_seed(2)
    yield "permutation", tuple(_permuted(x, generator) for x in tensors)
    yield "scaling", tuple(_scaled(x) for x in tensors)


def _pairs(a: Any, b: Any) -> bool:
    """Whether B can stand where A does: another tensor of the same type, or an equal number."""
    if isinstance(a, torch.Tensor) or isinstance(b, torch.Tensor):
        return (
            isinstance(a, torch.Tensor)
            and isinstance(b, torch.Tensor)
            and (a.shape, a.dtype, a.layout) == (b.shape, b.dtype, b.layout)
            and (a.layout != torch.strided or a.stride() == b.stride())
        )
    return type(a) is type(b) and (a == b or (a != a and b != b))


def _permuted(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """X with its elements in another order; whole numbers, which may be indices, stay in place."""
    if not (x.is_floating_point() or x.is_complex() or x.dtype == torch.bool) or x.numel() < 2:
        return _copied(x)
    order = torch.randperm(x.numel(), generator=generator)
    return _copied(x).copy_(x.reshape(-1)[order].reshape(x.shape))


def _scaled(x: torch.Tensor) -> torch.Tensor:
    return _copied(x).copy_(x * 0.75) if x.is_floating_point() or x.is_complex() else _copied(x)


def _copied(x: torch.Tensor) -> torch.Tensor:
    """X in memory of its own; with the same strides where they do not overlap."""
    return x.clone(memory_format=torch.preserve_format)


def _equal(a: tuple[torch.Tensor, ...], b: tuple[torch.Tensor, ...]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def _count_nan(result: Any) -> int:
    return sum(int(x.isnan().sum()) for x in tensors_of(result) if x.layout == torch.strided)


# ---- eager ---------------------------------------------------------------------------------------


def run_eager(function: Callable[..., Any], values: tuple[torch.Tensor, ...], seed: int = 3) -> Any:
    """What FUNCTION does with copies of VALUES, under inference mode as in an export."""
    torch.manual_seed(seed)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*(x.clone() for x in values))


def tensors_of(result: Any) -> list[torch.Tensor]:
    """The tensors in RESULT, in order."""
    return [x for x in pytree.tree_leaves(result) if isinstance(x, torch.Tensor)]


def as_numpy(x: torch.Tensor) -> np.ndarray:
    """X as an array; bfloat16 as that of ml_dtypes, complex numbers as pairs of real ones."""
    x = x.detach().resolve_conj().resolve_neg().contiguous()
    if x.is_complex():
        return torch.view_as_real(x).numpy()
    if x.dtype == torch.bfloat16:
        import ml_dtypes

        return x.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return x.numpy()


# ---- scope ---------------------------------------------------------------------------------------


class _Watch(TorchDispatchMode):
    """Notes the tags of the operators that a run calls."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[torch.Tag] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.tags.update(func.tags)
        return func(*args, **(kwargs or {}))


def out_of_scope(name: str, case: Case) -> str | None:
    """Why the result of CASE cannot be compared, or None: found by running it, not by its name
    (but for the six entries whose result is uninitialised memory)."""
    if name in UNINITIALISED:
        return "uninitialised memory"
    expected = run_eager(case.function, case.traced)
    leaves = [x for x in pytree.tree_leaves(expected) if x is not None]
    if not leaves or not all(isinstance(x, torch.Tensor) for x in leaves):
        return "returns a Python number or nothing, not only tensors"
    everything = [*case.traced, *leaves]
    if any(x.layout != torch.strided or x.is_nested or x.is_quantized for x in everything):
        return "sparse, nested or quantized tensors"
    for x in everything:
        if x.dtype in NO_ELEMENT_TYPE:
            return f"{str(x.dtype).removeprefix('torch.')} is no element type of ONNX"
    watch = _Watch()
    with watch, torch.no_grad():
        try:
            case.function(*(x.clone() for x in case.traced))
        except Exception:  # what does not run outside of inference mode, or under a mode
            watch.tags.add(torch.Tag.nondeterministic_seeded)
    if torch.Tag.nondeterministic_seeded in watch.tags and _depends_on_seed(case):
        return "random numbers"
    if _shape_depends_on_values(case, leaves):
        return "the shape of the result depends on values"
    return None


def _depends_on_seed(case: Case) -> bool:
    for values in (case.traced, case.other):  # rrelu draws for negative values only
        first = tensors_of(run_eager(case.function, values))
        for seed in range(4, 8):
            again = tensors_of(run_eager(case.function, values, seed))
            for x, y in zip(first, again, strict=True):
                if x.shape != y.shape or not torch.allclose(x, y, 1e-3, 1e-3, equal_nan=True):
                    return True
    return False


def _shape_depends_on_values(case: Case, expected: list[torch.Tensor]) -> bool:
    shapes = [x.shape for x in expected]
    variants = [case.other]
    variants += [tuple(torch.full_like(x, number) for x in case.traced) for number in (0, 1)]
    for values in variants:
        try:
            result = tensors_of(run_eager(case.function, values))
        except Exception:  # out of the operator's domain
            continue
        if [x.shape for x in result] != shapes:
            return True
    return False


# ---- tolerances ----------------------------------------------------------------------------------


def tolerances(name: str, dtype: torch.dtype) -> tuple[float, float]:
    """rtol and atol for results of DTYPE: those of torch.testing, or wider ones that OpInfo itself
    has for a test of this entry on a CPU, or of WIDER."""
    rtol, atol = default_tolerances(dtype)
    for decorator in entries()[name].decorators:
        if not isinstance(decorator, DecorateInfo) or decorator.device_type not in (None, "cpu"):
            continue
        for part in decorator.decorators:
            if isinstance(part, toleranceOverride) and dtype in part.d:
                atol = max(atol, part.d[dtype].atol)
                rtol = max(rtol, part.d[dtype].rtol)
    if name in WIDER:
        rtol, atol = max(rtol, WIDER[name][0]), max(atol, WIDER[name][1])
    return rtol, atol


def difference(
    name: str,
    results: list[np.ndarray],
    expected: list[torch.Tensor],
    exact: list[torch.Tensor],
    steps: float = 0.0,
) -> str | None:
    """What is wrong with RESULTS, or None.

    STEPS is by how much floats of 16 bits may be wrong beyond that; see STEPS_16_BITS.

    Dtypes and shapes must be those of EXPECTED; whole numbers and bools must be equal. Floats agree
    if each is within rtol of its value and atol of the largest one (or of 1); or if they are as
    near as eager PyTorch is to EXACT, the same computed in double: no further than the worst of its
    elements, twice over (rounding in another order is as likely to be worse as to be better).
    """
    if len(results) != len(expected):
        return f"{len(results)} results for {len(expected)}"
    for i, (result, tensor) in enumerate(zip(results, expected, strict=True)):
        wanted = as_numpy(tensor)
        if result.dtype != wanted.dtype:
            return f"result {i} is {result.dtype}, not {wanted.dtype}"
        if result.shape != wanted.shape:
            return f"result {i} has shape {result.shape}, not {wanted.shape}"
        if not (tensor.is_floating_point() or tensor.is_complex()):
            if not np.array_equal(result, wanted):
                return f"result {i}: {_worst(result, wanted)}"
            continue
        got, want = (x.astype(np.float64, order="C") for x in (result, wanted))
        if tensor.is_complex():  # near as numbers: one part may be small beside the other
            got, want = (x.view(np.complex128)[..., 0] for x in (got, want))
        rtol, atol = tolerances(name, tensor.dtype)
        finite = np.abs(want[np.isfinite(want)])
        if tensor.dtype in (torch.float16, torch.bfloat16):
            atol = max(atol, steps * torch.finfo(tensor.dtype).eps)
        atol *= max(1.0, float(finite.max()) if finite.size else 1.0)
        with np.errstate(all="ignore"):
            near = np.isclose(got, want, rtol=rtol, atol=atol, equal_nan=True).all()
        if not near and not _as_exact(got, want, exact[i] if i < len(exact) else None, rtol):
            return f"result {i}: {_worst(got, want)}"
    return None


def same_places(
    name: str,
    case: Case,
    x: torch.Tensor,
    results: list[np.ndarray],
    expected: list[torch.Tensor],
) -> list[np.ndarray]:
    """RESULTS of an entry of PLACES on X; places that lead to the values that they must lead to,
    each of them once, as they are in EXPECTED."""
    places, position = PLACES[name]
    if len(results) != len(expected) or places >= len(results) or x.ndim == 0:
        return results
    dim = case.kwargs.get("dim", case.args[position] if len(case.args) > position else -1)
    got, want = torch.from_numpy(results[places]), expected[places]
    keeps = got.ndim == x.ndim
    if got.shape != want.shape or got.dtype != want.dtype or got.numel() == 0:
        return results
    at, wanted = (got, want) if keeps else (got.unsqueeze(dim), want.unsqueeze(dim))
    if bool((at < 0).any() | (at >= x.shape[dim]).any()):
        return results
    equal = torch.equal(
        x.gather(dim, at).nan_to_num(7.25) if x.is_floating_point() else x.gather(dim, at),
        x.gather(dim, wanted).nan_to_num(7.25) if x.is_floating_point() else x.gather(dim, wanted),
    )
    once = at.sort(dim)[0].diff(dim=dim).ne(0).all()
    if not (equal and bool(once)):
        return results
    return [as_numpy(want) if i == places else r for i, r in enumerate(results)]


def _as_exact(got: np.ndarray, want: np.ndarray, exact: torch.Tensor | None, rtol: float) -> bool:
    if exact is None or exact.shape != want.shape:
        return False
    truth = exact.detach().resolve_conj().resolve_neg().numpy().astype(want.dtype)
    regular = np.isfinite(want)
    overflown = np.isinf(want) & np.isfinite(truth)  # in the 16 bits of eager PyTorch
    fixed = ~regular & ~overflown
    if not np.array_equal(got[fixed], want[fixed], equal_nan=True):
        return False
    if not np.isfinite(truth[~fixed]).all():
        return False
    allowed = 2 * np.abs(want - truth)[regular].max(initial=0.0)
    got, truth = got[~fixed], truth[~fixed]
    return bool((np.abs(got - truth) <= allowed + rtol * np.abs(truth)).all())


def _worst(result: np.ndarray, expected: np.ndarray) -> str:
    """The element that is most wrong, for messages."""
    if result.dtype == bool:
        bad = result != expected
    else:
        with np.errstate(all="ignore"):
            distance = np.abs(result - expected)
        distance = np.where(np.isnan(distance) & (result != result) & (expected != expected), 0,
                            np.where(np.isnan(distance), np.inf, distance))  # fmt: skip
        bad = distance == distance.max(initial=0)
    where = np.unravel_index(int(np.argmax(bad)), bad.shape)
    at = ", ".join(str(int(i)) for i in where)
    return f"{result[where]} for {expected[where]} at [{at}]"


def exact_values(case: Case, values: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    """What CASE gives when it is computed in double, or nothing where it cannot be."""
    widened = {
        **dict.fromkeys((torch.float16, torch.bfloat16, torch.float32), torch.float64),
        torch.complex64: torch.complex128,
    }
    try:
        wide = tuple(x.to(widened.get(x.dtype, x.dtype)) for x in values)
        return tensors_of(run_eager(case.function, wide))
    except Exception:
        return []
