"""What does a message cost: there and back, one way, and past a long backlog?"""

from __future__ import annotations

import asyncio
from time import perf_counter_ns

import fastask
from bench.pair import Pair, given

BACKLOG = 100_000


async def ping_pong_asyncio(n: int) -> int:
    """Send to an echo and wait for the answer: two queues."""
    there: asyncio.Queue[int] = asyncio.Queue()
    back: asyncio.Queue[int] = asyncio.Queue()

    async def echo() -> None:
        while True:
            back.put_nowait(await there.get())

    task = asyncio.create_task(echo())
    start = perf_counter_ns()
    for i in range(n):
        there.put_nowait(i)
        await back.get()
    spent = perf_counter_ns() - start
    task.cancel()
    return spent


async def _echo() -> None:
    while True:
        sender, value = await fastask.receive()
        fastask.send(sender, value)


async def ping_pong(n: int) -> int:
    """Send to an echo and wait for the answer: two mailboxes."""
    me, echo = fastask.self_(), fastask.spawn(_echo)
    start = perf_counter_ns()
    for i in range(n):
        fastask.send(echo, (me, i))
        await fastask.receive()
    spent = perf_counter_ns() - start
    fastask.exit(echo, fastask.KILL)
    return spent


async def cast_asyncio(n: int) -> int:
    """Send without waiting; over when the receiver has taken everything."""
    queue: asyncio.Queue[int] = asyncio.Queue()

    async def drain() -> None:
        for _ in range(n):
            await queue.get()

    task = asyncio.create_task(drain())
    start = perf_counter_ns()
    for i in range(n):
        queue.put_nowait(i)
    await task
    return perf_counter_ns() - start


async def _drain(n: int) -> None:
    for _ in range(n):
        await fastask.receive()


async def cast(n: int) -> int:
    """Send without waiting; over when the receiver has taken everything."""
    task = fastask.async_(_drain, n)
    sink = task.process
    assert sink is not None
    start = perf_counter_ns()
    for i in range(n):
        fastask.send(sink, i)
    await task
    return perf_counter_ns() - start


async def request_asyncio(backlog: int, n: int) -> int:
    """Send a request that carries a future, await that; a queue holds the rest."""
    requests: asyncio.Queue[tuple[asyncio.Future[int], int]] = asyncio.Queue()
    unrelated: asyncio.Queue[int] = asyncio.Queue()
    for i in range(backlog):
        unrelated.put_nowait(i)

    async def serve() -> None:
        while True:
            future, value = await requests.get()
            future.set_result(value)

    loop = asyncio.get_running_loop()
    task = asyncio.create_task(serve())
    start = perf_counter_ns()
    for i in range(n):
        future: asyncio.Future[int] = loop.create_future()
        requests.put_nowait((future, i))
        await future
    spent = perf_counter_ns() - start
    task.cancel()
    return spent


async def _serve() -> None:
    while True:
        client, ref, value = await fastask.receive()
        fastask.send(client, (ref, value))


async def request(backlog: int, n: int) -> int:
    """Send a request that carries a ref, receive by it past the rest of the mailbox."""
    me, server = fastask.self_(), fastask.spawn(_serve)
    for i in range(backlog):
        fastask.send(me, i)
    start = perf_counter_ns()
    for i in range(n):
        ref = fastask.make_ref()
        fastask.send(server, (me, ref, i))
        await fastask.receive(ref)
    spent = perf_counter_ns() - start
    fastask.exit(server, fastask.KILL)
    return spent


PAIRS = (
    Pair(
        "ping_pong",
        "message there and back; two queues",
        ping_pong_asyncio,
        ping_pong,
        20_000,
    ),
    Pair("cast", "message one way, as `cast`; a queue", cast_asyncio, cast, 50_000),
    Pair(
        "request",
        "receive by ref, empty mailbox; a future",
        given(request_asyncio, 0),
        given(request, 0),
        20_000,
    ),
    Pair(
        "request_backlog",
        "receive by ref, 100 000 others queued; a future",
        given(request_asyncio, BACKLOG),
        given(request, BACKLOG),
        20_000,
    ),
)
