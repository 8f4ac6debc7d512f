"""The pairs of `bench.workloads.stream`, under pytest-benchmark."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.pair import Pair
from bench.workloads import stream


@pytest.mark.parametrize("pair", stream.PAIRS, ids=str)
def test_stream(measure: Callable[[Pair], None], pair: Pair) -> None:
    measure(pair)
