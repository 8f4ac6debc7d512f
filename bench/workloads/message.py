"""What does a message cost: there and back, one way, and past a long backlog?"""

from __future__ import annotations

import asyncio
from typing import Any

import fastask
from bench.clock import now
from bench.kit import Kit, structured
from bench.row import Row, given

THOUSAND = 1_000
BACKLOG = 100_000


async def ping_pong_asyncio(n: int) -> int:
    """Send to an echo and wait for the answer: two queues."""
    there: asyncio.Queue[int] = asyncio.Queue()
    back: asyncio.Queue[int] = asyncio.Queue()

    async def echo() -> None:
        while True:
            back.put_nowait(await there.get())

    task = asyncio.create_task(echo())
    start = now()
    for i in range(n):
        there.put_nowait(i)
        await back.get()
    spent = now() - start
    task.cancel()
    return spent


async def _echo() -> None:
    while True:
        sender, value = await fastask.receive()
        fastask.send(sender, value)


async def ping_pong(n: int) -> int:
    """Send to an echo and wait for the answer: two mailboxes."""
    me, echo = fastask.self_(), fastask.spawn(_echo)
    start = now()
    for i in range(n):
        fastask.send(echo, (me, i))
        await fastask.receive()
    spent = now() - start
    fastask.exit(echo, fastask.KILL)
    return spent


async def cast_asyncio(n: int) -> int:
    """Send without waiting; over when the receiver has taken everything."""
    queue: asyncio.Queue[int] = asyncio.Queue()

    async def drain() -> None:
        for _ in range(n):
            await queue.get()

    task = asyncio.create_task(drain())
    start = now()
    for i in range(n):
        queue.put_nowait(i)
    await task
    return now() - start


async def _drain(n: int) -> None:
    for _ in range(n):
        await fastask.receive()


async def cast(n: int) -> int:
    """Send without waiting; over when the receiver has taken everything."""
    task = fastask.async_(_drain, n)
    sink = task.process
    assert sink is not None
    start = now()
    for i in range(n):
        fastask.send(sink, i)
    await task
    return now() - start


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
    start = now()
    for i in range(n):
        future: asyncio.Future[int] = loop.create_future()
        requests.put_nowait((future, i))
        await future
    spent = now() - start
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
    start = now()
    for i in range(n):
        ref = fastask.make_ref()
        fastask.send(server, (me, ref, i))
        await fastask.receive(ref)
    spent = now() - start
    fastask.exit(server, fastask.KILL)
    return spent


async def ping_pong_structured(kit: Kit, n: int) -> int:
    """Send to an echo and wait for the answer: two channels in memory."""
    put_there, get_there = kit.mailbox()
    put_back, get_back = kit.mailbox()

    async def echo() -> None:
        while True:
            put_back(await get_there())

    async with kit.group() as group:
        group.start_soon(echo)
        start = now()
        for i in range(n):
            put_there(i)
            await get_back()
        spent = now() - start
        group.cancel_scope.cancel()
    return spent


async def cast_structured(kit: Kit, n: int) -> int:
    """Send without waiting; over when the receiver has taken everything."""
    put, get = kit.mailbox()

    async def drain() -> None:
        for _ in range(n):
            await get()

    async with kit.group() as group:
        group.start_soon(drain)
        start = now()
        for i in range(n):
            put(i)
    return now() - start


class Request:
    """What a client without futures sends: a value, an event and a place."""

    __slots__ = ("event", "result", "value")

    def __init__(self, event: Any, value: int) -> None:
        """Ask for something."""
        self.event = event
        self.value = value
        self.result: int | None = None


async def request_structured(kit: Kit, n: int) -> int:
    """Send a request that carries an event, wait for that."""
    put, get = kit.mailbox()
    make_event = kit.event

    async def serve() -> None:
        while True:
            request = await get()
            request.result = request.value
            request.event.set()

    async with kit.group() as group:
        group.start_soon(serve)
        start = now()
        for i in range(n):
            request = Request(make_event(), i)
            put(request)
            await request.event.wait()
        spent = now() - start
        group.cancel_scope.cancel()
    return spent


def _requests(name: str, backlog: int, words: str) -> Row:
    rivals = structured(request_structured) if backlog == 0 else {}
    return Row(
        name,
        f"receive by ref, {words}; a future",
        20_000,
        {
            "fastask": given(request, backlog),
            "asyncio": given(request_asyncio, backlog),
            **rivals,
        },
        beam=("message", "request", str(backlog)),
    )


ROWS = (
    Row(
        "ping_pong",
        "message there and back; two queues",
        20_000,
        {
            "fastask": ping_pong,
            "asyncio": ping_pong_asyncio,
            **structured(ping_pong_structured),
        },
        beam=("message", "ping_pong"),
    ),
    Row(
        "cast",
        "message one way, as `cast`; a queue",
        50_000,
        {"fastask": cast, "asyncio": cast_asyncio, **structured(cast_structured)},
        beam=("message", "cast"),
    ),
    _requests("request", 0, "empty mailbox"),
    _requests("request_thousand", THOUSAND, "1000 others queued"),
    _requests("request_backlog", BACKLOG, "100 000 others queued"),
)
