"""The pairs of `bench.workloads.factory`, under pytest-benchmark."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.pair import Pair
from bench.workloads import factory


@pytest.mark.parametrize("pair", factory.PAIRS, ids=str)
def test_factory(measure: Callable[[Pair], None], pair: Pair) -> None:
    measure(pair)
