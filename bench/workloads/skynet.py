"""Skynet: a tree of actors, ten below each, whose leaves send their number upwards."""

from __future__ import annotations

import asyncio
from typing import Any

import fastask
from bench.clock import now
from bench.kit import Kit, structured
from bench.row import Row

BRANCHES = 10
LEAVES = 1_000_000


def check(total: int, n: int) -> None:
    """See that every leaf was counted."""
    assert total == n * (n - 1) // 2, total


async def _sum(number: int, size: int) -> int:
    if size == 1:
        return number
    size //= BRANCHES
    below = [_sum(number + i * size, size) for i in range(BRANCHES)]
    return sum(await asyncio.gather(*below))


async def skynet_asyncio(n: int) -> int:
    """Gather ten below each node."""
    start = now()
    total = await asyncio.create_task(_sum(0, n))
    spent = now() - start
    check(total, n)
    return spent


async def skynet_structured(kit: Kit, n: int) -> int:
    """Open a group in each node; a list takes what those below return."""
    open_group = kit.group

    async def node(results: list[int], number: int, size: int) -> None:
        if size == 1:
            results.append(number)
            return
        size //= BRANCHES
        below: list[int] = []
        async with open_group() as group:
            for i in range(BRANCHES):
                group.start_soon(node, below, number + i * size, size)
        results.append(sum(below))

    total: list[int] = []
    start = now()
    await node(total, 0, n)
    spent = now() - start
    check(total[0], n)
    return spent


async def _node(parent: fastask.Process[Any], number: int, size: int) -> None:
    if size == 1:
        fastask.send(parent, number)
        return
    me = fastask.self_()
    size //= BRANCHES
    for i in range(BRANCHES):
        fastask.spawn(_node, me, number + i * size, size)
    total = 0
    for _ in range(BRANCHES):
        total += await fastask.receive()
    fastask.send(parent, total)


async def skynet(n: int) -> int:
    """Spawn ten below each process; messages bring the sums upwards."""
    start = now()
    fastask.spawn(_node, fastask.self_(), 0, n)
    total = await fastask.receive()
    spent = now() - start
    check(total, n)
    return spent


ROWS = (
    Row(
        "skynet",
        "Skynet, 1 000 000 leaves; per leaf",
        LEAVES,
        {
            "fastask": skynet,
            "asyncio": skynet_asyncio,
            **structured(skynet_structured),
        },
        beam=("actors", "skynet"),
        small=1_000,
        rounds=3,
    ),
)
