"""The programs of the two articles that need no supervisor, ten times as fast."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from typing import Any, Literal

import pytest

import fastask
from fastask import (
    BRUTAL_KILL,
    Exit,
    Ok,
    Process,
    Task,
    TaskTimeoutError,
    async_,
    async_nolink,
    find,
    link,
    make_ref,
    process_info,
    receive,
    receive_nowait,
    self_,
    send,
    send_after,
    shutdown,
    spawn,
    spawn_monitor,
)

NOTHING: dict[str, object] = {
    "messages": [],
    "message_queue_len": 0,
    "links": [],
    "monitors": [],
}

AGGREGATION = 0.005


def left_behind() -> dict[str, object]:
    """What the calling process still holds."""
    info = process_info(self_())
    assert info is not None
    return {
        "messages": list(info.messages),
        "message_queue_len": info.message_queue_len,
        "links": list(info.links),
        "monitors": list(info.monitors),
    }


async def computation(seconds: float) -> float:
    """A stub of a long computation; it fails below zero."""
    if seconds <= 0:
        raise ValueError(f"seconds must be > 0, got {seconds}")
    await fastask.sleep(seconds)
    return seconds


class Aggregator:
    """Add up, a little slowly, and remember in which order."""

    def __init__(self, seconds: float = AGGREGATION) -> None:
        self.seconds = seconds
        self.results: list[float] = []

    async def add(self, result: float) -> None:
        await fastask.sleep(self.seconds)
        self.results.append(result)

    @property
    def value(self) -> float:
        return sum(self.results)


def random_inputs() -> list[float]:
    """Ten times between 1 and 100 ms, the same in every run."""
    generator = random.Random(7)
    return [generator.randint(1, 100) / 1000 for _ in range(10)]


async def async_await(inputs: Iterable[float]) -> Aggregator:
    """Await the tasks in the order of their start."""
    aggregator = Aggregator()
    tasks = [async_(computation, seconds) for seconds in inputs]
    for task in tasks:
        await aggregator.add(await task.await_())
    return aggregator


async def async_find(inputs: Iterable[float]) -> Aggregator:
    """Take the results in the order of their arrival."""
    aggregator = Aggregator()
    tasks = [async_(computation, seconds) for seconds in inputs]
    while tasks:
        match find(tasks, await receive()):
            case (result, task):
                tasks.remove(task)
                await aggregator.add(result)
    return aggregator


Outcome = tuple[Literal["ok", "timeout"], Aggregator]


async def collect(
    tasks: list[Task[float]], seconds: float, step: float = AGGREGATION
) -> Outcome:
    """Take what arrives within `seconds`; `tasks` keeps what did not."""
    aggregator = Aggregator(step)
    timeout_ref = make_ref()
    timer = send_after(self_(), (timeout_ref, "timeout"), seconds)
    try:
        while tasks:
            message = await receive()
            if message == (timeout_ref, "timeout"):
                return "timeout", aggregator
            match find(tasks, message):
                case (result, task):
                    tasks.remove(task)
                    await aggregator.add(result)
        return "ok", aggregator
    finally:
        timer.cancel()
        receive_nowait(timeout_ref, default=None)


class TestAsyncAwait:
    async def test_the_sum_is_right(self) -> None:
        """RUNR 283."""
        inputs = random_inputs()

        assert (await async_await(inputs)).results == inputs
        assert left_behind() == NOTHING

    def test_the_computations_run_at_the_same_time(self) -> None:
        """RUNR 283."""
        inputs = random_inputs()
        longest = max(inputs)

        async def main() -> float:
            clock = asyncio.get_running_loop().time
            began = clock()
            await async_await(inputs)
            return clock() - began

        took = fastask.testing.run(main)

        assert longest <= took <= longest + 10 * AGGREGATION + 0.001


class TestAsyncFind:
    async def test_results_are_taken_as_they_arrive(self) -> None:
        """RUNR 284."""
        slow, *quick = [0.05, *[0.001] * 9]

        aggregator = await async_find([slow, *quick])
        assert aggregator.results == [*quick, slow]
        assert left_behind() == NOTHING

    def test_aggregation_overlaps_the_slow_first_task(self) -> None:
        """RUNR 284, on a clock that stands while anybody works."""
        inputs = [0.05, *[0.001] * 9]

        async def main() -> tuple[float, float]:
            clock = asyncio.get_running_loop().time
            began = clock()
            await async_find(inputs)
            found = clock()
            await async_await(inputs)
            return found - began, clock() - found

        found, awaited = fastask.testing.run(main)

        assert found == pytest.approx(0.05 + AGGREGATION)
        assert awaited == pytest.approx(0.05 + 10 * AGGREGATION)


class TestTimeout:
    async def test_all_results_in_time_are_the_sum(self) -> None:
        """RUNR 285."""
        tasks = [async_(computation, 0.001 * number) for number in range(1, 5)]

        status, aggregator = await collect(tasks, 5.0)
        assert (status, len(aggregator.results)) == ("ok", 4)
        assert left_behind() == NOTHING

    async def test_out_of_time_the_sum_is_partial(self) -> None:
        """RUNR 285."""
        tasks = [async_(computation, seconds) for seconds in (60.0, 0.002, 0.001)]
        began = time.monotonic()
        status, aggregator = await collect(tasks, 0.09)
        took = time.monotonic() - began

        assert (status, sorted(aggregator.results)) == ("timeout", [0.001, 0.002])
        assert 0.09 <= took < 1.0
        for task in tasks:
            await shutdown(task, BRUTAL_KILL)
        assert left_behind() == NOTHING

    async def test_the_tasks_that_are_late_are_still_listed(self) -> None:
        """RUNR 285."""
        late = async_(computation, 60.0)
        tasks = [late, async_(computation, 0.001)]
        await collect(tasks, 0.05)

        assert tasks == [late]
        await shutdown(late, BRUTAL_KILL)

    async def test_a_timer_that_fired_during_the_last_step_is_flushed(self) -> None:
        """RUNR 285."""
        tasks = [async_(computation, 0.001)]
        send(self_(), "foreign")
        status, _ = await collect(tasks, 0.05, step=0.1)

        assert status == "ok"
        assert left_behind() == NOTHING

    async def test_the_timer_of_a_quick_run_never_fires(self) -> None:
        """RUNR 285."""
        await collect([async_(computation, 0.001)], 0.03)
        await fastask.sleep(0.05)

        assert left_behind() == NOTHING

    async def test_the_deadline_is_one_for_all(self) -> None:
        """RUNR 286."""
        tasks = [async_(computation, 60.0) for _ in range(3)]
        began = time.monotonic()
        status, _ = await collect(tasks, 0.05)
        took = time.monotonic() - began

        for task in tasks:
            await shutdown(task, BRUTAL_KILL)
        assert status == "timeout"
        assert 0.05 <= took < 0.15

    async def test_the_times_of_awaits_in_a_row_add_up(self) -> None:
        """RUNR 286."""
        tasks = [async_nolink(computation, 60.0) for _ in range(3)]
        missed = 0
        began = time.monotonic()
        for task in tasks:
            try:
                await task.await_(0.05)
            except TaskTimeoutError:
                missed += 1
        took = time.monotonic() - began

        for task in tasks:
            await shutdown(task, BRUTAL_KILL)
        assert missed == 3
        assert 0.15 <= took < 1.0


class TestErrorsCaughtInTheTask:
    async def test_results_that_failed_are_ignored(self) -> None:
        """RUNR 290."""

        async def careful(seconds: float) -> Ok[float] | Literal["error"]:
            try:
                return Ok(await computation(seconds))
            except Exception:
                return "error"

        tasks = [async_(careful, seconds) for seconds in (0.003, -1.0, 0.001, -2.0)]
        total = 0.0
        while tasks:
            found = find(tasks, await receive())
            if found is None:
                continue
            result, task = found
            tasks.remove(task)
            match result:
                case Ok(value):
                    total += value

        assert total == 0.004
        assert left_behind() == NOTHING

    async def test_a_signal_from_a_third_process_is_not_caught(self) -> None:
        """RUNR 290."""

        async def crash() -> None:
            await receive()
            raise Exit("third party")

        async def careful(third: Process) -> str:
            link(third)
            send(third, "go")
            try:
                await receive()
            except Exception:
                return "caught"
            return "woken"

        async def master(third: Process) -> None:
            await async_(careful, third)

        third = spawn(crash)
        _, ref = spawn_monitor(master, third)

        assert (await receive(ref)).reason == "third party"
        assert left_behind() == NOTHING


class TestSuperAggregate:
    async def test_takes_the_time_of_one_computation(self) -> None:
        """RUNR 301."""

        async def aggregate() -> Any:
            first = async_(computation, 0.1)
            second = async_(computation, 0.1)
            third = async_(computation, 0.1)
            return await first.await_(), await second.await_(), await third.await_()

        began = time.monotonic()
        parts = await aggregate()
        took = time.monotonic() - began

        assert parts == (0.1, 0.1, 0.1)
        assert 0.1 <= took < 0.25
        assert left_behind() == NOTHING
