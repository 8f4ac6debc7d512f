"""20 000 stream items, half of them in completion order."""

from __future__ import annotations

from fastask import async_stream

WARM_UP = 10
ROUNDS = 20


async def same(item: int) -> int:
    return item


async def workload() -> None:
    for ordered in (True, False):
        stream = async_stream(
            range(500), same, ordered=ordered, max_concurrency=8, timeout=3600.0
        )
        async for _ in stream:
            pass
