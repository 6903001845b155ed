"""The zoo of models: its cases, a process for each of them, and the baseline.

A case is run in a process of its own, under a limit of memory and time, so that one that crashes or
hangs is a row like the others.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import multiprocessing.connection
import os
import resource
import warnings
from pathlib import Path
from typing import Any

BASELINE = Path(__file__).parent / "baseline.json"
LIBRARIES = ("torchvision", "timm", "transformers")


# ---- one model in a process of its own -----------------------------------------------------------


def offline() -> None:
    """Nothing may be fetched: a hub that is asked for answers with an error."""
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def load_cases(library: str) -> dict[str, Any]:
    """The cases of LIBRARY by name. Imports the library."""
    offline()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dict(importlib.import_module(f"zoo_{library}").CASES)


def _work(
    case: Any, checker: str, gigabytes: float, sender: multiprocessing.connection.Connection
) -> None:
    """The child: one row into SENDER."""
    import torch

    check = importlib.import_module(checker).check
    torch.set_num_threads(1)
    limit = int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    sender.send(check(case))
    sender.close()


def run_case(
    case: Any, seconds: float = 300, gigabytes: float = 12, checker: str = "zoo_check"
) -> dict[str, Any]:
    """The row that module CHECKER makes of CASE, whatever becomes of the process that makes it."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(case, checker, gigabytes, sender))
    process.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            return {"status": "time-out", "reason": f"took more than {seconds:.0f} s"}
        return dict(receiver.recv())
    except EOFError:
        process.join(10)
        return {"status": "crash", "reason": f"the process ended with {process.exitcode}"}
    finally:
        process.kill()
        process.join()
        receiver.close()


# ---- the baseline and the page -------------------------------------------------------------------


def read_baseline() -> dict[str, dict[str, Any]]:
    return json.loads(BASELINE.read_text()) if BASELINE.exists() else {}


def kept(row: dict[str, Any]) -> dict[str, Any]:
    """What of a row is the same on every machine."""
    keys = ("status", "parameters", "nodes", "note", "reason")
    result = {key: row[key] for key in keys if key in row}
    if row.get("warnings"):
        result["warnings"] = [_short_warning(text) for text in row["warnings"]]
    return result


def _short_warning(text: str) -> str:
    """A warning without what differs between machines and versions: the operator and the code."""
    first, _, place = text.partition("\n")
    code = place.strip().split(": ", 1)[-1]
    return f"{first.split(' ')[0]}: `{code}`"


def worse(row: dict[str, Any], before: dict[str, Any] | None) -> str:
    """What is worse than the baseline, or nothing."""
    if before is None:
        return "is not in the baseline; --write adds it"
    if row["status"] != "passed" and before["status"] == "passed":
        return f"{row['status']}: {row.get('reason')}"
    if len(row.get("warnings", ())) > len(before.get("warnings", ())):
        return f"warns: {row['warnings']}"
    if row["status"] == "passed" and before["status"] != "passed":
        return "passes now; --write takes it off the list of failures"
    return ""
