"""Streams: each item comes once, in order where that was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import fastask
from bench.world.actor import Actor
from bench.world.services import Boom
from fastask import TIMEOUT, Failed, Ok


async def item(x: int, crashes: bool) -> int:
    match x % 8:
        case 1:
            await fastask.sleep(0)
        case 2:
            await asyncio.sleep(0)
        case 3:
            await fastask.sleep(0.0005)
        case 4 if crashes:
            raise Boom(x)
    return x


async def hanging(x: int) -> int:
    if x % 5 == 0:
        await fastask.sleep(3600.0)
    return x


async def _numbers(n: int) -> AsyncIterator[int]:
    for x in range(n):
        await asyncio.sleep(0)
        yield x


def _number(outcome: Ok[int] | Failed) -> int:
    return outcome.value if isinstance(outcome, Ok) else outcome.reason[0]


async def stream(actor: Actor) -> None:
    """Iterate to the end, with crashes where they are survived."""
    n, ordered = actor.random.randint(0, 60), actor.chance(0.5)
    supervised = actor.chance(0.5)
    start: Any = fastask.async_stream
    if supervised:
        start = actor.world.services.tasks.async_stream_nolink
    crashes = supervised or actor.traps
    promise = actor.promise("stream")
    numbers = list[int]()
    source = _numbers(n) if actor.chance(0.3) else range(n)
    options = {"ordered": ordered, "max_concurrency": actor.random.randint(1, 8)}
    options |= {"timeout": None, "zip_input_on_exit": True}
    async for outcome in start(source, item, crashes, **options):
        x = _number(outcome)
        numbers.append(x)
        failed = crashes and x % 8 == 4
        actor.expect(isinstance(outcome, Failed) == failed, "item", outcome)
    promise.outcomes += 1
    came = numbers if ordered else sorted(numbers)
    actor.expect(came == list(range(n)), "each item once, in order", ordered, numbers)


async def leave_stream(actor: Actor) -> None:
    """Leave early: what is in flight is dead afterwards."""
    promise = actor.promise("stream left")
    running = list[fastask.Process]()

    async def noted(x: int) -> int:
        running.append(actor.book.began(fastask.self_()))
        return await item(x, False)

    stop = actor.random.randint(1, 20)
    outcomes = fastask.async_stream(range(40), noted, timeout=None, max_concurrency=4)
    async with outcomes as items:
        async for outcome in items:
            if outcome == Ok(stop):
                break
    promise.outcomes += 1
    left = [process for process in running if process.alive]
    actor.expect(not left, "nothing in flight is left", left)


async def stream_in_time(actor: Actor) -> None:
    """Kill what takes too long; the others come as they would."""
    promise = actor.promise("stream with a limit")
    outcomes = fastask.async_stream(
        range(10), hanging, max_concurrency=10, timeout=0.01, on_timeout="kill_task"
    )
    found = [outcome async for outcome in outcomes]
    promise.outcomes += 1
    late = [outcome for outcome in found if outcome == Failed(TIMEOUT)]
    actor.expect(len(found) == 10 and len(late) >= 2, "late items", found)


ACTS = (stream, leave_stream, stream_in_time)
