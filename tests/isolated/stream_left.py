"""2 000 streams that are left with eight tasks in flight."""

from __future__ import annotations

import asyncio

from fastask import async_stream

WARM_UP = 5
ROUNDS = 20


async def all_but_the_first_hang(item: int) -> int:
    if item:
        await asyncio.Event().wait()
    return item


async def workload() -> None:
    for number in range(100):
        stream = async_stream(
            range(20), all_but_the_first_hang, max_concurrency=9, timeout=3600.0
        )
        if number % 2:
            async for _ in stream:
                break
        else:
            async with stream as results:
                async for _ in results:
                    break
