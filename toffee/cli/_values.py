"""Inputs from files and from random numbers, and outputs to files."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from ._common import (
    Fault,
    UsageError,
    about,
    counted,
    integer,
    one_line,
    output_stream,
    replaced,
    title,
)

if TYPE_CHECKING:
    import numpy as np

    from .._core import Graph
    from .._symbols import Sizes
    from ..backend.base import InputSpec

BACKENDS = ("onnxruntime", "torch", "c2")

_SHAPE = re.compile(
    r"(?:(?P<shape>\d+(?:x\d+)*)|scalar)"
    r"(?::(?P<dtype>[a-z]\w*))?(?::(?P<low>-?\d+)\.\.(?P<high>-?\d+))?",
    re.ASCII,
)


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
        "1x3x224x224, 8:int64 or 8:int64:0..99 for random numbers; without a name, the inputs "
        "in order; repeatable",
    )
    parser.add_argument(
        "--size",
        action="append",
        default=[],
        metavar="SYMBOL=N,...",
        help="what symbols such as batch are in random inputs, as batch=2,length=7 (default: 2, "
        "or the least size from there that the graph allows); repeatable",
    )
    add_seed(parser, "of the random numbers (default: 0)")
    parser.add_argument("--device", default="CPU", help="CPU, CUDA or CUDA:N (default: CPU)")


def add_seed(parser: argparse.ArgumentParser, help: str) -> None:
    # As many as PyTorch takes.
    seed = integer(0, (1 << 64) - 1)
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help=help)


class Shape(NamedTuple):
    """``1x3:int64:0..9``: the sizes, the dtype if it is named, and the range of integers."""

    sizes: tuple[int, ...]
    dtype: str | None
    range: tuple[int, int]


def split_name(text: str) -> tuple[str | None, str]:
    """``x=1x3`` as ``("x", "1x3")``, ``1x3`` as ``(None, "1x3")``."""
    name, equals, value = text.rpartition("=")
    return (name if equals else None), value


def parse_shape(text: str) -> Shape:
    """What ``1x3x224x224:float16`` says; ``scalar`` has no sizes; integers are 0 or 1 unless a
    range is named, as in ``8:int64:0..99``, both ends included.

    Raises
    ------
    UsageError
        It is something else.
    """
    match = _SHAPE.fullmatch(text)
    if match is None:
        if os.path.exists(text):
            raise UsageError(f"{text!r} is neither a .npy nor an .npz file, nor a shape")
        raise UsageError(
            f"{text!r} is no shape: write sizes as 1x3x224x224, with a dtype as 8:int64, "
            "with a range as 8:int64:0..99, or scalar"
        )
    sizes = match["shape"].split("x") if match["shape"] else []
    low, high = (0, 1) if match["low"] is None else (int(match["low"]), int(match["high"]))
    if low > high:
        raise UsageError(f"{text!r}: the range ends before it begins")
    return Shape(tuple(map(int, sizes)), match["dtype"], (low, high))


# ---- reading -----------------------------------------------------------------------------------


def is_file(value: str) -> bool:
    return value.endswith((".npy", ".npz"))


def load_arrays(path: str) -> Any:
    """The array in PATH, or a dict of those in an .npz file."""
    import zipfile

    import numpy as np

    with about(path):
        try:
            found = np.load(path, allow_pickle=False)
            if path.endswith(".npz"):
                return dict(found)
            # The shape alone: what np.load makes of an archive is no array.
            found.shape  # noqa: B018
            return found
        except (EOFError, zipfile.BadZipFile, TypeError, AttributeError, KeyError) as error:
            name = title(path)
            raise Fault(f"{name}: it is no {path[-4:]} file, or is cut short") from error


def read_inputs(graph: Graph, args: argparse.Namespace) -> dict[str, np.ndarray]:
    """An array for each input of GRAPH, in order: those that ARGS names, random numbers for the
    others.

    Raises
    ------
    UsageError
        A name that the graph does not have, too many values, or a size that a symbol cannot have.
    Fault
        A file cannot be read, or is no such file.
    """
    from ..backend import base

    specs = {spec.name: spec for spec in base.input_specs(graph)}
    given: dict[str, Any] = {}
    for name, value in map(split_name, args.input):
        _take(given, specs, name, value)
    sizes = _sizes(graph, specs, given, args.size)
    import numpy as np

    rng = np.random.default_rng(args.seed)
    return {
        name: given[name]
        if name in given and not isinstance(given[name], Shape)
        else _random(rng, spec, given.get(name), sizes)
        for name, spec in specs.items()
    }


def _sizes(
    graph: Graph, specs: Mapping[str, InputSpec], given: Mapping[str, Any], said: Sequence[str]
) -> Sizes:
    """What the symbols of SPECS are: what SAID, the values of --size, names, what follows from the
    values GIVEN, and else the least size from 2 up that GRAPH allows."""
    from .. import _symbols

    limits = _symbols.limits_of(graph)
    sizes = _symbols.Sizes(limits)
    symbols = _symbols.symbols_in(spec.shape for spec in specs.values())
    for pair in (pair for text in said for pair in text.split(",")):
        symbol, equals, number = pair.rpartition("=")
        if not equals or not (number.isascii() and number.isdigit()):
            raise UsageError(f"--size {pair}: write it as batch=2 or batch=2,length=7")
        if symbol not in symbols:
            known = ", ".join(symbols) or "none"
            raise UsageError(f"--size {pair}: the inputs have no such symbol; they have {known}")
        fault = limits.get(symbol, _symbols.Limits()).fault(int(number))
        if fault is not None:
            raise UsageError(f"--size {pair}: {symbol!r} must be {fault}")
        if sizes.setdefault(symbol, int(number)) != int(number):
            raise UsageError(f"--size {pair}: {symbol!r} is {sizes[symbol]} already")
    named = frozenset(sizes)
    for name, value in given.items():
        shape = value.sizes if isinstance(value, Shape) else value.shape
        for size, actual in zip(specs[name].shape or (), shape, strict=False):
            if not isinstance(size, str) or size not in symbols:
                continue
            if sizes.setdefault(size, actual) != actual and size in named:
                raise UsageError(
                    f"input {name!r} has {actual} for {size!r}, and --size says {sizes[size]}"
                )
    for symbol in symbols:
        sizes.setdefault(symbol, limits.get(symbol, _symbols.Limits()).nearest(2))
    return sizes


def _take(
    given: dict[str, Any], specs: Mapping[str, InputSpec], name: str | None, value: str
) -> None:
    """Put what NAME=VALUE says into GIVEN: arrays, or a :class:`Shape`."""
    found = load_arrays(value) if is_file(value) else parse_shape(value)
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
        if key in given:
            raise UsageError(f"input {key!r} is given twice")
        given[key] = array


def _random(
    rng: np.random.Generator,
    spec: InputSpec,
    given: Shape | None,
    sizes: Sizes,
) -> np.ndarray:
    """Numbers for SPEC: floats from the normal distribution, integers and booleans 0 or 1, which
    are indices of most tables, or from the range that is given. Sizes without a name are 1."""
    import numpy as np

    from .. import helper

    low, high = (0, 1) if given is None else given.range
    name = None
    if given is not None:
        shape, name, _ = given
    elif spec.shape is None:
        raise UsageError(f"input {spec.name!r} declares no shape: give one, {spec.name}=1x3")
    else:
        found = [size if isinstance(size, int) else 1 for size in sizes.shape(spec.shape)]
        shape = tuple(found)
    if name is not None:
        try:
            dtype = np.dtype(name)
        except TypeError:
            raise UsageError(f"{name!r} is no dtype of NumPy") from None
        if dtype.kind not in "biufcV":
            raise UsageError(f"{name!r} is no dtype that random numbers have")
    else:
        dtype = helper.tensor_dtype_to_np_dtype(spec.dtype or 1)
    if dtype.kind in "OSU":
        raise UsageError(f"input {spec.name!r} is of strings: give a file with them")
    if dtype.kind in "iu" and not np.iinfo(dtype).min <= low <= high <= np.iinfo(dtype).max:
        raise UsageError(f"input {spec.name!r}: {dtype} does not hold {low}..{high}")
    try:
        if dtype.kind in "iub":
            return rng.integers(low, high, shape, endpoint=True).astype(dtype)
        return np.asarray(rng.standard_normal(shape)).astype(dtype)
    except (MemoryError, ValueError) as error:
        raise Fault(f"input {spec.name!r}: {one_line(error)}") from error


# ---- writing -----------------------------------------------------------------------------------


def _storable(value: Any) -> np.ndarray:
    """VALUE in a dtype of NumPy's own, without pickles."""
    import numpy as np

    array = np.asarray(value)
    if array.dtype.kind == "O":
        return array.astype(str)
    return array.astype(np.float32) if array.dtype.isbuiltin == 2 else array


def write_outputs(path: str, names: Sequence[str], values: Sequence[Any]) -> None:
    """Write VALUES into an .npz file, under NAMES; to ``-``, standard output, as well. bfloat16
    and float8 become float32.

    PATH is replaced in one step.
    """
    if path == "-":
        _write_npz(output_stream(), names, values)
        return
    with replaced(path) as half, open(half, "wb") as file:
        _write_npz(file, names, values)


def _write_npz(file: BinaryIO, names: Sequence[str], values: Sequence[Any]) -> None:
    import zipfile

    import numpy as np

    # Not np.savez: it takes the names as keyword arguments, and has some of its own.
    with zipfile.ZipFile(file, "w") as archive:
        for name, value in zip(names, values, strict=True):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, _storable(value), allow_pickle=False)


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
