"""Big: each of 200 actors pings all others, and answers the pings of all."""

from __future__ import annotations

import math
from typing import Any

import fastask
from bench.clock import now
from bench.kit import Get, Kit, Put, actors
from bench.row import Row

MEMBERS = 200
PONG = None


def members_of(n: int) -> int:
    """Return how many actors exchange about `n` pings and pongs."""
    return math.isqrt(n) + 1


async def big_rival(kit: Kit, n: int) -> int:
    """Do it with tasks that have a queue each."""
    count = members_of(n)
    boxes = [kit.mailbox() for _ in range(count)]

    async def member(own: tuple[Put, Get]) -> None:
        me, get = own
        for put, _ in boxes:
            if put is not me:
                put(me)
        # As many pings as pongs come, in any order.
        for _ in range(2 * (count - 1)):
            message = await get()
            if message is not PONG:
                message(PONG)

    start = now()
    async with kit.group() as group:
        for own in boxes:
            group.start_soon(member, own)
    return (now() - start) * n // (count * (count - 1))


async def _member(count: int) -> None:
    me = fastask.self_()
    others: list[fastask.Process[Any]] = await fastask.receive()
    for other in others:
        if other is not me:
            fastask.send(other, me)
    for _ in range(2 * (count - 1)):
        message = await fastask.receive()
        if message is not PONG:
            fastask.send(message, PONG)


async def big(n: int) -> int:
    """Do it with processes."""
    count = members_of(n)
    start = now()
    tasks = [fastask.async_(_member, count) for _ in range(count)]
    members = [task.process for task in tasks]
    for member in members:
        assert member is not None
        fastask.send(member, members)
    await fastask.await_many(tasks, None)
    return (now() - start) * n // (count * (count - 1))


ROWS = (
    Row(
        "big",
        "big, 200 actors; per ping and pong",
        MEMBERS * (MEMBERS - 1),
        {"fastask": big, **actors(big_rival)},
        beam=("actors", "big"),
    ),
)
