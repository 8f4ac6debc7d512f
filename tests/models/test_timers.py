"""Timers, against a list that is sorted by deadline, in virtual time.

Messages are sent later to processes, names and aliases, while processes end, names
change hands and timers are cancelled. A program sleeps whole seconds and a bit, so what
is due in between is never due just then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastask
from fastask import KILL, Process, Ref, Timeout, Timer
from tests.models.play import mix, programs
from tests.models.virtual import play_in_virtual_time

SECOND = 10  # the model counts tenths
TARGETS = 3
NAMES = ["ann", "bob"]

Dest = tuple[str, Any]  # "process", its place; "name", it; or "alias", its place


@dataclass(eq=False)
class Pending:
    """A timer that runs."""

    timer: Timer
    dest: Dest
    target: Process[Any] | None  # of a timer that aims at a process
    deadline: int
    message: object


class Model:
    """Timers, and the mailboxes that they fill."""

    def __init__(self) -> None:
        self.now = 0
        self.pending: list[Pending] = []
        self.mailboxes: dict[Process[Any], list[object]] = {}
        self.names: dict[str, Process[Any]] = {}
        self.aliases: list[tuple[Process[Any], str]] = []
        self.off: set[int] = set()

    def find(self, timer: Timer) -> Pending | None:
        return next((p for p in self.pending if p.timer is timer), None)

    def remaining(self, timer: Timer) -> float | None:
        found = self.find(timer)
        return None if found is None else (found.deadline - self.now) / SECOND

    def cancel(self, timer: Timer) -> float | None:
        left = self.remaining(timer)
        self.pending = [p for p in self.pending if p.timer is not timer]
        return left

    def pass_time(self, tenths: int) -> None:
        """What is due fires in order; `sorted` keeps the order of equal deadlines."""
        self.now += tenths
        for pending in sorted(self.pending, key=lambda p: p.deadline):
            if pending.deadline <= self.now:
                self.pending.remove(pending)
                self.fire(pending)

    def fire(self, pending: Pending) -> None:
        kind, what = pending.dest
        process = pending.target
        if kind == "name":
            process = self.names.get(what)
        elif kind == "alias" and what not in self.off:
            process, mode = self.aliases[what]
            if mode == "reply":
                self.off.add(what)
        if process in self.mailboxes:
            self.mailboxes[process].append(pending.message)

    def end(self, process: Process[Any]) -> None:
        """What aims at the dead is cancelled."""
        del self.mailboxes[process]
        self.names = {n: p for n, p in self.names.items() if p is not process}
        self.pending = [p for p in self.pending if p.target is not process]


class Game:
    """Some processes that read nothing, and the model."""

    def __init__(self) -> None:
        self.model = Model()
        self.orders = fastask.make_ref()
        self.answers = fastask.make_ref()
        self.timers: list[Timer] = []
        self.aliases: list[Ref] = []
        self.serial = 0
        self.root = fastask.self_()
        self.targets = [self.fresh() for _ in range(TARGETS)]

    def fresh(self) -> Process[Any]:
        process = fastask.spawn(self.obey)
        self.model.mailboxes[process] = []
        return process

    async def obey(self) -> None:
        while True:
            _, act = await fastask.receive(self.orders)
            fastask.send(self.root, (self.answers, act()))

    async def order(self, place: int, act: Callable[[], Any]) -> Any:
        fastask.send(self.targets[place], (self.orders, act))
        _, answer = await fastask.receive(self.answers)
        return answer

    # The commands.

    async def start(self, dest: Dest, seconds: int, with_ref: bool) -> None:
        kind, what = dest
        self.serial += 1
        if kind == "alias" and not self.aliases:
            return
        if kind == "alias":
            what %= len(self.aliases)
        real: Any = {"process": self.targets, "alias": self.aliases}.get(kind)
        place: Any = what if real is None else real[what]
        message: object = self.serial
        if with_ref:
            timer = fastask.start_timer(seconds, place, message)
            message = Timeout(timer.ref, message)
        else:
            timer = fastask.send_after(place, message, seconds)
        self.timers.append(timer)
        target = place if kind == "process" else None
        if target is None or target in self.model.mailboxes:
            deadline = self.model.now + seconds * SECOND
            self.model.pending.append(
                Pending(timer, (kind, what), target, deadline, message)
            )
        if seconds == 0:  # it is due now: how soon it is looked at is open
            await self.sleep(0, by_receive=False)

    async def cancel(self, number: int) -> None:
        if self.timers:
            timer = self.timers[-1 - number % len(self.timers)]
            self.same_time(timer.cancel(), self.model.cancel(timer))

    def same_time(self, left: float | None, expected: float | None) -> None:
        if expected is None:
            assert left is None
        else:
            assert left == pytest.approx(expected, abs=0.5)

    async def sleep(self, seconds: int, by_receive: bool) -> None:
        tenths = seconds * SECOND + 1
        if by_receive:
            with pytest.raises(TimeoutError):
                await fastask.receive(fastask.make_ref(), timeout=tenths / SECOND)
        else:
            await fastask.sleep(tenths / SECOND)
        self.model.pass_time(tenths)

    async def kill(self, place: int, fresh: bool) -> None:
        process = self.targets[place]
        if process.alive:
            fastask.exit(process, KILL)
            self.model.end(process)
        if fresh:
            self.targets[place] = self.fresh()

    async def register(self, name: str, place: int) -> None:
        """Give a name to another process, or to nobody."""
        if name in self.model.names:
            fastask.unregister(name)
            del self.model.names[name]
        process = self.targets[place]
        if process in self.model.mailboxes and process.name is None:
            fastask.register(name, process)
            self.model.names[name] = process

    async def alias(self, place: int, mode: Any) -> None:
        if self.targets[place].alive:
            self.aliases.append(await self.order(place, lambda: fastask.alias(mode)))
            self.model.aliases.append((self.targets[place], mode))

    async def unalias(self, number: int) -> None:
        if not self.aliases:
            return
        number %= len(self.aliases)
        owner, _ = self.model.aliases[number]
        if owner in self.targets and owner.alive:
            ref = self.aliases[number]
            was_on = await self.order(
                self.targets.index(owner), lambda: fastask.unalias(ref)
            )
            assert was_on == (number not in self.model.off)
            self.model.off.add(number)

    def compare(self) -> None:
        for process, messages in self.model.mailboxes.items():
            info = fastask.process_info(process)
            assert info is not None
            assert info.messages == messages
        for timer in self.timers:
            self.same_time(timer.remaining(), self.model.remaining(timer))


places = st.integers(0, TARGETS - 1)
numbers = st.integers(0, 4)
names = st.sampled_from(NAMES)
dests = st.one_of(
    st.tuples(st.just("process"), places),
    st.tuples(st.just("name"), names),
    st.tuples(st.just("alias"), numbers),
)
commands = mix(
    *[st.tuples(st.just("start"), dests, st.integers(0, 9), st.booleans())] * 6,
    *[st.tuples(st.just("sleep"), st.integers(0, 6), st.booleans())] * 2,
    st.tuples(st.just("cancel"), numbers),
    st.tuples(st.just("kill"), places, st.booleans()),
    st.tuples(st.just("register"), names, places),
    st.tuples(st.just("alias"), places, st.sampled_from(["explicit", "reply"])),
    st.tuples(st.just("unalias"), numbers),
)


@given(st.integers(0, 2**32), programs(commands))
def test_timers_fire_in_the_order_of_their_deadlines(
    seed: int, program: list[tuple[Any, ...]]
) -> None:
    async def main() -> None:
        game = Game()
        for name, *args in program:
            await getattr(game, name)(*args)
            game.compare()

    play_in_virtual_time(main, seed)
