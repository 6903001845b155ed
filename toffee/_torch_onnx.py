"""What ``torch.onnx.export`` calls things, and what becomes of it in ``torch.toffee.export``.

:data:`KEYWORDS` has a row for each parameter of ``torch.onnx.export``. A keyword is taken where it
means the same here, or where leaving it out changes nothing; any other value is an error that says
what to do instead. ``docs/migrating_from_torch_onnx.md`` shows the same rows.
"""

from __future__ import annotations

import difflib
import logging
import os
import reprlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

import torch

from . import _core, optimizer

__all__ = ["KEYWORDS", "Asked", "Keyword", "TorchOnnxKeywords", "understand"]

_log = logging.getLogger("toffee")

_TrainingMode = torch._C._onnx.TrainingMode


class TorchOnnxKeywords(TypedDict, total=False):
    """The keywords of ``torch.onnx.export`` that :func:`toffee.torch_toffee.export` takes besides
    its own."""

    artifacts_dir: str | os.PathLike[str]
    autograd_inlining: bool
    custom_opsets: Mapping[str, int] | None
    custom_translation_table: Mapping[Any, Any] | None
    do_constant_folding: bool
    dump_exported_program: bool
    dynamic_axes: Mapping[str, Any] | None
    dynamic_shapes: Mapping[str, Any] | Sequence[Any] | None
    dynamo: bool
    export_modules_as_functions: bool | Collection[type[torch.nn.Module]]
    external_data: bool
    keep_initializers_as_inputs: bool
    operator_export_type: torch.onnx.OperatorExportTypes
    opset_version: int | None
    profile: bool
    report: bool


class Keyword(NamedTuple):
    """One parameter of ``torch.onnx.export``.

    Attributes
    ----------
    name : str
    takes : callable
        Whether a value is taken.
    values : str
        Which those are, for the page.
    meaning : str
        What becomes of them.
    instead : str
        Of the others: why not, and what to do; for the page and for the error.
    is_ours : bool
        :func:`toffee.torch_toffee.export` has a parameter of this name.
    is_idle : bool
        A value that is taken changes nothing, which the logger says at level INFO.
    until : str
        The first version of PyTorch without it.
    """

    name: str
    takes: Callable[[Any], bool]
    values: str
    meaning: str
    instead: str = ""
    is_ours: bool = False
    is_idle: bool = False
    until: str = ""


def _all(value: Any) -> bool:
    return True


def _nothing(value: Any) -> bool:
    return not value


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _one_of(*values: Any) -> Callable[[Any], bool]:
    """Whether it is one of these; True is not 1."""
    return lambda value: any(type(value) is type(each) and value == each for each in values)


def _ours(name: str, meaning: str, values: str = "the same") -> Keyword:
    return Keyword(name, _all, values, meaning, is_ours=True)


KEYWORDS: tuple[Keyword, ...] = (
    _ours("model", "Of an `ExportedProgram`, give `.module()`."),
    _ours("args", "A dict at the end is an argument like any other; keywords go into `kwargs`."),
    Keyword(
        "f",
        lambda value: value is not None,
        "a path or a binary file object",
        "The name decides on the format: `.onnx` is ONNX, others are ToffeeIR; see `format`.",
        "there is no program object to return: give a path, or an io.BytesIO() with "
        "format='onnx'; toffee.load() and toffee.loads() give the graph",
        is_ours=True,
    ),
    _ours("kwargs", "The same."),
    _ours("verbose", "Prints the listing of the graph.", "`True`, `False`, `None`"),
    _ours(
        "input_names",
        "Names of the inputs; more names than inputs are an error and do not rename parameters.",
    ),
    _ours("output_names", "The same."),
    Keyword(
        "opset_version",
        lambda value: value is None or (value == _core.OPSET and not isinstance(value, bool)),
        "`None`, `20`",
        "Opset 20 is what is written.",
        "toffee writes opset 20 only. onnx.version_converter.convert_version(onnx.load(f), N) "
        "makes another of it, as far as that opset has the operators",
        is_idle=True,
    ),
    Keyword(
        "dynamo",
        _flag,
        "`True`, `False`",
        "There is one way to export: the model runs once, as it is.",
        "it can be True or False, and there is one way to export all the same",
        is_idle=True,
    ),
    Keyword(
        "external_data",
        _flag,
        "`True`, `False`",
        "`True`: weights of a kilobyte or more go to `NAME.onnx.data`. By default, and with "
        "`False`, they do so only where the file would be over 2 GiB.",
        "it can be True or False",
    ),
    Keyword(
        "dynamic_shapes",
        _all,
        "any but dimensions computed from others (`2 * batch`)",
        "Another spelling of `dynamic_dims`.",
    ),
    Keyword(
        "custom_translation_table",
        _nothing,
        "`None`, or empty",
        "Nothing to translate.",
        "say what an operator means with toffee.register_lowering(), which gets a builder in place "
        "of ONNX Script's functions (docs/register_lowering.md)",
    ),
    Keyword(
        "report",
        _nothing,
        "`False`",
        "Nothing is reported in a file.",
        "there is no report in a file: what a graph cannot say is one error, with your lines; the "
        "rest goes to the logger 'toffee'",
    ),
    _ours(
        "optimize",
        "`True`: clean-up that keeps every bit of the results (docs/optimize.md); by default it is "
        "off here. A list names the passes.",
    ),
    _ours(
        "verify",
        "Runs the graph with ONNX Runtime and compares, before anything is written; what differs "
        "is an error.",
    ),
    Keyword(
        "profile",
        _nothing,
        "`False`",
        "Nothing is measured.",
        "there is no profile of the export: cProfile shows where the time goes, mostly in the "
        "model's own run",
    ),
    Keyword(
        "dump_exported_program",
        _nothing,
        "`False`",
        "There is no `ExportedProgram`.",
        "no torch.export.ExportedProgram is made on the way; torch.export.save() writes one",
    ),
    Keyword(
        "artifacts_dir",
        _all,
        "any",
        "Nothing is written but `f`.",
        is_idle=True,
    ),
    _ours("export_params", "`False`: parameters are inputs, in front of the others."),
    Keyword(
        "keep_initializers_as_inputs",
        _nothing,
        "`False`",
        "ONNX's `graph.input` lists the model's inputs only.",
        "an ONNX file lists its weights as initializers alone, so that runtimes may fold them. "
        "export_params=False makes them inputs; for both, append their value infos to the "
        "graph.input of the file with onnx",
    ),
    Keyword(
        "dynamic_axes",
        _all,
        "any",
        "Another spelling of `dynamic_dims`. Axes of outputs are passed over: they follow.",
    ),
    Keyword(
        "training",
        _one_of(True, False, _TrainingMode.EVAL, _TrainingMode.TRAINING),
        "`EVAL`, `TRAINING`, `False`, `True`",
        "`EVAL` is `False`, which is the default whatever mode the model is in; `TRAINING` is "
        "`True`.",
        "it can be False (TrainingMode.EVAL) or True (TrainingMode.TRAINING); for the mode that "
        "the model is in, write training=model.training",
        is_ours=True,
    ),
    Keyword(
        "operator_export_type",
        _one_of(torch._C._onnx.OperatorExportTypes.ONNX),
        "`ONNX`",
        "The only one that torch.onnx itself still supports.",
        "it can be OperatorExportTypes.ONNX; fallback='aten' keeps operators that ONNX lacks as "
        "nodes of PyTorch's own",
        is_idle=True,
    ),
    Keyword(
        "do_constant_folding",
        _flag,
        "`True`, `False`",
        "`True`: the pass `constants` of docs/optimize.md runs, which folds what depends on "
        "constants, not on parameters. `False`: it does not, also with `optimize=True`.",
        "it can be True or False",
    ),
    Keyword(
        "custom_opsets",
        _nothing,
        "`None`, or empty",
        "Domains have the versions that lowerings declare.",
        "the lowering that makes the nodes declares the version of their domain: "
        "g.import_domain('my.domain', 2) (docs/register_lowering.md)",
    ),
    Keyword(
        "export_modules_as_functions",
        _nothing,
        "`False`, or empty",
        "Modules are no functions; their paths are in the names of the nodes.",
        "modules do not become functions of the file; the names of the nodes say to which module "
        "they belong, and the picture and the listing can be read by them",
    ),
    Keyword(
        "autograd_inlining",
        _one_of(True),
        "`True`",
        "What the forward of an `autograd.Function` calls is what the graph has.",
        "the forward of an autograd.Function is always traced through; as one node, make it an "
        "operator with torch.library.custom_op and register a lowering "
        "(docs/register_lowering.md)",
        is_idle=True,
    ),
    Keyword(
        "fallback",
        _one_of(None, False, "aten"),
        "`False`, `None`; ours: `'aten'`",
        "`False` is the default: what cannot be said is an error.",
        "there is no other exporter to fall back to; it can be None or 'aten', which keeps "
        "operators that ONNX lacks as nodes of PyTorch's own",
        is_ours=True,
        until="2.11",
    ),
)

_BY_NAME = {row.name: row for row in KEYWORDS}


class Asked(NamedTuple):
    """Arguments of an export, in its own words."""

    training: bool
    fallback: str | None
    passes: tuple[str, ...]
    external_data: bool
    dynamic: dict[str, Any]  # what dynamic_axes and dynamic_shapes say, by their names


def understand(
    foreign: Mapping[str, Any],
    own: Collection[str],
    *,
    f: Any,
    training: Any,
    fallback: Any,
    optimize: bool | Iterable[str],
) -> Asked:
    """Check FOREIGN, keywords that an export was called with besides its OWN, and the arguments of
    its own that torch.onnx has other values for.

    Raises
    ------
    TypeError
        Nobody has a keyword of that name.
    ValueError
        A value means nothing here; says what to do instead.
    """
    for name, value in foreign.items():
        row = _BY_NAME.get(name)
        if row is None:
            raise _unknown(name, own)
        _check(name, value)
        if row.is_idle:
            _log.info("%s=%r changes nothing: %s", name, value, row.meaning)
    for name, value in {"f": f, "training": training, "fallback": fallback}.items():
        _check(name, value)
    passes = optimizer.chosen(optimize)
    folding = foreign.get("do_constant_folding")
    if folding is not None:
        wanted = {*passes, "constants"} if folding else {*passes} - {"constants"}
        passes = tuple(name for name in optimizer.passes() if name in wanted)
    return Asked(
        training=training is True or training is _TrainingMode.TRAINING,
        fallback=fallback or None,
        passes=passes,
        external_data=foreign.get("external_data", False),
        dynamic={name: foreign.get(name) for name in ("dynamic_axes", "dynamic_shapes")},
    )


def _check(name: str, value: Any) -> None:
    row = _BY_NAME[name]
    if not row.takes(value):
        raise ValueError(f"{name}={reprlib.repr(value)} is refused: {row.instead}")


def _unknown(name: str, own: Collection[str]) -> TypeError:
    close = difflib.get_close_matches(name, [*own, *_BY_NAME], n=1)
    hint = f". Did you mean {close[0]!r}?" if close else ""
    return TypeError(f"export() got an unexpected keyword argument {name!r}{hint}")
