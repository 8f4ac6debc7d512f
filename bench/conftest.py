"""Runs a side of a pair under pytest-benchmark, by the time the workload took."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.pair import SIDES, Pair, Side

ROUNDS = 5


class WorkClock:
    """A clock that goes on only by the time that measured operations took.

    pytest-benchmark times a call by asking its timer before and after. With this one
    it sees seconds for one operation, without the start of the loop and the like.
    """

    def __init__(self) -> None:
        """Begin at zero."""
        self._seconds = 0.0

    def __call__(self) -> float:
        """Return the time so far."""
        return self._seconds

    def run(self, pair: Pair, side: Side) -> None:
        """Run a side once and go on by what one operation of it took."""
        self._seconds += pair.measure(side) / 1e9


CLOCK = WorkClock()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the work clock to every benchmark that measures a pair."""
    for item in items:
        if "measure" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.benchmark(timer=CLOCK, warmup=False))


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest) -> Side:
    """Name the side to run: each in turn."""
    name: Side = request.param
    return name


@pytest.fixture
def measure(benchmark: BenchmarkFixture, side: Side) -> Callable[[Pair], None]:
    """Return a function that measures a side of a pair."""

    def measure_pair(pair: Pair) -> None:
        benchmark.group = pair.title
        run, arguments = CLOCK.run, (pair, side)
        times = {"rounds": ROUNDS, "warmup_rounds": 1}
        benchmark.pedantic(run, arguments, **times)  # type: ignore[no-untyped-call]  # not typed

    return measure_pair
