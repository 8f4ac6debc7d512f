"""One round: a world begins, its actors act, it comes to rest, the laws are judges."""

from __future__ import annotations

import asyncio
import random

import fastask
from bench.world.actions import ACTS, RARE
from bench.world.actions.timer import DELAY
from bench.world.actor import Actor, Quiet, Sync, World
from bench.world.book import Book, reason_of, word_of
from bench.world.laws import AT_REST, AT_THE_END
from bench.world.services import Services
from fastask import Down, Process, Ref

ALIVE = 80
ACTORS = 240
PATIENCE = 60.0


class Round:
    """The root's view of a world: it starts actors, and starts others when they end."""

    def __init__(self, seed: str) -> None:
        self.book = Book()
        self.services = Services(self.book)
        self.world = World(seed, self.book, self.services, fastask.self_())
        self.random = random.Random(seed)
        self.actors: dict[Process, Actor] = {}
        self.active = set[Process]()
        self.refs: dict[Ref, Process] = {}

    async def live(self) -> Book:
        """Let the world live and end; return its book."""
        fastask.trap_exit(True)
        async with self.services.tree:
            await self.services.fill()
            try:
                await self.act()
                await self.rest()
            except TimeoutError:
                doing = [self.actors[process].doing for process in self.active]
                self.book.fault("nobody waits for ever", doing)
            await settle()
            for law in AT_REST:
                law(self.book)
            await self.end()
        await settle()
        return self.book

    async def act(self) -> None:
        """Keep actors alive until there were enough and those left are quiet."""
        while len(self.actors) < ALIVE:
            self.start()
        while self.active:
            match await fastask.receive(Quiet, Down, timeout=PATIENCE):
                case Quiet(process):
                    self.active.discard(process)
                case Down(ref, process):
                    self.ended(ref, process)
                    if len(self.actors) < ACTORS:
                        self.start()

    def start(self) -> None:
        traps = self.random.random() < 0.4
        actor = Actor(self.world, len(self.actors), traps)
        process, ref = fastask.spawn_monitor(actor.run, ACTS, RARE, trap_exit=traps)
        self.book.began(process, traps)
        self.refs[ref] = process
        self.actors[process] = actor
        self.active.add(process)
        self.world.actors.append(process)
        if len(self.world.actors) > 2 * ALIVE:
            self.world.actors.pop(0)

    def ended(self, ref: Ref, process: Process) -> None:
        if self.refs.pop(ref, None) is not process:
            self.book.fault("a monitor tells once", process)
        self.active.discard(process)
        self.book.operations["ends of actors"] += 1

    async def rest(self) -> None:
        """Wait until timers have fired and every actor has taken what it got."""
        await fastask.sleep(2 * DELAY)
        await self.services.settled()
        for _ in range(2):  # what was taken first may have ended somebody
            for process in list(self.actors):
                await self.synchronise(process)

    async def synchronise(self, process: Process) -> None:
        ref = fastask.monitor(process, alias="reply_demonitor")
        fastask.send(process, Sync(ref, fastask.self_()))
        await fastask.receive(ref, timeout=PATIENCE)
        fastask.demonitor(ref, flush=True)

    async def end(self) -> None:
        """End whoever lives; each end is told once."""
        # A task without a link outlives its owner.
        for process in (*self.actors, *self.book.loose):
            fastask.exit(process, fastask.KILL)
        while self.refs:
            down = await fastask.receive(Down, timeout=PATIENCE)
            self.ended(down.ref, down.process)

    def ends(self) -> dict[str, int]:
        """Count the reasons of all ends, by kind."""
        counts: dict[str, int] = {}
        for process in self.book.ends:
            word = "none" if process.alive else word_of(reason_of(process))
            counts[word] = counts.get(word, 0) + 1
        return counts


async def settle() -> None:
    """Let asyncio call those who wait for an end."""
    for _ in range(3):
        await asyncio.sleep(0)


def look_at_the_end(book: Book) -> None:
    """Look at the laws for a world that has ended and was let go."""
    for law in AT_THE_END:
        law(book)
