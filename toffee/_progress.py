"""How far a long job is, for the person who waits for it or for the program that asked.

A job says which stage begins (``with progress.stage("writing", "B"):``) and, within it, how much
is done: C calls the :class:`Progress` at most ten times a second, after an operator or a few
megabytes. There is no thread. Nobody sees anything before a second is over. Then a terminal or a
notebook gets a bar of tqdm, or a line of text where tqdm is not installed; a file or a pipe gets
plain lines, at 1, 2, 4, 8 seconds and so on, from a minute on one a minute.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

__all__ = ["Callback", "Progress", "of"]

#: What a program is told: the name of the stage, how much of it is done, and how much there is in
#: all (0: not known), in operators or bytes.
Callback = Callable[[str, int, int], object]

#: Seconds before anything is shown.
DELAY = 1.0
#: Seconds between two calls within a stage.
INTERVAL = 0.1
#: Most seconds between two plain lines.
_RAREST = 60.0

_UNITS = {"op": "operator", "run": "run"}


class _State(NamedTuple):
    """What there is to show."""

    stage: str
    unit: str  # "op", "B", "run", or "": nothing is counted
    done: int
    total: int  # 0: not known
    elapsed: float  # seconds since the job began
    in_stage: float  # and since the stage did

    def __str__(self) -> str:
        seconds = f"{self.elapsed:.0f} s"
        if not self.unit:
            return f"{self.stage}, {seconds}"
        return f"{self.stage}: {self._counted()}, {seconds}"

    def _counted(self) -> str:
        if self.unit == "B":
            of = f" of {self.total / 1e6:,.0f}" if self.total else ""
            return f"{self.done / 1e6:,.0f}{of} MB"
        of = f" of {self.total:,}" if self.total else ""
        plural = "" if self.done == 1 and not self.total else "s"
        return f"{self.done:,}{of} {_UNITS[self.unit]}{plural}"


class _Display(Protocol):
    """Shows states to a person."""

    def show(self, state: _State) -> None: ...

    def close(self) -> None: ...


class _Bar:
    """tqdm's bar, another one for each stage; it is gone when the stage is over."""

    def __init__(self, tqdm: type[Any], stream: Any) -> None:
        self._tqdm = tqdm
        self._stream = stream
        self._bar: Any = None

    def show(self, state: _State) -> None:
        if self._bar is None:
            size = shutil.get_terminal_size()  # a terminal may not know; then it is 80 by 24
            unit = f" {_UNITS[state.unit]}s" if state.unit in _UNITS else state.unit
            self._bar = self._tqdm(
                total=state.total or None,
                desc=f"toffee: {state.stage}",
                unit=unit,
                unit_scale=True,
                bar_format=None if state.unit else "{desc} [{elapsed}]",
                file=self._stream,
                leave=False,
                initial=state.done,
                smoothing=0,
                ncols=None if _in_notebook() else size.columns,
                nrows=size.lines,
            )
            self._bar.initial = 0
        self._bar.last_print_t = time.time()  # tqdm's clock
        self._bar.start_t = self._bar.last_print_t - state.in_stage
        self._bar.total = state.total or None
        self._bar.n = state.done
        self._bar.refresh()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class _Text:
    """A terminal without tqdm: one line that is written over."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._width = 0

    def _put(self, text: str) -> None:
        self._stream.write(f"\r{text.ljust(self._width)}")
        self._stream.flush()
        self._width = len(text)

    def show(self, state: _State) -> None:
        self._put(f"toffee: {state}")

    def close(self) -> None:
        if self._width:
            self._put("")
            self._stream.write("\r")
            self._stream.flush()


class _Lines:
    """A file or a pipe: lines, fewer and fewer."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._next = 0.0

    def show(self, state: _State) -> None:
        if state.elapsed >= self._next:
            self._next = state.elapsed + min(state.elapsed, _RAREST)
            self._stream.write(f"toffee: {state}\n")
            self._stream.flush()

    def close(self) -> None:
        pass


def is_terminal(stream: Any) -> bool:
    """Also False for a stream that is None (no console) or closed."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")


def _find_tqdm() -> type[Any] | None:
    """tqdm's class for this terminal or notebook, without the thread that it would start."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of notebooks without widgets: it prints text there
            from tqdm.auto import tqdm  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:
        return None
    return type("tqdm", (tqdm,), {"monitor_interval": 0})


def _display_for(stream: Any) -> _Display | None:
    if stream is None:
        return None
    if not is_terminal(stream) and not _in_notebook():
        return _Lines(stream)
    tqdm = _find_tqdm()
    return _Text(stream) if tqdm is None else _Bar(tqdm, stream)


class Progress:
    """One job's progress.

    Parameters
    ----------
    wanted : bool or callable
        True: shown on stderr, see the top of this module. False: not at all. A callable gets
        ``(stage, done, total)`` when a stage begins, when it ends, and up to ten times a second
        between; what it raises ends the job.
    clock : callable
        Seconds.
    delay, interval : float
        See :data:`DELAY`, :data:`INTERVAL`.
    """

    def __init__(
        self,
        wanted: bool | Callback,
        *,
        clock: Callable[[], float] = time.monotonic,
        delay: float = DELAY,
        interval: float = INTERVAL,
    ) -> None:
        if not isinstance(wanted, bool) and not callable(wanted):
            raise TypeError(
                f"progress is a {type(wanted).__name__}; it can be True, False or a function of "
                "(stage, done, total)"
            )
        self.interval = interval
        self._callback = None if isinstance(wanted, bool) else wanted
        self._wanted = wanted is not False
        self._clock = clock
        self._delay = delay
        self._begin = self._stage_begin = clock() if self._wanted else 0.0
        self._stage = ("", "")
        self._next = 0.0
        self._display: _Display | None = None
        self._error: BaseException | None = None

    @property
    def listener(self) -> Callable[[int, int], None] | None:
        """What a job in C is to call with what is done and what there is; None where nobody
        listens."""
        return self._step if self._wanted else None

    @contextlib.contextmanager
    def stage(self, name: str, unit: str = "", total: int = 0) -> Iterator[Progress]:
        """The job is at NAME inside, where it counts in UNIT (``"op"``, ``"B"``, ``"run"``).

        What the callback raised inside comes out at the end, if somebody in between kept it.
        """
        if not self._wanted:
            yield self
            return
        before = self._stage, self._stage_begin
        self._stage, self._stage_begin = (name, unit), self._clock()
        try:
            if self._callback is not None or not unit:
                self._step(0, total)
            yield self
            if self._error is not None:
                raise self._error
        finally:
            self._error = None
            self._stage, self._stage_begin = before
            self._guarded(lambda display: display.close())

    def step(self, done: int, total: int = 0) -> None:
        """DONE of TOTAL (0: not known) are behind."""
        if self._wanted:
            self._step(done, total)

    def often(self, done: int, total: int = 0) -> None:
        """The same, for a job in Python that does not count the seconds between two steps."""
        if self._wanted and (done == total or self._clock() >= self._next):
            self._next = self._clock() + self.interval
            self._step(done, total)

    def _step(self, done: int, total: int) -> None:
        name, unit = self._stage
        if self._callback is not None:
            try:
                self._callback(name, done, total)
            except BaseException as error:
                self._error = error
                raise
            return
        now = self._clock()
        if now - self._begin < self._delay:
            return
        if self._display is None:
            self._display = _display_for(sys.stderr)
        state = _State(name, unit, done, total, now - self._begin, now - self._stage_begin)
        self._guarded(lambda display: display.show(state))

    def _guarded(self, act: Callable[[_Display], None]) -> None:
        """ACT on the display. A terminal that is gone ends no job; Ctrl-C does."""
        if self._display is None:
            return
        try:
            act(self._display)
        except (OSError, ValueError):
            self._display = None
            self._wanted = self._callback is not None


def of(progress: bool | Callback | Progress) -> Progress:
    """The progress that an argument ``progress=`` stands for.

    Raises
    ------
    TypeError
        It is neither a bool nor callable.
    """
    return progress if isinstance(progress, Progress) else Progress(progress)
