"""What does it cost that an end takes a long chain along?"""

from __future__ import annotations

import asyncio

import fastask
from bench.clock import now
from bench.row import Row

REASON = "down"


async def chain_asyncio(n: int) -> int:
    """Let each task await the next; the last raises, and all of them end."""
    loop = asyncio.get_running_loop()
    fall = loop.create_future()

    async def member(left: int) -> None:
        if left > 1:
            await asyncio.create_task(member(left - 1))
        else:
            loop.call_soon(fall.set_exception, RuntimeError(REASON))
            await fall

    start = now()
    first = asyncio.create_task(member(n))
    try:
        await first
    except RuntimeError as error:
        spent = now() - start
        error.__traceback__ = None
        return spent
    raise AssertionError("the chain did not fall")


async def _member(left: int, main: fastask.Process[object]) -> None:
    if left > 1:
        fastask.spawn_link(_member, left - 1, main)
    else:
        fastask.send(main, fastask.self_())
    await fastask.receive()


async def chain(n: int) -> int:
    """Let each process link to the next; the last is ended, and all of them are."""
    start = now()
    _, ref = fastask.spawn_monitor(_member, n, fastask.self_())
    last = await fastask.receive(fastask.Process)
    fastask.exit(last, REASON)
    down = await fastask.receive(ref)
    spent = now() - start
    assert down.reason == REASON
    return spent


ROWS = (
    Row(
        "link_chain",
        "a chain of 10 000 links built, then torn down; per process",
        10_000,
        {"fastask": chain, "asyncio": chain_asyncio},
        beam=("process", "chain"),
    ),
)
