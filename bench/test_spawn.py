"""The pairs of `bench.workloads.spawn`, under pytest-benchmark."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.pair import Pair
from bench.workloads import spawn


@pytest.mark.parametrize("pair", spawn.PAIRS, ids=str)
def test_spawn(measure: Callable[[Pair], None], pair: Pair) -> None:
    measure(pair)
