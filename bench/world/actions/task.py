"""Tasks: each verb gives one outcome, and the one that the task's work has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import fastask
from bench.world.actor import Actor
from bench.world.services import Boom
from fastask import Failed, Ok, Task, TaskRunner

HANG = 3600.0


async def work(x: int, fate: str) -> int:
    """Return twice `x`, at once or later, crash, or never end."""
    match fate:
        case "later":
            await fastask.sleep(0.001)
        case "asyncio":
            await asyncio.sleep(0)
        case "crash":
            raise Boom(x)
        case "hang":
            await fastask.sleep(HANG)
    return 2 * x


def plain(x: int, fate: str) -> int:
    """Do the same in a thread."""
    if fate == "crash":
        raise Boom(x)
    time.sleep(0.0002)
    return 2 * x


GOOD = ("now", "later", "asyncio")


def _start(actor: Actor, fates: tuple[str, ...]) -> tuple[Task[Any], int, str]:
    """Start a task with any of the fates, somewhere; return its number and fate."""
    x, fate = actor.random.randrange(1000), actor.random.choice(fates)
    function: Callable[..., Any] = plain if actor.chance(0.05) else work
    if fate == "hang":
        function = work
    tasks = actor.world.services.tasks
    kind = actor.random.choice(["linked", "alone", "supervised", "supervised, linked"])
    if kind == "linked" and (actor.traps or fate != "crash"):
        return actor.own(fastask.async_(function, x, fate), linked=True), x, fate
    if kind == "supervised, linked" and (actor.traps or fate != "crash"):
        return actor.own(tasks.async_(function, x, fate), linked=True), x, fate
    if kind == "supervised":
        return actor.own(tasks.async_nolink(function, x, fate)), x, fate
    return actor.own(fastask.async_nolink(function, x, fate)), x, fate


def _check(actor: Actor, outcome: object, x: int, fate: str) -> None:
    right = {"crash": isinstance(outcome, Failed), "hang": outcome is None}
    actor.expect(right.get(fate, outcome == Ok(2 * x)), "outcome", fate, outcome)


async def await_task(actor: Actor) -> None:
    task, x, fate = _start(actor, (*GOOD, "crash"))
    promise = actor.promise("task awaited")
    outcome: object
    try:
        outcome = Ok(await task)
    except Boom as error:
        outcome = Failed(error)
    promise.outcomes += 1
    _check(actor, outcome, x, fate)


async def await_in_time(actor: Actor) -> None:
    """Time runs out of a task that hangs, which is shut down by its link or by us."""
    task, x, fate = _start(actor, (*GOOD, "crash", "hang"))
    promise = actor.promise("task awaited with a limit")
    outcome: object
    try:
        outcome = Ok(await fastask.await_(task, 0.005 if fate == "hang" else 60.0))
    except fastask.TaskTimeoutError:
        outcome = None
        assert task.process is not None
        fastask.exit(task.process, fastask.KILL)
    except Boom as error:
        outcome = Failed(error)
    promise.outcomes += 1
    _check(actor, outcome, x, fate)


async def await_many(actor: Actor) -> None:
    started = [_start(actor, GOOD) for _ in range(5)]
    promise = actor.promise("tasks awaited together")
    results = await fastask.await_many([task for task, *_ in started], 60.0)
    promise.outcomes += 1
    actor.expect(results == [2 * x for _, x, _ in started], "results", results)


async def yield_task(actor: Actor) -> None:
    """Yield until there is an outcome; shut down what hangs."""
    task, x, fate = _start(actor, (*GOOD, "crash", "hang"))
    promise = actor.promise("task yielded")
    outcome = await fastask.yield_(task, 0.003)
    while outcome is None and fate != "hang":
        outcome = await fastask.yield_(task, 0.003)
    if outcome is None:
        actor.cut(task.process)
        outcome = await fastask.shutdown(task)
    promise.outcomes += 1
    _check(actor, outcome, x, fate)


async def yield_many(actor: Actor) -> None:
    started = [_start(actor, (*GOOD, "crash", "hang")) for _ in range(5)]
    promise = actor.promise("tasks yielded together")
    tasks = [task for task, *_ in started]
    limit = None if all(fate != "hang" for *_, fate in started) else 0.01
    outcomes = await fastask.yield_many(tasks, limit, on_timeout="kill_task")
    promise.outcomes += 1
    for (task, outcome), (expected, x, fate) in zip(outcomes, started, strict=True):
        actor.expect(task is expected, "outcomes keep the order of tasks")
        if outcome is not None:  # a busy machine may be late with any of them
            _check(actor, outcome, x, fate)
        elif task.process is not None:  # it was unlinked, then killed
            actor.book.ties.discard(frozenset((actor.me, task.process)))


async def shutdown(actor: Actor) -> None:
    task, x, fate = _start(actor, (*GOOD, "crash", "hang"))
    promise = actor.promise("task shut down")
    if actor.chance(0.5):
        await fastask.sleep(0)
    how: Any = fastask.BRUTAL_KILL if actor.chance(0.3) else 5.0
    actor.cut(task.process)
    outcome = await fastask.shutdown(task, how)
    promise.outcomes += 1
    if outcome is not None and how == 5.0:
        _check(actor, outcome, x, fate)
    assert task.process is not None
    actor.expect(not task.process.alive, "a task that was shut down is dead")


async def ignore(actor: Actor) -> None:
    """Let go of a task: its outcome, if there is one, or silence."""
    task, x, fate = _start(actor, GOOD)
    if actor.chance(0.5):
        await fastask.sleep(0)
    actor.cut(task.process)
    outcome = fastask.ignore(task)
    actor.book.promise("task ignored", actor.me).outcomes += 1
    if outcome is not None:
        _check(actor, outcome, x, fate)


async def find(actor: Actor) -> None:
    """Take results in a receive loop, between other messages."""
    promise = actor.promise("tasks found")
    started = {task: x for task, x, _ in (_start(actor, GOOD) for _ in range(4))}
    while started:
        message = await fastask.receive()
        found = fastask.find(started, message)
        if found is None:
            actor.take(message)
            continue
        value, task = found
        actor.expect(value == 2 * started.pop(task), "found", value)
    promise.outcomes += 1


async def run_tasks(actor: Actor) -> None:
    """Run many under one deadline; each is heard of once, or time runs out once."""
    promise = actor.promise("tasks of a runner")
    fates = [actor.random.choice((*GOOD, "crash", "hang")) for _ in range(5)]
    tasks = actor.world.services.tasks
    runner = TaskRunner.run([(tasks, work, 1, f) for f in fates], timeout=0.01)
    seen = list[int]()
    while not runner.done:
        message = await fastask.receive()
        match runner.handle_message(message):
            case None:
                actor.take(message)
            case TaskRunner.TIMEOUT:
                runner.stop(kill=True)
            case event:
                seen.append(event.index)
                _check(actor, event, 1, fates[event.index])
    promise.outcomes += 1
    actor.expect(len(seen) == len(set(seen)), "each is heard of once", seen)


async def adopt(actor: Actor) -> None:
    """Let a plain asyncio task become a process, and wait for it as asyncio does."""

    async def adopted() -> int:
        actor.book.began(fastask.self_())
        return await fastask.async_(work, 21, "now")

    promise = actor.promise("task of asyncio")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(adopted())
    promise.outcomes += 1
    actor.expect(task.result() == 42, "adopted", task)


ACTS = (
    await_task,
    await_in_time,
    await_many,
    yield_task,
    yield_many,
    shutdown,
    ignore,
    find,
    run_tasks,
    adopt,
)
