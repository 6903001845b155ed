"""``export(verify=...)``: run the graph, run the model, compare.

How far apart two results may be
--------------------------------
Integers, booleans and strings must be equal; NaN and infinities must be in the same places. A float
may be off by the number below times the largest absolute value of its output (at least 1e-3, so
that noise around zero counts as zero): a runtime adds up in another order than PyTorch, and what
that costs depends on the size of what is added, not on the size of one element of the result.

==========  ======      ===========  ======
float64     1e-9        float16      1e-2
float32     1e-4        bfloat16     5e-2
complex128  1e-9        float8       2e-1
complex64   1e-4
==========  ======      ===========  ======
"""

from __future__ import annotations

import copy
import importlib
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from . import _progress
from .errors import VerificationError

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ._core import Graph

__all__ = ["Difference", "Verification", "difference", "find_backend"]

_log = logging.getLogger("toffee")

#: By the name of the dtype. Dtypes that are not here must be equal.
TOLERANCES = {
    "float64": 1e-9,
    "complex128": 1e-9,
    "float32": 1e-4,
    "complex64": 1e-4,
    "float16": 1e-2,
    "bfloat16": 5e-2,
    "float8_e4m3fn": 2e-1,
    "float8_e4m3fnuz": 2e-1,
    "float8_e5m2": 2e-1,
    "float8_e5m2fnuz": 2e-1,
}
_LEAST_SCALE = 1e-3
#: More than this of the largest value is no rounding, whatever it is elsewhere.
_MOST_ROUNDING = 1e-2


# ---- two results -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """How far a result is from what was expected.

    Attributes
    ----------
    absolute : float
        The largest absolute difference; infinite where one of the two has a NaN or an infinity that
        the other has not.
    relative : float
        That over the largest finite absolute value of what was expected.
    allowed : float
        What ``absolute`` may be.
    problem : str
        Empty, or why the two cannot be compared: dtype or shape.
    """

    absolute: float
    relative: float
    allowed: float
    problem: str = ""

    @property
    def fits(self) -> bool:
        return not self.problem and self.absolute <= self.allowed

    def is_like(self, other: Difference) -> bool:
        """Whether this is a matter of rounding if OTHER is: of the same order, and small."""
        return self.absolute <= 4 * other.absolute and self.relative <= _MOST_ROUNDING

    def __str__(self) -> str:
        return self.problem or f"largest difference {self.absolute:.2g} (of {self.allowed:.2g})"


def _describe(array: np.ndarray) -> str:
    return f"{array.dtype.name}{list(array.shape)}"


def difference(result: Any, expected: Any) -> Difference:
    """Compare two arrays. See the top of this module for what is allowed."""
    import numpy as np

    if not isinstance(result, np.ndarray) or not isinstance(expected, np.ndarray):
        kinds = f"{type(result).__name__} for {type(expected).__name__}"
        return Difference(math.inf, math.inf, 0, f"no tensor: {kinds}")
    if result.dtype != expected.dtype or result.shape != expected.shape:
        return Difference(
            math.inf, math.inf, 0, f"{_describe(result)} where {_describe(expected)} was expected"
        )
    tolerance = TOLERANCES.get(expected.dtype.name)
    if tolerance is None and expected.dtype.kind not in "iub":
        same = bool(np.array_equal(result, expected))
        return Difference(0.0, 0.0, 0) if same else Difference(math.inf, math.inf, 0)
    if expected.dtype.name not in ("float32", "float64", "complex64", "complex128"):
        wide = np.float64 if tolerance is None else np.float32
        if tolerance is None and np.array_equal(result, expected):
            return Difference(0.0, 0.0, 0)  # integers that float64 cannot tell apart are equal
        result, expected = result.astype(wide), expected.astype(wide)
    with np.errstate(all="ignore"):
        same = (result == expected) | (np.isnan(result) & np.isnan(expected))
        distance = np.where(same, 0, np.abs(result - expected))
        distance = np.where(np.isnan(distance), math.inf, distance)
        finite = np.abs(expected[np.isfinite(expected)])
    scale = float(finite.max()) if finite.size else 0.0
    absolute = float(distance.max()) if distance.size else 0.0
    if tolerance is None:
        absolute = max(absolute, 1.0)  # two int64 that differ may be one float64
    relative = absolute / scale if scale else (math.inf if absolute else 0.0)
    return Difference(absolute, relative, (tolerance or 0.0) * max(scale, _LEAST_SCALE))


# ---- the backend -------------------------------------------------------------------------------


def find_backend(backend: bool | str | ModuleType) -> Any:
    """The module of a backend: True stands for ONNX Runtime, a string for one of toffee's.

    Raises
    ------
    ValueError
        There is no backend of that name, or it is no backend.
    toffee.BackendError
        It cannot run here: names what to install.
    """
    name = "onnxruntime" if backend is True else backend
    if isinstance(name, str):
        try:
            found: Any = importlib.import_module(f"toffee.backend.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"toffee.backend.{name}":
                raise
            found = None
    else:
        found = backend
    if not all(callable(getattr(found, what, None)) for what in ("prepare", "supports_device")):
        raise ValueError(
            f"{backend!r} is no backend: it can be True (ONNX Runtime), 'onnxruntime', 'torch' or "
            "a module with prepare() and supports_device()"
        )
    if not found.supports_device("CPU") and found.__name__ == "toffee.backend.onnxruntime":
        found._runtime()  # says what is missing
    return found


def prepare_once(backend: Any, graph: Graph) -> Any:
    """GRAPH ready to run on BACKEND, a few times only, as it is: the optimizer of ONNX Runtime has
    errors of its own (1.32 takes batch normalization in training mode for that in evaluation)."""
    if backend.__name__ == "toffee.backend.onnxruntime":
        return backend.prepare(graph, optimize=False)
    return backend.prepare(graph)


# ---- inputs ------------------------------------------------------------------------------------


def tensors_in(values: Any) -> list[torch.Tensor]:
    """The tensors in any nesting of containers, in the order of the graph's inputs or outputs."""
    import torch

    from . import _structure

    return [leaf for _, leaf in _structure.leaves(values) if isinstance(leaf, torch.Tensor)]


def with_tensors(values: Any, tensors: list[torch.Tensor]) -> Any:
    """VALUES with TENSORS in the places of its own."""
    import torch

    from . import _structure

    rest = iter(tensors)
    return _structure.transform(
        values, lambda _, leaf: next(rest) if isinstance(leaf, torch.Tensor) else leaf
    )


def copies(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """Copies of TENSORS, of which those share memory that do so now."""
    return copy.deepcopy([tensor.detach() for tensor in tensors])


def drawn_anew(tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Random values of the same shape and dtype, between the least and the largest of TENSOR: what
    an index or a probability may be, the new values are too. Floats that are all the same say
    nothing about their range: around zero they are normal, else they lie within half of the value.
    """
    import torch

    fresh = torch.empty_like(tensor)
    if tensor.numel() == 0:
        return fresh
    if tensor.dtype == torch.bool:
        return fresh.copy_(torch.rand(tensor.shape, generator=generator) < 0.5)
    if tensor.is_complex():
        real, imaginary = torch.view_as_real(tensor.resolve_conj()).unbind(-1)
        return fresh.copy_(
            torch.complex(drawn_anew(real, generator), drawn_anew(imaginary, generator))
        )
    if not tensor.is_floating_point():
        least, most = int(tensor.min()), int(tensor.max())
        if most == torch.iinfo(torch.int64).max:  # randint leaves its upper end out
            most -= 1
        least = min(least, most)
        return fresh.copy_(torch.randint(least, most + 1, tensor.shape, generator=generator))
    given = tensor.to(torch.float64)
    given = given[given.isfinite()]
    low, high = (float(given.min()), float(given.max())) if given.numel() else (0.0, 0.0)
    if low == high == 0:
        normal = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        return fresh.copy_(normal)
    if low == high:
        low, high = sorted((low / 2, 1.5 * high))
    unit = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
    return fresh.copy_(low + (high - low) * unit)


# ---- the state of the model --------------------------------------------------------------------


def _random_state() -> list[torch.Tensor]:
    import torch

    states = [torch.get_rng_state()]
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        states += torch.cuda.get_rng_state_all()
    return states


def _version(tensor: torch.Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version


class _State:
    """The attributes, buffers and hooks of a module at one moment, to come back to, and what is in
    lists, dicts, sets and objects there: a cache that is filled as the model runs. What functions
    and classes keep (``functools.lru_cache``) is not of the model."""

    def __init__(self, module: torch.nn.Module | None) -> None:
        import torch

        from . import _structure

        script = torch.jit.ScriptModule  # its attributes are not Python's
        every = list(module.modules()) if module is not None else []
        self.parts = [part for part in every if not isinstance(part, script)]
        self.attributes = [dict(vars(part)) for part in self.parts]
        self.buffers = [dict(part._buffers) for part in self.parts]
        #: Hooks, too: a model that adds its own in its first run says so in an attribute.
        containers = _structure.containers(self.attributes)
        self.containers = [(held, held.copy()) for held in containers if held]
        self.empty = [held for held in containers if not held]
        named = [buffer for buffers in self.buffers for buffer in buffers.values()]
        self.values = {id(b): (b, b.detach().clone()) for b in named if b is not None}

    def put_back(self) -> None:
        import torch

        from . import _structure

        for part, attributes, buffers in zip(
            self.parts, self.attributes, self.buffers, strict=True
        ):
            vars(part).clear()
            vars(part).update(attributes)
            part._buffers.clear()
            part._buffers.update(buffers)
        for container, held in self.containers:
            if not _structure.holds_the_same(container, held):
                container.clear()
                (container.extend if isinstance(container, list) else container.update)(held)
        for container in filter(None, self.empty):
            container.clear()
        with torch.no_grad():
            for buffer, value in self.values.values():
                buffer.copy_(value)


#: Makes further inputs of those that it is given; by what they are called in messages.
Others = Mapping[str, Callable[["list[torch.Tensor]"], "list[torch.Tensor]"]]


class Verification:
    """What has to be known before the run that is traced, to check the graph after it.

    Parameters
    ----------
    backend : bool, str or module
        See :func:`find_backend`, also for what is raised.
    model, args, kwargs, training
        Those of the export. The tensors among the arguments are copied, as are the model's buffers.
    """

    def __init__(
        self,
        backend: bool | str | ModuleType,
        model: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        training: bool,
    ) -> None:
        from . import _models, _structure

        self.backend = find_backend(backend)
        self.model = model
        self.module = _models.module_of(model)
        self.arguments = _structure.as_they_are(args, kwargs)
        self.training = training
        self.inputs = copies(tensors_in(self.arguments))
        self.random = _random_state()
        self.state = _State(self.module)
        parameters = self.module.parameters() if self.module is not None else ()
        self.versions = [(parameter, _version(parameter)) for parameter in parameters]

    def run(self, graph: Graph, output: Any, others: Others, progress: _progress.Progress) -> None:
        """Compare GRAPH with OUTPUT, what the model returned as it was traced, and with what it
        returns for inputs drawn anew, and for OTHERS made of these. Log the differences.

        Raises
        ------
        toffee.VerificationError
            They are not the same, or the model draws random numbers, so that they cannot be.
        toffee.BackendError
            The backend cannot run the graph.
        """
        import torch

        from . import _structure

        after = _random_state()
        if len(after) != len(self.random) or not all(map(torch.equal, after, self.random)):
            mode = " (as dropout does in training mode)" if self.training else ""
            raise VerificationError(
                f"verify: the model draws random numbers{mode}, so that no second run computes "
                "what the first did. Nothing was written: export it without verify=, or without "
                "the random numbers"
            )
        with prepare_once(self.backend, graph) as rep:
            # The fed tensors may be what a backend computes in, so each run has its own.
            steps = 2 + len(others)
            progress.step(0, steps)
            self._compare(rep.run(copies(self.inputs)), output, "the traced inputs")
            progress.step(1, steps)
            generator = torch.Generator().manual_seed(0)
            fresh = [drawn_anew(tensor, generator) for tensor in self.inputs]
            if not fresh:
                return
            drawn: Others = {"inputs drawn anew": lambda tensors: tensors}
            for done, (which, of) in enumerate({**drawn, **others}.items(), 2):
                inputs = of(copies(fresh))
                try:
                    with self._as_traced():
                        arguments = _structure.as_they_are(*self.arguments)
                        args, kwargs = with_tensors(arguments, copies(inputs))
                        expected = self.model(*args, **kwargs)
                except _Unrepeatable as reason:
                    _log.warning("verify: compared with the traced inputs only: %s", reason)
                    return
                except Exception as error:  # the model's own: it may not take any values
                    _log.warning(
                        "verify: not compared with %s: the model does not take them (%s: %s)",
                        which,
                        type(error).__name__,
                        error,
                    )
                else:
                    self._compare(rep.run(inputs), expected, which)
                progress.step(done, steps)

    @contextmanager
    def _as_traced(self) -> Iterator[None]:
        """The mode and the state that the model had when it was traced; those it has now are put
        back afterwards."""
        import torch

        from . import _models, _switches

        if any(_version(parameter) != version for parameter, version in self.versions):
            raise _Unrepeatable("the model changes its parameters as it runs")
        now = _State(self.module)
        try:
            self.state.put_back()
            with (
                _models.mode_of(self.module, self.training),
                torch.inference_mode(),
                _switches.unfused,
            ):
                yield
        finally:
            now.put_back()

    def _compare(self, results: Any, output: Any, which: str) -> None:
        from .backend.base import as_pairs, to_numpy

        expected = tensors_in(output)
        failed = []
        for name, result, tensor in zip(results.names, results, expected, strict=True):
            found = difference(result, as_pairs(to_numpy(tensor)))
            _log.info("verify: %s, output '%s': %s", which, name, found)
            if not found.fits:
                failed.append(f"  output '{name}': {found}")
        if failed:
            raise VerificationError(
                f"the graph does not compute what the model does, with {which}:\n"
                + "\n".join(failed)
                + f"\nIt was run by {self.backend.__name__}. Nothing was written. Look for "
                "TraceWarnings: they name the lines that bake a value of one run into the graph"
            )


class _Unrepeatable(Exception):
    """The model cannot be run once more as it was when it was traced."""
