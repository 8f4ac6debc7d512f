"""Eight threads and four event loops at once; prints what became of it as JSON.

python storm.py asyncio|uvloop OPERATIONS [SWITCH_INTERVAL]

Twenty-four senders do the operations: the threads, which may only `send` and hand over
what needs a loop, and four agents in each loop. A sender numbers its messages to each
sink, so a sink knows what was lost, came twice or overtook another. A nursery counts
the ends of the processes that everybody ends. `faults` lists every broken rule.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import logging
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import fastask
from fastask import KILL, KILLED, Down, Process

LOOPS = 4
THREADS = 8
AGENTS = 4
SINKS = 8
VICTIMS = 32
SENDERS = THREADS + LOOPS * AGENTS
PENDING = 64
DELAY = 0.002

logging.disable()  # an end that nobody observes is logged

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class Place:
    """One event loop and what lives in it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.loop: asyncio.AbstractEventLoop
        self.sinks: list[Process] = []
        self.victims: list[Process] = []
        self.nursery: Process
        self.agents: list[Process] = []


class Storm:
    """What all threads share."""

    def __init__(self, operations: int) -> None:
        self.each = -(-operations // SENDERS)
        self.places = [Place(number) for number in range(LOOPS)]
        self.ready = threading.Barrier(LOOPS + 1)
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []
        self.lock = threading.Lock()

    def count(self, done: Counter[str]) -> None:
        with self.lock:
            self.done += done

    def expect(self, holds: bool, what: str, *found: object) -> None:
        if not holds:
            self.faults.append(" ".join([what, *map(str, found)]))


class Sender:
    """Numbers what it sends to each sink, and counts what it does."""

    def __init__(self, storm: Storm, number: int) -> None:
        self.storm = storm
        self.number = number
        self.random = random.Random(number)
        self.sent: Counter[Process] = Counter()
        self.late: Counter[Process] = Counter()
        self.done: Counter[str] = Counter()

    def place(self) -> Place:
        return self.random.choice(self.storm.places)

    def send(self) -> None:
        sink = self.random.choice(self.place().sinks)
        fastask.send(sink, ("message", self.number, self.sent[sink]))
        self.sent[sink] += 1

    def victim(self) -> tuple[Process, object]:
        reason = KILL if self.random.random() < 0.3 else ("ended by", self.number)
        return self.random.choice(self.place().victims), reason

    def finish(self) -> None:
        """Tell every sink and nursery that nothing of this sender comes after this."""
        for place in self.storm.places:
            for sink in place.sinks:
                last = ("last", self.number, (self.sent[sink], self.late[sink]))
                fastask.send(sink, last)
            fastask.send(place.nursery, "last")
        self.storm.count(self.done)


async def double(x: int) -> int:
    await fastask.sleep(0)
    return 2 * x


async def handed_over(x: int) -> int:
    """Run a task in whatever loop this came to."""
    return await fastask.async_(double, x)


async def handed_whereis(storm: Storm, place: Place, index: int) -> None:
    found = fastask.whereis(("sink", index))
    storm.expect(found is place.sinks[index], "whereis", place.number, index, found)


async def handed_exit(victim: Process, reason: object) -> None:
    fastask.exit(victim, reason)


class ThreadSender(Sender):
    """A thread without a loop."""

    def run(self) -> None:
        pending: list[tuple[Future[Any], object]] = []
        for turn in range(self.storm.each):
            kind = self.random.choices(
                ["send", "hand over", "whereis", "exit"], [85, 5, 5, 5]
            )[0]
            self.done[kind] += 1
            if kind == "send":
                self.send()
                continue
            pending.append(self.hand(kind, turn))
            if len(pending) == PENDING:
                self.settle(pending)
        self.settle(pending)
        self.finish()

    def hand(self, kind: str, turn: int) -> tuple[Future[Any], object]:
        """Hand a coroutine over; return its future and what it should return."""
        place = self.place()
        if kind == "hand over":
            future = asyncio.run_coroutine_threadsafe(handed_over(turn), place.loop)
            return future, 2 * turn
        if kind == "whereis":
            index = self.random.randrange(SINKS)
            look = handed_whereis(self.storm, place, index)
            return asyncio.run_coroutine_threadsafe(look, place.loop), None
        end = handed_exit(*self.victim())
        return asyncio.run_coroutine_threadsafe(end, place.loop), None

    def settle(self, pending: list[tuple[Future[Any], object]]) -> None:
        for future, value in pending:
            result = future.result(60.0)
            self.storm.expect(result == value, "handed over:", result, "not", value)
        pending.clear()


class Agent(Sender):
    """A process that does the same from within a loop, and sets timers."""

    def __init__(self, storm: Storm, number: int, own: Place) -> None:
        super().__init__(storm, number)
        self.own = own
        self.timers: list[tuple[fastask.Timer, Process]] = []

    async def run(self) -> None:
        for turn in range(self.storm.each):
            kind = self.random.choices(
                ["send", "exit", "whereis", "name", "timer", "hand over"],
                [60, 10, 10, 5, 10, 5],
            )[0]
            self.done[kind] += 1
            await self.act(kind, turn)
            if turn % 16 == 0:
                await fastask.sleep(0)
        # Timers fire in the order of their deadlines: all of ours before this one.
        await fastask.sleep(2 * DELAY)
        for timer, _ in self.timers:
            self.storm.expect(timer.remaining() is None, "a timer is left")
        self.finish()

    async def act(self, kind: str, turn: int) -> None:
        if kind == "send":
            self.send()
        elif kind == "exit":
            fastask.exit(*self.victim())
        elif kind == "whereis":
            await handed_whereis(self.storm, self.own, self.random.randrange(SINKS))
        elif kind == "name":
            self.name(turn)
        elif kind == "timer":
            self.timer(turn)
        else:
            await self.hand_over(turn)

    def name(self, turn: int) -> None:
        """Use a name that every loop has; it is free when the holder dies."""
        name = ("short", self.number % AGENTS)
        process = fastask.spawn(idle, name=name)
        self.storm.expect(fastask.whereis(name) is process, "not there:", name)
        fastask.exit(process, KILL)
        self.storm.expect(fastask.whereis(name) is None, "not free:", name)

    def timer(self, turn: int) -> None:
        """Set a timer for a sink of any loop; cancel one of those set before."""
        sink = self.random.choice(self.place().sinks)
        seconds = self.random.uniform(0.0, DELAY)
        timer = fastask.send_after(sink, ("late", self.number, turn), seconds)
        self.timers.append((timer, sink))
        self.late[sink] += 1
        if turn % 2:
            timer, sink = self.timers.pop(self.random.randrange(len(self.timers)))
            if timer.cancel() is not None:
                self.late[sink] -= 1

    async def hand_over(self, turn: int) -> None:
        loop = self.place().loop
        future = asyncio.run_coroutine_threadsafe(handed_over(turn), loop)
        result = await asyncio.wrap_future(future)
        self.storm.expect(result == 2 * turn, "handed over:", result, "not", 2 * turn)


async def idle() -> None:
    await fastask.receive(lambda message: False)


async def sink(storm: Storm) -> None:
    """Take messages until every sender has said that there are no more."""
    taken: Counter[int] = Counter()
    late: Counter[int] = Counter()
    seen: set[tuple[int, int]] = set()
    open_senders = set(range(SENDERS))
    while open_senders:
        kind, sender, number = await fastask.receive()
        storm.expect(sender in open_senders, "after the last of", sender, kind)
        if kind == "message":
            in_order = number == taken[sender]
            storm.expect(in_order, "of", sender, number, "came as", taken[sender])
            taken[sender] += 1
        elif kind == "late":
            storm.expect((sender, number) not in seen, "a timer twice:", sender, number)
            seen.add((sender, number))
            late[sender] += 1
        else:
            counts = (taken[sender], late[sender])
            storm.expect(counts == number, "of", sender, counts, "came, not", number)
            open_senders.discard(sender)


class Nursery:
    """Starts the processes that others end; each must end once, for their reason."""

    def __init__(self, storm: Storm, place: Place) -> None:
        self.storm = storm
        self.place = place
        self.slots: dict[fastask.Ref, int] = {}
        self.downs = 0
        place.victims = [self.start(slot) for slot in range(VICTIMS)]

    def start(self, slot: int) -> Process:
        process, ref = fastask.spawn_monitor(idle)
        self.slots[ref] = slot
        return process

    async def run(self) -> None:
        senders = SENDERS
        while senders:
            message = await fastask.receive()
            if message == "last":
                senders -= 1
                continue
            slot = self.ended(message)
            if slot is not None:
                self.place.victims[slot] = self.start(slot)
        for victim in self.place.victims:
            fastask.exit(victim, ("ended by", None))
        while self.slots:
            self.ended(await fastask.receive())
        await fastask.sleep(0)
        more = fastask.receive_nowait(default=None)
        self.storm.expect(more is None, "more than one end:", more)
        self.storm.count(Counter({"ends": self.downs}))

    def ended(self, down: Down) -> int | None:
        self.downs += 1
        reason = down.reason
        known = reason == KILLED or (type(reason) is tuple and reason[0] == "ended by")
        self.storm.expect(known, "ended with", reason)
        slot = self.slots.pop(down.ref, None)
        self.storm.expect(slot is not None, "a second end of", down.process)
        return slot


async def nursery(storm: Storm, place: Place) -> None:
    await Nursery(storm, place).run()


async def world(storm: Storm, place: Place) -> None:
    """Fill a loop, wait for the others, and let it run until everything is counted."""
    place.loop = asyncio.get_running_loop()
    place.sinks = [fastask.spawn(sink, storm, name=("sink", n)) for n in range(SINKS)]
    place.nursery = fastask.spawn(nursery, storm, place)
    while not place.victims:
        await fastask.sleep(0)
    storm.ready.wait(60.0)
    first = THREADS + AGENTS * place.number
    agents = [
        fastask.spawn(Agent(storm, number, place).run)
        for number in range(first, first + AGENTS)
    ]
    # The names of the sinks are looked up until the last agent of all is done.
    await asyncio.gather(*agents, place.nursery, *place.sinks)
    left = [p for p in fastask.processes() if p is not fastask.self_()]
    storm.expect(not left, "processes left:", left)
    names = fastask.registered()
    storm.expect(not names, "names left:", names)


def main(loop: str, operations: int, interval: float | None = None) -> None:
    """Run the storm and print its figures."""
    factory: LoopFactory = asyncio.SelectorEventLoop
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    if interval is not None:
        sys.setswitchinterval(interval)
    storm = Storm(operations)
    threads = [start(storm, world, storm, place, factory) for place in storm.places]
    storm.ready.wait(60.0)
    started = time.perf_counter()
    for number in range(THREADS):
        threads.append(start(storm, ThreadSender(storm, number).run))
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    figures = {
        "operations": sum(n for kind, n in storm.done.items() if kind != "ends"),
        "done": dict(sorted(storm.done.items())),
        "seconds": round(seconds, 1),
        "faults": list(itertools.islice(storm.faults, 20)),
    }
    print(json.dumps(figures))


def start(storm: Storm, work: Callable[..., Any], *args: Any) -> threading.Thread:
    """Start a thread, in which a coroutine function has a loop of its own."""

    def run() -> None:
        try:
            if inspect.iscoroutinefunction(work):
                fastask.run(work, *args[:-1], loop_factory=args[-1])
            else:
                work(*args)
        except BaseException as error:
            storm.faults.append(f"raised {error!r}")
            raise

    thread = threading.Thread(target=run)
    thread.start()
    return thread


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *map(float, sys.argv[3:]))
