"""The notebooks that need Caffe2's runtime run."""

from __future__ import annotations

import pytest
from test_notebooks import CAFFE2_NOTEBOOKS, FOLDER, assert_runs


@pytest.mark.parametrize("name", CAFFE2_NOTEBOOKS)
def test_a_notebook_runs_to_its_end(name, tmp_path):
    assert_runs(FOLDER / name, tmp_path)
