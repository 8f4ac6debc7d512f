"""Streams, against a simulation with a clock, in virtual time.

Items take their time, fail, end without a value or hang; the consumer pauses between
outcomes, or leaves early; the input is an iterator or asynchronous, and may fail. When
each item is pulled, which outcome comes when, and how the stream ends is compared.

Every duration has a fraction of its own, a power of two, so no two things happen at the
same moment by chance, and the order is the same whatever the seed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastask
from fastask import NORMAL, TIMEOUT, Exit, Failed, Ok, TaskSupervisor, TaskTimeoutError
from tests.models.virtual import play_in_virtual_time

MOST = 7
FRACTION = 0.016
LONG = 300.0
LIMIT = 20_000.0
ERROR = ValueError("boom")
OUTCOMES: dict[str, Any] = {
    "ok": Ok("ok"),
    "fail": Failed(ERROR),
    "leave": Failed(NORMAL),
    "odd": Failed("odd"),
    "hang": Failed(TIMEOUT),
}


@dataclass
class Item:
    index: int
    kind: str
    seconds: float


@dataclass
class Case:
    """All that is drawn."""

    drawn: list[tuple[str, int]]
    pauses: list[bool]
    leave_after: int | None
    input_fails_at: int | None
    is_async: bool
    is_supervised: bool
    options: dict[str, Any]

    def items(self) -> list[Item]:
        return [
            Item(index, kind, LONG * length + FRACTION * 2**index)
            for index, (kind, length) in enumerate(self.drawn)
        ]

    def pause_after(self, delivered: int) -> float:
        pauses = self.pauses[delivered - 1 : delivered]
        return FRACTION * 2 ** (MOST + delivered - 1) if pauses == [True] else 0.0


class Left(Exception):
    """The consumer leaves."""


class Model:
    """Fill the slots, wait, deliver, refill; and the clock."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.items = case.items()
        self.now = 0.0
        self.running: list[tuple[float, Item]] = []
        self.finished: list[Item] = []
        self.early: dict[int, Any] = {}
        self.pulled = 0
        self.delivered = 0
        self.log: list[Any] = []

    def run(self) -> None:
        try:
            while self.step():
                pass
            self.log.append((self.now, "end"))
        except (KeyError, Left, TaskTimeoutError) as error:
            self.log.append((self.now, type(error)))

    def step(self) -> bool:
        """Do one thing; tell whether there is more."""
        self.fill()
        if self.delivered in self.early:
            self.deliver(self.early.pop(self.delivered))
        elif self.finished:
            self.settle(self.finished.pop(0))
        elif self.running:
            self.pass_time(min(end for end, _ in self.running))
        else:
            return False
        return True

    def fill(self) -> None:
        free = self.case.options["max_concurrency"]
        while len(self.running) + len(self.finished) < free:
            if self.pulled == self.case.input_fails_at:
                raise KeyError
            if self.pulled == len(self.items):
                return
            item = self.items[self.pulled]
            self.pulled += 1
            self.log.append((self.now, "pulled", item.index))
            seconds = LIMIT if item.kind == "hang" else item.seconds
            self.running.append((self.now + seconds, item))

    def pass_time(self, now: float) -> None:
        self.now = now
        for end, item in sorted(self.running, key=lambda pair: pair[0]):
            if end <= now:
                self.running.remove((end, item))
                self.finished.append(item)

    def settle(self, item: Item) -> None:
        """Take a task that has finished out of its slot."""
        if item.kind == "hang" and self.case.options["on_timeout"] == "exit":
            raise TaskTimeoutError
        outcome = OUTCOMES[item.kind]
        if isinstance(outcome, Failed) and self.case.options["zip_input_on_exit"]:
            outcome = Failed((item.index, outcome.reason))
        if self.case.options["ordered"] and item.index != self.delivered:
            self.early[item.index] = outcome
        else:
            self.deliver(outcome)

    def deliver(self, outcome: Any) -> None:
        self.delivered += 1
        self.log.append((self.now, outcome))
        if self.delivered == self.case.leave_after:
            raise Left
        self.pass_time(self.now + self.case.pause_after(self.delivered))


class Game:
    """The same with a real stream."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.items = case.items()
        self.active = 0
        self.log: list[Any] = []
        self.clock = fastask.self_().get_loop().time
        self.begin = self.clock()
        self.is_input_closed = False

    def note(self, *what: Any) -> None:
        self.log.append((self.clock() - self.begin, *what))

    async def work(self, index: int) -> str:
        item = self.items[index]
        self.active += 1
        assert self.active <= self.case.options["max_concurrency"]
        try:
            await fastask.sleep(2 * LIMIT if item.kind == "hang" else item.seconds)
        finally:
            self.active -= 1
        match item.kind:
            case "fail":
                raise ERROR
            case "leave":
                raise Exit(NORMAL)
            case "odd":
                raise Exit("odd")
        return "ok"

    def input(self) -> Iterator[int]:
        try:
            for index in range(len(self.items)):
                self.pull(index)
                yield index
            self.fail_at(len(self.items))
        finally:
            self.is_input_closed = True

    async def async_input(self) -> AsyncIterator[int]:
        try:
            for index in range(len(self.items)):
                self.pull(index)
                yield index
            self.fail_at(len(self.items))
        finally:
            self.is_input_closed = True

    def pull(self, index: int) -> None:
        self.fail_at(index)
        self.note("pulled", index)

    def fail_at(self, index: int) -> None:
        if index == self.case.input_fails_at:
            raise KeyError(index)

    def stream(self, supervisor: TaskSupervisor) -> fastask.Stream[Any]:
        source: Any = self.async_input() if self.case.is_async else self.input()
        if self.case.is_supervised:
            return supervisor.async_stream_nolink(
                source, self.work, **self.case.options
            )
        return fastask.async_stream(source, self.work, **self.case.options)

    async def consume(self, stream: fastask.Stream[Any]) -> None:
        delivered = 0
        async with stream:
            async for outcome in stream:
                delivered += 1
                self.note(outcome)
                if delivered == self.case.leave_after:
                    raise Left
                pause = self.case.pause_after(delivered)
                if pause:
                    await fastask.sleep(pause)

    async def run(self) -> None:
        """Nothing is pulled before the first turn, and nothing is left at the end."""
        async with TaskSupervisor() as supervisor:
            others = set(fastask.processes())
            fastask.send(fastask.self_(), "mine")
            stream = self.stream(supervisor)
            await fastask.sleep(0)
            assert self.log == []
            try:
                await self.consume(stream)
                self.note("end")
            except (KeyError, Left, TaskTimeoutError) as error:
                self.note(type(error))
            assert self.active == 0
            assert self.is_input_closed
            assert set(fastask.processes()) == others
            info = fastask.process_info(fastask.self_())
            assert info is not None
            assert info.messages == ["mine"]
            assert info.links == [supervisor.process]


kinds = st.sampled_from(["ok", "ok", *OUTCOMES])
cases = st.builds(
    Case,
    drawn=st.lists(st.tuples(kinds, st.integers(0, 4)), min_size=3, max_size=MOST),
    pauses=st.lists(st.booleans(), max_size=MOST),
    leave_after=st.one_of(st.none(), st.none(), st.integers(1, MOST)),
    input_fails_at=st.sampled_from([None, None, None, 0, 2, 4, 6]),
    is_async=st.booleans(),
    is_supervised=st.booleans(),
    options=st.fixed_dictionaries(
        {
            "max_concurrency": st.integers(1, 4),
            "ordered": st.booleans(),
            "timeout": st.just(LIMIT),
            "on_timeout": st.sampled_from(["exit", "kill_task", "kill_task"]),
            "zip_input_on_exit": st.booleans(),
        }
    ),
)


@given(st.integers(0, 2**32), st.lists(cases, min_size=5, max_size=5))
def test_a_stream_pulls_and_delivers_as_the_model_says(
    seed: int, several: list[Case]
) -> None:
    async def main() -> None:
        fastask.trap_exit(True)
        for case in several:
            model, game = Model(case), Game(case)
            model.run()
            await game.run()
            fastask.receive_nowait(str)
            assert [what[1:] for what in game.log] == [what[1:] for what in model.log]
            times = [what[0] for what in model.log]
            assert [what[0] for what in game.log] == pytest.approx(times, abs=0.005)

    play_in_virtual_time(main, seed)
