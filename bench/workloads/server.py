"""What does a server cost: a call that must not take long, and a cast?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import fastask
from bench.clock import now
from bench.kit import Kit, structured
from bench.row import Row
from bench.workloads.message import Request

SECONDS = 5.0


async def call_asyncio(n: int) -> int:
    """Put a request and a future in a queue, await that for five seconds at most."""
    requests: asyncio.Queue[tuple[asyncio.Future[int], int]] = asyncio.Queue()

    async def serve() -> None:
        total = 0
        while True:
            future, value = await requests.get()
            total += value
            if not future.done():
                future.set_result(total)

    loop = asyncio.get_running_loop()
    server = asyncio.create_task(serve())
    start = now()
    for i in range(n):
        async with asyncio.timeout(SECONDS):
            future: asyncio.Future[int] = loop.create_future()
            requests.put_nowait((future, i))
            await future
    spent = now() - start
    server.cancel()
    return spent


class Counter(fastask.GenServer):
    """Adds up what it is given."""

    def init(self) -> None:
        self.total = 0

    @fastask.call
    def add(self, n: int) -> int:
        self.total += n
        return self.total

    @fastask.cast
    def increase(self, n: int) -> None:
        self.total += n

    @fastask.call
    async def add_later(self, n: int) -> int:
        self.total += n
        return self.total

    def handle_call(self, request: int, from_: fastask.GenCall) -> int:
        self.total += request
        return self.total


async def _counter() -> fastask.Process[None]:
    process = await Counter.start_link()
    assert process is not None
    return process


async def call(n: int) -> int:
    """Call a method of a server, with its usual limit of five seconds."""
    server = await _counter()
    start = now()
    for i in range(n):
        await Counter.add(server, i)
    spent = now() - start
    await fastask.GenServer.stop(server)
    return spent


async def call_raw(n: int) -> int:
    """Call `handle_call`, with its usual limit of five seconds."""
    server = await _counter()
    start = now()
    for i in range(n):
        await fastask.GenServer.call(server, i)
    spent = now() - start
    await fastask.GenServer.stop(server)
    return spent


async def call_async(n: int) -> int:
    """Call an `async` method."""
    server = await _counter()
    start = now()
    for i in range(n):
        await Counter.add_later(server, i)
    spent = now() - start
    await fastask.GenServer.stop(server)
    return spent


async def cast_asyncio(n: int) -> int:
    """Put requests in a queue; over when the server has handled everything."""
    requests: asyncio.Queue[int | None] = asyncio.Queue()

    async def serve() -> int:
        total = 0
        while (value := await requests.get()) is not None:
            total += value
        return total

    server = asyncio.create_task(serve())
    start = now()
    for i in range(n):
        requests.put_nowait(i)
    requests.put_nowait(None)
    await server
    return now() - start


async def cast(n: int) -> int:
    """Cast to a method of a server; over when it has handled everything."""
    server = await _counter()
    start = now()
    for i in range(n):
        Counter.increase(server, i)
    await Counter.add(server, 0)
    spent = now() - start
    await fastask.GenServer.stop(server)
    return spent


async def call_structured(kit: Kit, n: int) -> int:
    """Send a request that carries an event, wait for that under `fail_after`."""
    put, get = kit.mailbox()
    make_event, fail_after = kit.event, kit.fail_after
    assert fail_after is not None

    async def serve() -> None:
        total = 0
        while True:
            request = await get()
            total += request.value
            request.result = total
            request.event.set()

    async with kit.group() as group:
        group.start_soon(serve)
        start = now()
        for i in range(n):
            with fail_after(SECONDS):
                request = Request(make_event(), i)
                put(request)
                await request.event.wait()
        spent = now() - start
        group.cancel_scope.cancel()
    return spent


@asynccontextmanager
async def _xoscar_counter() -> AsyncIterator[Any]:
    """Start an actor of xoscar in a pool that is this process alone."""
    import xoscar

    class XoscarCounter(xoscar.Actor):  # type: ignore[misc,unused-ignore]  # Any where xoscar is missing
        """Adds up what it is given."""

        def __init__(self) -> None:
            """Begin at zero."""
            self.total = 0

        def add(self, n: int) -> int:
            """Add, and tell the sum."""
            self.total += n
            return self.total

    pool = await xoscar.create_actor_pool("127.0.0.1", n_process=0)
    async with pool:
        address = pool.external_address
        yield await xoscar.create_actor(XoscarCounter, address=address, uid="counter")


async def call_xoscar(n: int) -> int:
    """Call a method of an actor in the same process, within five seconds."""
    async with _xoscar_counter() as counter:
        start = now()
        for i in range(n):
            async with asyncio.timeout(SECONDS):
                await counter.add(i)
        return now() - start


async def cast_xoscar(n: int) -> int:
    """Tell an actor; over when it has handled everything."""
    async with _xoscar_counter() as counter:
        start = now()
        for i in range(n):
            await counter.add.tell(i)
        await counter.add(0)
        return now() - start


@asynccontextmanager
async def _fauxtp_counter() -> AsyncIterator[Any]:
    """Start a server of fauxtp."""
    import anyio
    import fauxtp

    class FauxtpCounter(fauxtp.GenServer):  # type: ignore[misc,unused-ignore]  # Any where fauxtp is missing
        """Adds up what it is given."""

        async def init(self) -> int:
            """Begin at zero."""
            return 0

        async def handle_call(
            self, request: int, _from: object, state: int
        ) -> tuple[int, int]:
            """Add, and tell the sum."""
            state += request
            return state, state

        async def handle_cast(self, request: int, state: int) -> int:
            """Add."""
            return state + request

    async with anyio.create_task_group() as group:
        yield await FauxtpCounter.start(task_group=group)
        group.cancel_scope.cancel()


async def call_fauxtp(n: int) -> int:
    """Call a server, within five seconds."""
    from fauxtp import call

    async with _fauxtp_counter() as counter:
        start = now()
        for i in range(n):
            await call(counter, i, timeout=SECONDS)
        return now() - start


async def cast_fauxtp(n: int) -> int:
    """Cast to a server; over when it has handled everything."""
    from fauxtp import call, cast

    async with _fauxtp_counter() as counter:
        start = now()
        for i in range(n):
            await cast(counter, i)
        await call(counter, 0)
        return now() - start


ROWS = (
    Row(
        "call",
        "call with a 5 s limit; queue, future and `timeout`",
        20_000,
        {
            "fastask": call,
            "asyncio": call_asyncio,
            "xoscar": call_xoscar,
            "fauxtp": call_fauxtp,
            **structured(call_structured),
        },
        beam=("server", "call"),
    ),
    Row(
        "call_raw",
        "the same through `handle_call`",
        20_000,
        {"fastask": call_raw, "asyncio": call_asyncio},
    ),
    Row(
        "call_async",
        "the same, an `async` method",
        20_000,
        {"fastask": call_async, "asyncio": call_asyncio},
    ),
    Row(
        "server_cast",
        "cast to a server; queue and task",
        50_000,
        {
            "fastask": cast,
            "asyncio": cast_asyncio,
            "xoscar": cast_xoscar,
            "fauxtp": cast_fauxtp,
        },
        beam=("server", "cast"),
    ),
)
