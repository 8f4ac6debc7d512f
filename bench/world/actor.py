"""An actor: a process that does things at random until it has done enough."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import fastask
from bench.world.book import Book, Parcel, Promise, signal_number
from bench.world.services import Boom, Services
from fastask import Down, Exited, Process, Ref, Task

Acts = dict[str, Callable[["Actor"], Awaitable[Any]]]

ACTS = 60
CRASH = 0.004


class Quiet(NamedTuple):
    """An actor has done enough; from now on it only takes messages."""

    process: Process


class Sync(NamedTuple):
    """A question that is answered when everything before it was taken."""

    ref: Ref
    to: Process


@dataclass
class World:
    """What actors share."""

    seed: str
    book: Book
    services: Services
    root: Process
    actors: list[Process] = field(default_factory=list)


class Actor:
    """One actor; `me` is its process once it runs."""

    def __init__(self, world: World, number: int, traps: bool) -> None:
        self.world = world
        self.book = world.book
        self.number = number
        self.traps = traps
        self.random = random.Random(f"{world.seed} {number}")
        self.me: Process
        self.doing = "nothing"
        self.timers: list[int] = []
        self.monitors: list[Ref] = []
        self.friends: list[Process] = []

    async def run(self, acts: Acts, rare: dict[str, float]) -> None:
        self.me = fastask.self_()
        names = list(acts)
        weights = [rare.get(name, 1.0) for name in names]
        for _ in range(ACTS):
            self.take_all()
            self.doing = self.random.choices(names, weights)[0]
            self.book.operations[self.doing] += 1
            await acts[self.doing](self)
            if self.random.random() < CRASH:
                raise Boom(self.number)
        self.doing = "nothing"
        fastask.send(self.world.root, Quiet(self.me))
        while True:
            self.take(await fastask.receive())

    def take_all(self) -> None:
        """Take the messages that are there."""
        while (message := fastask.receive_nowait(default=None)) is not None:
            self.take(message)

    def take(self, message: object) -> None:
        match message:
            case Parcel():
                self.book.take(message, self.me)
            case fastask.Timeout(_, Parcel() as parcel):
                self.book.take(parcel, self.me)
            case Down(ref) if ref in self.book.watches:
                self.book.watches[ref].downs += 1
            case Exited(process, reason):
                self.take_exit(process, reason)
            case Sync(ref, to):
                fastask.send(to, (ref, self.me))
            case ("extra", _):
                pass
            case _:
                self.book.fault("no message comes unexpected", self.me, message)

    def take_exit(self, process: Process | None, reason: object) -> None:
        number = signal_number(reason)
        signal = None if number is None else self.book.signals[number]
        if signal is not None and signal.to is self.me:
            signal.told += 1
        elif process is not None:
            self.book.told[self.me, process] += 1

    def other(self) -> Process:
        """Return an actor, which may be dead or the actor itself."""
        return self.random.choice(self.world.actors)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def tie(self, other: Process) -> None:
        self.book.ties.add(frozenset((self.me, other)))

    def cut(self, other: Process | None) -> None:
        """Write down that a link is removed now; the end of a dead one was told."""
        if other is not None and other.alive:
            self.book.ties.discard(frozenset((self.me, other)))

    def own(self, task: Task[Any], linked: bool = False) -> Task[Any]:
        """Write a task of this actor down."""
        assert task.process is not None
        self.book.began(task.process)
        if linked:
            self.tie(task.process)
        else:
            self.book.loose.append(task.process)
        return task

    def promise(self, kind: str) -> Promise:
        return self.book.promise(kind, self.me)

    def expect(self, holds: bool, law: str, *found: object) -> None:
        if not holds:
            self.book.fault(law, self.me, *found)
