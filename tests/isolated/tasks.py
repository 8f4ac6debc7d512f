"""200 000 tasks, started in batches of 1000 and awaited."""

from __future__ import annotations

from fastask import async_

WARM_UP = 20
ROUNDS = 200


async def same(item: int) -> int:
    return item


async def workload() -> None:
    tasks = [async_(same, item) for item in range(1000)]
    for task in tasks:
        await task
