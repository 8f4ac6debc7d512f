"""Thread ring: one token goes round 503 actors, of which one at a time has work."""

from __future__ import annotations

import fastask
from bench.clock import now
from bench.kit import Get, Kit, Put, actors
from bench.row import Row

MEMBERS = 503


async def ring_rival(kit: Kit, n: int) -> int:
    """Pass a token round tasks with a queue each."""
    boxes = [kit.mailbox() for _ in range(MEMBERS)]
    put_main, get_main = kit.mailbox()

    async def member(get: Get, put_next: Put) -> None:
        while (token := await get()) is not None:
            if token:
                put_next(token - 1)
            else:
                put_main("done")

    async with kit.group() as group:
        for (_, get), (put_next, _) in zip(boxes, boxes[1:] + boxes[:1], strict=True):
            group.start_soon(member, get, put_next)
        start = now()
        boxes[0][0](n)
        await get_main()
        spent = now() - start
        for put, _ in boxes:
            put(None)
    return spent


async def _member(main: fastask.Process[object]) -> None:
    following = await fastask.receive()
    while (token := await fastask.receive()) is not None:
        if token:
            fastask.send(following, token - 1)
        else:
            fastask.send(main, "done")


async def ring(n: int) -> int:
    """Pass a token round processes."""
    members = [fastask.spawn(_member, fastask.self_()) for _ in range(MEMBERS)]
    for member, following in zip(members, members[1:] + members[:1], strict=True):
        fastask.send(member, following)
    start = now()
    fastask.send(members[0], n)
    await fastask.receive()
    spent = now() - start
    for member in members:
        fastask.send(member, None)
    return spent


ROWS = (
    Row(
        "ring",
        "thread ring of 503; per pass of the token",
        100_000,
        {"fastask": ring, **actors(ring_rival)},
        beam=("actors", "ring"),
    ),
)
