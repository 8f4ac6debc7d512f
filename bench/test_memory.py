"""The weight of an idle process, under pytest-benchmark: `bytes_each` in its extra."""

from __future__ import annotations

from pytest_benchmark.fixture import BenchmarkFixture

from bench import memory
from bench.pair import Side

COUNT = 20_000


def test_memory(benchmark: BenchmarkFixture, side: Side) -> None:
    benchmark.group = f"{COUNT:,} idle (time is that of the whole subprocess)"

    arguments = (side, COUNT)
    found = benchmark.pedantic(memory.weigh, arguments)  # type: ignore[no-untyped-call]  # not typed

    benchmark.extra_info["bytes_each"] = round(found["bytes"] / COUNT)
    assert found["bytes"] > 0
