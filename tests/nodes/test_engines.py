"""The tests of nodes run on every engine, or it is said where and how they do."""

from __future__ import annotations

import pytest

from fastask.distribution import ENGINES
from tests.nodes.conftest import left_out


@pytest.mark.parametrize("name", ENGINES)
def test_the_tests_of_nodes_run_on(name: str) -> None:
    reason = left_out(name)
    if reason is not None:
        pytest.skip(f"no test of nodes runs on {name!r} here. {reason}")
