"""The articles' programs with supervisors and servers, ten times shorter.

Computations of these programs crash on purpose, which is logged; the demo keeps its own
log quiet while they run.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any

import fastask
from fastask import Down, Failed, Ok, Reply
from fastask.demo.articles import (
    MILLISECOND,
    Program,
    aggregate,
    compute,
    time_on_arrival,
)

TIMEOUT = 400
IN_TIME = (20, 60, 100, 140, 180, 220)
BROKEN = (-200, -5, -1)
TOO_LATE = (2000,)
DAY = 300

Summary = tuple[str, int]
Pending = dict[fastask.Process[Any], fastask.Ref]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep crashes that belong to a program out of the log."""
    logger = logging.getLogger("fastask")
    was = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = was


def quietly(
    run: Callable[..., Awaitable[Any]],
) -> Callable[..., Awaitable[Any]]:
    """Run a program with its crashes out of the log."""

    async def program(*arguments: Any) -> Any:
        with quiet():
            return await run(*arguments)

    return program


@quietly
async def supervised_task(inputs: Sequence[int]) -> Summary:
    """SupervisedTask: children of a supervisor that send their results themselves."""
    async with fastask.TaskSupervisor(name="task_supervisor"):
        supervisor = fastask.TaskSupervisor.ref("task_supervisor")
        work = fastask.make_ref()
        me = fastask.self_()
        pending = Pending()
        for x in inputs:
            process = supervisor.start_child(_compute_and_send, me, work, x)
            pending[process] = fastask.monitor(process)
        timer = fastask.start_timer(TIMEOUT * MILLISECOND, me, None)
        try:
            return await _collect(pending, work, timer)
        finally:
            timer.cancel()
            fastask.receive_nowait(timer.ref, default=None)
            for process in list(pending):
                _forget(pending, process)


async def _compute_and_send(caller: Any, work: fastask.Ref, x: int) -> None:
    result = await compute(x)
    fastask.send(caller, (work, fastask.self_(), result))


def _forget(pending: Pending, process: fastask.Process[Any]) -> None:
    fastask.demonitor(pending.pop(process), flush=True)


async def _collect(pending: Pending, work: fastask.Ref, timer: Any) -> Summary:
    total = 0
    while pending:
        match await fastask.receive():
            case fastask.Timeout(ref=timer.ref):
                return "timeout", total
            case (tag, process, int(result)) if tag is work:
                _forget(pending, process)
                total = await aggregate(total, result)
            case Down(process=fastask.Process() as process):
                _forget(pending, process)
    return "ok", total


@quietly
async def task_runner_client(inputs: Sequence[int]) -> Summary:
    """TaskRunnerClient: the same with a TaskRunner, in a receive loop."""
    async with fastask.TaskSupervisor(name="task_supervisor"):
        runner = fastask.TaskRunner.run(
            [("task_supervisor", compute, x) for x in inputs],
            timeout=TIMEOUT * MILLISECOND,
        )
        total = 0
        while not runner.done:
            match runner.handle_message(await fastask.receive()):
                case Ok(value):
                    total = await aggregate(total, value)
                case Failed():
                    pass
                case fastask.TaskRunner.TIMEOUT:
                    return "timeout", total
        return "ok", total


class SomeServer(fastask.GenServer):
    """Begins with two slow tasks, and answers at once what it has so far."""

    def init(self) -> None:
        """Start the tasks."""
        self.state: dict[str, str] = {}
        tasks = fastask.TaskSupervisor.ref("my_supervisor")
        tasks.async_nolink(_set_later, 1000, "first", "First")
        tasks.async_nolink(_set_later, 2000, "second", "Second")

    def handle_info(self, message: object) -> None:
        """Merge what a task has found."""
        match message:
            case Reply(ref, ("set_state", key, value)):
                fastask.demonitor(ref, flush=True)
                self.state[key] = value


async def _set_later(x: int, key: str, value: str) -> tuple[str, str, str]:
    await compute(x)
    return "set_state", key, value


async def state_server() -> list[dict[str, str]]:
    """The server with two tasks in `init`: what it knows at first, later, at last."""
    children = [
        fastask.TaskSupervisor(name="my_supervisor"),
        SomeServer.child_spec(name="some_server"),
    ]
    seen = []
    async with fastask.Supervisor(children):
        for wait in (0, 1500, 1000):
            await fastask.sleep(wait * MILLISECOND)
            server = await fastask.sys.get_state("some_server")
            seen.append(dict(server.state))
    return seen


@quietly
async def transient_task() -> int:
    """A transient child that fails twice: how often it ran."""
    runs = itertools.count(1)
    me = fastask.self_()

    async def update() -> None:
        run = next(runs)
        await compute(100)
        if run < 3:
            raise ConnectionError("the database is away")
        fastask.send(me, run)

    tree = fastask.Supervisor([fastask.TaskSupervisor(name="side_effects")])
    async with tree:
        fastask.TaskSupervisor.ref("side_effects").start_child(
            update, restart="transient"
        )
        return await fastask.receive(int)


@quietly
async def polling_task() -> list[int]:
    """A task that runs, sleeps and runs again, and comes back when it crashes."""
    days = itertools.count(1)
    me = fastask.self_()

    async def check() -> None:
        while True:
            day = next(days)
            if day == 2:
                raise ConnectionError("the mail server is away")
            fastask.send(me, day)
            await fastask.sleep(DAY * MILLISECOND)

    async with fastask.Supervisor([check]):
        return [await fastask.receive(int) for _ in range(3)]


def make_programs() -> list[Program]:
    """Make the programs; their inputs are the same each time."""
    good = sum(IN_TIME)
    on_time, late = (*BROKEN, *IN_TIME), (*BROKEN, *IN_TIME, *TOO_LATE)
    arrival = time_on_arrival(IN_TIME)
    rows: list[tuple[str, Callable[[], Awaitable[object]], object, float]] = [
        (
            "SupervisedTask, some crash",
            partial(supervised_task, on_time),
            ("ok", good),
            arrival,
        ),
        (
            "SupervisedTask, one too late",
            partial(supervised_task, late),
            ("timeout", good),
            TIMEOUT,
        ),
        (
            "TaskRunnerClient, some crash",
            partial(task_runner_client, on_time),
            ("ok", good),
            arrival,
        ),
        (
            "TaskRunnerClient, one too late",
            partial(task_runner_client, late),
            ("timeout", good),
            TIMEOUT,
        ),
        (
            "GenServer with two tasks",
            state_server,
            [{}, {"first": "First"}, {"first": "First", "second": "Second"}],
            2500,
        ),
        ("transient child, fails twice", transient_task, 3, 300),
        ("polling task, crashes once", polling_task, [1, 3, 4], 2 * DAY),
    ]
    return [Program(*row) for row in rows]
