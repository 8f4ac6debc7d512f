"""Runs a side of a row under pytest-benchmark, by the time the workload took."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench import clock
from bench.beam import Beam
from bench.row import Row
from bench.side import Side
from bench.worker import Round, each

ROUNDS = 5


class WorkClock:
    """A clock that goes on only by the time that measured operations took.

    pytest-benchmark times a call by asking its timer before and after. With this one
    it sees seconds for one operation, without the start of the loop and the like. Of
    a row with several figures it sees the first, whatever that is.
    """

    def __init__(self) -> None:
        """Begin at zero."""
        self._seconds = 0.0

    def __call__(self) -> float:
        """Return the time so far."""
        return self._seconds

    def run(self, row: Row, side: Side, operations: int) -> dict[str, float]:
        """Run a side once and go on by what one operation of it took."""
        clock.choose(row.clock)
        if side.runner is None:
            figures = Beam(side.name, row).measure(Round(operations))
        else:
            figures = each(side.run(row, operations), operations)
        self._seconds += figures[row.figures[0]] / 1e9
        return figures


CLOCK = WorkClock()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the work clock to every benchmark that measures a row."""
    for item in items:
        if "measure" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.benchmark(timer=CLOCK, warmup=False))


@pytest.fixture
def measure(
    benchmark: BenchmarkFixture, request: pytest.FixtureRequest
) -> Callable[[Row, Side], dict[str, float]]:
    """Return a function that measures a side of a row, and returns its last figures.

    With `--benchmark-disable` it runs as few operations as the row allows.
    """
    is_disabled: bool = request.config.getoption("--benchmark-disable")

    def measure_side(row: Row, side: Side) -> dict[str, float]:
        benchmark.group = row.title
        operations = row.least if is_disabled else row.operations
        times = {"rounds": ROUNDS, "warmup_rounds": 1}
        arguments = (row, side, operations)
        figures: dict[str, float] = benchmark.pedantic(CLOCK.run, arguments, **times)  # type: ignore[no-untyped-call]  # not typed
        return figures

    return measure_side
