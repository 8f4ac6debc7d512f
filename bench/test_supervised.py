"""The pairs of `bench.workloads.supervised`, under pytest-benchmark."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.pair import Pair
from bench.workloads import supervised


@pytest.mark.parametrize("pair", supervised.PAIRS, ids=str)
def test_supervised(measure: Callable[[Pair], None], pair: Pair) -> None:
    measure(pair)
