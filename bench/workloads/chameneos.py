"""Chameneos: a hundred creatures meet in twos at a mall, and change their colours."""

from __future__ import annotations

from typing import Any

import fastask
from bench.clock import now
from bench.kit import Kit, Put, actors
from bench.row import Row

CREATURES = 100
COLOURS = 3


def change(colour: int, other: int) -> int:
    """Return the colour after a meeting: the third one, where they differ."""
    return colour if colour == other else COLOURS - colour - other


async def chameneos_rival(kit: Kit, n: int) -> int:
    """Let tasks with a queue each meet; `n` meetings."""
    ask, asked = kit.mailbox()
    total = 0

    async def creature(colour: int) -> None:
        nonlocal total
        put, get = kit.mailbox()
        met = 0
        while True:
            ask((put, colour))
            other = await get()
            if other is None:
                break
            colour = change(colour, other)
            met += 1
        total += met

    async with kit.group() as group:
        start = now()
        for i in range(CREATURES):
            group.start_soon(creature, i % COLOURS)
        put_a: Put
        put_b: Put
        for _ in range(n):
            put_a, colour_a = await asked()
            put_b, colour_b = await asked()
            put_a(colour_b)
            put_b(colour_a)
        for _ in range(CREATURES):
            put_a, _ = await asked()
            put_a(None)
    spent = now() - start
    assert total == 2 * n, total
    return spent


async def _creature(mall: fastask.Process[Any], colour: int) -> None:
    me = fastask.self_()
    met = 0
    while True:
        fastask.send(mall, (me, colour))
        other = await fastask.receive()
        if other is None:
            break
        colour = change(colour, other)
        met += 1
    fastask.send(mall, met)


async def chameneos(n: int) -> int:
    """Let processes meet; `n` meetings."""
    mall = fastask.self_()
    start = now()
    for i in range(CREATURES):
        fastask.spawn(_creature, mall, i % COLOURS)
    for _ in range(n):
        a, colour_a = await fastask.receive()
        b, colour_b = await fastask.receive()
        fastask.send(a, colour_b)
        fastask.send(b, colour_a)
    total = 0
    for _ in range(2 * CREATURES):  # the last question of each, and its sum
        match await fastask.receive():
            case int(met):
                total += met
            case (creature, _):
                fastask.send(creature, None)
    spent = now() - start
    assert total == 2 * n, total
    return spent


ROWS = (
    Row(
        "chameneos",
        "chameneos, 100 creatures; per meeting",
        20_000,
        {"fastask": chameneos, **actors(chameneos_rival)},
        beam=("actors", "chameneos"),
    ),
)
