"""The pairs of `bench.workloads.tree`, under pytest-benchmark."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.pair import Pair
from bench.workloads import tree


@pytest.mark.parametrize("pair", tree.PAIRS, ids=str)
def test_tree(measure: Callable[[Pair], None], pair: Pair) -> None:
    measure(pair)
