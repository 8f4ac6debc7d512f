"""200 000 messages to another process, in batches of 1000."""

from __future__ import annotations

from fastask import Process, receive, self_, send, spawn, whereis

WARM_UP = 20
ROUNDS = 200


async def server() -> None:
    while True:
        message = await receive()
        if isinstance(message, Process):
            send(message, "batch done")


async def workload() -> None:
    process = whereis("server") or spawn(server, name="server")
    for number in range(1000):
        send(process, ("message", number))
    send(process, self_())
    await receive(str)
