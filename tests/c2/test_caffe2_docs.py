"""The Python of the pages about Caffe2 runs."""

from __future__ import annotations

import subprocess
import sys

import pytest
from test_docs import CAFFE2_PAGES, blocks

HERE = [block for block in blocks("python") if block[0].partition("#")[0] in CAFFE2_PAGES]


def test_there_is_something_to_run():
    assert HERE


@pytest.mark.parametrize(("where", "code"), HERE, ids=lambda x: x.split("\n")[0][:40])
def test_every_python_block_runs(where, code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{where}:\n{done.stderr}"
