"""Children that come and go: dynamic supervisors and task supervisors, one model.

Children are started, crash one or two at a time, and are stopped by hand. How many
there may be, which are restarted, when the supervisor gives up and what owners of
tasks are told is compared with the model. Children have no order here.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastask
from fastask import (
    NORMAL,
    SHUTDOWN,
    ChildNotFoundError,
    ChildSpec,
    DynamicSupervisor,
    Exit,
    MaxChildrenError,
    Process,
    StartError,
    TaskSupervisor,
)
from tests.models.play import mix, play, programs, settle

ERROR = ValueError("boom")
HOUR = 3600.0
FOREVER = fastask.make_ref()


@dataclass(eq=False)
class Child:
    id: int
    restart: str
    ref: fastask.Ref | None = None  # of a task, whose owner is told of its end


@dataclass
class Plan:
    """What the next starts will do, instead of starting."""

    failures: int = 0
    refusals: int = 0


class Model:
    """The children that live, how many restarts there were, and what happened."""

    def __init__(self, plan: Plan, most: int | None, max_restarts: int) -> None:
        self.plan = plan
        self.most = most
        self.max_restarts = max_restarts
        self.children: list[Child] = []
        self.restarts = 0
        self.alive = True
        self.log: Counter[Any] = Counter()
        self.fresh: set[int] = set()  # what the last crash made start again

    def is_full(self) -> bool:
        return self.most is not None and len(self.children) >= self.most

    def attempt(self, child: Child) -> str:
        """Try to start a child; tell what came of it."""
        if self.plan.failures > 0:
            self.plan.failures -= 1
            return "failed"
        if self.plan.refusals > 0:
            self.plan.refusals -= 1
            return "refused"
        self.log["start", child.id] += 1
        return "started"

    def start(self, child: Child) -> object:
        if self.is_full():
            return MaxChildrenError
        outcome = self.attempt(child)
        if outcome == "started":
            self.children.append(child)
        return StartError if outcome == "failed" else None

    def end(self, child: Child, reason: object) -> None:
        self.log["end", child.id] += 1
        if child.ref is not None:
            self.log["down", child.ref, repr(reason)] += 1

    def crash(self, ends: list[tuple[Child, object]]) -> None:
        """These end at once; what fails to start again is tried once more later."""
        for child, reason in ends:
            self.end(child, reason)
        self.fresh.clear()
        news = deque(ends)
        while news and self.alive:
            child, reason = news.popleft()
            if not self.is_to_restart(child, reason):
                self.children.remove(child)
                continue
            self.restarts += 1
            if self.restarts > self.max_restarts:
                self.shut_down([child, *(other for other, _ in news)])
                return
            outcome = self.attempt(child)
            if outcome == "failed":
                news.append((child, reason))
            elif outcome == "started":
                self.fresh.add(child.id)
            elif outcome == "refused":
                self.children.remove(child)

    def is_to_restart(self, child: Child, reason: object) -> bool:
        if child.restart == "transient":
            return reason not in (NORMAL, SHUTDOWN, (SHUTDOWN, "why"))
        return child.restart == "permanent"

    def shut_down(self, down: list[Child]) -> None:
        for child in self.children:
            if child not in down:
                self.end(child, SHUTDOWN)
        self.alive = False

    def terminate(self, child: Child) -> None:
        self.children.remove(child)
        self.end(child, SHUTDOWN)


class Game:
    """A supervisor beside its model; when it has ended, another begins."""

    def __init__(self, kind: str, most: int | None, max_restarts: int) -> None:
        self.kind = kind
        self.most = most
        self.max_restarts = max_restarts
        self.plan = Plan()
        self.model_plan = Plan()
        self.model = Model(self.model_plan, most, max_restarts)
        self.model.alive = False
        self.serial = 0
        self.log: Counter[Any] = Counter()
        self.current: dict[int, Process[Any]] = {}  # by id, the last process

    # What the children do.

    async def work(self, id: int) -> None:
        self.log["start", id] += 1
        self.current[id] = fastask.self_()
        try:
            reason = await fastask.receive()
            raise reason if isinstance(reason, ValueError) else Exit(reason)
        finally:
            self.log["end", id] += 1

    async def start(self, extra: str, id: int) -> Process[Any] | None:
        assert extra == "extra"
        if self.plan.failures > 0:
            self.plan.failures -= 1
            raise ERROR
        if self.plan.refusals > 0:
            self.plan.refusals -= 1
            return None
        return fastask.spawn_link(self.work, id)

    # The commands.

    async def begin(self) -> None:
        self.model = Model(self.model_plan, self.most, self.max_restarts)
        options: dict[str, Any] = {
            "max_children": self.most,
            "max_restarts": self.max_restarts,
            "max_seconds": HOUR,
        }
        self.supervisor: Any = (
            await TaskSupervisor.start_link(**options)
            if self.kind == "tasks"
            else await DynamicSupervisor.start_link(
                **options, extra_arguments=("extra",)
            )
        )

    async def start_child(self, restart: Any) -> None:
        self.serial += 1
        result: object = None
        try:
            if self.kind == "tasks":
                self.supervisor.start_child(self.work, self.serial, restart=restart)
            else:
                spec = ChildSpec(self.serial, self.start, (self.serial,), restart)
                await self.supervisor.start_child(spec)
        except (MaxChildrenError, StartError) as error:
            result = type(error)
        assert result == self.model.start(Child(self.serial, restart))

    async def start_task(self) -> None:
        """A task is a temporary child whose end its owner learns."""
        if self.kind != "tasks":
            return
        self.serial += 1
        child = Child(self.serial, "temporary")
        if self.model.is_full():
            with pytest.raises(MaxChildrenError):
                self.supervisor.async_nolink(self.work, self.serial)
            return
        child.ref = self.supervisor.async_nolink(self.work, self.serial).ref
        assert self.model.start(child) is None

    async def crash(self, ends: list[tuple[int, object]]) -> None:
        children = self.model.children
        chosen: dict[int, tuple[Child, object]] = {}
        for number, reason in ends:
            if children:
                child = children[number % len(children)]
                chosen.setdefault(child.id, (child, reason))
        for id, (_, reason) in chosen.items():
            fastask.send(self.current[id], reason)
        self.model.crash(list(chosen.values()))

    async def terminate(self, number: int) -> None:
        """Stop a child; there is none of that process any more."""
        if not self.model.children:
            return
        child = self.model.children[number % len(self.model.children)]
        self.model.terminate(child)
        await self.supervisor.terminate_child(self.current[child.id])
        with pytest.raises(ChildNotFoundError):
            await self.supervisor.terminate_child(self.current[child.id])

    async def plan_starts(self, what: str, times: int) -> None:
        if self.kind == "dynamic":  # a task cannot fail to start
            setattr(self.plan, what, times)
            setattr(self.model_plan, what, times)

    async def turn(self, name: str, *args: Any) -> None:
        if not self.model.alive:
            await self.begin()
        await getattr(self, name)(*args)
        await settle()
        self.compare()

    def compare(self) -> None:
        while (message := fastask.receive_nowait(default=FOREVER)) is not FOREVER:
            if isinstance(message, fastask.Down):
                self.log["down", message.ref, repr(message.reason)] += 1
        if not self.model.alive:
            self.forget_fresh()
        assert self.log == self.model.log
        self.log.clear()
        self.model.log.clear()
        if not self.model.alive:
            assert not self.supervisor.process.alive
            return
        living = {self.current[child.id] for child in self.model.children}
        assert {info.process for info in self.supervisor.which_children()} == living
        assert all(process.alive for process in living)
        assert self.supervisor.count_children().specs == len(living)

    def forget_fresh(self) -> None:
        """What was stopped before it had a turn has not said that it began."""
        for id in self.model.fresh:
            for log in (self.log, self.model.log):
                log.pop(("start", id), None)
                log.pop(("end", id), None)

    async def finish(self) -> None:
        if self.model.alive:
            await self.supervisor.stop()
            self.model.shut_down([])
            self.compare()
        assert fastask.processes() == [fastask.self_()]


numbers = st.integers(0, 5)
reasons = st.sampled_from([NORMAL, SHUTDOWN, (SHUTDOWN, "why"), ERROR, ERROR, "odd"])
crashes = st.lists(st.tuples(numbers, reasons), min_size=1, max_size=2)
restarts = st.sampled_from(["permanent", "transient", "temporary"])
commands = mix(
    *[st.tuples(st.just("start_child"), restarts)] * 2,
    st.tuples(st.just("start_task")),
    *[st.tuples(st.just("crash"), crashes)] * 2,
    st.tuples(st.just("terminate"), numbers),
    st.tuples(
        st.just("plan_starts"),
        st.sampled_from(["failures", "refusals"]),
        st.integers(1, 3),
    ),
)


@pytest.mark.parametrize("kind", ["tasks", "dynamic"])
@given(st.one_of(st.none(), st.integers(0, 6)), st.integers(0, 9), programs(commands))
def test_children_that_come_and_go_do_as_the_model_says(
    kind: str, most: int | None, max_restarts: int, program: list[tuple[Any, ...]]
) -> None:
    async def main() -> None:
        fastask.trap_exit(True)
        game = Game(kind, most, max_restarts)
        for name, *args in program:
            await game.turn(name, *args)
        await game.finish()

    play(main)
