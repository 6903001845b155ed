"""Lowerings in Python: what they get, what they may return, what goes wrong."""

from __future__ import annotations

import copy
import gc
import io
import re
import subprocess
import sys
import textwrap
import threading
import traceback
import warnings
import weakref

import numpy as np
import pytest
import torch
from custom_operators import RL, X, by_numpy, clamp_into, exported
from exported import check_export, ops, run_onnxruntime, to_bytes, to_graph

import toffee
from toffee import lowering as lowerings
from toffee.backend import torch as torch_backend
from toffee.torch_toffee import export

pytestmark = pytest.mark.usefixtures("as_before")


# ---- what a lowering can do ----------------------------------------------------------------------


def test_a_lowering_says_what_a_custom_operator_means():
    @toffee.register_lowering("rl::scale")
    def scale(g, x, k, bias):
        assert bias is None and k == 2.5
        return g.op("Mul", x, k)

    graph = check_export(lambda x: torch.relu(RL.scale(x, 2.5)), X)
    assert ops(graph) == ["Mul", "Relu"]


def test_an_optional_tensor_is_a_value_or_none():
    @toffee.register_lowering("rl::scale")
    def scale(g, x, k, bias):
        y = g.op("Mul", x, k)
        return y if bias is None else g.op("Add", y, bias)

    check_export(lambda x, b: RL.scale(RL.scale(x, 0.5, b), 3.0), (X, torch.randn(3)))


def test_arguments_come_by_the_schema_with_defaults_filled_in():
    seen = []

    @toffee.register_lowering("rl::options")
    def options(g, x, **named):
        seen.append(named)
        return g.op("Cast", g.op("Mul", x, sum(named["w"])), to=named["dtype"] or x.dtype)

    check_export(lambda x: RL.options(x), X)
    check_export(lambda x: RL.options(x, dtype=torch.float64, mode="b", w=[2.0]), X)
    assert seen[0] == {"mode": "a", "dtype": None, "w": [1.5, 2]}
    assert seen[-1] == {"mode": "b", "dtype": torch.float64, "w": [2.0]}


def test_a_list_of_tensors_is_a_list_of_values():
    @toffee.register_lowering("rl::glue")
    def glue(g, xs, dim):
        return g.op("Concat", *xs, axis=dim)

    check_export(lambda x, y: RL.glue([x, y, x]), (X, torch.randn(4, 3)))
    check_export(lambda x, y: RL.glue([x, y], 1), (X, torch.randn(2, 5)))


def test_none_in_a_list_of_tensors_stays_none():
    @toffee.register_lowering("rl::first")
    def first(g, xs):
        assert xs[0] is None and len(xs) == 3
        return g.op("Identity", xs[1])

    check_export(lambda x: RL.first([None, x, None]), X)


def test_several_results_and_a_list_of_results():
    @toffee.register_lowering("rl::swap")
    def swap(g, x, y):
        return g.op("Identity", y), g.op("Identity", x)

    @toffee.register_lowering("rl::chop")
    def chop(g, x, sizes):
        assert [result.shape for result in g.results] == [(n, 3) for n in sizes]
        return g.op("Split", x, sizes, outputs=len(sizes), axis=0)

    def program(x):
        a, b, c = RL.chop(x, [1, 2, 2])
        b, c = RL.swap(b, c)
        return a, b - c

    check_export(program, torch.randn(5, 3))


def test_a_result_that_is_no_tensor_is_none():
    @toffee.register_lowering("rl::count")
    def count(g, x):
        assert g.results[1] is None
        return g.op("Exp", x), None

    check_export(lambda x: RL.count(x)[0] * RL.count(x)[1], X)


def test_a_result_that_is_not_given_matters_only_if_it_is_used():
    @toffee.register_lowering("rl::swap")
    def swap(g, x, y):
        return g.op("Identity", y), None

    check_export(lambda x, y: RL.swap(x, y)[0], (X, X + 1))
    with pytest.raises(toffee.UnsupportedOperatorError, match="rl::swap"):
        exported(lambda x, y: RL.swap(x, y)[1], (X, X + 1))


def test_an_input_can_be_the_result():
    toffee.register_lowering("rl::first", lambda g, xs: xs[0])
    assert ops(check_export(lambda x: RL.first([x]) + 1, X)) == ["Add"]


def test_the_plain_lowering_serves_the_in_place_and_the_out_spelling():
    toffee.register_lowering("rl::scale", lambda g, x, k, bias=None: g.op("Mul", x, k))

    def program(x):
        y = x + 1
        row = y[0]
        RL.scale_(y, 2.0)
        out = torch.empty(2, 3)
        RL.scale(y, 3.0, out=out)
        return row, y, out

    check_export(program, X)


def test_the_in_place_spelling_can_have_a_lowering_of_its_own():
    toffee.register_lowering("rl::scale", lambda g, x, k, bias: g.op("Mul", x, k))
    toffee.register_lowering("rl::scale_", lambda g, x, k: g.op("Div", x, 1 / k))
    graph = check_export(lambda x: RL.scale_(RL.scale(x, 3.0), 0.5), X)
    assert ops(graph) == ["Mul", "Div"]


def test_what_is_written_and_not_returned_is_a_result_and_seen_through_views():
    toffee.register_lowering("rl::accumulate", lambda g, total, x: g.op("Add", total, x))
    toffee.register_lowering("rl::clamp_into", lambda g, x, out: g.op("Relu", x))

    def program(x):
        total = x * 2
        column = total[:, 1]
        RL.accumulate(total, x)
        RL.accumulate(column, torch.ones(2))
        target = x.clone()
        clamp_into(total, target)
        return total, column, target

    check_export(program, X)


def test_a_written_tensor_keeps_its_dtype():
    toffee.register_lowering(
        "rl::accumulate",
        lambda g, total, x: g.op("Add", g.op("Cast", total, to=torch.float64), x),
    )

    def program(x):
        total = x + 0
        RL.accumulate(total, x.double())
        return total

    check_export(program, X)


def test_an_operator_without_tensors_is_asked_too():
    toffee.register_lowering(
        "rl::table", lambda g, n: g.op("Range", 0, n, 1) if n > 3 else NotImplemented
    )
    toffee.register_lowering("rl::noise", lambda g, n: g.op("RandomNormal", shape=[n]))
    graph = exported(lambda x: (x + RL.table(5), x + RL.table(3)[:1]), torch.randn(5))
    assert ops(graph).count("Range") == 1
    assert "RandomNormal" in ops(exported(lambda x: x + RL.noise(3)))


def test_a_random_operator_without_tensors_that_is_declined_still_warns():
    toffee.register_lowering("rl::noise", lambda g, n: NotImplemented)
    with pytest.warns(toffee.TraceWarning, match="rl::noise draws random numbers"):
        exported(lambda x: x + RL.noise(3))


def test_a_call_on_constants_is_run_and_nobody_is_asked():
    toffee.register_lowering("rl::shout", lambda g, x: 1 / 0)
    assert ops(check_export(lambda x: x * RL.shout(torch.ones(3)), X)) == ["Mul"]


def test_an_operator_in_python_may_read_its_tensors():
    """No warning: what an operator does inside is its own business."""
    toffee.register_lowering(
        "rl::by_numpy", lambda g, x: g.op("TopK", x, [3], largest=0, outputs=2)[0]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", toffee.TraceWarning)
        check_export(lambda x: by_numpy(x * 2), X)


def test_a_lowering_may_compute_with_pytorch():
    @toffee.register_lowering("rl::shout")
    def shout(g, x):
        table = torch.linspace(0, 1, x.shape[-1]).tolist()
        return g.op("Add", g.op("Exp", x), g.constant(torch.tensor(table) * 0, like=x))

    check_export(lambda x: RL.shout(x), X)


def test_a_half_precision_number_is_rounded_once():
    toffee.register_lowering("rl::scale", lambda g, x, k, bias: g.op("Mul", x, k))
    for dtype in (torch.float16, torch.float64):
        graph = check_export(lambda x: RL.scale(x, 0.1), X.to(dtype), rtol=1e-3, atol=1e-3)
        (constant,) = graph.initializer
        assert constant.numpy() == torch.tensor(0.1, dtype=dtype).numpy()


def test_a_complex_tensor_is_a_value_of_pairs():
    @toffee.register_lowering("rl::turn")
    def turn(g, z, by):
        assert z.shape == (4, 3, 2) and z.dtype == torch.float32
        assert g.results == ((torch.float32, 1, (4, 3, 2)),)
        matrix = torch.tensor([[by.real, by.imag], [-by.imag, by.real]])
        return g.op("MatMul", z, g.constant(matrix))

    def program(x):
        z = RL.turn(torch.view_as_complex(x), 2 + 3j)
        return torch.view_as_real(z * 2)

    check_export(program, torch.randn(4, 3, 2))


# ---- overriding ----------------------------------------------------------------------------------


def test_a_built_in_lowering_is_overridden_and_comes_back():
    def program(x):
        return torch.nn.functional.gelu(x * 1)

    assert ops(exported(program)) == ["Mul", "Gelu"]  # the operator is in the cache now
    toffee.register_lowering("aten::gelu", lambda g, x, approximate: g.op("Relu", x))
    assert ops(exported(program)) == ["Mul", "Relu"]
    assert toffee.unregister_lowering("aten::gelu")
    assert ops(exported(program)) == ["Mul", "Gelu"]


def test_an_override_that_declines_leaves_the_call_to_the_built_in_one():
    @toffee.register_lowering("aten::gelu")
    def gelu(g, x, *, approximate):
        return g.op("Erf", x) if approximate == "tanh" else NotImplemented

    def program(x):
        return torch.nn.functional.gelu(torch.nn.functional.gelu(x, approximate="tanh"))

    assert ops(exported(program)) == ["Erf", "Gelu"]


def test_an_override_that_declines_an_in_place_operator_of_pytorch():
    asked = []
    toffee.register_lowering("aten::relu", lambda g, x: asked.append(x.shape) or NotImplemented)

    def program(x):
        y = x + 1
        view = y[0]
        torch.relu_(y)
        return view, y

    assert "Relu" in ops(check_export(program, X))
    assert asked == [(2, 3)]


def test_a_composite_operator_is_taken_apart_without_a_lowering_and_when_it_declines():
    def program(x):
        return RL.half_square(x)

    assert ops(check_export(program, X)) == ["Mul", "Div"]
    toffee.register_lowering("rl::half_square", lambda g, x: NotImplemented)
    assert ops(check_export(program, X)) == ["Mul", "Div"]
    toffee.register_lowering("rl::half_square", lambda g, x: g.op("Mul", g.op("Mul", x, x), 0.5))
    assert ops(check_export(program, X)) == ["Mul", "Mul"]


def test_a_composite_operator_that_writes_is_taken_apart_once_when_the_lowering_declines():
    """It has run before the lowering is asked: what it wrote must not be there twice."""
    asked = []
    toffee.register_lowering("rl::double_", lambda g, x: asked.append(1) or NotImplemented)

    def program(x):
        y = x + 1
        view = y[1:]
        RL.double_(y)
        return view, y * 1

    args = (X.clone(),)
    graph = check_export(program, args)
    assert asked and "Mul" in ops(graph)
    output = export(program, args, io.BytesIO())
    torch.testing.assert_close(output, program(X.clone()))


def test_an_operator_that_writes_and_cannot_be_taken_apart_runs_once_when_declined():
    toffee.register_lowering("rl::accumulate", lambda g, total, x: NotImplemented)

    def program(x):
        total = x + 1
        RL.accumulate(total, x)
        return total

    with pytest.raises(toffee.UnsupportedOperatorError, match="rl::accumulate"):
        exported(program)
    buffer = io.BytesIO()
    output = export(program, X.clone(), buffer, fallback="aten")
    torch.testing.assert_close(output, X * 2 + 1)


def test_one_overload_goes_before_all_overloads():
    toffee.register_lowering("rl::shout", lambda g, x, n=1: g.op("Exp", x))
    toffee.register_lowering("rl::shout.twice", lambda g, x, n: g.op("Mul", g.op("Exp", x), n))
    assert ops(exported(lambda x: RL.shout(x))) == ["Exp"]
    assert ops(check_export(lambda x: RL.shout(x, 3), X)) == ["Exp", "Mul"]
    toffee.register_lowering("rl::shout.default", lambda g, x: g.op("Tanh", x))
    assert ops(exported(lambda x: RL.shout(x))) == ["Tanh"]
    toffee.unregister_lowering("rl::shout.twice")
    assert ops(exported(lambda x: RL.shout(x, 3))) == ["Exp"]


def test_registering_during_a_trace_counts_from_the_next_call():
    def program(x):
        y = torch.tanh(x)
        toffee.register_lowering("aten::tanh", lambda g, x: g.op("Sin", x))
        y = torch.tanh(y)
        toffee.unregister_lowering("aten::tanh")
        return torch.tanh(y)

    assert ops(exported(program)) == ["Tanh", "Sin", "Tanh"]


def test_a_lowering_may_unregister_itself():
    @toffee.register_lowering("rl::shout")
    def once(g, x):
        toffee.unregister_lowering("rl::shout")
        return g.op("Exp", x)

    del once
    gc.collect()
    with pytest.raises(toffee.UnsupportedOperatorError, match=r"1 operator has no form"):
        exported(lambda x: RL.shout(RL.shout(x)))


# ---- the registry --------------------------------------------------------------------------------


def test_register_returns_the_function_and_works_as_a_decorator():
    def lower(g, x):
        return g.op("Exp", x)

    assert toffee.register_lowering("rl::shout", lower) is lower
    assert toffee.register_lowering("rl::by_numpy")(lower) is lower
    registered = toffee.registered_lowerings()
    assert registered["rl::shout"] is registered["rl::by_numpy"] is lower
    registered.clear()
    assert "rl::shout" in toffee.registered_lowerings()
    assert toffee.unregister_lowering("rl::shout") is lower
    assert "rl::shout" not in toffee.registered_lowerings()


def test_the_last_registration_counts():
    toffee.register_lowering("rl::shout", lambda g, x: g.op("Exp", x))
    toffee.register_lowering("rl::shout", lambda g, x: g.op("Sin", x))
    assert ops(exported()) == ["Sin"]


@pytest.mark.parametrize("name", ["shout", "rl:shout", "rl::", "rl::a.b.c", "rl::a b", "::x", ""])
def test_a_name_that_is_no_operator_is_refused(name):
    with pytest.raises(ValueError, match="is no name of an operator"):
        toffee.register_lowering(name, lambda g: None)


def test_wrong_arguments_of_register_are_refused():
    with pytest.raises(TypeError, match="which cannot be called"):
        toffee.register_lowering("rl::shout", 3)
    with pytest.raises(TypeError, match=r'it is a|is a str, not a function: @register_lowering\("'):
        toffee.register_lowering(lambda g, x: x)
    with pytest.raises(ValueError, match="no lowering of rl::nothing is registered"):
        toffee.unregister_lowering("rl::nothing")
    toffee.register_lowering("rl::shout.twice", lambda g, x, n: x)
    with pytest.raises(ValueError, match="'rl::shout.twice' is"):
        toffee.unregister_lowering("rl::shout")


def test_registering_does_not_import_torch():
    code = """
        import sys, toffee
        toffee.register_lowering("a::b", lambda g, x: x)
        assert toffee.registered_lowerings() and toffee.unregister_lowering("a::b")
        assert "torch" not in sys.modules and "numpy" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


def test_threads_register_and_export_at_the_same_time():
    toffee.register_lowering("rl::scale", lambda g, x, k, bias: g.op("Mul", x, k))
    errors = []
    barrier = threading.Barrier(4)

    def registers(number):
        barrier.wait()
        for i in range(100):
            toffee.register_lowering(f"rl::made_{number}_{i}", lambda g: None)
            toffee.unregister_lowering(f"rl::made_{number}_{i}")

    def exports():
        barrier.wait()
        for k in range(5):
            x = torch.randn(4)
            data = to_bytes(lambda x, k=k: RL.scale(x, float(k + 1)), x, format="onnx")
            (result,) = run_onnxruntime(data, [x.numpy()], optimize=False)
            np.testing.assert_allclose(result, x.numpy() * (k + 1), rtol=1e-6)

    def guarded(function, *args):
        try:
            function(*args)
        except BaseException as error:  # shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(registers, n)) for n in range(2)]
    threads += [threading.Thread(target=guarded, args=(exports,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert not [name for name in toffee.registered_lowerings() if name.startswith("rl::made")]


# ---- what goes wrong -----------------------------------------------------------------------------


def fails_here(x):
    return RL.shout(x)  # the user's line


def test_what_a_lowering_raises_is_the_cause_and_the_users_line_is_said():
    def shout(g, x):
        raise KeyError("in the lowering")

    toffee.register_lowering("rl::shout", shout)
    with pytest.raises(toffee.TraceError) as caught:
        exported(fails_here)
    text = str(caught.value)
    assert "the lowering of rl::shout(Tensor x) -> Tensor" in text
    assert re.search(r"shout \(.*test_register_lowering.py:\d+\) raised KeyError: 'in the lo", text)
    assert "# the user's line" in text
    cause = caught.value.__cause__
    assert isinstance(cause, KeyError)
    frames = [frame.name for frame in traceback.extract_tb(cause.__traceback__)]
    assert frames[-1] == "shout"


def test_a_lowering_that_takes_other_arguments_is_told_the_schema():
    toffee.register_lowering("rl::scale", lambda g, x: x)
    with pytest.raises(
        toffee.TraceError, match=r"rl::scale\(Tensor x, float k.*\n.*positional arg"
    ):
        exported(lambda x: RL.scale(x, 2.0))


def test_an_interrupt_in_a_lowering_comes_through_as_it_is():
    def shout(g, x):
        raise KeyboardInterrupt

    toffee.register_lowering("rl::shout", shout)
    with pytest.raises(KeyboardInterrupt):
        exported()


def test_when_memory_is_out_in_a_lowering_the_export_says_so_and_leaves_nothing(
    fail_allocation, count_allocations
):
    def shout(g, x):
        y = g.op("rl::A", g.op("Exp", x), g.constant(np.ones(3)), g.constant(np.zeros(20000)))
        g.import_domain("rl", 2)
        return y

    toffee.register_lowering("rl::shout", shout)
    n = count_allocations(exported)
    assert n > 5
    for i in range(n):
        with fail_allocation(i), pytest.raises(MemoryError):
            exported()
    assert ops(exported())[-1] == "A"


def test_after_a_lowering_has_failed_the_next_export_works():
    toffee.register_lowering("rl::shout", lambda g, x: 1 / 0)
    with pytest.raises(toffee.TraceError):
        exported()
    toffee.register_lowering("rl::shout", lambda g, x: g.op("Exp", x))
    check_export(lambda x: RL.shout(x), X)


def test_a_model_may_catch_what_a_lowering_raised():
    def shout(g, x):
        g.op("Neg", x)  # dead
        raise ValueError("no")

    toffee.register_lowering("rl::shout", shout)

    def program(x):
        try:
            return RL.shout(x)
        except toffee.TraceError:
            return x * 2

    assert ops(exported(program)) == ["Mul"]


def parts_of_another_export():
    """Builder and value of an export that is over."""
    kept = []
    toffee.register_lowering(
        "rl::by_numpy", lambda g, x: kept.append((g, x)) or g.op("Identity", x)
    )
    exported(lambda x: by_numpy(x))
    return kept[0]


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (lambda g, x: None, TypeError, "returned None: it must return a value"),
        (lambda g, x: 3.5, TypeError, "returned 3.5 for the result, not a value of the graph"),
        (lambda g, x: [], ValueError, "returned 0 results; the operator has 1 result here"),
        (lambda g, x: (x, x), ValueError, r"returned 2 results; .*: FLOAT \(2, 3\)"),
        (lambda g, x: g.op("Shape", x), TypeError, r"INT64 \(2\) for the result, which is FLOAT"),
        (lambda g, x: g.op("ReduceSum", x), ValueError, r"FLOAT \(1, 1\) for the result, which"),
        (
            lambda g, x: g.op("Flatten", x, axis=0),
            ValueError,
            r"FLOAT \(1, 6\) for the result, which is FLOAT \(2, 3\)",
        ),
    ],
)
def test_a_result_that_does_not_fit_is_an_error(returned, error, message):
    toffee.register_lowering("rl::shout", returned)
    with pytest.raises(error, match=message) as caught:
        exported(fails_here)
    assert "# the user's line" in str(caught.value)
    assert "test_register_lowering.py" in str(caught.value)


def test_a_result_that_is_a_value_of_another_export_is_an_error():
    _, foreign = parts_of_another_export()
    toffee.register_lowering("rl::shout", lambda g, x: foreign)
    with pytest.raises(ValueError, match="for the result what is no value of this export: .* over"):
        exported()


def test_a_value_for_a_result_that_is_no_tensor_is_an_error():
    toffee.register_lowering("rl::count", lambda g, x: (g.op("Exp", x), x))
    with pytest.raises(TypeError, match="result 1, which is no tensor: say None"):
        exported(lambda x: RL.count(x)[0])


def test_values_of_an_export_that_is_over_are_good_for_nothing():
    g, x = parts_of_another_export()
    assert repr(x) == "<toffee.TracedValue of an export that is over>"
    for use in (
        lambda: x.dtype,
        lambda: x.shape,
        lambda: x.rank,
        lambda: x.elem_type,
        lambda: g.op("Exp", x),
        lambda: g.constant(1),
        lambda: g.import_domain("rl", 1),
    ):
        with pytest.raises(RuntimeError, match="is over"):
            use()


def test_a_builder_is_good_only_while_the_lowering_runs():
    kept = []
    toffee.register_lowering("rl::shout", lambda g, x: kept.append((g, x)) or g.op("Exp", x))

    def program(x):
        y = RL.shout(x)
        with pytest.raises(RuntimeError, match="the lowering that this builder was made for has"):
            kept[0][0].op("Exp", kept[0][1])
        return y

    assert ops(exported(program)) == ["Exp"]


def test_a_value_of_another_running_export_is_refused():
    kept = []
    started, finish = threading.Event(), threading.Event()

    def other():
        def program(x):
            y = by_numpy(x)
            started.set()
            finish.wait(60)
            return y

        exported(program)

    toffee.register_lowering("rl::by_numpy", lambda g, x: kept.append(x) or g.op("Identity", x))
    thread = threading.Thread(target=other)
    thread.start()
    try:
        assert started.wait(60)
        toffee.register_lowering("rl::shout", lambda g, x: g.op("Add", x, kept[0]))
        with pytest.raises(
            toffee.TraceError, match="input 1 is a value of another export"
        ) as caught:
            exported()
        assert isinstance(caught.value.__cause__, ValueError)
        toffee.register_lowering("rl::shout", lambda g, x: kept[0])
        with pytest.raises(ValueError, match="is a value of another export"):
            exported()
    finally:
        finish.set()
        thread.join()


def test_values_and_builders_cannot_be_made_by_hand():
    with pytest.raises(TypeError, match="cannot create"):
        lowerings.TracedValue()
    with pytest.raises(RuntimeError, match="is over"):
        lowerings.GraphBuilder().op("Exp")


def test_an_export_inside_a_lowering_is_refused():
    toffee.register_lowering("rl::shout", lambda g, x: export(torch.relu, X, io.BytesIO()))
    with pytest.raises(toffee.TraceError, match="an export is running in this thread"):
        exported()


def test_without_a_lowering_the_error_says_what_to_write():
    with pytest.raises(toffee.UnsupportedOperatorError) as caught:
        exported(lambda x: RL.options(RL.scale(x, 2.0), w=[1.0]))
    text = str(caught.value)
    assert "register_lowering" in text and "docs/register_lowering.md" in text
    example = re.findall(r"^  (@toffee.*\n  def .*)$", text, re.MULTILINE)
    assert len(example) == 1
    space = {"toffee": toffee}
    exec(textwrap.dedent("  " + example[0]), space)  # it is Python that works
    with pytest.raises(toffee.UnsupportedOperatorError) as caught:
        exported(lambda x: RL.options(RL.scale(x, 2.0), w=[1.0]))
    (example,) = re.findall(r"^  (@toffee.*\n  def .*)$", str(caught.value), re.MULTILINE)
    exec(textwrap.dedent("  " + example), space)
    graph = exported(lambda x: RL.options(RL.scale(x, 2.0), w=[1.0]))
    assert ops(graph) == ["scale", "options"]
    np.testing.assert_allclose(torch_backend.run(graph, X)[0], X.numpy() * 2, rtol=1e-6)


def test_fallback_keeps_what_has_no_lowering_and_uses_those_that_there_are():
    toffee.register_lowering("rl::shout", lambda g, x: g.op("Exp", x))
    graph = to_graph(lambda x: RL.scale(RL.shout(x), 2.0), X, fallback="aten")
    assert [(node.domain, node.op_type) for node in graph.node] == [
        ("", "Exp"),
        ("org.pytorch.aten", "rl::scale"),
    ]


# ---- memory --------------------------------------------------------------------------------------


def test_nothing_of_an_export_stays_alive():
    alive = weakref.WeakSet()

    class Witness:
        pass

    def shout(g, x):
        witness = Witness()
        alive.add(witness)
        y = g.op("Exp", x)
        y_and_witness = [y, witness, g]
        y_and_witness.append(y_and_witness)  # a cycle through values and the builder
        return y

    toffee.register_lowering("rl::shout", shout)
    values = [0, 0]
    for i in range(2):
        for _ in range(5):
            exported(lambda x: RL.shout(RL.shout(x)))
        gc.collect()
        values[i] = sum(
            type(o) in (lowerings.TracedValue, lowerings.GraphBuilder) for o in gc.get_objects()
        )
    assert values[0] == values[1]
    assert len(alive) == 0


def test_without_cycles_of_the_lowering_nothing_waits_for_the_collector():
    toffee.register_lowering("rl::shout", lambda g, x: g.op("Exp", x))
    exported()
    gc.collect()
    gc.disable()
    try:
        exported()
        left = [o for o in gc.get_objects() if type(o) is lowerings.TracedValue]
    finally:
        gc.enable()
    assert left == []


def test_a_lowering_that_is_replaced_is_let_go():
    def lower(g, x):
        return g.op("Exp", x)

    toffee.register_lowering("rl::shout", lower)
    exported()
    reference = weakref.ref(lower)
    toffee.unregister_lowering("rl::shout")
    del lower
    gc.collect()
    assert reference() is None


def test_registered_lowerings_are_not_seen_by_a_copy_of_a_model():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.GELU())
    toffee.register_lowering("aten::gelu", lambda g, x, approximate: g.op("Gelu", x))
    check_export(copy.deepcopy(model).eval(), X)
