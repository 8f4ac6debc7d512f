"""What does a timer cost beside many that are live, and what do many sleeps?"""

from __future__ import annotations

import asyncio
import random
from time import perf_counter_ns

import fastask
from bench.pair import Pair, given

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
    start = perf_counter_ns()
    for delay in delays:
        loop.call_later(delay, _fire).cancel()
    spent = perf_counter_ns() - start
    for other in others:
        other.cancel()
    return spent


async def set_cancel(live: int, n: int) -> int:
    """Set a timer and cancel it while `live` others run."""
    me = fastask.self_()
    others = [fastask.send_after(me, "late", delay) for delay in _far_delays(live)]
    delays = _far_delays(n)
    start = perf_counter_ns()
    for delay in delays:
        fastask.send_after(me, "late", delay).cancel()
    spent = perf_counter_ns() - start
    for other in others:
        other.cancel()
    return spent


async def sleep_asyncio(n: int) -> int:
    """Sleep `n` times at once, 1 to 50 milliseconds each."""
    delays = _near_delays(n)
    start = perf_counter_ns()
    await asyncio.gather(*[asyncio.sleep(delay) for delay in delays])
    return perf_counter_ns() - start


async def _nap(seconds: float) -> None:
    await fastask.sleep(seconds)


async def sleep(n: int) -> int:
    """Sleep `n` times at once, 1 to 50 milliseconds each."""
    delays = _near_delays(n)
    start = perf_counter_ns()
    await fastask.await_many([fastask.async_(_nap, delay) for delay in delays], None)
    return perf_counter_ns() - start


PAIRS = (
    Pair(
        "set_cancel",
        "timer set and cancelled, 20 000 live",
        given(set_cancel_asyncio, MANY),
        given(set_cancel, MANY),
        20_000,
    ),
    Pair(
        "set_cancel_million",
        "timer set and cancelled, 1 000 000 live",
        given(set_cancel_asyncio, MILLION),
        given(set_cancel, MILLION),
        20_000,
    ),
    Pair("sleep", "20 000 sleeps of 1 to 50 ms, each", sleep_asyncio, sleep, MANY),
)
