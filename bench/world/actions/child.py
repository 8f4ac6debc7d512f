"""Supervised children: they are ended in every way, and come back as they should."""

from __future__ import annotations

import functools

import fastask
from bench.world.actor import Actor
from fastask import KILL, SHUTDOWN, ChildSpec

HOUR = 3600.0

WORDS = ("return", "crash", "exit", "shutdown")
REASONS = (KILL, SHUTDOWN, (SHUTDOWN, "odd"), "odd")


async def end_child(actor: Actor) -> None:
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


async def manage_children(actor: Actor) -> None:
    """Start children and have them terminated: they are dead when that is done."""
    services = actor.world.services
    promise = actor.promise("call of a supervisor")
    task = services.tasks.start_child(fastask.sleep, HOUR)
    start = functools.partial(fastask.spawn_link, fastask.sleep, HOUR)
    child = await services.dynamic.start_child(ChildSpec("brief", start))
    assert child is not None
    await services.tasks.terminate_child(task)
    await services.dynamic.terminate_child(child)
    promise.outcomes += 1
    actor.expect(not task.alive and not child.alive, "terminated", task, child)


async def kill_supervisor(actor: Actor) -> None:
    """Kill a supervisor: its children go, and the tree starts all of them again."""
    nest = fastask.whereis("nest")
    if nest is not None:
        fastask.exit(nest, KILL)


async def look(actor: Actor) -> None:
    """Look at an actor: there is something to see while it lives."""
    other = actor.other()
    info = fastask.process_info(other)
    actor.expect((info is not None) == other.alive, "a process is seen", other)
    actor.expect((other in fastask.processes()) == other.alive, "listed", other)


ACTS = (end_child, count_children, manage_children, kill_supervisor, look)
