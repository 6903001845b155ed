"""The processes that Caffe2 runs in: what they compute, how they end, and that nothing stays.

Nets are written by hand here, so that only the runner and its client are tested.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from net_bytes import net, op

from toffee import BackendError, helper
from toffee.backend.c2 import _install, _process
from toffee.backend.c2._process import NetError, Runner, RunTimeout, Weight

HERE = Path(__file__).parent
NOTHING = net()


def weight(name: str, array: np.ndarray) -> Weight:
    dtype = helper.np_dtype_to_tensor_dtype(array.dtype)
    data = memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    return Weight(name, dtype, array.shape, data)


def relu(**kwargs) -> Runner:
    return Runner(NOTHING, net(op("Relu", "x", "y")), [], ["x"], ["y"], **kwargs)


def endless(**kwargs) -> Runner:
    """A net that multiplies large matrices for minutes."""
    predict = net(*[op("MatMul", "x x", "y")] * 5000)
    return Runner(NOTHING, predict, [], ["x"], ["y"], threads=1, **kwargs)


MATRIX = np.zeros((1200, 1200), np.float32)
X = np.array([[-1, 2, -3], [4, -5, 6]], np.float32)


def is_gone(pid: int) -> bool:
    """Whether nothing is left of a process that is not ours to wait for."""
    return not os.path.exists(f"/proc/{pid}")


def soon(condition, seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def wait_until_it_computes(pid: int) -> None:
    def used() -> int:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])

    assert soon(lambda: used() > 5), "the net did not start to run"


def descriptors(pid: int | str = "self") -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


# ---- what it computes --------------------------------------------------------------------------


def test_outputs_are_what_the_net_computes_from_weights_constants_and_inputs():
    rng = np.random.default_rng(0)
    w = rng.standard_normal((4, 3)).astype(np.float32)
    b = rng.standard_normal(4).astype(np.float32)
    init = net(op("GivenTensorFill", "", "b", shape=[4], values=[float(v) for v in b]))
    runner = Runner(init, net(op("FC", "x w b", "y")), [weight("w", w)], ["x"], ["y", "b", "x"])
    for size in (5, 1, 300):  # the area for inputs grows on the way
        x = rng.standard_normal((size, 3)).astype(np.float32)
        (y, b_again, x_again), seconds = runner.run([x])
        np.testing.assert_allclose(y, x @ w.T + b, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(b_again, b)
        np.testing.assert_array_equal(x_again, x)
        assert 0 < seconds < 10
    runner.close()


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0, 3), (2, 3), (65, 257)])
@pytest.mark.parametrize(
    "dtype", ["float32", "uint8", "int8", "int16", "int32", "int64", "bool", "float16", "float64"]
)
def test_every_element_type_and_shape_survives_both_ways(echo, dtype, shape):
    value = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    (x, w), _ = echo.run([value, np.asarray(value.T)])
    assert x.dtype == w.dtype == value.dtype
    assert x.shape == shape
    np.testing.assert_array_equal(x, value)
    np.testing.assert_array_equal(w, value.T)


@pytest.fixture
def echo():
    with contextlib.closing(Runner(NOTHING, NOTHING, [], ["x", "w"], ["x", "w"])) as runner:
        yield runner


def test_bfloat16_survives_both_ways(echo):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    value = np.arange(100, dtype=np.float32).astype(ml_dtypes.bfloat16)
    (x, w), _ = echo.run([value, value])
    assert x.dtype == value.dtype
    assert x.tobytes() == w.tobytes() == value.tobytes()


def test_an_element_type_that_caffe2_has_not_is_refused_and_the_runner_lives_on(echo):
    with pytest.raises(BackendError, match="complex64"):
        echo.run([np.zeros(3, np.complex64), X])
    (x, _), _ = echo.run([X, X])
    np.testing.assert_array_equal(x, X)


def test_outputs_stay_what_they_were_and_can_be_written_to():
    big = np.arange(100_000, dtype=np.float32)
    with contextlib.closing(relu()) as runner:
        (first,), _ = runner.run([big])
        (second,), _ = runner.run([big + 1])
    np.testing.assert_array_equal(first, big)
    np.testing.assert_array_equal(second, big + 1)
    first += 1
    np.testing.assert_array_equal(first, second)


def test_kept_outputs_hold_no_descriptors():
    big = np.zeros(100_000, np.float32)
    with contextlib.closing(relu()) as runner:
        before = descriptors()
        kept = [runner.run([big])[0][0] for _ in range(50)]
        assert descriptors() <= before + 2  # the input's memory
    assert len(kept) == 50


def test_memory_of_outputs_goes_with_the_last_array():
    def mapped() -> int:
        return Path("/proc/self/maps").read_text().count("toffee outputs")

    with contextlib.closing(relu()) as runner:
        part = runner.run([np.ones(100_000, np.float32)])[0][0][5:7]
        gc.collect()
        assert mapped() == 1
        assert part.tolist() == [1, 1]
        del part
        gc.collect()
        assert mapped() == 0


def test_weights_in_a_file_are_mapped_from_there(tmp_path):
    values = np.random.default_rng(0).standard_normal(50_000).astype(np.float32)
    path = tmp_path / "weights"
    values.tofile(path)
    array = np.memmap(path, np.float32, "r")
    data = memoryview(array).cast("B")
    runner = Runner(
        NOTHING,
        net(op("Relu", "a", "y"), op("Relu", "b", "z")),
        [Weight("a", 1, (100,), data[4:404]), Weight("b", 1, (49_000,), data[4000:])],
        [],
        ["y", "z"],
    )
    maps = Path(f"/proc/{runner.pid}/maps").read_text()
    assert [line.split()[1] for line in maps.splitlines() if str(path) in line] == ["r--s"]
    assert "toffee weights" not in maps
    (y, z), _ = runner.run([])
    np.testing.assert_array_equal(y, np.maximum(values[1:101], 0))
    np.testing.assert_array_equal(z, np.maximum(values[1000:], 0))
    runner.close()


@pytest.mark.parametrize("shape", [(0,), (2, 0, 3), ()])
def test_weights_may_be_empty_or_of_one_number(shape):
    w = np.full(shape, 5, np.float32)
    with contextlib.closing(Runner(NOTHING, NOTHING, [weight("w", w)], [], ["w"])) as runner:
        (again,), _ = runner.run([])
    np.testing.assert_array_equal(again, w)
    assert again.shape == shape


def test_weights_of_a_replaced_file_are_those_that_were_loaded(tmp_path):
    path = tmp_path / "weights"
    np.full(5000, 3, np.float32).tofile(path)
    array = np.memmap(path, np.float32, "r")
    np.full(5000, 4, np.float32).tofile(tmp_path / "new")
    os.replace(tmp_path / "new", path)
    values = [Weight("w", 1, (5000,), memoryview(array).cast("B"))]
    with contextlib.closing(Runner(NOTHING, NOTHING, values, [], ["w"])) as runner:
        assert runner.run([])[0][0].tolist() == [3] * 5000


def test_a_file_cut_short_while_it_is_used_is_told_as_the_signal_that_it_is(tmp_path):
    path = tmp_path / "weights"
    np.ones(100_000, np.float32).tofile(path)
    array = np.memmap(path, np.float32, "r")
    values = [Weight("w", 1, (100_000,), memoryview(array).cast("B"))]
    runner = Runner(NOTHING, net(op("Relu", "w", "y")), values, [], ["y"])
    os.truncate(path, 0)
    with pytest.raises(BackendError, match="SIGBUS"):
        runner.run([])


def test_an_operator_that_writes_to_a_weight_ends_the_runner_and_changes_nothing(tmp_path):
    path = tmp_path / "weights"
    np.full(5000, -1, np.float32).tofile(path)
    array = np.memmap(path, np.float32, "r")
    values = [Weight("w", 1, (5000,), memoryview(array).cast("B"))]
    runner = Runner(NOTHING, net(op("Relu", "w", "w")), values, [], ["w"])
    with pytest.raises(BackendError, match="SIGSEGV"):
        runner.run([])
    assert (np.fromfile(path, np.float32) == -1).all()


def test_threads_says_how_many_caffe2_computes_with():
    def threads(n: int) -> int:
        predict = net(op("MatMul", "x x", "y"))
        runner = Runner(NOTHING, predict, [], ["x"], ["y"], threads=n)
        with contextlib.closing(runner):
            runner.run([MATRIX])
            return len(os.listdir(f"/proc/{runner.pid}/task"))

    assert threads(1) == 2  # it, and the one that watches
    assert threads(2) > threads(1)


# ---- bad nets ----------------------------------------------------------------------------------


def test_an_operator_that_fails_is_named_with_caffe2s_message_and_the_next_run_is_fine():
    w = np.ones((4, 3), np.float32)
    predict = net(op("Relu", "x", "h"), op("MatMul", "h w", "y", trans_b=1))
    with contextlib.closing(Runner(NOTHING, predict, [weight("w", w)], ["x"], ["y"])) as runner:
        for _ in range(3):
            with pytest.raises(NetError, match="Dimension mismatch") as caught:
                runner.run([np.ones((5, 4), np.float32)])
            assert (caught.value.stage, caught.value.op) == ("run", 1)
            (y,), _ = runner.run([np.ones((5, 3), np.float32)])
            np.testing.assert_array_equal(y, np.full((5, 4), 3))


@pytest.mark.parametrize(
    ("init", "predict", "stage", "place", "message"),
    [
        (NOTHING, net(op("Relu", "x", "y"), op("No", "y", "z")), "create", 1, "of type 'No'"),
        (NOTHING, net(op("Relu", "nobody", "y")), "create", 0, "non-existing input blob: nobody"),
        (net(op("Fail", "", "")), NOTHING, "init", 0, "Fail|failed"),
        (b"\xff\xff\xff", NOTHING, "other", -1, "init_net is no NetDef"),
        (NOTHING, b"\x0a\x7f", "other", -1, "predict_net is no NetDef"),
    ],
)
def test_a_bad_net_is_refused_with_its_operator(init, predict, stage, place, message):
    before = descriptors()
    with pytest.raises(NetError, match=message) as caught:
        Runner(init, predict, [], ["x"], ["y"])
    assert (caught.value.stage, caught.value.op) == (stage, place)
    assert descriptors() == before


def test_an_output_that_nothing_computes_is_named():
    runner = Runner(NOTHING, NOTHING, [], [], ["nobody"])
    with contextlib.closing(runner), pytest.raises(NetError, match="'nobody' was not computed"):
        runner.run([])


def test_bytes_that_are_no_command_end_the_runner_and_are_reported():
    runner = relu()
    runner._channel.socket.send(b"\xff" * 64)
    with pytest.raises(BackendError, match="what came is no command"):
        runner.run([X])
    assert is_gone(runner.pid)


@pytest.mark.parametrize("cut", [1, 8, 20, 40])
def test_a_command_that_is_cut_off_is_an_error_and_no_crash(cut):
    with contextlib.closing(relu()) as runner:
        body, offsets = runner._lay_out([X])
        fds = runner._write_inputs([X], offsets)
        runner._channel.send(_process._RUN, body[:-cut], fds)
        with pytest.raises(NetError, match="cut off|another number"):
            runner._answer(_process._RESULT, time.monotonic() + 10)


def test_a_tensor_outside_the_shared_memory_is_refused():
    with contextlib.closing(relu()) as runner:
        body, offsets = runner._lay_out([X])
        fds = runner._write_inputs([X], offsets)
        lie = body[:-8] + (10**12).to_bytes(8, "little")
        runner._channel.send(_process._RUN, lie, fds)
        with pytest.raises(NetError, match="outside the memory"):
            runner._answer(_process._RESULT, time.monotonic() + 10)


# ---- the end -----------------------------------------------------------------------------------


def test_an_answer_that_cannot_be_understood_ends_the_runner():
    runner = relu()
    runner._output_count = 2
    with pytest.raises(BackendError, match="answered another number of outputs"):
        runner.run([X])
    assert is_gone(runner.pid)


def test_a_thousand_cycles_leave_no_process_no_memory_and_no_file():
    with contextlib.closing(relu()) as first:
        template = parent_of(first.pid)

        def left() -> tuple:
            return (
                descriptors(),
                descriptors(template),
                sorted(os.listdir("/dev/shm")),
                Path(f"/proc/{template}/task/{template}/children").read_text(),
                Path("/proc/self/maps").read_text().count("memfd:"),
            )

        before = left()
        start = time.monotonic()
        for i in range(1000):
            runner = relu()
            if i % 10 == 0:
                (y,), _ = runner.run([X])
                np.testing.assert_array_equal(y, np.maximum(X, 0))
            runner.close()
            assert is_gone(runner.pid)
        assert time.monotonic() - start < 60
        assert parent_of(first.pid) == template  # one served them all
        assert left() == before


def test_the_template_ends_when_it_has_nothing_to_do_and_the_next_graph_starts_another():
    runner = relu()
    template = parent_of(runner.pid)
    time.sleep(3.3)
    assert not is_gone(template)  # it has a runner
    runner.close()
    assert not is_gone(template)
    assert soon(lambda: is_gone(template), 6)
    with contextlib.closing(relu()) as runner:
        assert parent_of(runner.pid) != template


def test_graphs_run_on_when_somebody_kills_the_template():
    with contextlib.closing(relu()) as runner:
        template = parent_of(runner.pid)
        os.kill(template, signal.SIGKILL)
        assert soon(lambda: is_gone(template))
        (y,), _ = runner.run([X])
        np.testing.assert_array_equal(y, np.maximum(X, 0))
        with contextlib.closing(relu()) as other:
            assert parent_of(other.pid) != template
    assert soon(lambda: is_gone(runner.pid))


def test_a_collected_runner_ends():
    runner = relu()
    pid = runner.pid
    del runner
    gc.collect()
    assert soon(lambda: is_gone(pid))


def test_close_may_be_called_again_and_a_run_afterwards_says_so():
    runner = relu()
    runner.close()
    runner.close()
    with pytest.raises(BackendError, match="it was closed"):
        runner.run([X])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_a_runner_killed_between_runs_is_reported_with_its_signal(number):
    runner = relu()
    os.kill(runner.pid, number)
    with pytest.raises(BackendError, match=rf"{runner.pid}.*signal {number:d} \({number.name}\)"):
        runner.run([X])
    with pytest.raises(BackendError, match=number.name):
        runner.run([X])


def test_a_runner_killed_in_the_middle_of_a_run_is_reported_at_once():
    before = descriptors()
    runner = endless()
    times = []

    def kill() -> None:
        wait_until_it_computes(runner.pid)
        times.append(time.monotonic())
        os.kill(runner.pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(BackendError, match="SIGKILL"):
        runner.run([MATRIX])
    assert time.monotonic() - times[0] < 1
    thread.join()
    assert is_gone(runner.pid)
    assert descriptors() <= before


def test_the_last_lines_of_stderr_come_with_the_death():
    runner = relu()
    log = runner._log.fd
    os.write(log, b"".join(b"line %d\n" % i for i in range(1000)))
    os.kill(runner.pid, signal.SIGSEGV)
    with pytest.raises(BackendError, match="SIGSEGV") as caught:
        runner.run([X])
    assert "line 999" in str(caught.value)
    assert "line 900\n" not in str(caught.value)


def test_a_long_log_does_not_grow_without_end():
    with contextlib.closing(relu()) as runner:
        os.write(runner._log.fd, b"x" * 3_000_000)
        runner.run([X])
        assert os.fstat(runner._log.fd).st_size < 1_000_000


# ---- time, threads, Ctrl-C ---------------------------------------------------------------------


def test_a_run_that_takes_too_long_is_ended():
    runner = endless(timeout=0.3)
    start = time.monotonic()
    with pytest.raises(RunTimeout, match=r"timeout=0\.3") as caught:
        runner.run([MATRIX])
    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value, BackendError)
    assert time.monotonic() - start < 2
    assert is_gone(runner.pid)
    with pytest.raises(BackendError, match="not run within"):
        runner.run([MATRIX])


def test_preparing_that_takes_too_long_is_ended():
    init = net(op("ConstantFill", "", "x", shape=[1200, 1200]), *[op("MatMul", "x x", "y")] * 5000)
    before = descriptors()
    with pytest.raises(RunTimeout, match="not prepared within"):
        Runner(init, NOTHING, [], [], [], threads=1, timeout=0.3)
    assert descriptors() == before


def test_a_stopped_runner_is_ended_by_the_time_out_too():
    runner = relu(timeout=0.3)
    os.kill(runner.pid, signal.SIGSTOP)
    with pytest.raises(RunTimeout):
        runner.run([X])
    assert is_gone(runner.pid)


def test_threads_take_turns_on_one_runner():
    with contextlib.closing(relu()) as runner:
        wrong = []

        def work(k: int) -> None:
            x = np.full((50, 60), k, np.float32)
            for _ in range(50):
                (y,), _ = runner.run([x])
                if not (y == k).all():
                    wrong.append(k)

        threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_runners_started_by_several_threads_work_side_by_side():
    results = []

    def work(k: int) -> None:
        for _ in range(10):
            with contextlib.closing(relu()) as runner:
                results.append((runner.run([X * k])[0][0] == np.maximum(X * k, 0)).all())

    threads = [threading.Thread(target=work, args=(k,)) for k in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 50


def test_close_breaks_off_a_run_in_another_thread():
    runner = endless()
    errors = []

    def work() -> None:
        try:
            runner.run([MATRIX])
        except BackendError as error:
            errors.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    wait_until_it_computes(runner.pid)
    start = time.monotonic()
    runner.close()
    thread.join()
    assert time.monotonic() - start < 2
    assert errors == ["the run was broken off: it was closed while it ran"]
    assert is_gone(runner.pid)


def test_ctrl_c_in_a_run_ends_the_runner():
    runner = endless()

    def interrupt() -> None:
        wait_until_it_computes(runner.pid)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        runner.run([MATRIX])
    thread.join()
    assert is_gone(runner.pid)
    with pytest.raises(BackendError, match="interrupted by KeyboardInterrupt"):
        runner.run([MATRIX])


def test_a_signal_handler_may_close_the_runner_but_not_run_it():
    runner = endless()
    said = []

    def handle(number: int, frame: object) -> None:
        try:
            runner.run([MATRIX])
        except BackendError as error:
            said.append(str(error))
        runner.close()

    def interrupt() -> None:
        wait_until_it_computes(runner.pid)
        os.kill(os.getpid(), signal.SIGUSR1)

    old = signal.signal(signal.SIGUSR1, handle)
    thread = threading.Thread(target=interrupt)
    try:
        thread.start()
        with pytest.raises(BackendError, match="broken off: it was closed"):
            runner.run([MATRIX])
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, old)
    assert "in the middle of another one" in said[0]


def test_a_signal_handler_may_close_a_runner_while_another_one_is_started(monkeypatch):
    first = relu()
    answer = _process._Template._answer
    closed = []

    def interrupted(template, wanted, until):
        if not closed:  # the question is asked, the answer on its way
            closed.append(first.pid)
            first.close()
        return answer(template, wanted, until)

    monkeypatch.setattr(_process._Template, "_answer", interrupted)
    with contextlib.closing(relu()) as second:
        (y,), _ = second.run([X])
    np.testing.assert_array_equal(y, np.maximum(X, 0))
    assert soon(lambda: is_gone(closed[0]))


# ---- other processes ---------------------------------------------------------------------------


def start(code: str, *options: str) -> subprocess.Popen[str]:
    """Python with CODE, which has the names of this file."""
    head = f"import sys; sys.path.insert(0, {str(HERE)!r}); from test_runner import *\n"
    return subprocess.Popen(
        [sys.executable, *options, "-c", head + textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(_install.__file__).parents[3],
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert err == ""
    return out


def numbers_from(process: subprocess.Popen[str]) -> list[int]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    return [int(word) for word in line.split()]


RUN_FOR_LONG = """
    runner = endless()
    print(runner.pid, parent_of(runner.pid), flush=True)
    {more}
    runner.run([MATRIX])
"""


def test_nothing_is_left_when_python_is_killed_in_the_middle_of_a_run():
    process = start(RUN_FOR_LONG.format(more=""))
    runner, template = numbers_from(process)
    wait_until_it_computes(runner)
    process.kill()
    process.communicate()
    assert soon(lambda: is_gone(runner) and is_gone(template), 2)


def test_nothing_is_left_even_if_a_child_of_python_holds_the_sockets():
    # A fork that Python does not know of: a C library's, say. It has copies of all descriptors.
    more = "import ctypes; child = ctypes.CDLL(None).fork()\n"
    more += "    if child == 0: time.sleep(30); os._exit(0)\n"
    more += "    print(child, flush=True)"
    process = start(RUN_FOR_LONG.format(more=more))
    runner, template = numbers_from(process)
    (child,) = numbers_from(process)
    wait_until_it_computes(runner)
    process.kill()
    process.wait()
    try:
        assert soon(lambda: is_gone(runner) and is_gone(template), 2)
        assert not is_gone(child)
    finally:
        os.kill(child, signal.SIGKILL)
        process.communicate()


def test_nothing_is_left_when_python_ends_without_closing():
    out = finish(start("r = relu(); r.run([X]); print(r.pid, parent_of(r.pid))", "-X", "dev"))
    runner, template = map(int, out.split())
    assert soon(lambda: is_gone(runner) and is_gone(template), 2)


def test_a_python_that_orphans_go_to_is_left_no_zombies():
    # As the first process of a container is.
    finish(
        start(
            """
            import ctypes
            from toffee.backend.c2 import _process
            assert ctypes.CDLL(None).prctl(36, 1) == 0  # PR_SET_CHILD_SUBREAPER
            for _ in range(5):
                runner = relu()
                assert parent_of(parent_of(runner.pid)) == os.getpid()
                runner.close()
                _process._forget_template()  # the next one needs another
            time.sleep(0.2)
            runner = relu()
            me = os.getpid()
            children = Path(f"/proc/{me}/task/{me}/children").read_text().split()
            assert children == [str(parent_of(runner.pid))]
            runner.close()
            """
        )
    )


def test_after_a_fork_the_runner_is_the_parents():
    finish(
        start(
            """
            runner = relu()
            runner.run([X])
            child = os.fork()
            if child == 0:
                try:
                    runner.run([X])
                except BackendError as error:
                    assert "it belongs to the process" in str(error), error
                    runner.close()
                    with contextlib.closing(relu()) as own:  # one can be started here
                        own.run([X])
                    os._exit(0)
                os._exit(1)
            assert os.waitpid(child, 0)[1] == 0
            (y,), _ = runner.run([X])
            assert (y == np.maximum(X, 0)).all()
            runner.close()
            """
        )
    )


def test_a_fork_while_another_thread_runs_does_not_hang_in_the_child():
    finish(
        start(
            """
            runner = endless()
            refused = lambda: pytest.raises(BackendError, runner.run, [MATRIX])
            thread = threading.Thread(target=refused)
            thread.start()
            wait_until_it_computes(runner.pid)
            child = os.fork()
            if child == 0:
                runner.close()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            assert thread.is_alive()
            runner.close()
            thread.join()
            """
        )
    )


# ---- programs that are no runner ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("#!/bin/sh\necho cannot open libtorch >&2; exit 127", "cannot open libtorch"),
        ("#!/nowhere/at/all", "cannot be started: No such file"),
        ("#!/bin/sh\nexit 0", "does not start"),
        ("#!/bin/sh\nprintf 'something else, 24 bytes' >&$2", "does not start"),
    ],
)
def test_a_program_that_does_not_start_is_reported_with_what_to_do(
    script, message, tmp_path, monkeypatch
):
    program = tmp_path / "runner"
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setattr(_install, "runner_path", lambda: program)
    before = descriptors()
    with pytest.raises(BackendError, match="toffee.backend.c2 install") as caught:
        relu()
    assert message in str(caught.value)
    monkeypatch.undo()
    with contextlib.closing(relu()) as runner:  # the next one is not hurt
        runner.run([X])
    _process._forget_template()
    assert descriptors() <= before
