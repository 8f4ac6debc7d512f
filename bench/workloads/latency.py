"""How long does the unlucky one wait: calls under load, a socket beside messages?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import fastask
from bench.clock import now
from bench.kit import Kit, structured
from bench.row import Row
from bench.workloads.message import Request
from bench.workloads.server import Counter

CLIENTS = 100
TALKERS = 10
ECHO = b"are you there?\n"
HOST = "127.0.0.1"

QUANTILES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}


def quantiles(times: Sequence[int]) -> dict[str, float]:
    """Return the median and both tails of times."""
    ranked = sorted(times)
    last = len(ranked) - 1
    return {name: ranked[round(last * share)] for name, share in QUANTILES.items()}


async def calls_asyncio(n: int) -> dict[str, float]:
    """Let a hundred tasks call one server, each again as soon as it has its answer."""
    requests: asyncio.Queue[tuple[asyncio.Future[int], int]] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    times: list[int] = []

    async def serve() -> None:
        total = 0
        while True:
            future, value = await requests.get()
            total += value
            if not future.done():
                future.set_result(total)

    async def client() -> None:
        for i in range(n // CLIENTS):
            start = now()
            async with asyncio.timeout(5.0):
                future: asyncio.Future[int] = loop.create_future()
                requests.put_nowait((future, i))
                await future
            times.append(now() - start)

    server = asyncio.create_task(serve())
    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(client())
    server.cancel()
    return quantiles(times)


async def calls_structured(kit: Kit, n: int) -> dict[str, float]:
    """Let a hundred tasks call one server through a channel, with events."""
    put, get = kit.mailbox()
    make_event, fail_after = kit.event, kit.fail_after
    assert fail_after is not None
    times: list[int] = []

    async def serve() -> None:
        total = 0
        while True:
            request = await get()
            total += request.value
            request.result = total
            request.event.set()

    async def client() -> None:
        for i in range(n // CLIENTS):
            start = now()
            with fail_after(5.0):
                request = Request(make_event(), i)
                put(request)
                await request.event.wait()
            times.append(now() - start)

    async with kit.group() as servers:
        servers.start_soon(serve)
        async with kit.group() as group:
            for _ in range(CLIENTS):
                group.start_soon(client)
        servers.cancel_scope.cancel()
    return quantiles(times)


async def calls(n: int) -> dict[str, float]:
    """Let a hundred processes call one server."""
    server = await Counter.start_link()
    assert server is not None
    times: list[int] = []

    async def client() -> None:
        for i in range(n // CLIENTS):
            start = now()
            await Counter.add(server, i)
            times.append(now() - start)

    await fastask.await_many([fastask.async_(client) for _ in range(CLIENTS)], None)
    await fastask.GenServer.stop(server)
    return quantiles(times)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
    writer.close()


async def _echo(n: int) -> dict[str, float]:
    """Send a line to a server in this loop and read it again, `n` times."""
    server = await asyncio.start_server(_answer, HOST, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(HOST, port)
        times = []
        for _ in range(n):
            start = now()
            writer.write(ECHO)
            await reader.readline()
            times.append(now() - start)
        writer.close()
        await writer.wait_closed()
    return quantiles(times)


async def echo_asyncio(n: int) -> dict[str, float]:
    """Echo while ten pairs of tasks send to each other without an end."""

    async def talk(own: asyncio.Queue[int], other: asyncio.Queue[int]) -> None:
        while True:
            other.put_nowait(await own.get())

    talkers = []
    for _ in range(TALKERS):
        there, back = asyncio.Queue[int](), asyncio.Queue[int]()
        there.put_nowait(0)
        talkers.append(asyncio.create_task(talk(there, back)))
        talkers.append(asyncio.create_task(talk(back, there)))
    figures = await _echo(n)
    for talker in talkers:
        talker.cancel()
    return figures


async def _talk() -> None:
    while True:
        fastask.send(await fastask.receive(), fastask.self_())


async def echo(n: int) -> dict[str, float]:
    """Echo while ten pairs of processes send to each other without an end."""
    talkers = [fastask.spawn(_talk) for _ in range(2 * TALKERS)]
    for one, other in zip(talkers[::2], talkers[1::2], strict=True):
        fastask.send(one, other)
    figures = await _echo(n)
    for talker in talkers:
        fastask.exit(talker, fastask.KILL)
    return figures


ROWS = (
    Row(
        "latency_call",
        "a call while 99 others wait for the same server",
        50_000,
        {
            "fastask": calls,
            "asyncio": calls_asyncio,
            **structured(calls_structured),
        },
        beam=("latency", "call"),
        figures=tuple(QUANTILES),
    ),
    Row(
        "latency_echo",
        "echo of a socket beside 10 pairs that send without end",
        2_000,
        {"fastask": echo, "asyncio": echo_asyncio},
        beam=("latency", "echo"),
        figures=tuple(QUANTILES),
    ),
)
