"""What does something weigh that does nothing but wait?

The weight is what the resident size grows by, divided by the number of those that
wait. It includes their coroutines and the list that holds them. Beside it stands how
many objects of each the cyclic garbage collector has to visit.
"""

from __future__ import annotations

import asyncio
import gc
import mmap
from pathlib import Path
from typing import Any

import fastask
from bench.kit import Kit, structured
from bench.row import Row

MILLION = 1_000_000
MAILBOXES = 100_000
POLL_SECONDS = 0.001

BYTES = "bytes"
TRACKED = "tracked"


def resident() -> int:
    """Return the resident size of this process in bytes; Linux only."""
    _, pages, *_ = Path("/proc/self/statm").read_text().split()
    return int(pages) * mmap.PAGESIZE


class Scale:
    """Weighs what is made between two moments."""

    def __init__(self) -> None:
        """Note what there is already."""
        gc.collect()
        self._tracked = len(gc.get_objects())
        self._resident = resident()

    def weigh(self, n: int) -> dict[str, float]:
        """Return the weight of one of `n` things that were made since."""
        grown = resident() - self._resident  # before the list of all objects is made
        tracked = len(gc.get_objects()) - self._tracked
        return {BYTES: grown / n, TRACKED: tracked / n}


async def idle_asyncio(n: int) -> dict[str, float]:
    """Let `n` tasks wait for a future each."""
    loop = asyncio.get_running_loop()

    async def wait(future: asyncio.Future[None]) -> None:
        await future

    scale = Scale()
    futures = [loop.create_future() for _ in range(n)]
    tasks = [asyncio.create_task(wait(future)) for future in futures]
    await asyncio.sleep(0)
    weight = scale.weigh(n)
    for future in futures:
        future.set_result(None)
    for task in tasks:
        await task
    return weight


async def mailbox_asyncio(n: int) -> dict[str, float]:
    """Let `n` tasks wait for a queue each."""

    async def wait(queue: asyncio.Queue[None]) -> None:
        await queue.get()

    scale = Scale()
    queues: list[asyncio.Queue[None]] = [asyncio.Queue() for _ in range(n)]
    tasks = [asyncio.create_task(wait(queue)) for queue in queues]
    await asyncio.sleep(0)
    weight = scale.weigh(n)
    for queue in queues:
        queue.put_nowait(None)
    for task in tasks:
        await task
    return weight


async def idle_structured(kit: Kit, n: int) -> dict[str, float]:
    """Let `n` tasks of a group wait for an event each."""

    async def wait(event: Any) -> None:
        await event.wait()

    scale = Scale()
    async with kit.group() as group:
        events = [kit.event() for _ in range(n)]
        for event in events:
            group.start_soon(wait, event)
        await kit.sleep(0)
        await kit.sleep(0)
        weight = scale.weigh(n)
        for event in events:
            event.set()
    return weight


async def mailbox_structured(kit: Kit, n: int) -> dict[str, float]:
    """Let `n` tasks of a group wait for a channel each."""

    async def wait(get: Any) -> None:
        await get()

    scale = Scale()
    async with kit.group() as group:
        boxes = [kit.mailbox() for _ in range(n)]
        for _, get in boxes:
            group.start_soon(wait, get)
        await kit.sleep(0)
        await kit.sleep(0)
        weight = scale.weigh(n)
        for put, _ in boxes:
            put(None)
    return weight


async def _wait() -> None:
    await fastask.receive()


async def _pass() -> None:
    pass


async def idle(n: int) -> dict[str, float]:
    """Let `n` processes wait for a message each."""
    scale = Scale()
    processes = [fastask.spawn(_wait) for _ in range(n)]
    # The last one to run: all others have come to their receive before.
    await fastask.async_(_pass)
    weight = scale.weigh(n)
    alive = sum(process.alive for process in processes)
    assert alive == n, f"{alive} processes wait, not {n}"
    for process in processes:
        fastask.send(process, "end")
    for process in processes:
        while process.alive:
            await fastask.sleep(POLL_SECONDS)
    return weight


ROWS = (
    Row(
        "memory",
        "1 000 000 idle, each of them; a task that waits on a future",
        MILLION,
        {
            "fastask": idle,
            "asyncio": idle_asyncio,
            **structured(idle_structured),
        },
        beam=("process", "idle"),
        figures=(BYTES, TRACKED),
        unit="",
        fresh=True,
        linux=True,
        small=1_000,
        rounds=3,
    ),
    Row(
        "memory_mailbox",
        "100 000 idle, each of them; a task that waits on a queue",
        MAILBOXES,
        {
            "fastask": idle,
            "asyncio": mailbox_asyncio,
            **structured(mailbox_structured),
        },
        beam=("process", "idle"),
        figures=(BYTES, TRACKED),
        unit="",
        fresh=True,
        linux=True,
        small=1_000,
    ),
)
