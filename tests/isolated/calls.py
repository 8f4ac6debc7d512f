"""Calls that are answered, calls that are given up, and casts."""

from __future__ import annotations

import contextlib

import fastask

WARM_UP = 2
ROUNDS = 20


class Server(fastask.GenServer):
    @fastask.call
    def add(self, x: int) -> int:
        return x + 1

    @fastask.cast
    def note(self, x: int) -> None: ...

    def handle_call(self, request: object, from_: fastask.GenCall) -> fastask.NoReply:
        return fastask.NoReply()


async def workload() -> None:
    server = await Server.start_link()
    for x in range(200):
        await Server.add(server, x)
        Server.note(server, x)
        with contextlib.suppress(fastask.CallTimeoutError):
            await fastask.GenServer.call(server, x, timeout=0)
    await fastask.GenServer.stop(server)
