"""The processes in which Caffe2 runs: start them, talk to them, and leave nothing of them behind.

Caffe2's symbols clash with those of today's PyTorch, so that it cannot live in the Python process.
The program is runner.cc. The first graph starts a *template*: the program with its libraries
loaded, which takes a tenth of a second and is done once. Each graph then gets a fork of the
template, a *runner*, in milliseconds. The template ends when it has had no runner for three
seconds; it and all runners end as soon as the Python process does, however that ends.

Tensors are not sent. Weights of a loaded graph are mapped by the runner from the file in which they
lie; all others, and the inputs, are copied once into files in memory (``memfd``), which have no
name; outputs come back in one that the arrays then own.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import struct
import subprocess
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ... import helper
from ...errors import BackendError
from . import _install
from ._channel import (
    DTYPES,
    MAX_RANK,
    Channel,
    Garbled,
    Gone,
    Reader,
    close_all,
    pack_names,
    pack_tensor,
    pack_text,
)
from ._memory import Area, Weight, aligned, read_outputs, weights_message

if TYPE_CHECKING:
    import numpy as np

__all__ = ["NetError", "RunTimeout", "Runner", "Weight"]

# As in runner.cc.
_PROTOCOL = 1
_READY, _START, _STARTED, _END, _ENDED = 1, 2, 3, 4, 5
_PREPARE, _PREPARED, _RUN, _RESULT, _FAILED = 6, 7, 8, 9, 10
_STAGES = ("other", "init", "create", "run")

#: The template is not there yet, or hangs: seconds. A cold disk has half a gigabyte to read.
_TEMPLATE_TIMEOUT = 120.0
#: To wait for a process that has been killed.
_END_TIMEOUT = 10.0
_LOG_TAIL = 4096
_LOG_LIMIT = 1 << 20


class NetError(BackendError):
    """What Caffe2 says about a net.

    ``stage`` is "init" (an operator of init_net), "create" (an operator of predict_net cannot be
    made), "run" (one failed) or "other"; ``op`` is the operator's place in its net, or -1.
    """

    def __init__(self, stage: str, op: int, message: str) -> None:
        super().__init__(message)
        self.stage = stage
        self.op = op


class RunTimeout(BackendError, TimeoutError):
    """Caffe2 took longer than ``timeout``; its process has been ended."""


# ---- the template ------------------------------------------------------------------------------


class _Log:
    """What a process says on stderr: a file in memory, of which only the end is ever wanted. Nobody
    has to read along."""

    def __init__(self) -> None:
        import fcntl

        self.fd = os.memfd_create("toffee log", os.MFD_CLOEXEC)
        fcntl.fcntl(self.fd, fcntl.F_SETFL, os.O_APPEND)

    def trim(self) -> None:
        if os.fstat(self.fd).st_size > _LOG_LIMIT:
            os.ftruncate(self.fd, 0)

    def tail(self) -> str:
        """The last lines, indented, after a colon; or nothing."""
        try:
            size = os.fstat(self.fd).st_size
            raw = os.pread(self.fd, _LOG_TAIL, max(0, size - _LOG_TAIL))
        except OSError:
            return ""
        lines = [line for line in raw.decode("utf-8", "replace").splitlines() if line.strip()]
        return "".join(f"\n    {line}" for line in lines[-10:])

    def close(self) -> None:
        if self.fd >= 0:
            close_all([self.fd])
            self.fd = -1


#: Templates that may be ours to wait for, because we are the process that orphans go to: that with
#: the id 1, in a container, or a subreaper.
_adopted: list[int] = []


def _reap_adopted() -> None:
    for pid in list(_adopted):
        try:
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                continue
        except ChildProcessError:
            pass
        _adopted.remove(pid)


class _Template:
    """The process that runners are forked from. All calls under _template_lock."""

    def __init__(self, program: Path) -> None:
        self.program = program
        self.log = _Log()
        ours, theirs = socket.socketpair()
        self.channel = Channel(ours)
        parent = _own_pidfd()
        try:
            process = subprocess.Popen(
                [str(program), "--template", str(theirs.fileno()), str(parent)],
                stdin=subprocess.DEVNULL,
                stdout=self.log.fd,
                stderr=self.log.fd,
                cwd="/",  # so that no folder is in use
                pass_fds=[theirs.fileno()] + [parent] * (parent >= 0),
                start_new_session=True,  # Ctrl-C is for Python
            )
        except OSError as error:
            self.close()
            raise BackendError(
                f"Caffe2's runner {program} cannot be started: {error.strerror}. "
                f"Install it again: {_install.install_command()}"
            ) from error
        finally:
            theirs.close()
            close_all([parent] * (parent >= 0))
        try:
            kind, body, fds = self.channel.receive(time.monotonic() + _TEMPLATE_TIMEOUT)
            close_all(fds)
            reader = Reader(body)
            protocol = reader.take("I") if kind == _READY else 0
            if protocol != _PROTOCOL:
                raise Garbled(f"it speaks another protocol, {protocol}")
            pid = reader.take("q")
        except BaseException as error:
            process.kill()
            process.wait()
            tail = self.log.tail()
            self.close()
            if not isinstance(error, (Gone, TimeoutError)):
                raise
            raise BackendError(
                f"Caffe2's runner {program} does not start ({str(error) or 'it hangs'}). "
                f"Install it again: {_install.install_command()}{tail}"
            ) from None
        # The template is a child of this one, which has ended already, so that nobody has to wait
        # for the template one day: that is up to the process with the id 1.
        process.wait()
        _adopted.append(pid)
        _reap_adopted()

    def start(self, end: socket.socket, log: _Log) -> tuple[int, int]:
        """Fork a runner, which gets END and LOG: its number here, its process id."""
        until = time.monotonic() + _TEMPLATE_TIMEOUT
        self.channel.send(_START, fds=[end.fileno(), log.fd], until=until)
        reader = self._answer(_STARTED, until)
        number, pid = reader.take("Q"), reader.take("q")
        if pid < 0:
            raise BackendError(f"no process for Caffe2: {os.strerror(-pid)}")
        return number, pid

    def end(self, number: int) -> int | None:
        """End a runner if it has not ended; how it ended, as os.waitpid says, or None."""
        until = time.monotonic() + _END_TIMEOUT
        self.channel.send(_END, struct.pack("=Q", number), until=until)
        reader = self._answer(_ENDED, until)
        known, status = reader.take("I"), reader.take("i")
        return status if known else None

    def _answer(self, wanted: int, until: float) -> Reader:
        kind, body, fds = self.channel.receive(until)
        close_all(fds)
        if kind != wanted:
            raise Garbled("another answer")
        return Reader(body)

    def close(self) -> None:
        """It ends. Its runners do not, they watch us themselves."""
        self.channel.socket.close()
        self.log.close()


def _own_pidfd() -> int:
    """A descriptor by which others see this process end; -1 where the kernel has none (< 5.3)."""
    try:
        fd = os.pidfd_open(os.getpid())
    except (AttributeError, OSError):
        return -1
    return fd


#: Reentrant for signal handlers that close a rep. If one comes between a question to the template
#: and the answer, both sides of the talk see nonsense, and start anew with another template.
_template_lock = threading.RLock()
_template: _Template | None = None


@contextlib.contextmanager
def _talking() -> Iterator[None]:
    """After anything went wrong, or Ctrl-C, question and answer may be out of step: another
    template is started next time."""
    try:
        yield
    except BaseException:
        _forget_template()
        raise


def _forget_template() -> None:
    global _template
    if _template is not None:
        _template.close()
        _template = None


def _start_runner(program: Path, log: _Log) -> tuple[Channel, _Template, int, int]:
    """A new runner: the socket to it, the template it is from, its number there, its id."""
    global _template
    with _template_lock:
        _reap_adopted()
        for attempt in (1, 2):
            if _template is not None and _template.program != program:
                _forget_template()
            if _template is None:
                _template = _Template(program)
            template = _template
            ours, theirs = socket.socketpair()
            try:
                with _talking():
                    number, pid = template.start(theirs, log)
                return Channel(ours), template, number, pid
            except BaseException as error:
                ours.close()
                # It had no runner for long and has ended, or somebody has ended it: once more.
                if isinstance(error, Gone) and attempt == 1:
                    continue
                if isinstance(error, (Gone, TimeoutError)):
                    raise BackendError(
                        f"Caffe2's process ended as it started a runner: {error}"
                    ) from None
                raise
            finally:
                theirs.close()
    raise AssertionError("not reached")


def _end_runner(template: _Template, number: int) -> int | None:
    """Wait for a runner's end, as far as anybody can know it."""
    with _template_lock:
        if template is not _template:
            return None
        try:
            with _talking():
                return template.end(number)
        except (Gone, TimeoutError):
            return None


# ---- a runner ----------------------------------------------------------------------------------


def _hang_up(channel: Channel, log: _Log) -> None:
    """For the garbage collector, which may come in the middle of anything: no lock, no waiting."""
    channel.hang_up()
    channel.socket.close()
    log.close()


class Runner:
    """A process that has one graph's nets, ready to run.

    Parameters
    ----------
    init_net, predict_net : bytes
        Serialized NetDefs. Init_net is run here, once.
    weights : sequence of Weight
        Further blobs of the workspace. Their memory is not used afterwards, the files in which some
        of them lie are.
    inputs, outputs : sequence of str
        Blobs that a run is given, and those that it returns.
    threads : int, optional
        How many Caffe2 uses; by default what it finds best.
    timeout : float, optional
        Seconds that the nets may take to be prepared, and each run.

    Raises
    ------
    NetError
        What Caffe2 says about the nets.
    RunTimeout
        It took too long.
    toffee.BackendError
        The runtime is not installed, or the process died: says of what.
    """

    def __init__(
        self,
        init_net: bytes,
        predict_net: bytes,
        weights: Sequence[Weight],
        inputs: Sequence[str],
        outputs: Sequence[str],
        *,
        threads: int | None = None,
        timeout: float | None = None,
    ) -> None:
        program = _install.runner_path()
        self._input_count = len(inputs)
        self._output_count = len(outputs)
        self._timeout = timeout
        self._lock = threading.RLock()  # a signal handler may close us in the middle of a run
        self._busy = False
        self._ended: str | None = None
        self._area: Area | None = None
        self._area_sent = False
        self._log = _Log()
        try:
            channel, template, number, pid = _start_runner(program, self._log)
        except BaseException:
            self._log.close()
            raise
        self._channel, self._template, self._number = channel, template, number
        #: The process's id.
        self.pid = pid
        self._finalizer = weakref.finalize(self, _hang_up, channel, self._log)
        _runners.add(self)
        head = struct.pack("=I", threads or 0) + pack_text(init_net) + pack_text(predict_net)
        try:
            with self._command("prepared") as until, weights_message(weights) as (middle, fds):
                body = head + middle + pack_names(inputs) + pack_names(outputs)
                channel.send(_PREPARE, body, fds, until)
                self._answer(_PREPARED, until)
        except BaseException:
            self._let_go("it could not be prepared")
            raise

    def run(self, inputs: Sequence[np.ndarray]) -> tuple[list[np.ndarray], float]:
        """Run the net.

        Parameters
        ----------
        inputs : sequence of array
            In the order of ``inputs``, of a dtype that Caffe2 has. They are copied.

        Returns
        -------
        outputs : list of array
            In the order of ``outputs``; writable. Large ones lie in memory that they share.
        seconds : float
            What Caffe2's operators took, by the runner's clock.

        Raises
        ------
        NetError
            An operator failed. The next run may do better.
        RunTimeout
            It took longer than ``timeout``. The runner is closed now.
        toffee.BackendError
            The runner died, which is told at once; it was closed; or it is another process's.
        """
        with self._lock:
            self.check()
            if self._busy:  # by a signal handler: the lock lets this thread in
                raise BackendError("a run was started in the middle of another one of the same rep")
            self._busy = True
            try:
                body, offsets = self._lay_out(inputs)
                with self._command("run") as until:
                    fds = self._write_inputs(inputs, offsets)
                    self._channel.send(_RUN, body, fds, until)
                    self._area_sent = True
                    return self._read_result(*self._answer(_RESULT, until))
            finally:
                self._busy = False

    def check(self) -> None:
        """Raise BackendError, which says why, if the runner has ended."""
        if self._ended is not None:
            raise BackendError(f"the rep is closed: {self._ended}. prepare() the graph again")

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._ended is not None

    def close(self) -> None:
        """End the process, and wait for its end. A run in another thread fails at once."""
        if self._ended is None:
            self._ended = "it was closed"
            self._channel.hang_up()
        with self._lock:
            self._let_go("it was closed")

    # -- inputs and outputs --

    def _lay_out(self, arrays: Sequence[np.ndarray]) -> tuple[bytes, list[int]]:
        """The body of a _RUN, and where in the area each of ARRAYS is to lie. The area is large
        enough afterwards."""
        if len(arrays) != self._input_count:
            raise ValueError(f"{len(arrays)} inputs for {self._input_count}")
        tensors, offsets, end = [], [], 0
        for array in arrays:
            dtype = helper.np_dtype_to_tensor_dtype(array.dtype)
            if dtype not in DTYPES or array.ndim > MAX_RANK:
                raise BackendError(f"Caffe2 has no tensors of {array.dtype}, {array.ndim}-d")
            offsets.append(aligned(end))
            tensors.append(pack_tensor(dtype, array.shape, offsets[-1]))
            end = offsets[-1] + array.nbytes
        size = self._area.size if self._area is not None else 0
        if end > size:
            # Inputs that have grown will grow: somewhat more, so that this is rare.
            size = end if self._area is None else end + end // 4
            self._area = None  # first, so that there are not two at a time
            self._area, self._area_sent = Area(size), False
        return struct.pack("=QI", size, len(arrays)) + b"".join(tensors), offsets

    def _write_inputs(self, arrays: Sequence[np.ndarray], offsets: Sequence[int]) -> list[int]:
        """Copy ARRAYS into the area. Its descriptor, if the runner does not have it yet."""
        import numpy as np

        if self._area is None:
            return []
        for array, offset in zip(arrays, offsets, strict=True):
            if array.nbytes:
                place: np.ndarray = np.ndarray(array.shape, array.dtype, self._area.memory, offset)
                np.copyto(place, array)
        return [] if self._area_sent else [self._area.fd]

    def _read_result(self, reader: Reader, fds: list[int]) -> tuple[list[np.ndarray], float]:
        import numpy as np

        try:
            seconds, size, count = reader.double(), reader.take("Q"), reader.take("I")
            if count != self._output_count or len(fds) != (size > 0):
                raise Garbled("another number of outputs")
            memory = read_outputs(fds[0], size) if fds else bytearray()
        finally:
            close_all(fds)
        arrays: list[np.ndarray] = []
        for _ in range(count):
            dtype, dims, offset = reader.tensor()
            np_dtype = helper.tensor_dtype_to_np_dtype(dtype)
            if 0 in dims:
                arrays.append(np.empty(dims, np_dtype))
                continue
            try:
                arrays.append(np.ndarray(dims, np_dtype, memory, offset))
            except (TypeError, ValueError):
                raise Garbled("an output outside its memory") from None
        return arrays, seconds

    # -- commands --

    @contextlib.contextmanager
    def _command(self, what: str) -> Iterator[float | None]:
        """A command and its answer. Where that does not come, there is no runner any more."""
        self._log.trim()
        until = None if self._timeout is None else time.monotonic() + self._timeout
        try:
            yield until
        except NetError:
            raise
        except Gone as error:
            raise self._died(error) from None
        except TimeoutError:
            self._let_go(f"it was not {what} within {self._timeout} s")
            raise RunTimeout(
                f"the graph was not {what} within timeout={self._timeout} s; its Caffe2 process "
                "has been ended. prepare() the graph again, with more time"
            ) from None
        except BaseException as error:  # Ctrl-C, or no memory for the outputs
            # Before or after the answer? Nobody knows.
            self._let_go(f"it was interrupted by {type(error).__name__} while it ran")
            raise

    def _answer(self, wanted: int, until: float | None) -> tuple[Reader, list[int]]:
        kind, body, fds = self._channel.receive(until)
        reader = Reader(body)
        if kind == wanted:
            return reader, fds
        close_all(fds)
        if kind != _FAILED:
            raise Garbled("another answer than that to the command")
        stage, op = reader.take("I"), reader.take("q")
        raise NetError(_STAGES[stage] if stage < len(_STAGES) else "other", op, reader.text())

    # -- the end --

    def _died(self, why: Gone) -> BackendError:
        """The error for a runner that does not answer: it is dead, or has lost its head."""
        if self._ended is not None:  # by close(), in another thread or a signal handler
            self._let_go(self._ended)
            return BackendError(f"the run was broken off: {self._ended} while it ran")
        tail = self._log.tail()
        status = self._let_go(None)
        how = f"answered {why}" if isinstance(why, Garbled) else _describe(status)
        self._ended = f"its Caffe2 process {how}"
        if tail:
            tail = f"\nThe last that it said:{tail}"
        return BackendError(
            f"the graph's Caffe2 process (pid {self.pid}) {how}. prepare() the graph again{tail}"
        )

    def _let_go(self, reason: str | None) -> int | None:
        """End the process and wait for that; how it ended, if that is known."""
        first = self._finalizer.alive
        if self._ended is None:
            self._ended = reason or "its Caffe2 process has ended"
        self._area = None
        self._finalizer()
        return _end_runner(self._template, self._number) if first else None

    def _disown(self) -> None:
        """This is a fork of the process that started the runner. Hanging up is for that one."""
        self._lock = threading.RLock()  # whoever held it is not here
        if self._ended is None:
            self._ended = "it belongs to the process of which this one is a fork"
        self._area = None
        self._finalizer.detach()
        self._channel.socket.close()
        self._log.close()


def _describe(status: int | None) -> str:
    """How a process ended, after its name."""
    if status is None:
        return "ended"
    if not os.WIFSIGNALED(status):
        return f"ended with exit code {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "unknown"
    hint = ": by somebody, or by the system as memory ran out" if number == signal.SIGKILL else ""
    return f"was killed by signal {number} ({name}){hint}"


# ---- after a fork of Python --------------------------------------------------------------------

_runners: weakref.WeakSet[Runner] = weakref.WeakSet()


def _after_fork() -> None:
    """The child has copies of all sockets: closed, so that the parent's end is seen as it ends."""
    global _template_lock
    _template_lock = threading.RLock()
    _adopted.clear()
    _forget_template()
    for runner in list(_runners):
        runner._disown()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_forget_template)
