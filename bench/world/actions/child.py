"""Supervised children: they are ended in every way, and come back as they should."""

from __future__ import annotations

import fastask
from bench.world.actor import Actor
from fastask import KILL, SHUTDOWN

WORDS = ("return", "crash", "exit", "shutdown")
REASONS = (KILL, SHUTDOWN, (SHUTDOWN, "odd"), "odd")


async def end_child(actor: Actor) -> None:
    if actor.chance(0.5):
        return
    child = actor.random.choice(list(actor.book.children.values()))
    if child.starts and child.starts[-1].alive:
        if actor.chance(0.5):
            fastask.send(child.starts[-1], actor.random.choice(WORDS))
        else:
            fastask.exit(child.starts[-1], actor.random.choice(REASONS))


async def count_children(actor: Actor) -> None:
    services = actor.world.services
    for supervisor in (services.tasks, services.dynamic, services.plain):
        count = supervisor.count_children()
        actor.expect(0 <= count.active <= count.specs, "children are counted", count)


ACTS = (end_child, count_children)
