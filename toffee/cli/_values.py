"""Inputs from files and from random numbers, and outputs to files."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ._common import Fault, UsageError, about, counted

if TYPE_CHECKING:
    import numpy as np

    from .._core import Graph
    from ..backend.base import InputSpec

BACKENDS = ("onnxruntime", "torch", "c2")

_SHAPE = re.compile(r"(?:(?P<shape>\d+(?:x\d+)*)|scalar)(?::(?P<dtype>\w+))?")


# ---- arguments ---------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say what a graph is run on."""
    parser.add_argument(
        "-i",
        "--input",
        action="append",
        default=[],
        metavar="[NAME=]VALUE",
        help="a .npy file, an .npz file with the inputs by name, or a shape such as "
        "1x3x224x224 or 8:int64 for random numbers; without a name, the inputs in order; "
        "repeatable",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the random numbers (default: 0)"
    )
    parser.add_argument("--device", default="CPU", help="CPU, CUDA or CUDA:N (default: CPU)")


def split_name(text: str) -> tuple[str | None, str]:
    """``x=1x3`` as ``("x", "1x3")``, ``1x3`` as ``(None, "1x3")``."""
    name, equals, value = text.rpartition("=")
    return (name if equals else None), value


def parse_shape(text: str) -> tuple[tuple[int, ...], str | None]:
    """``1x3x224x224:float16`` as sizes and the name of a dtype; ``scalar`` has no sizes.

    Raises
    ------
    UsageError
        It is something else.
    """
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{text!r} is no shape: write sizes as 1x3x224x224, with a dtype as 8:int64, or scalar"
        )
    sizes = match["shape"].split("x") if match["shape"] else []
    return tuple(map(int, sizes)), match["dtype"]


# ---- reading -----------------------------------------------------------------------------------


def _is_file(value: str) -> bool:
    return value.endswith((".npy", ".npz"))


def _load(path: str) -> Any:
    """The array in PATH, or a dict of those in an .npz file."""
    import zipfile

    import numpy as np

    with about(path):
        try:
            found = np.load(path, allow_pickle=False)
            return dict(found) if path.endswith(".npz") else found
        except (EOFError, zipfile.BadZipFile, TypeError) as error:
            raise Fault(f"{path}: it is no {path[-4:]} file, or is cut short") from error


def read_inputs(graph: Graph, args: argparse.Namespace) -> dict[str, np.ndarray]:
    """An array for each input of GRAPH, in order: those that ARGS names, random numbers for the
    others.

    Raises
    ------
    UsageError
        A name that the graph does not have, or too many values.
    Fault
        A file cannot be read, or is no such file.
    """
    from ..backend import base

    specs = {spec.name: spec for spec in base.input_specs(graph)}
    given: dict[str, Any] = {}
    for name, value in map(split_name, args.input):
        _take(given, specs, name, value)
    import numpy as np

    rng = np.random.default_rng(args.seed)
    symbols: dict[str, int] = {}
    for name, value in given.items():
        shape = value[0] if isinstance(value, tuple) else value.shape
        for size, actual in zip(specs[name].shape or (), shape, strict=False):
            if isinstance(size, str) and size:
                symbols.setdefault(size, actual)
    return {
        name: given[name]
        if name in given and not isinstance(given[name], tuple)
        else _random(rng, spec, given.get(name), symbols)
        for name, spec in specs.items()
    }


def _take(
    given: dict[str, Any], specs: Mapping[str, InputSpec], name: str | None, value: str
) -> None:
    """Put what NAME=VALUE says into GIVEN: arrays, or a pair of a shape and a dtype."""
    found = _load(value) if _is_file(value) else parse_shape(value)
    if isinstance(found, dict):
        if name is not None:
            raise UsageError(f"{value} has names of its own: give it without {name}=")
        named = found
    else:
        free = [key for key in specs if key not in given]
        if name is None and not free:
            n = counted(len(specs), "input")
            raise UsageError(f"{value!r} is one value too many: the graph has {n}")
        named = {free[0] if name is None else name: found}
    for key, array in named.items():
        if key not in specs:
            known = ", ".join(specs) or "no input"
            raise UsageError(f"the graph has no input {key!r}: it has {known}")
        given[key] = array


def _random(
    rng: np.random.Generator,
    spec: InputSpec,
    given: tuple[tuple[int, ...], str | None] | None,
    symbols: Mapping[str, int],
) -> np.ndarray:
    """Numbers for SPEC: floats from the normal distribution, integers and booleans 0 or 1, which
    are indices of most tables. Sizes that nobody names are 1."""
    import numpy as np

    from .. import helper

    if given is not None:
        shape, name = given
    elif spec.shape is None:
        raise UsageError(f"input {spec.name!r} declares no shape: give one, {spec.name}=1x3")
    else:
        name = None
        shape = tuple(
            size if isinstance(size, int) else symbols.get(size or "", 1) for size in spec.shape
        )
    if name is not None:
        try:
            dtype = np.dtype(name)
        except TypeError:
            raise UsageError(f"{name!r} is no dtype of NumPy") from None
    else:
        dtype = helper.tensor_dtype_to_np_dtype(spec.dtype or 1)
    if dtype.kind in "OSU":
        raise UsageError(f"input {spec.name!r} is of strings: give a file with them")
    if dtype.kind in "iub":
        return rng.integers(0, 2, shape).astype(dtype)
    return np.asarray(rng.standard_normal(shape)).astype(dtype)


# ---- writing -----------------------------------------------------------------------------------


def _storable(value: Any) -> np.ndarray:
    """VALUE in a dtype of NumPy's own, without pickles."""
    import numpy as np

    array = np.asarray(value)
    if array.dtype.kind == "O":
        return array.astype(str)
    return array.astype(np.float32) if array.dtype.isbuiltin == 2 else array


def write_outputs(path: str, names: Sequence[str], values: Sequence[Any]) -> None:
    """Write VALUES into an .npz file, under NAMES. bfloat16 and float8 become float32.

    PATH is replaced in one step.
    """
    import zipfile

    import numpy as np

    half = f"{path}.{os.getpid()}.half"
    with about(path):
        try:
            # Not np.savez: it takes the names as keyword arguments, and has some of its own.
            with zipfile.ZipFile(half, "w") as archive:
                for name, value in zip(names, values, strict=True):
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                        np.lib.format.write_array(entry, _storable(value), allow_pickle=False)
            os.replace(half, path)
        except OSError as error:
            raise Fault(f"{path}: {error.strerror or error}") from error
        finally:
            if os.path.exists(half):
                os.unlink(half)


def describe(value: Any) -> str:
    """``float32[2, 3]``, of what a run returned."""
    if not hasattr(value, "dtype"):
        return type(value).__name__
    return f"{value.dtype.name}{list(value.shape)}"


def numbers(value: Any) -> Iterator[tuple[str, float]]:
    """The least, the largest and the mean element of VALUE, if it has such."""
    import numpy as np

    if not hasattr(value, "dtype") or value.dtype.kind in "OSUc" or value.size == 0:
        return
    wide = value.astype(np.float64)
    yield "least", float(wide.min())
    yield "largest", float(wide.max())
    yield "mean", float(wide.mean())


def find_backend(name: str) -> Any:
    """The module of a backend of :data:`BACKENDS`."""
    from .. import _verify

    return _verify.find_backend(name)


def title_of(backend: Any) -> str:
    name: str = backend.__name__
    return name.removeprefix("toffee.backend.")
