"""In-place and out= spellings of every operator that has a lowering, found in PyTorch's schemas."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from exported import check_export

UNDEFINED = {"empty_like", "new_empty"}  # whatever is in that memory; and what is drawn
LOWER = Path(__file__).parent.parent / "csrc" / "lower"
RULES = set(re.findall(r'\{"aten::(\w+)"', "".join(p.read_text() for p in LOWER.glob("*.c"))))
UNDEFINED |= set(re.findall(r'"aten::(\w+)"', (LOWER / "lower_random.c").read_text()))
# Values for parameters that a plain number does not fit.
NUMBERS = {"p": 0.25, "train": False, "training": False, "dim": 1, "diagonal": 1, "k": 1}


def value(argument: torch.Argument, shape: tuple[int, ...]):
    """Something for ARGUMENT to be called with, or None if it is not this test's to know."""
    kind = str(argument.type)
    if kind == "Tensor":
        return torch.linspace(0.3, 0.9, 12).reshape(shape)
    if argument.has_default_value():
        return ...
    if argument.name in NUMBERS:
        return NUMBERS[argument.name]
    return {"number": 2, "float": 0.5, "bool": False, "int": 1}.get(kind)


def spellings(kind: str) -> list[torch._ops.OpOverload]:
    """Overloads of lowered operators that write to their first argument, or to out=."""
    found = []
    for schema in torch._C._jit_get_all_schemas():
        namespace, name = schema.name.split("::")
        written = [a for a in schema.arguments if a.alias_info and a.alias_info.is_write]
        plain = name[:-1] if kind == "in_place" else name
        if namespace != "aten" or len(written) != 1 or plain not in RULES - UNDEFINED:
            continue
        if (kind == "in_place") != (name.endswith("_") and written[0] is schema.arguments[0]):
            continue
        if kind == "out" and written[0].name != "out":
            continue
        packet = getattr(torch.ops.aten, name)
        overload = schema.overload_name or "default"
        if overload in packet.overloads():
            found.append(getattr(packet, overload))
    return sorted(found, key=str)


def call_of(overload: torch._ops.OpOverload):
    """Tensors and a function of them that calls OVERLOAD; None if PyTorch refuses the call."""
    names, tensors, constants = [], [], {}
    for argument in overload._schema.arguments:
        if argument.name == "out":
            continue
        given = value(argument, (3, 4))
        if given is None:
            return None
        if isinstance(given, torch.Tensor):
            names.append(argument.name)
            tensors.append(given + 0.01 * len(tensors))
        elif given is not ...:
            constants[argument.name] = given

    def function(*inputs):
        values = dict(zip(names, (x + 0 for x in inputs), strict=True)) | constants
        if any(a.name == "out" for a in overload._schema.arguments):
            return overload(**values, out=torch.empty(0))
        first = values[overload._schema.arguments[0].name]
        return overload(**values), first

    try:
        function(*tensors)
    except (RuntimeError, TypeError, IndexError, NotImplementedError):
        return None
    return function, tuple(tensors)


CALLS = [
    pytest.param(*call, id=f"{kind}-{overload}")
    for kind in ("in_place", "out")
    for overload in spellings(kind)
    if (call := call_of(overload)) is not None
]


def test_most_spellings_are_found():
    assert len(CALLS) > 150


@pytest.mark.parametrize(("function", "tensors"), CALLS)
def test_a_spelling_means_what_the_plain_operator_means(function, tensors):
    check_export(function, tensors, rtol=1e-4, atol=1e-5)
