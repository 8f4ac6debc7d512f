"""Links, monitors and exit signals between actors and what they start."""

from __future__ import annotations

import fastask
from bench.world.actor import Actor
from bench.world.book import Signal, Watch
from bench.world.services import Boom
from fastask import KILL, NORMAL, SHUTDOWN


async def brief(fate: str) -> str:
    """Live a short life that ends in one of many ways."""
    await fastask.sleep(0)
    match fate:
        case "crash":
            raise Boom("brief")
        case "exit":
            raise fastask.Exit("odd")
        case "shutdown":
            raise fastask.Exit(SHUTDOWN)
    return fate


FATES = ("return", "crash", "exit", "shutdown")


async def monitor(actor: Actor) -> None:
    target = actor.other()
    if target is actor.me:
        return
    ref = fastask.monitor(target)
    actor.book.watches[ref] = Watch(actor.me, target)
    actor.monitors.append(ref)


async def demonitor(actor: Actor) -> None:
    """Remove a monitor: it has told, or never will."""
    if not actor.monitors:
        return await monitor(actor)
    ref = actor.monitors.pop(actor.random.randrange(len(actor.monitors)))
    watch = actor.book.watches[ref]
    flush = actor.chance(0.5)
    removed = fastask.demonitor(ref)
    if removed:
        watch.removed = True
        actor.expect(not watch.downs, "a monitor that has told is gone", ref)
    elif flush and not watch.downs:
        # The Down is in the mailbox: this takes it out.
        fastask.demonitor(ref, flush=True)
        watch.removed = True


async def link(actor: Actor) -> None:
    """Link to an actor; to a dead one, who traps is told at once."""
    other = actor.other()
    if other is actor.me:
        return
    dead = not other.alive
    try:
        fastask.link(other)
    except fastask.NoProcessError:
        actor.expect(dead and not actor.traps, "a link to one that lives", other)
        return
    if dead:
        actor.book.due[actor.me, other] += 1
        return
    actor.tie(other)
    actor.friends.append(other)


async def unlink(actor: Actor) -> None:
    if not actor.friends:
        return await link(actor)
    other = actor.friends.pop(actor.random.randrange(len(actor.friends)))
    actor.cut(other)
    fastask.unlink(other)


async def spawn(actor: Actor) -> None:
    """Start something short, alone, linked or monitored."""
    fate = actor.random.choice(FATES)
    how = actor.random.choice(["alone", "linked", "monitored"])
    if how == "linked" and (actor.traps or fate == "return"):
        process = actor.book.began(fastask.spawn_link(brief, fate))
        actor.tie(process)
    elif how == "monitored":
        process, ref = fastask.spawn_monitor(brief, fate)
        actor.book.began(process)
        actor.book.watches[ref] = Watch(actor.me, process)
    else:
        actor.book.began(fastask.spawn(brief, fate))


async def exit(actor: Actor) -> None:
    """Send an exit signal to an actor, now and then to oneself."""
    to = actor.other()
    number = len(actor.book.signals)
    reason: object = ("signal", number)
    if actor.chance(0.5):
        reason = (SHUTDOWN, reason)
    traps = to.alive and to in actor.book.trapping
    actor.book.signals[number] = Signal(to, traps)
    fastask.exit(to, reason)


async def kill(actor: Actor) -> None:
    to = actor.other()
    fastask.exit(to, KILL)
    actor.expect(not to.alive, "a kill ends at once", to)


async def exit_normally(actor: Actor) -> None:
    """Send NORMAL to one that does not trap: nothing happens."""
    to = actor.other()
    if to not in actor.book.trapping and to is not actor.me:
        alive = to.alive
        fastask.exit(to, NORMAL)
        actor.expect(to.alive == alive, "NORMAL is ignored", to)


ACTS = (monitor, demonitor, link, unlink, spawn, exit, kill, exit_normally)
