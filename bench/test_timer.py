"""The pairs of `bench.workloads.timer`, under pytest-benchmark."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.pair import Pair
from bench.workloads import timer


@pytest.mark.parametrize("pair", timer.PAIRS, ids=str)
def test_timer(measure: Callable[[Pair], None], pair: Pair) -> None:
    measure(pair)
