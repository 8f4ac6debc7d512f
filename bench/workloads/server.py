"""What does a server cost: a call that must not take long, and a cast?"""

from __future__ import annotations

import asyncio
from time import perf_counter_ns

import fastask
from bench.pair import Pair

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
    start = perf_counter_ns()
    for i in range(n):
        async with asyncio.timeout(SECONDS):
            future: asyncio.Future[int] = loop.create_future()
            requests.put_nowait((future, i))
            await future
    spent = perf_counter_ns() - start
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
    start = perf_counter_ns()
    for i in range(n):
        await Counter.add(server, i)
    spent = perf_counter_ns() - start
    await fastask.GenServer.stop(server)
    return spent


async def call_raw(n: int) -> int:
    """Call `handle_call`, with its usual limit of five seconds."""
    server = await _counter()
    start = perf_counter_ns()
    for i in range(n):
        await fastask.GenServer.call(server, i)
    spent = perf_counter_ns() - start
    await fastask.GenServer.stop(server)
    return spent


async def call_async(n: int) -> int:
    """Call an `async` method."""
    server = await _counter()
    start = perf_counter_ns()
    for i in range(n):
        await Counter.add_later(server, i)
    spent = perf_counter_ns() - start
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
    start = perf_counter_ns()
    for i in range(n):
        requests.put_nowait(i)
    requests.put_nowait(None)
    await server
    return perf_counter_ns() - start


async def cast(n: int) -> int:
    """Cast to a method of a server; over when it has handled everything."""
    server = await _counter()
    start = perf_counter_ns()
    for i in range(n):
        Counter.increase(server, i)
    await Counter.add(server, 0)
    spent = perf_counter_ns() - start
    await fastask.GenServer.stop(server)
    return spent


PAIRS = (
    Pair(
        "call",
        "call with a 5 s limit; queue, future and `timeout`",
        call_asyncio,
        call,
        20_000,
    ),
    Pair(
        "call_raw",
        "the same through `handle_call`",
        call_asyncio,
        call_raw,
        20_000,
    ),
    Pair(
        "call_async",
        "the same, an `async` method",
        call_asyncio,
        call_async,
        20_000,
    ),
    Pair(
        "server_cast",
        "cast to a server; queue and task",
        cast_asyncio,
        cast,
        50_000,
    ),
)
