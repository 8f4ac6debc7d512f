"""The steps: tasks and streams."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterator
from typing import Any

import fastask
from fastask import NotOwnerError, Process, Task, TaskTimeoutError
from tests.differential.actor import (
    REFUSALS,
    STEPS,
    Actor,
    run_as,
    seconds,
    step,
)

__all__ = ["STEPS"]

Act = Callable[..., Awaitable[Any]]


def keep(me: Actor, name: str, task: Task[Any]) -> None:
    me.world.kept[name] = task
    if task.process is not None:
        me.world.bind(name, task.process)
    me.world.bind(f"#{name}", task.ref)


def tasks_of(me: Actor, names: list[str]) -> list[Task[Any]]:
    return [me.world.kept[name] for name in names]


async def outcome(me: Actor, verb: str, act: Act, *args: Any) -> None:
    """Log what a verb answers that raises what a task ended with."""
    try:
        me.log(verb, ("ok", await act(*args)))
    except NotOwnerError:
        me.log(verb, "refused")
    except TaskTimeoutError:
        me.log(verb, ("exit", "timeout"))
    except fastask.Exit as end:
        me.log(verb, ("exit", end.reason))
    except Exception as error:
        me.log(verb, ("exit", error))


async def answered(me: Actor, verb: str, act: Act, *args: Any) -> None:
    """Log what a verb answers that raises only to refuse."""
    try:
        me.log(verb, await act(*args))
    except REFUSALS:
        me.log(verb, "refused")


@step
def async_(me: Actor, name: str, body: str) -> None:
    keep(me, name, fastask.async_(run_as, me.world, name, body))


@step
def async_nolink(me: Actor, name: str, body: str) -> None:
    keep(me, name, fastask.async_nolink(run_as, me.world, name, body))


@step
def completed(me: Actor, name: str, value: Any) -> None:
    keep(me, name, fastask.completed(me.world.term(value)))


@step
def start(me: Actor, name: str, body: str) -> None:
    process: Process[Any] = fastask.start(run_as, me.world, name, body)
    me.world.bind(name, process)


@step
def start_link(me: Actor, name: str, body: str) -> None:
    process: Process[Any] = fastask.start_link(run_as, me.world, name, body)
    me.world.bind(name, process)


@step
async def await_(me: Actor, name: str, ms: Any) -> None:
    await outcome(me, "await", fastask.await_, me.world.kept[name], seconds(ms))


@step
async def await_through(me: Actor, name: str, ms: Any) -> None:
    value = await fastask.await_(me.world.kept[name], seconds(ms))
    me.log("await_through", value)


@step
async def await_many(me: Actor, names: list[str], ms: Any) -> None:
    tasks = tasks_of(me, names)
    await outcome(me, "await_many", fastask.await_many, tasks, seconds(ms))


@step
async def yield_(me: Actor, name: str, ms: Any) -> None:
    await answered(me, "yield", fastask.yield_, me.world.kept[name], seconds(ms))


@step
async def yield_many(me: Actor, names: list[str], ms: Any) -> None:
    async def results() -> list[Any]:
        pairs = await fastask.yield_many(tasks_of(me, names), seconds(ms))
        return [result for _, result in pairs]

    await answered(me, "yield_many", results)


@step
async def shutdown(me: Actor, name: str, ms: Any) -> None:
    await answered(me, "shutdown", fastask.shutdown, me.world.kept[name], seconds(ms))


@step
def ignore(me: Actor, name: str) -> None:
    try:
        me.log("ignore", fastask.ignore(me.world.kept[name]))
    except REFUSALS:
        me.log("ignore", "refused")


@step
async def find(me: Actor, names: list[str]) -> None:
    message = await fastask.receive()
    tasks = tasks_of(me, names)

    async def found() -> Any:
        pair = fastask.find(tasks, message)
        return None if pair is None else (pair[0], names[tasks.index(pair[1])])

    await outcome(me, "find", found)


# Streams.

STREAM_OPTIONS = ("max_concurrency", "ordered", "on_timeout", "zip_input_on_exit")


@step
async def stream(me: Actor, items: list[str], options: dict[str, Any]) -> None:
    try:
        await consume(me, stream_of(me, items, options), options)
        me.log("stream", ("ok", "end"))
    except TaskTimeoutError:
        me.log("stream", ("exit", "timeout"))
    except REFUSALS:
        me.log("stream", "refused")


def stream_of(me: Actor, items: list[str], options: dict[str, Any]) -> Any:
    flags = {key: options[key] for key in STREAM_OPTIONS if key in options}
    if "timeout" in options:
        flags["timeout"] = seconds(options["timeout"])
    start: Any = {
        None: fastask.async_stream,
        "link": me.world.tasks.async_stream,
        "nolink": me.world.tasks.async_stream_nolink,
    }[options.get("supervised")]

    async def run(item: str) -> Any:
        return await run_as(me.world, item, item)

    return start(pulled(me, items, options.get("pulls", False)), run, **flags)


def pulled(me: Actor, items: list[str], is_logged: bool) -> Iterator[str]:
    for item in items:
        if is_logged:
            me.log("pull", item)
        if item.startswith("!"):
            raise RuntimeError(item)
        yield item


async def consume(
    me: Actor, elements: AsyncIterable[Any], options: dict[str, Any]
) -> None:
    n = 0
    async for element in elements:
        n += 1
        me.log("element", element)
        if "then" in options:
            await me.run(options["then"])
        if n == options.get("raise_at"):
            raise RuntimeError("enough")
        if n == options.get("take"):
            break
