"""Streams whose tasks are children of a `TaskSupervisor`."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    TIMEOUT,
    Failed,
    MaxChildrenError,
    NoProcessError,
    Ok,
    Process,
    TaskSupervisor,
    UnknownNameError,
    monitor,
    process_info,
    receive,
    self_,
    send,
    spawn_monitor,
    trap_exit,
)


async def double(x: int) -> int:
    return 2 * x


async def divide(x: int) -> float:
    return 1 / x


async def hang(x: int) -> int:
    await receive("never".__eq__)
    return x


def left_behind() -> tuple[list[Any], int]:
    info = process_info(self_())
    assert info is not None
    return info.messages, len(info.monitors)


class TestAsyncStream:
    @pytest.mark.parametrize("ordered", [True, False])
    async def test_gives_the_values(self, ordered: bool) -> None:
        async with TaskSupervisor() as tasks:
            stream = tasks.async_stream(range(10), double, ordered=ordered)
            values = sorted([outcome.unwrap() async for outcome in stream])

            assert values == list(range(0, 20, 2))
            assert tasks.children() == []
            assert left_behind() == ([], 0)

    async def test_runs_children_of_the_supervisor_with_callers(self) -> None:
        async def lines(x: int) -> Any:
            info = process_info(self_())
            assert info is not None
            return info.ancestors[0], info.callers, set(info.links)

        async with TaskSupervisor() as tasks:
            async for outcome in tasks.async_stream([1], lines):
                ancestor, callers, links = outcome.unwrap()

                assert ancestor is tasks.process
                assert callers == [self_()]
                assert links == {tasks.process, self_()}

    async def test_a_crash_ends_a_consumer_that_does_not_trap(self) -> None:
        async with TaskSupervisor() as tasks:

            async def consume() -> None:
                async for _ in tasks.async_stream([0], divide):
                    pass

            _, ref = spawn_monitor(consume)
            down = await receive(ref)

            assert isinstance(down.reason, ZeroDivisionError)
            assert tasks.children() == []

    async def test_a_crash_is_an_element_to_one_that_traps(self) -> None:
        trap_exit(True)
        async with TaskSupervisor() as tasks:
            stream = tasks.async_stream([0, 1], divide)
            first, second = [outcome async for outcome in stream]

        assert (
            isinstance(first.reason, ZeroDivisionError)
            if isinstance(first, Failed)
            else False
        )
        assert second == Ok(1.0)
        assert left_behind() == ([], 0)

    async def test_too_many_children_raise_after_a_clean_up(self) -> None:
        async with TaskSupervisor(max_children=2) as tasks:
            with pytest.raises(MaxChildrenError):
                async for _ in tasks.async_stream(range(4), hang, max_concurrency=4):
                    pass

            assert tasks.children() == []
            assert left_behind() == ([], 0)

    async def test_leaving_early_kills_what_is_in_flight(self) -> None:
        async with TaskSupervisor() as tasks:
            stream = tasks.async_stream(itertools.count(), double, max_concurrency=3)
            async with stream:
                async for _ in stream:
                    break

            assert tasks.children() == []

    async def test_time_running_out_is_an_element_if_wanted(self) -> None:
        async with TaskSupervisor() as tasks:
            stream = tasks.async_stream(
                [1], hang, timeout=0.005, on_timeout="kill_task"
            )

            assert [outcome async for outcome in stream] == [Failed(TIMEOUT)]

    async def test_is_lazy(self) -> None:
        stream = TaskSupervisor.ref("tasks").async_stream([1], double)
        async with TaskSupervisor(name="tasks"):
            assert [outcome async for outcome in stream] == [Ok(2)]

    async def test_needs_the_supervisor_when_it_is_iterated(self) -> None:
        async with TaskSupervisor() as tasks:
            stream = tasks.async_stream([1], double)

        with pytest.raises(NoProcessError):
            await anext(aiter(stream))
        with pytest.raises(UnknownNameError):
            await anext(aiter(TaskSupervisor.ref("nobody").async_stream([1], double)))
        assert left_behind() == ([], 0)

    async def test_refuses_bad_options_when_it_is_built(self) -> None:
        async with TaskSupervisor() as tasks:
            bad: Any = tasks
            with pytest.raises(ValueError, match="max_concurrency must be"):
                tasks.async_stream([1], double, max_concurrency=0)
            with pytest.raises(ValueError, match="on_timeout must be"):
                bad.async_stream([1], double, on_timeout="ignore")
            with pytest.raises(ValueError, match="shutdown must be"):
                tasks.async_stream([1], double, shutdown=-1)
            with pytest.raises(TypeError, match="iterable must be an iterable"):
                bad.async_stream_nolink(1, double)


class TestAsyncStreamNolink:
    async def test_a_crash_is_an_element(self) -> None:
        async with TaskSupervisor() as tasks:
            stream = tasks.async_stream_nolink([1, 0, 2], divide)
            first, second, third = [outcome async for outcome in stream]

        assert (first, third) == (Ok(1.0), Ok(0.5))
        match second:
            case Failed(ZeroDivisionError()):
                pass
            case _:
                pytest.fail(repr(second))

    async def test_a_supervisor_that_is_killed_fails_what_is_in_flight(self) -> None:
        trap_exit(True)
        tasks = await TaskSupervisor.start_link()
        killer = fastask.async_nolink(kill_soon, tasks.process)
        stream = tasks.async_stream_nolink(range(2), hang, max_concurrency=2)
        outcomes = [outcome async for outcome in stream]
        await killer

        assert outcomes == [Failed(fastask.KILLED)] * 2
        await receive(fastask.Exited)

    async def test_the_end_of_the_consumer_ends_its_tasks(self) -> None:
        test = self_()

        async def tell_and_hang(x: int) -> None:
            send(test, self_())
            await hang(x)

        async with TaskSupervisor() as tasks:

            async def consume() -> None:
                async for _ in tasks.async_stream_nolink([1], tell_and_hang):
                    pass

            consumer, ref = spawn_monitor(consume)
            task = await receive(Process)
            task_ref = monitor(task)
            fastask.exit(consumer, KILL)
            await receive(ref)

            assert (await receive(task_ref)).reason == fastask.KILLED


async def kill_soon(process: Process[None] | None) -> None:
    assert process is not None
    await fastask.sleep(0)
    fastask.exit(process, KILL)
