"""The pairs of `bench.workloads.server`, under pytest-benchmark."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.pair import Pair
from bench.workloads import server


@pytest.mark.parametrize("pair", server.PAIRS, ids=str)
def test_server(measure: Callable[[Pair], None], pair: Pair) -> None:
    measure(pair)
