"""20 000 plain asyncio tasks that become processes, in batches of 1000."""

from __future__ import annotations

import asyncio

from fastask import receive, self_, send

WARM_UP = 10
ROUNDS = 20


async def adopted(item: int) -> object:
    send(self_(), item)
    return await receive()


async def workload() -> None:
    await asyncio.gather(*(asyncio.create_task(adopted(item)) for item in range(1000)))
