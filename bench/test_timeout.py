"""The pairs of `bench.workloads.timeout`, under pytest-benchmark."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.pair import Pair
from bench.workloads import timeout


@pytest.mark.parametrize("pair", timeout.PAIRS, ids=str)
def test_timeout(measure: Callable[[Pair], None], pair: Pair) -> None:
    measure(pair)
