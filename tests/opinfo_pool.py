"""Runs the samples of PyTorch's operator database in processes of their own.

Part of ``tests/opinfo.py``. A sample that crashes its process, or takes longer than its time, is an
outcome like any other: the process is replaced, and the entry goes on with its next sample.
"""

from __future__ import annotations

import collections
import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from opinfo_run import Outcome

#: Runs one sample: entry, dtype, number of samples -> how many there are, and what runs the i-th.
Runner = Callable[[str, str, int], list[Callable[[], Outcome]]]

_CONTEXT = multiprocessing.get_context("fork")  # the parent has PyTorch loaded, and runs nothing


@dataclass
class Task:
    """One entry with one dtype, and what became of its samples so far."""

    name: str
    dtype: str
    n_samples: int
    outcomes: list[Outcome] = field(default_factory=list)


class _Worker:
    """One process, and the task that it is at."""

    def __init__(self, runner: Runner, task: Task, seconds: float) -> None:
        self.task, self.seconds = task, seconds
        self.pipe, theirs = _CONTEXT.Pipe()
        self.process = _CONTEXT.Process(target=_serve, args=(runner, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.give(task)

    def give(self, task: Task) -> None:
        self.task = task
        self.pipe.send((task.name, task.dtype, task.n_samples, len(task.outcomes)))
        self.deadline = time.monotonic() + self.seconds

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _serve(runner: Runner, pipe: multiprocessing.connection.Connection) -> None:
    """The life of a process: tasks in, an outcome for each sample out, None at a task's end."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)  # runtimes talk; what they say comes back as errors
    os.dup2(silent, 2)
    while True:
        try:
            name, dtype, n_samples, first = pipe.recv()
        except EOFError:
            return
        try:
            samples = runner(name, dtype, n_samples)
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            pipe.send(Outcome("out of scope", "PyTorch cannot make the samples", text[:500]))
            samples = []
        for sample in samples[first:]:
            try:
                pipe.send(sample())
            except Exception as error:
                text = f"{type(error).__name__}: {error}"
                pipe.send(Outcome("error", "the test itself raises", text[:500]))
        pipe.send(None)


def run(
    runner: Runner, tasks: Iterable[Task], jobs: int, seconds: float, verbose: bool = False
) -> Iterator[Task]:
    """Run TASKS in JOBS processes, SECONDS for each sample, and yield each when it is done."""
    waiting = collections.deque(tasks)
    workers: list[_Worker] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < jobs:
                workers.append(_Worker(runner, waiting.popleft(), seconds))
            multiprocessing.connection.wait([w.pipe for w in workers], timeout=0.5)
            for worker in list(workers):
                task = _attend(worker)
                if task is None:
                    continue
                if verbose:
                    print(task.name, task.dtype, file=sys.stderr, flush=True)
                alive = worker.process.is_alive() and not worker.pipe.closed
                if alive and waiting:
                    worker.give(waiting.popleft())
                else:
                    worker.end()
                    workers.remove(worker)
                if _is_over(task):
                    yield task
                else:
                    waiting.appendleft(task)
    finally:
        for worker in workers:
            worker.end()


def _is_over(task: Task) -> bool:
    """A task that ended in a crash or a hang goes on behind that sample, until all are through."""
    last = task.outcomes[-1].status if task.outcomes else ""
    if last not in ("crash", "hang"):
        return True
    return len(task.outcomes) >= task.n_samples


def _attend(worker: _Worker) -> Task | None:
    """Take in what WORKER has to say. Its task when it has ended, or when the process has."""
    try:
        while worker.pipe.poll():
            outcome = worker.pipe.recv()
            if outcome is None:
                return worker.task
            worker.task.outcomes.append(outcome)
            worker.deadline = time.monotonic() + worker.seconds
    except (EOFError, ConnectionResetError):
        worker.process.join()
        code = worker.process.exitcode or 0
        what = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        worker.task.outcomes.append(Outcome("crash", what))
        worker.pipe.close()
        return worker.task
    if time.monotonic() < worker.deadline:
        return None
    worker.task.outcomes.append(Outcome("hang", f"longer than {worker.seconds:g} s"))
    worker.process.kill()
    worker.process.join()
    worker.pipe.close()
    return worker.task
