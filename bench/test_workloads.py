"""Every workload of every side that is installed, under pytest-benchmark."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from bench.row import Row
from bench.side import SIDES, Side
from bench.workloads import ROWS

Measure = Callable[[Row, Side], dict[str, float]]

CASES = [
    pytest.param(row, side, id=f"{row.name}-{side.name}")
    for row in ROWS.values()
    for side in SIDES.values()
    # On all schedulers the scripts of Elixir are the same.
    if side.answers(row) and not side.missing() and side.name != "elixir_all"
]


# Rivals leave things to the garbage collector that Python would have them close.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("row", "side"), CASES)
def test_workload(measure: Measure, row: Row, side: Side) -> None:
    if row.linux and sys.platform != "linux":
        pytest.skip("only Linux tells what a process weighs")

    figures = measure(row, side)

    # The BEAM has no collector that counts objects.
    if side.runner is not None:
        assert set(figures) == set(row.figures)
    assert row.figures[0] in figures
