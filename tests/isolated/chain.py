"""A chain of 50 000 linked processes, ended at one end; twice."""

from __future__ import annotations

from fastask import (
    Down,
    Process,
    exit,
    monitor,
    processes,
    receive,
    self_,
    send,
    spawn,
    spawn_link,
)

WARM_UP = 1
ROUNDS = 2

LENGTH = 50_000
WAIT = 60.0


async def node(left: int, owner: Process) -> None:
    """Start the rest of the chain, or tell the owner that this is its end."""
    if left:
        spawn_link(node, left - 1, owner)
    else:
        send(owner, self_())
    await receive()


async def workload() -> None:
    first = spawn(node, LENGTH - 1, self_())
    last = await receive(Process, timeout=WAIT)
    assert len(processes()) == LENGTH + 1
    ref = monitor(last)
    exit(first, "boom")
    down = await receive(ref, timeout=WAIT)
    assert isinstance(down, Down)
    assert down.reason == "boom"
    assert processes() == [self_()]
