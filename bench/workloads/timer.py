"""What does a timer cost beside many that are live, and what do many sleeps?"""

from __future__ import annotations

import asyncio
import random

import fastask
from bench.clock import ClockName, now
from bench.kit import Kit, structured
from bench.row import Row, given

HUNDRED = 100
MANY = 20_000
MILLION = 1_000_000


def _far_delays(live: int) -> list[float]:
    chance = random.Random(1)
    return [chance.uniform(300.0, 3600.0) for _ in range(live)]


def _near_delays(n: int) -> list[float]:
    chance = random.Random(2)
    return [chance.uniform(0.001, 0.050) for _ in range(n)]


def _fire() -> None:
    raise AssertionError("a timer of this workload never fires")


async def set_cancel_asyncio(live: int, n: int) -> int:
    """Set a timer and cancel it while `live` others run."""
    loop = asyncio.get_running_loop()
    others = [loop.call_later(delay, _fire) for delay in _far_delays(live)]
    delays = _far_delays(n)
    start = now()
    for delay in delays:
        loop.call_later(delay, _fire).cancel()
    spent = now() - start
    for other in others:
        other.cancel()
    return spent


async def set_cancel(live: int, n: int) -> int:
    """Set a timer and cancel it while `live` others run."""
    me = fastask.self_()
    others = [fastask.send_after(me, "late", delay) for delay in _far_delays(live)]
    delays = _far_delays(n)
    start = now()
    for delay in delays:
        fastask.send_after(me, "late", delay).cancel()
    spent = now() - start
    for other in others:
        other.cancel()
    return spent


async def sleep_asyncio(n: int) -> int:
    """Sleep `n` times at once, 1 to 50 milliseconds each."""
    delays = _near_delays(n)
    start = now()
    await asyncio.gather(*[asyncio.sleep(delay) for delay in delays])
    return now() - start


async def _nap(seconds: float) -> None:
    await fastask.sleep(seconds)


async def sleep(n: int) -> int:
    """Sleep `n` times at once, 1 to 50 milliseconds each."""
    delays = _near_delays(n)
    start = now()
    await fastask.await_many([fastask.async_(_nap, delay) for delay in delays], None)
    return now() - start


async def sleep_structured(kit: Kit, n: int) -> int:
    """Sleep `n` times at once in a group, 1 to 50 milliseconds each."""
    delays = _near_delays(n)
    start = now()
    async with kit.group() as group:
        for delay in delays:
            group.start_soon(kit.sleep, delay)
    return now() - start


def _set_cancel(name: str, live: int, words: str) -> Row:
    return Row(
        name,
        f"timer set and cancelled, {words} live",
        20_000,
        {
            "fastask": given(set_cancel, live),
            "asyncio": given(set_cancel_asyncio, live),
        },
        beam=("timer", "set_cancel", str(live)),
    )


def _sleep(name: str, title: str, clock: ClockName) -> Row:
    return Row(
        name,
        title,
        MANY,
        {
            "fastask": sleep,
            "asyncio": sleep_asyncio,
            **structured(sleep_structured),
        },
        beam=("timer", "sleep") if clock == "wall" else (),
        clock=clock,
    )


ROWS = (
    _set_cancel("set_cancel_hundred", HUNDRED, "100"),
    _set_cancel("set_cancel", MANY, "20 000"),
    _set_cancel("set_cancel_million", MILLION, "1 000 000"),
    _sleep("sleep", "20 000 sleeps of 1 to 50 ms, each", "wall"),
    _sleep("sleep_cpu", "the same, time of the processor", "cpu"),
)
