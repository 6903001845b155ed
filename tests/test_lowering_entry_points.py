"""Lowerings that installed packages bring along: temporary distributions on sys.path."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

#: Runs before each program: an operator per name, and exports that print their operators.
PRELUDE = """
import io, sys, threading, warnings
import torch, toffee
from toffee.torch_toffee import export

LIBRARY = torch.library.Library("ep", "FRAGMENT")
for name in ("one", "two", "three"):
    LIBRARY.define(f"{name}(Tensor x) -> Tensor")
    LIBRARY.impl(name, lambda x: x.exp(), "CompositeExplicitAutograd")

def exported(*names):
    def program(x):
        for name in names:
            x = getattr(torch.ops.ep, name)(x)
        return torch.relu(x)

    buffer = io.BytesIO()
    export(program, torch.randn(2), buffer)
    return [node.op_type for node in toffee.loads(buffer.getvalue()).node]
"""

MODULE = """
loaded = True
def lower_one(g, x):
    return g.op("Exp", x)
"""


def install(folder: Path, name: str, entries: str, **modules: str) -> None:
    """A distribution NAME 1.5 with ENTRIES in the group, and MODULES by name."""
    info = folder / f"{name}-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(f"[toffee.lowerings]\n{textwrap.dedent(entries)}\n")
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(textwrap.dedent(text))


def run(folder: Path, program: str) -> None:
    """PROGRAM in an interpreter of its own that has FOLDER on sys.path."""
    path = os.pathsep.join([str(folder), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_an_operator_named_by_an_entry_point_is_loaded_when_it_is_met(tmp_path):
    install(tmp_path, "bringer", "ep::one = bringer_code:lower_one", bringer_code=MODULE)
    run(
        tmp_path,
        """
        assert toffee.registered_lowerings() == {}  # nothing is read before the first export
        assert exported() == ["Relu"]
        assert "bringer_code" not in sys.modules
        lowering = toffee.registered_lowerings()["ep::one"]
        assert "distribution bringer 1.5" in repr(lowering), lowering
        assert exported("one") == ["Exp", "Relu"]
        assert "bringer_code" in sys.modules

        toffee.register_lowering("ep::one", lambda g, x: g.op("Sin", x))  # goes before it
        assert exported("one") == ["Sin", "Relu"]
        toffee.unregister_lowering("ep::one")
        assert exported("one") == ["Exp", "Relu"]
        assert toffee.unregister_lowering("ep::one") is lowering  # the entry point itself
        try:
            exported("one")
        except toffee.UnsupportedOperatorError:
            pass
        else:
            raise AssertionError
        """,
    )


def test_what_the_user_registered_before_the_first_export_stays(tmp_path):
    install(
        tmp_path,
        "bringer",
        """
        ep::one = bringer_code:lower_one
        everything = bringer_all
        """,
        bringer_code=MODULE,
        bringer_all="""
            import toffee
            toffee.register_lowering("ep::two", lambda g, x: g.op("Cos", x))
        """,
    )
    run(
        tmp_path,
        """
        toffee.register_lowering("ep::one", lambda g, x: g.op("Sin", x))
        toffee.register_lowering("ep::two", lambda g, x: g.op("Tan", x))
        assert exported("one", "two") == ["Sin", "Tan", "Relu"]
        toffee.unregister_lowering("ep::two")
        assert exported("one", "two") == ["Sin", "Cos", "Relu"]
        """,
    )


def test_an_entry_point_of_another_name_is_a_module_or_a_function_that_registers(tmp_path):
    install(
        tmp_path,
        "bringer",
        """
        module = bringer_module
        function = bringer_function:register
        """,
        bringer_module="""
            import toffee
            @toffee.register_lowering("ep::one")
            def one(g, x):
                return g.op("Exp", x)
        """,
        bringer_function="""
            import toffee
            def register():
                toffee.register_lowering("ep::two", lambda g, x: g.op("Sin", x))
        """,
    )
    run(
        tmp_path,
        """
        assert exported("one", "two") == ["Exp", "Sin", "Relu"]
        assert set(toffee.registered_lowerings()) == {"ep::one", "ep::two"}
        """,
    )


def test_a_broken_entry_point_is_named_and_stops_only_what_needs_it(tmp_path):
    install(
        tmp_path,
        "broken",
        """
        ep::one = broken_code:missing
        ep::two = no_such_module:lower
        ep::three = broken_code:number
        everything = broken_all
        """,
        broken_code="number = 3",
        broken_all="raise ValueError('not today')",
    )
    run(
        tmp_path,
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert exported() == ["Relu"]
            assert exported() == ["Relu"]
        (warning,) = [str(w.message) for w in caught if w.category is RuntimeWarning]
        assert "the lowerings of entry point 'broken_all' of the distribution broken 1.5 are not" \
            in warning and "ValueError: not today" in warning, warning

        for name, where, why in (
            ("one", "broken_code:missing", "AttributeError"),
            ("two", "no_such_module:lower", "ModuleNotFoundError"),
            ("three", "broken_code:number", "is 3, which cannot be called"),
        ):
            try:
                exported(name)
            except toffee.TraceError as error:
                text = str(error)
            assert f"entry point '{where}' of the distribution broken 1.5" in text, text
            assert why in text, text
        toffee.register_lowering("ep::one", lambda g, x: g.op("Exp", x))  # as the message says
        assert exported("one") == ["Exp", "Relu"]
        """,
    )


def test_an_export_inside_of_an_entry_point_does_not_wait_for_itself(tmp_path):
    install(
        tmp_path,
        "nested",
        "everything = nested_code",
        nested_code="""
            import io, torch, toffee
            from toffee.torch_toffee import export
            toffee.register_lowering("ep::one", lambda g, x: g.op("Exp", x))
            export(torch.ops.ep.one, torch.ones(2), io.BytesIO())
        """,
    )
    run(tmp_path, "assert exported('one') == ['Exp', 'Relu']")


def test_two_distributions_with_a_lowering_of_one_operator_are_told_apart(tmp_path):
    install(tmp_path, "alpha", "ep::one = alpha_code:lower_one", alpha_code=MODULE)
    install(tmp_path, "beta", "ep::one = beta_code:lower_one", beta_code=MODULE)
    install(tmp_path, "gamma", "ep::not a name = beta_code:lower_one")
    run(
        tmp_path,
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert exported("one") == ["Exp", "Relu"]
        texts = [str(w.message) for w in caught if w.category is RuntimeWarning]
        assert len(texts) == 2, texts
        assert "ep::one has two lowerings, and the first counts: entry point 'alpha_" in texts[0]
        assert "distribution beta 1.5" in texts[0]
        assert "distribution gamma 1.5: 'ep::not a name' is no name of an operator" in texts[1]
        assert "alpha_code" in sys.modules and "beta_code" not in sys.modules
        """,
    )


@pytest.mark.parametrize("n_threads", [4])
def test_exports_in_threads_read_the_entry_points_once(tmp_path, n_threads):
    install(
        tmp_path,
        "slow",
        "everything = slow_code:register",
        slow_code="""
            import time, toffee
            calls = []
            def register():
                calls.append(1)
                time.sleep(0.3)
                toffee.register_lowering("ep::one", lambda g, x: g.op("Exp", x))
        """,
    )
    run(
        tmp_path,
        f"""
        results = []
        threads = [
            threading.Thread(target=lambda: results.append(exported("one")))
            for _ in range({n_threads})
        ]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert results == [["Exp", "Relu"]] * {n_threads}, results
        assert sys.modules["slow_code"].calls == [1]
        """,
    )
