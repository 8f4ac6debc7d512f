"""The programs of the two articles, ten times shorter, each with its bounds.

Numbers are the articles' milliseconds. The lower bound of a program is what its waits
add up to at least, since no wait ends early; the upper bound leaves room for a loaded
machine, and a program that misses only this one may try again.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import fastask

MILLISECOND = 0.001 / 10
AGGREGATION = 50
DEADLINE = 900
SLOW_FIRST = (500, *[1] * 9)
IN_TIME = (50, 100, 150, 200, 250)
TOO_LATE = (2000,) * 5
SECONDS = range(1000, 10_001, 1000)
TRIES = 3

CLOCK_TOLERANCE = 0.001
SLACK_FACTOR = 1.5
SLACK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Program:
    """A program, the value it has to give and the articles' milliseconds it takes.

    `below` is a bound that says more than the usual one, where there is one.
    """

    name: str
    run: Callable[[], Awaitable[object]]
    value: object
    milliseconds: float
    below: float = math.inf

    @property
    def lower(self) -> float:
        """The seconds that it cannot do without."""
        return self.milliseconds * MILLISECOND

    @property
    def upper(self) -> float:
        """The seconds after which it is too late."""
        usual = self.lower * SLACK_FACTOR + SLACK_SECONDS
        return min(usual, self.below * MILLISECOND)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a program gave, after how many seconds, and what is wrong with that."""

    program: Program
    seconds: float
    verdict: str = "ok"

    @property
    def is_good(self) -> bool:
        """Whether value and time are as expected."""
        return self.verdict == "ok"


async def compute(x: int) -> int:
    """Stand for a long computation: take `x` milliseconds, return `x`.

    Args:
        x: A number of milliseconds above 0.

    Returns:
        The same number.

    Raises:
        ValueError: If `x` is not above 0.
    """
    if x <= 0:
        raise ValueError(f"x must be > 0, got {x}")
    await fastask.sleep(x * MILLISECOND)
    return x


async def aggregate(so_far: int, result: int) -> int:
    """Stand for a slow aggregation: take 50 milliseconds, return the sum."""
    await fastask.sleep(AGGREGATION * MILLISECOND)
    return so_far + result


async def async_await(inputs: Sequence[int]) -> int:
    """AsyncAwait: await in the order of the start, then aggregate."""
    tasks = [fastask.async_(compute, x) for x in inputs]
    results = [await fastask.await_(task) for task in tasks]
    total = 0
    for result in results:
        total = await aggregate(total, result)
    return total


async def async_find(inputs: Sequence[int]) -> int:
    """AsyncFind: aggregate each result when its message arrives."""
    tasks = [fastask.async_(compute, x) for x in inputs]
    total = 0
    while tasks:
        match fastask.find(tasks, await fastask.receive()):
            case (result, task):
                tasks.remove(task)
                total = await aggregate(total, result)
    return total


async def global_timeout(inputs: Sequence[int]) -> tuple[str, int]:
    """Timeout: AsyncFind with one deadline for all, partial results when it passes."""
    tasks = [fastask.async_(compute, x) for x in inputs]
    deadline = fastask.make_ref()
    seconds = DEADLINE * MILLISECOND
    timer = fastask.send_after(fastask.self_(), (deadline, "timeout"), seconds)
    try:
        return await _collect(tasks, deadline)
    finally:
        timer.cancel()
        fastask.receive_nowait(deadline, default=None)
        for task in tasks:
            await fastask.shutdown(task, fastask.BRUTAL_KILL)


async def _collect(
    tasks: list[fastask.Task[int]], deadline: fastask.Ref
) -> tuple[str, int]:
    total = 0
    while tasks:
        message = await fastask.receive()
        if message == (deadline, "timeout"):
            return "timeout", total
        match fastask.find(tasks, message):
            case (result, task):
                tasks.remove(task)
                total = await aggregate(total, result)
    return "ok", total


async def caught_errors(inputs: Sequence[int]) -> tuple[int, int]:
    """Catch errors in the task: the sum of what went well and how many did not."""
    tasks = [fastask.async_(_compute_or_none, x) for x in inputs]
    total = errors = 0
    while tasks:
        match fastask.find(tasks, await fastask.receive()):
            case (None, task):
                tasks.remove(task)
                errors += 1
            case (int(result), task):
                tasks.remove(task)
                total = await aggregate(total, result)
    return total, errors


async def _compute_or_none(x: int) -> int | None:
    try:
        return await compute(x)
    except ValueError:
        return None


async def super_aggregate() -> tuple[int, int, int]:
    """Three computations of 3 seconds, side by side."""
    first = fastask.async_(compute, 3000)
    second = fastask.async_(compute, 3000)
    third = fastask.async_(compute, 3000)
    return (
        await fastask.await_(first),
        await fastask.await_(second),
        await fastask.await_(third),
    )


async def stream_of_sleeps() -> list[int]:
    """`async_stream` over 1..10: sleep that many seconds, ten at a time."""
    stream = fastask.async_stream(SECONDS, compute, max_concurrency=10)
    return [result.unwrap() async for result in stream]


def time_on_arrival(inputs: Sequence[int]) -> int:
    """Say how long aggregating each result on its arrival takes at least."""
    now = 0
    for x in sorted(inputs):
        now = max(now, x) + AGGREGATION
    return now


def make_programs(seed: int) -> list[Program]:
    """Make the programs; `seed` decides the inputs that are random in the articles."""
    chance = random.Random(seed)
    inputs = [chance.randint(1, 1000) for _ in range(10)]
    mixed = [chance.randint(1, 1000) - 500 for _ in range(10)]
    good = [x for x in mixed if x > 0]
    caught = Program(
        "errors caught in the task",
        partial(caught_errors, mixed),
        (sum(good), len(mixed) - len(good)),
        time_on_arrival(good),
    )
    return [
        _program("AsyncAwait", async_await, inputs),
        _program("AsyncFind", async_find, inputs),
        *_make_fixed_programs(),
        caught,
        Program("super_aggregate", super_aggregate, (3000,) * 3, 3000),
        Program("async_stream, 1..10", stream_of_sleeps, list(SECONDS), SECONDS[-1]),
    ]


def _make_fixed_programs() -> list[Program]:
    await_slow = _program("AsyncAwait, 500 and 9 x 1", async_await, SLOW_FIRST)
    find_slow = _program("AsyncFind, 500 and 9 x 1", async_find, SLOW_FIRST)
    late = (*TOO_LATE, *IN_TIME)
    total = sum(IN_TIME)
    return [
        await_slow,
        # Only aggregating during the slow task beats what AsyncAwait takes at least.
        replace(find_slow, below=await_slow.milliseconds),
        Program(
            "Timeout, all in time",
            partial(global_timeout, IN_TIME),
            ("ok", total),
            time_on_arrival(IN_TIME),
        ),
        Program(
            "Timeout, half too late",
            partial(global_timeout, late),
            ("timeout", total),
            DEADLINE,
        ),
    ]


def _program(
    name: str,
    function: Callable[[Sequence[int]], Awaitable[int]],
    inputs: Sequence[int],
) -> Program:
    if function is async_find:
        milliseconds = time_on_arrival(inputs)
    else:
        milliseconds = max(inputs) + AGGREGATION * len(inputs)
    return Program(name, partial(function, inputs), sum(inputs), milliseconds)


def run_program(program: Program) -> Outcome:
    """Run a program as a root process of its own and judge it.

    A value that is wrong, a time that is too short and an exception are final. A time
    that is too long may be the machine's: up to three tries, the shortest counts.

    Args:
        program: What to run.

    Returns:
        The time and the verdict.
    """
    outcomes = []
    for _ in range(TRIES):
        outcomes.append(_try(program))
        if outcomes[-1].verdict != "too late":
            return outcomes[-1]
    return min(outcomes, key=lambda outcome: outcome.seconds)


def _try(program: Program) -> Outcome:
    try:
        seconds, value, left = fastask.run(_measure, program)
    except Exception as error:
        return Outcome(program, 0.0, f"raised {error!r}")
    return replace(
        Outcome(program, seconds), verdict=judge(program, seconds, value, left)
    )


async def _measure(program: Program) -> tuple[float, object, object]:
    start = time.perf_counter()
    value = await program.run()
    seconds = time.perf_counter() - start
    return seconds, value, fastask.receive_nowait(default=None)


def judge(program: Program, seconds: float, value: object, left: object = None) -> str:
    """Say `ok`, or what is wrong with a program's value, time and mailbox."""
    if value != program.value:
        return f"wrong value: {value!r} instead of {program.value!r}"
    if left is not None:
        return f"left in the mailbox: {left!r}"
    if seconds < program.lower - CLOCK_TOLERANCE:
        return "too early"
    if seconds > program.upper:
        return "too late"
    return "ok"
