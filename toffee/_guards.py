"""Lines that only check: a value that leaves the trace for one decides nothing but an error."""

from __future__ import annotations

import ast
import functools
import linecache
import os
from types import FrameType

import torch

#: Functions that raise or do nothing, by the beginning of their names: torch._check and its kin,
#: and the spelling of transformers.
_CHECKS = ("_check", "torch_compilable_check")

_TORCH = os.path.dirname(torch.__file__) + os.sep


def only_checks(frame: FrameType | None, user_line: tuple[str, int]) -> bool:
    """Whether what runs in FRAME, called from USER_LINE, is a check: ``torch._check`` and its kin
    (their arguments as well), an ``assert``, or an ``if`` that does nothing but raise.

    Where the check does not hold, the model raises, and the graph computes something: it says
    nothing of inputs that the model refuses.
    """
    while frame is not None and (frame.f_code.co_filename, frame.f_lineno) != user_line:
        if _is_torch_check(frame):
            return True
        frame = frame.f_back
    filename, line = user_line
    return any(first <= line <= last for first, last in _checking_lines(filename))


def _is_torch_check(frame: FrameType) -> bool:
    code = frame.f_code
    return code.co_name.startswith(_CHECKS) and code.co_filename == _TORCH + "__init__.py"


@functools.lru_cache(maxsize=64)
def _checking_lines(filename: str) -> list[tuple[int, int]]:
    """First and last lines of what is in FILENAME for checking alone. None where the source cannot
    be had, or is no Python."""
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError):
        return []
    checks = [part for part in map(_checking_part, ast.walk(tree)) if part is not None]
    return [
        (part.lineno, part.end_lineno or part.lineno)
        for part in checks
        if not any(isinstance(inner, ast.NamedExpr) for inner in ast.walk(part))
    ]


def _checking_part(node: ast.AST) -> ast.expr | None:
    """What of NODE is computed only to be checked."""
    if isinstance(node, ast.Assert):
        return node.test
    if isinstance(node, ast.If) and not node.orelse and len(node.body) == 1:
        return node.test if isinstance(node.body[0], ast.Raise) else None
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        function = node.value.func
        name = str(getattr(function, "attr", "") or getattr(function, "id", ""))
        return node.value if name.startswith(_CHECKS) else None
    return None
