"""The pairs of `bench.workloads.message`, under pytest-benchmark."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.pair import Pair
from bench.workloads import message


@pytest.mark.parametrize("pair", message.PAIRS, ids=str)
def test_message(measure: Callable[[Pair], None], pair: Pair) -> None:
    measure(pair)
