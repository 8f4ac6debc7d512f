"""Messages: to processes, names and aliases, from coroutines and from threads."""

from __future__ import annotations

import functools

import fastask
from bench.world.actor import Actor
from bench.world.book import Parcel
from fastask import Process

BURST = 10


async def send(actor: Actor) -> None:
    """Send a few messages to one actor, dead or alive."""
    to = actor.other()
    for _ in range(actor.random.randint(1, BURST)):
        parcel, _ = actor.book.parcel(actor.me, to)
        fastask.send(to, parcel)


async def send_and_wait(actor: Actor) -> None:
    """Send to several, and let them have their turns."""
    for _ in range(5):
        to = actor.other()
        parcel, _ = actor.book.parcel(actor.me, to)
        fastask.send(to, parcel)
    await fastask.sleep(0)


async def send_by_alias(actor: Actor) -> None:
    """Send twice to an alias that takes one reply, and once when it is off."""
    alias = fastask.alias("reply")
    parcel, _ = actor.book.parcel(actor.me, actor.me)
    fastask.send(alias, parcel)
    fastask.send(alias, ("too late", None))
    explicit = fastask.alias()
    actor.expect(fastask.unalias(explicit), "an alias is switched off once")
    actor.expect(not fastask.unalias(explicit), "an alias is switched off once")
    fastask.send(explicit, ("too late", None))


async def send_by_server(actor: Actor) -> None:
    """Have a server send a parcel; it may be dead, or die before."""
    parcel, _ = actor.book.parcel(("echo", actor.me), actor.me, timer=False)
    message = ("extra", parcel.number)
    fastask.send(actor.me, parcel)
    if (echo := fastask.whereis("echo")) is not None:
        fastask.GenServer.cast(echo, fastask.Request("tell", (actor.me, message)))


def _send_all(to: Process, parcels: list[Parcel]) -> int:
    for parcel in parcels:
        fastask.send(to, parcel)
    return len(parcels)


async def send_from_thread(actor: Actor) -> None:
    """Send from a worker thread; what it sent is there when its task is done."""
    to = actor.other()
    sender = ("thread", actor.me, actor.book.operations["send_from_thread"])
    parcels = [actor.book.parcel(sender, to)[0] for _ in range(BURST)]
    work = functools.partial(_send_all, to, parcels)
    promise = actor.promise("task in a thread")
    actor.expect(await actor.own(fastask.async_nolink(work)) == BURST, "thread")
    promise.outcomes += 1


ACTS = (send, send_and_wait, send_by_alias, send_by_server, send_from_thread)
