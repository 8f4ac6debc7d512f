"""Supervisors of all strategies, against a model that keeps a list of children.

Children crash, one or two at a time, fail to start, decline to, and are started,
stopped, restarted and deleted by hand. The order of all starts and ends, what
`which_children` says and how the supervisor ends are compared with the model.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import fastask
from fastask import (
    NORMAL,
    SHUTDOWN,
    AlreadyStartedError,
    ChildNotFoundError,
    ChildSpec,
    Exit,
    Process,
    StartError,
    Supervisor,
)
from tests.models.play import mix, play, programs, settle

IDS = 5
ERROR = ValueError("boom")
HOUR = 3600.0


@dataclass
class Child:
    id: int
    restart: str
    significant: bool
    number: int | None = None  # of its process, None when it is down
    restarting: bool = False


@dataclass
class Options:
    strategy: Any
    max_restarts: int
    auto_shutdown: Any


@dataclass
class Plan:
    """What the next starts of each child will do, instead of starting."""

    failures: Counter[int] = field(default_factory=Counter)
    refusals: Counter[int] = field(default_factory=Counter)


class Model:
    """The children in order, how often one was restarted, and what happened."""

    def __init__(self, options: Options, plan: Plan, log: list[Any]) -> None:
        self.options = options
        self.plan = plan
        self.log = log
        self.children: list[Child] = []
        self.restarts = 0
        self.serial = 0
        self.alive = True
        self.ended: frozenset[int] = frozenset()  # gone before they are stopped
        self.news: deque[tuple[Child, int | None, object]] = deque()  # None: a retry

    # Single steps.

    def start(self, child: Child) -> bool:
        """Tell whether the start succeeded; the child may have declined."""
        self.log.append(("start", child.id))
        if self.plan.failures[child.id] > 0:
            self.plan.failures[child.id] -= 1
            return False
        child.restarting = False
        if self.plan.refusals[child.id] > 0:
            self.plan.refusals[child.id] -= 1
            return True
        self.serial += 1
        child.number = self.serial
        return True

    def stop(self, child: Child) -> None:
        if child.number is not None:
            if child.number not in self.ended:
                self.log.append(("end", child.id))
            child.number = None
        child.restarting = False

    def shut_down(self) -> None:
        for child in reversed(self.children):
            self.stop(child)
        self.alive = False

    # Ends of children.

    def crash(self, ends: list[tuple[Child, object]]) -> None:
        """These end at once, and the supervisor learns of it in that order."""
        self.log.extend(("end", child.id) for child, _ in ends)
        self.ended = frozenset(child.number or 0 for child, _ in ends)
        self.news = deque((child, child.number, reason) for child, reason in ends)
        while self.news and self.alive:
            child, number, reason = self.news.popleft()
            if number is None and child.restarting:
                self.restart(child)
            elif number is not None and child.number == number:
                child.number = None
                self.handle_end(child, reason)
        self.ended = frozenset()

    def handle_end(self, child: Child, reason: object) -> None:
        is_expected = reason in (NORMAL, SHUTDOWN, (SHUTDOWN, "why"))
        if child.restart == "permanent" or (
            child.restart == "transient" and not is_expected
        ):
            self.restart(child)
            return
        if child.restart == "temporary":
            self.children.remove(child)
        if not child.significant:
            return
        left = [
            c for c in self.children if c.significant and (c.number or c.restarting)
        ]
        if self.options.auto_shutdown == "any_significant" or not left:
            self.shut_down()

    def restart(self, child: Child) -> None:
        """Restart the group of a child; what fails to start is tried again later."""
        self.restarts += 1
        if self.restarts > self.options.max_restarts:
            self.shut_down()
            return
        for member in self.emptied_group(child):
            if not self.start(member):
                member.restarting = True
                self.news.append((member, None, None))
                return

    def emptied_group(self, child: Child) -> list[Child]:
        """Stop all that restart with a child, and return them in order of start."""
        group = {
            "one_for_one": [child],
            "one_for_all": list(self.children),
            "rest_for_one": self.children[self.children.index(child) :],
        }[self.options.strategy]
        for member in reversed(group):
            self.stop(member)
            if member.restart == "temporary" and member is not child:
                self.children.remove(member)
        return [member for member in group if member in self.children]

    # Requests.

    def find(self, id: int) -> Child | None:
        return next((child for child in self.children if child.id == id), None)

    def start_child(self, child: Child) -> object:
        if self.find(child.id) is not None:
            return AlreadyStartedError
        if not self.start(child):
            return StartError
        if child.number is not None or child.restart != "temporary":
            self.children.append(child)
        return None

    def terminate_child(self, id: int) -> object:
        child = self.find(id)
        if child is None:
            return ChildNotFoundError
        self.stop(child)
        if child.restart == "temporary":
            self.children.remove(child)
        return None

    def restart_child(self, id: int) -> object:
        child = self.find(id)
        if child is None:
            return ChildNotFoundError
        if child.number is not None:
            return AlreadyStartedError
        return None if self.start(child) else StartError

    def delete_child(self, id: int) -> object:
        child = self.find(id)
        if child is None:
            return ChildNotFoundError
        if child.number is not None:
            return AlreadyStartedError
        self.children.remove(child)
        return None


class Game:
    """A supervisor beside its model; when it has ended, another begins."""

    def __init__(self, options: Options, children: list[tuple[str, bool]]) -> None:
        self.options = options
        self.children = children
        self.log: list[Any] = []
        self.model_log: list[Any] = []
        self.plan = Plan()
        self.model_plan = Plan()
        self.model = Model(options, self.model_plan, self.model_log)
        self.model.alive = False

    # What the children do.

    async def work(self, id: int) -> None:
        try:
            reason = await fastask.receive()
            raise reason if isinstance(reason, ValueError) else Exit(reason)
        finally:
            self.log.append(("end", id))

    async def start(self, id: int) -> Process[Any] | None:
        self.log.append(("start", id))
        if self.plan.failures[id] > 0:
            self.plan.failures[id] -= 1
            raise ERROR
        if self.plan.refusals[id] > 0:
            self.plan.refusals[id] -= 1
            return None
        process = fastask.spawn_link(self.work, id)
        await fastask.sleep(0)  # it has begun when it is stopped
        return process

    def spec(self, id: int, restart: Any, significant: bool) -> ChildSpec:
        return ChildSpec(id, self.start, (id,), restart, significant=significant)

    # The commands.

    def is_significant(self, restart: str, significant: bool) -> bool:
        may_be = self.options.auto_shutdown != "never" and restart != "permanent"
        return significant and may_be

    async def begin(self) -> None:
        """Start a supervisor; its list of children may fail at any place."""
        model = self.model = Model(self.options, self.model_plan, self.model_log)
        specs = []
        for id, (restart, significant) in enumerate(self.children):
            significant = self.is_significant(restart, significant)
            specs.append(self.spec(id, restart, significant))
            if model.alive and model.start_child(Child(id, restart, significant)):
                model.shut_down()
        try:
            self.supervisor = await Supervisor.start_link(
                specs,
                strategy=self.options.strategy,
                max_restarts=self.options.max_restarts,
                max_seconds=HOUR,
                auto_shutdown=self.options.auto_shutdown,
            )
        except StartError:
            assert not model.alive
        else:
            assert model.alive

    def process_of(self, id: int) -> Process[Any]:
        for info in self.supervisor.which_children():
            if info.id == id:
                assert isinstance(info.process, Process)
                return info.process
        raise AssertionError(f"child {id} is missing")

    async def crash(self, ends: list[tuple[int, object]], failing: int | None) -> None:
        """Let one or two children end, and one of the starts that follow fail."""
        if failing is not None:
            await self.plan_starts("failures", failing, 1)
        running = [child for child in self.model.children if child.number is not None]
        chosen: dict[int, tuple[Child, object]] = {}
        for number, reason in ends:
            if running:
                child = running[number % len(running)]
                chosen.setdefault(child.id, (child, reason))
        processes = {id: self.process_of(id) for id in chosen}
        for id, (_, reason) in chosen.items():
            fastask.send(processes[id], reason)
        self.model.crash(list(chosen.values()))

    async def ask(self, request: Any, expected: object) -> None:
        result: object = None
        try:
            await request
        except (AlreadyStartedError, StartError, ChildNotFoundError) as error:
            result = type(error)
        assert result is expected

    async def start_child(self, id: int, restart: str, significant: bool) -> None:
        significant = self.is_significant(restart, significant)
        await self.ask(
            self.supervisor.start_child(self.spec(id, restart, significant)),
            self.model.start_child(Child(id, restart, significant)),
        )

    async def by_id(self, verb: str, id: int) -> None:
        await self.ask(
            getattr(self.supervisor, verb)(id), getattr(self.model, verb)(id)
        )

    async def plan_starts(self, what: str, id: int, times: int) -> None:
        for plan in (self.plan, self.model_plan):
            getattr(plan, what)[id] = times

    async def turn(self, name: str, *args: Any) -> None:
        if not self.model.alive:
            await self.begin()
            await settle()
            self.compare()
        if self.model.alive:
            await getattr(self, name)(*args)
            await settle()
            self.compare()

    def compare(self) -> None:
        assert self.log == self.model_log
        if not self.model.alive:
            return
        assert [
            (info.id, isinstance(info.process, Process) and info.process.alive)
            for info in self.supervisor.which_children()
        ] == [
            (child.id, child.number is not None)
            for child in reversed(self.model.children)
        ]

    async def finish(self) -> None:
        """Those that ended of themselves said so, and stopping goes in reverse."""
        if self.model.alive:
            await self.supervisor.stop()
            self.model.shut_down()
        assert self.log == self.model_log
        ends = [fastask.receive_nowait(default=None) for _ in range(100)]
        assert {end.reason for end in ends if end is not None} <= {SHUTDOWN, NORMAL}
        assert fastask.processes() == [fastask.self_()]


ids = st.integers(0, IDS - 1)
restarts = st.sampled_from(["permanent", "transient", "temporary"])
reasons = st.sampled_from([NORMAL, SHUTDOWN, (SHUTDOWN, "why"), ERROR, ERROR, "odd"])
crashes = st.lists(st.tuples(ids, reasons), min_size=1, max_size=2)
commands = mix(
    *[st.tuples(st.just("crash"), crashes, st.one_of(st.none(), ids))] * 3,
    st.tuples(st.just("start_child"), ids, restarts, st.booleans()),
    st.tuples(
        st.just("by_id"),
        st.sampled_from(["terminate_child", "restart_child", "delete_child"]),
        ids,
    ),
    st.tuples(
        st.just("plan_starts"),
        st.sampled_from(["failures", "refusals"]),
        ids,
        st.integers(1, 3),
    ),
)
options = st.builds(
    Options,
    st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"]),
    st.integers(0, 12),
    st.sampled_from(["never", "any_significant", "all_significant"]),
)
first_children = st.lists(st.tuples(restarts, st.booleans()), max_size=IDS)


@given(options, first_children, programs(commands))
def test_children_start_and_end_in_the_order_that_the_strategy_says(
    chosen: Options,
    children: list[tuple[str, bool]],
    program: list[tuple[Any, ...]],
) -> None:
    async def main() -> None:
        fastask.trap_exit(True)
        game = Game(chosen, children)
        for name, *args in program:
            await game.turn(name, *args)
        await game.finish()

    play(main)
