"""The blocks of the documentation that need Caffe2's runtime run."""

from __future__ import annotations

import docs_blocks
import pytest

SESSIONS = docs_blocks.sessions(caffe2=True)


def test_there_is_something_to_run():
    assert SESSIONS


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session[0].where)
def test_every_block_runs(session, tmp_path):
    docs_blocks.run(session, tmp_path)
