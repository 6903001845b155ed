"""``toffee export``: run a model that Python code makes, and write its graph."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from . import _common, _values
from ._common import Fault, Parsers, UsageError, about, put, say

_EXAMPLES = """
toffee export mymodels.small:make --input 1x3x224x224 -o small.toffee
toffee export torchvision.models:alexnet --input 10x3x224x224 -o alexnet.onnx
toffee export mymodels.lm:make -i ids=1x128:int64 -i mask=1x128:bool -o lm.toffee --verify
toffee export mymodels.small:make -i 1x8 -o - | toffee print -
toffee export mymodels.small:make -i 2x3x64x64 --dynamic batch -o any.toffee
toffee export mymodels.lm:make -i 2x8:int64 --dynamic ids=batch,length:1..512 -o lm.toffee
"""

#: ``length``, ``length:1..512``, ``length:8..512:8``.
_SYMBOL = re.compile(
    r"(?P<name>[^\W\d]\w*)(?::(?P<min>[0-9]*)\.\.(?P<max>[0-9]*))?(?::(?P<step>[0-9]+))?"
)


def add(commands: Parsers) -> None:
    parser = _common.add_command(
        commands,
        "export",
        _run,
        "run a PyTorch model and write its graph",
        _EXAMPLES,
        "Call FACTORY without arguments, run the model that it returns, and write the graph of\n"
        "what it did. The current folder is searched for MODULE. The inputs are random\n"
        "(integers: 0 or 1, or from a range) or from files. Needs PyTorch.",
    )
    parser.add_argument("factory", metavar="MODULE:FACTORY", help="such as mymodels.small:make")
    parser.add_argument(
        "-i",
        "--input",
        action="append",
        default=[],
        metavar="[NAME=]VALUE",
        help="an argument of the model: a shape such as 1x3x224x224, 8:int64, 8:int64:0..99 or "
        "scalar, or a .npy file; with a name, a keyword argument; repeatable",
    )
    parser.add_argument(
        "--dynamic",
        action="append",
        default=[],
        metavar="[NAME=]SYMBOL,...",
        help="sizes that stay open: a symbol or a number for each dimension of an input of the "
        "graph, as x=batch,3,height,width; a symbol alone is the first dimension of every input; "
        "length:1..512 and length:8..512:8 say what it may be, the last that it is a multiple of "
        "8; repeatable",
    )
    parser.add_argument("-o", "--out", metavar="FILE", required=True, help="'-' is standard output")
    parser.add_argument(
        "--to", choices=("toffee", "onnx"), help="the format, whatever the name of FILE"
    )
    parser.add_argument("--without-params", action="store_true", help="leave the parameters out")
    parser.add_argument("--training", action="store_true", help="as the model trains")
    parser.add_argument("--strict", action="store_true", help="fail where a value leaves the trace")
    parser.add_argument(
        "--fallback", choices=("aten",), help="keep operators that ONNX lacks as PyTorch's own"
    )
    parser.add_argument(
        "--verify",
        nargs="?",
        const="onnxruntime",
        choices=_values.BACKENDS,
        help="before writing, run the graph and compare (default: with onnxruntime)",
    )
    _values.add_seed(parser, "of PyTorch's random numbers (default: 0)")
    _common.add_progress(parser)
    parser.add_argument(
        "--traceback",
        action="store_true",
        help="show the whole traceback of what failed, PyTorch's and toffee's lines included",
    )


# ---- the model ---------------------------------------------------------------------------------


def _users_lines(error: BaseException) -> list[str]:
    """The traceback of ERROR, without the lines of toffee, PyTorch and the import system."""
    import toffee

    ours = os.path.dirname(toffee.__file__) + os.sep
    found = traceback.StackSummary.from_list(
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((ours, "<"))
        and f"{os.sep}torch{os.sep}" not in frame.filename
        and f"{os.sep}importlib{os.sep}" not in frame.filename
    )
    said = traceback.format_exception_only(error)[:-1]  # the place of a SyntaxError
    return ["Traceback of your code:\n", *found.format(), *said] if found or said else []


@contextlib.contextmanager
def _users_code(what: str) -> Iterator[None]:
    """Code of the user's runs inside: whatever it raises is a fault to tell."""
    from ..errors import Error

    try:
        yield
    except (Error, Fault, UsageError):
        raise
    except (Exception, SystemExit) as error:
        lines = _users_lines(error)
        if isinstance(error, OSError) and not lines:  # the file cannot be written
            raise
        if lines and sys.stderr is not None:
            sys.stderr.writelines(lines)
        raise Fault(f"{what}: {type(error).__name__}: {_common.one_line(error)}") from error


def _find_factory(text: str) -> Callable[..., Any]:
    module_name, colon, name = text.partition(":")
    if not (colon and name and module_name):
        raise UsageError(f"{text!r} names no factory: write it as package.module:function")
    if not all(part.isidentifier() for part in module_name.split(".")):
        stem = os.path.normpath(module_name).removesuffix(".py").replace(os.sep, ".")
        hint = f": did you mean {stem}:{name}?" if module_name.endswith(".py") else ""
        raise UsageError(f"{module_name!r} is no name of a module{hint}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    with _users_code(f"importing {module_name}"):
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise
            stem = module_name.removesuffix(".py")
            hint = f": did you mean {stem}:{name}?" if stem != module_name else ""
            raise Fault(
                f"there is no module {error.name!r}, neither in this folder nor installed{hint}"
            ) from error
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise Fault(f"module {module_name!r} has no function {name!r}")
    return found  # type: ignore[no-any-return]


def _arguments(texts: list[str], torch: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Tensors for what --input says: positional ones, and those with a name."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for name, text in map(_values.split_name, texts):
        value = _from_file(text, torch) if _values.is_file(text) else _random(text, torch)
        if name is None:
            args.append(value)
        elif name in kwargs:
            raise UsageError(f"input {name!r} is given twice")
        else:
            kwargs[name] = value
    return tuple(args), kwargs


def _dynamic_dims(texts: list[str]) -> Any:
    """What --dynamic says, as ``dynamic_dims`` of :func:`toffee.torch_toffee.export`; None if it is
    not there."""
    dims: dict[str, dict[int, Any]] = {}
    for text in texts:
        name, said = _values.split_name(text)
        sizes = [_size(part, text) for part in said.split(",")]
        if name is None:
            if len(texts) > 1 or len(sizes) > 1 or sizes[0] is None:
                raise UsageError(
                    f"--dynamic {text}: write NAME=SYMBOL,..., or one symbol for the first "
                    "dimension of every input"
                )
            return sizes[0]
        if name in dims:
            raise UsageError(f"--dynamic {text}: input {name!r} is there twice")
        dims[name] = {axis: size for axis, size in enumerate(sizes) if size is not None}
    return dims or None


def _size(text: str, whole: str) -> Any:
    """A symbol, or a toffee.Dim where limits are set; None for a number, which is fixed."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return None
    match = _SYMBOL.fullmatch(text)
    if match is None:
        raise UsageError(
            f"--dynamic {whole}: {text!r} is neither a number nor a symbol such as length, "
            "length:1..512 or length:8..512:8"
        )
    limits = {"min": match["min"], "max": match["max"], "multiple_of": match["step"]}
    given = {key: int(value) for key, value in limits.items() if value}
    if not given:
        return match["name"]
    from .. import Dim

    try:
        return Dim(match["name"], **given)
    except ValueError as error:
        raise UsageError(f"--dynamic {whole}: {_common.one_line(error)}") from None


def _from_file(path: str, torch: Any) -> Any:
    if not path.endswith(".npy"):
        raise UsageError(f"{path!r}: an input is a shape or a .npy file, one for each")
    array = _values.load_arrays(path)
    with about(path):
        try:
            return torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
        except TypeError as error:
            raise Fault(f"{_common.title(path)}: PyTorch has no {array.dtype}") from error


def _random(text: str, torch: Any) -> Any:
    shape, dtype_name, (low, high) = _values.parse_shape(text)
    dtype = getattr(torch, dtype_name or "float32", None)
    if not isinstance(dtype, torch.dtype):
        raise UsageError(f"{dtype_name!r} is no dtype of PyTorch")
    try:
        if dtype.is_floating_point or dtype.is_complex:
            wide = dtype if dtype.itemsize > 1 else torch.float32  # randn knows no float8
            return torch.randn(shape, dtype=wide).to(dtype)
        return torch.randint(low, high + 1, shape).to(dtype)
    except (RuntimeError, TypeError) as error:  # no memory, or a size that no integer holds
        raise Fault(f"--input {text}: {_common.one_line(error)}") from error


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        if error.name != "torch":  # it is there, and broken
            raise Fault(f"PyTorch cannot be imported: {_common.one_line(error)}") from error
        raise Fault("export needs PyTorch: pip install torch, or toffee[torch]") from None
    return torch


def _export(args: argparse.Namespace, target: Any) -> None:
    torch = _torch()
    from ..torch_toffee import export

    torch.manual_seed(args.seed)
    values, kwargs = _arguments(args.input, torch)
    factory = _find_factory(args.factory)
    with _users_code(args.factory):
        model = factory()
    if not callable(model):
        raise Fault(f"{args.factory} returned a {type(model).__name__}, which is no model")
    if target is None:
        _check_folder(args.out)
    with _users_code(args.factory):
        export(
            model,
            values,
            args.out if target is None else target,
            export_params=not args.without_params,
            kwargs=kwargs,
            format=args.to,
            training=args.training,
            strict=args.strict,
            fallback=args.fallback,
            verify=args.verify or False,
            progress=_common.progress_of(args),
            dynamic_dims=_dynamic_dims(args.dynamic),
        )


def _check_folder(path: str) -> None:
    """Raise Fault before the model runs if the folder of PATH cannot be written to."""
    if os.path.isdir(path):
        raise Fault(f"{_common.title(path)}: Is a directory")
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise Fault(f"{_common.title(path)}: there is no folder {_common.title(folder)}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Fault(f"{_common.title(path)}: Permission denied")


def _run(args: argparse.Namespace) -> int | None:
    from .. import io
    from ..errors import Error

    target = _common.output_stream() if args.out == "-" else None
    try:
        # What the user's code prints shall not end up in the graph.
        with contextlib.redirect_stdout(sys.stderr):
            _export(args, target)
    except (Error, Fault) as error:
        if args.traceback:
            traceback.print_exc()
            return 1
        if isinstance(error, Fault):
            raise
        # These tell the user's lines, and what to do: a line for each.
        say(f"toffee: {error}")
        for note in getattr(error, "__notes__", ()):
            say(note)
        return 1
    if target is None and os.path.isfile(args.out):
        graph = io.load(args.out)
        nodes = _common.counted(len(graph), "node")
        tensors = _common.counted(len(graph.initializer), "initializer")
        size = _common.sized(os.path.getsize(args.out))
        put(f"{_common.title(args.out)}: {nodes}, {tensors}, {size}")
    return None
