"""What a random program has to come to: the graph computes what eager PyTorch computes, on other
inputs too, or the export says in a documented way that it cannot."""

from __future__ import annotations

import io
import warnings
import zlib

import onnx
import torch
from exported import as_numpy, compare, run_onnxruntime
from program_data import Program

import toffee
from toffee.torch_toffee import export

DOCUMENTED = (toffee.UnsupportedOperatorError, toffee.TraceError)
TOLERANCE = 1e-5


def check_program(program: Program) -> str | None:
    """Export PROGRAM as it runs on one set of values, and compare on two others.

    Returns
    -------
    None when all is equal (integers and booleans bit for bit, floats within TOLERANCE of the value
    and of the output's scale); the text of the error when the export was refused.

    Raises
    ------
    AssertionError
        The graph computes something else, or is no valid graph; or the export changed its
        arguments or returned other values than a plain call does.
    Exception
        Whatever else goes wrong: that is a failure, too.
    """
    number = zlib.crc32(repr(program).encode())
    arguments, plain = program.arguments(0), program.arguments(0)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", toffee.TraceWarning)
        try:
            returned = export(program.function(), arguments, buffer, format="onnx")
        except DOCUMENTED as error:
            return f"{type(error).__name__}: {error}"
        with torch.inference_mode():
            expected = program.function()(*plain)
    for what, ours, theirs in (("argument", arguments, plain), ("result", returned, expected)):
        for i, (x, y) in enumerate(zip(ours, theirs, strict=True)):
            assert torch.equal(x.nan_to_num(), y.nan_to_num()), f"{what} {i} of the export"
    data = buffer.getvalue()
    toffee.checker.check_graph(toffee.loads(data))
    if number % 4 == 0:
        onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    for seed in (1, 2):
        values = program.arguments(seed)
        feeds = [as_numpy(x).copy() for x in values]
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            leaves = program.function()(*values)
        optimize = seed == 2 and number % 4 == 0
        results = run_onnxruntime(data, feeds, optimize)
        assert len(results) == len(leaves)
        for i, (result, leaf) in enumerate(zip(results, leaves, strict=True)):
            what = f"output {i} ({program.results[i]}), optimize={optimize}"
            compare(result, as_numpy(leaf), TOLERANCE, TOLERANCE, what)
    return None
