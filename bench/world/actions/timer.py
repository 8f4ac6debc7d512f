"""Timers: they fire once, or are cancelled once, or die with their receiver."""

from __future__ import annotations

import fastask
from bench.world.actor import Actor

DELAY = 0.02


async def send_after(actor: Actor) -> None:
    to = actor.other()
    parcel, sent = actor.book.parcel(actor.me, to, timer=True)
    seconds = actor.random.uniform(0.0, DELAY)
    if actor.chance(0.5):
        sent.timer = fastask.send_after(to, parcel, seconds)
    else:
        sent.timer = fastask.start_timer(seconds, to, parcel)
    actor.timers.append(parcel.number)


async def cancel(actor: Actor) -> None:
    """Cancel a timer of this actor, if it has one; the second time tells nothing."""
    if not actor.timers:
        return await send_after(actor)
    number = actor.timers.pop(actor.random.randrange(len(actor.timers)))
    sent = actor.book.sent[number]
    assert sent.timer is not None
    sent.cancelled = sent.timer.cancel() is not None
    again = sent.timer.cancel()
    actor.expect(again is None, "a timer is cancelled once", again)


async def sleep(actor: Actor) -> None:
    await fastask.sleep(actor.random.uniform(0.0, 0.002))


async def receive_in_time(actor: Actor) -> None:
    """Wait for what never comes; the time runs out once."""
    promise = actor.promise("receive with a limit")
    try:
        await fastask.receive(fastask.make_ref(), timeout=0.001)
    except TimeoutError:
        promise.outcomes += 1


ACTS = (send_after, cancel, sleep, receive_in_time)
