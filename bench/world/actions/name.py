"""Names and registries: an entry is there while its process lives, and no longer."""

from __future__ import annotations

import fastask
from bench.world.actor import Actor
from bench.world.book import Parcel
from fastask import Process

KEYS = 20


async def register(actor: Actor) -> None:
    """Take a name, which may be taken; give it back at times."""
    name = ("actor", actor.random.randrange(KEYS))
    if actor.me.name is not None:
        own = actor.me.name
        fastask.unregister(own)
        actor.book.names.pop(own)
        actor.expect(fastask.whereis(own) is None, "a name is given back", own)
        return
    try:
        fastask.register(name)
    except fastask.NameTakenError as error:
        holder = error.process
        actor.expect(holder is not None and holder.alive, "the holder lives", holder)
        return
    actor.book.names[name] = actor.me


async def whereis(actor: Actor) -> None:
    """Look a name up and send to it."""
    name = ("actor", actor.random.randrange(KEYS))
    holder = fastask.whereis(name)
    if holder is None:
        try:
            fastask.send(name, "nobody")
        except fastask.UnknownNameError:
            return
        actor.expect(False, "nobody has the name", name)
        return
    actor.expect(holder.alive, "the holder lives", holder)
    parcel, _ = actor.book.parcel(actor.me, holder)
    fastask.send(name, parcel)


async def enter_registry(actor: Actor) -> None:
    """Register a unique key and leave it at times; entries are of the living."""
    registry = actor.world.services.registry
    key = actor.random.randrange(KEYS)
    try:
        registry.register(key, actor.number)
    except fastask.NameTakenError as error:
        holder = error.process
        actor.expect(holder is not None and holder.alive, "the holder lives", holder)
    entries = registry.lookup(key)
    actor.expect(len(entries) == 1, "a unique key has one entry", key, entries)
    if actor.chance(0.5):
        registry.unregister(key)


async def publish(actor: Actor) -> None:
    """Subscribe to a topic and send to all that did."""
    topics = actor.world.services.topics
    key = actor.random.randrange(3)
    if actor.me not in [process for process, _ in topics.lookup(key)]:
        topics.register(key)

    def send_all(entries: list[tuple[Process, object]]) -> None:
        for process, _ in entries:
            actor.expect(process.alive, "an entry is of one that lives", process)
            parcel: Parcel
            parcel, _sent = actor.book.parcel(actor.me, process)
            fastask.send(process, parcel)

    topics.dispatch(key, send_all)


async def lock(actor: Actor) -> None:
    """Hold a key while a counter is changed, which nobody else does meanwhile."""
    promise = actor.promise("call for a lock")

    async def hold() -> str:
        await fastask.sleep(0)
        return "held"

    held = await actor.world.services.registry.lock("lock", hold)
    promise.outcomes += 1
    actor.expect(held == "held", "a lock gives what was done under it", held)


ACTS = (register, whereis, enter_registry, publish, lock)
