"""What a world offers: servers, supervisors of every kind, a registry, an agent."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Hashable
from typing import Any

import fastask
from bench.world.book import Book, Child
from fastask import (
    Agent,
    ChildSpec,
    DynamicSupervisor,
    Every,
    GenServer,
    NoReply,
    PartitionSupervisor,
    Process,
    Registry,
    Supervisor,
    TaskSupervisor,
)

# An int and a float by name: mypy sees the two as one type, and is told to ignore it.
ENDLESS = {"max_restarts": 1_000_000, "max_seconds": 1.0}
RESTARTS = ("permanent", "transient", "temporary")
STRATEGIES = ("one_for_all", "rest_for_one")
EVERY_SECONDS = 0.005


class Boom(Exception):
    """A crash on purpose."""


class Echo(GenServer):
    """Answers at once, later, from another process, or crashes."""

    @fastask.call
    def say(self, word: object) -> object:
        return word

    @fastask.call
    async def say_slowly(self, word: object) -> object:
        await asyncio.sleep(0)
        return word

    @fastask.call(timeout=0.002)
    async def say_too_late(self, word: object) -> object:
        await fastask.sleep(0.003)
        return word

    @fastask.call
    def crash(self, word: object) -> object:
        raise Boom(word)

    @fastask.cast
    def tell(self, to: Process, message: object) -> None:
        fastask.send(to, message)

    def handle_call(self, request: Any, from_: fastask.GenCall) -> NoReply:
        fastask.spawn(reply, from_, request)
        return NoReply()


async def reply(from_: fastask.GenCall, value: object) -> None:
    GenServer.reply(from_, value)


async def child(book: Book, record: Child) -> None:
    """Be a supervised child: wait for the word that ends it."""
    book.started(record)
    match await fastask.receive(str):
        case "crash":
            raise Boom("child")
        case "exit":
            raise fastask.Exit("odd")
        case "shutdown":
            raise fastask.Exit((fastask.SHUTDOWN, "child"))


def spec(book: Book, name: Hashable, record: Child) -> ChildSpec:
    book.children[name] = record
    start = functools.partial(fastask.spawn_link, child, book, record)
    return ChildSpec(name, start, restart=record.restart)  # type: ignore[arg-type]  # one of RESTARTS


async def tick(operations: Counter[str]) -> None:
    operations["every"] += 1


class Services:
    """The supervision tree of a world."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.registry = Registry(name="registry")
        self.topics = Registry("duplicate", name="topics")
        self.tasks = TaskSupervisor(name="tasks", **ENDLESS)  # type: ignore[arg-type]  # two kinds of number
        self.dynamic = DynamicSupervisor(name="dynamic", **ENDLESS)  # type: ignore[arg-type]
        self.partitions = PartitionSupervisor(Echo, name="partitions", partitions=2)
        self.plain = self.supervisor("one_for_one", RESTARTS)
        self.groups = [self.supervisor(s, ["permanent"] * 3, s) for s in STRATEGIES]
        self.tree = Supervisor(
            [
                self.registry,
                self.topics,
                self.tasks,
                self.dynamic,
                self.partitions,
                Echo.child_spec(name="echo"),
                ChildSpec(
                    "agent", functools.partial(Agent.start_link, int, name="sum")
                ),
                Every(EVERY_SECONDS, tick, book.operations),
                Supervisor([Echo.child_spec(name="nested")], name="nest", **ENDLESS),  # type: ignore[arg-type]
                self.plain,
                *self.groups,
            ],
            **ENDLESS,  # type: ignore[arg-type]
        )

    def supervisor(
        self, strategy: Any, restarts: Any, group: str | None = None
    ) -> Supervisor:
        specs = [
            spec(self.book, (strategy, number), Child(restart, group))
            for number, restart in enumerate(restarts)
        ]
        return Supervisor(specs, strategy=strategy, name=strategy, **ENDLESS)

    async def fill(self) -> None:
        """Start children of each type where they come and go."""
        for restart in RESTARTS:
            name = ("dynamic", restart)
            await self.dynamic.start_child(spec(self.book, name, Child(restart)))
            record = self.book.children["tasks", restart] = Child(restart)
            self.tasks.start_child(child, self.book, record, restart=restart)

    async def settled(self) -> None:
        """Wait until each supervisor has done what it was told of."""
        everyone = [self.tasks, self.dynamic, self.partitions, self.plain, *self.groups]
        for supervisor in [self.tree, *everyone]:
            assert supervisor.process is not None
            await fastask.sys.get_state(supervisor.process, None)
        # Children that were started last write that down in their first turn.
        await fastask.sleep(0)
        await fastask.sleep(0)
