"""Memory that is used again: nothing of the object before is left in it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

import fastask
from fastask import receive, self_, send, spawn

ROUNDS = 300  # more than are kept of anything


class Thing:
    """What can be referred to weakly."""


def value_of(wait: Any) -> StopIteration:
    """Drive a wait by hand; return what tells its value."""
    try:
        next(wait)
    except StopIteration as stop:
        return stop
    raise AssertionError("it waits")


class TestTasks:
    async def test_each_that_is_destroyed_while_it_waits_says_so(self) -> None:
        loop = asyncio.get_running_loop()
        told: list[str] = []
        loop.set_exception_handler(
            lambda loop, context: told.append(context["message"])
        )
        loop.set_task_factory(fastask.task_factory)

        for _ in range(ROUNDS):
            task = asyncio.create_task(asyncio.Event().wait())
            await asyncio.sleep(0)
            del task
        gc.collect()

        assert told == ["Task was destroyed but it is pending!"] * ROUNDS

    async def test_one_that_is_destroyed_lets_its_messages_go(
        self,
    ) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: None)
        loop.set_task_factory(fastask.task_factory)

        thing = Thing()
        reference = weakref.ref(thing)
        task: Any = asyncio.create_task(asyncio.Event().wait())
        await asyncio.sleep(0)
        send(task, thing)
        del task, thing
        gc.collect()

        assert reference() is None

    async def test_one_has_no_attributes_of_one_before(self) -> None:
        asyncio.get_running_loop().set_task_factory(fastask.task_factory)
        for number in range(ROUNDS):
            task: Any = asyncio.create_task(asyncio.sleep(0), name=str(number))
            assert not hasattr(task, "mark")
            task.mark = number
            task.cancel(number) if number % 2 else task.add_done_callback(id)
            await asyncio.wait([task])
            assert task.cancelled() == bool(number % 2)


class TestProcesses:
    async def test_many_that_end_in_all_ways_leave_nothing_in_the_next(self) -> None:
        async def end(number: int) -> int:
            if number % 3 == 0:
                raise fastask.Exit("odd")
            if number % 3 == 1:
                fastask.trap_exit(True)
            return number

        for number in range(ROUNDS):
            process, ref = fastask.spawn_monitor(end, number)
            info = fastask.process_info(process)
            down = await receive(ref)

            assert info is not None
            assert (info.trap_exit, info.messages, process.label) == (False, [], None)
            assert down.reason == ("odd" if number % 3 == 0 else fastask.NORMAL)

    async def test_a_weak_reference_to_one_does_not_see_the_next(self) -> None:
        async def nothing() -> None:
            """End at once."""

        process = spawn(nothing)
        await process
        reference = weakref.ref(process)
        del process
        gc.collect()
        others = [spawn(nothing) for _ in range(ROUNDS)]
        seen = reference()
        for other in others:
            await other

        assert seen is None


class TestValues:
    async def test_a_value_that_was_told_by_hand_stays_what_it_was(self) -> None:
        stops = []
        for number in range(100):  # so many in one turn
            send(self_(), number + 1)
            stops.append(value_of(receive()))

        assert [stop.value for stop in stops] == list(range(1, 101))
        assert all(isinstance(stop, StopIteration) for stop in stops)
        assert all(stop.__context__ is stop.__cause__ is None for stop in stops)

    async def test_a_value_is_let_go_with_what_told_it(self) -> None:
        thing = Thing()
        reference = weakref.ref(thing)
        send(self_(), thing)
        del thing
        assert await receive() is reference()

        assert reference() is None

    @pytest.mark.parametrize(
        "value", [(1, 2), StopIteration(3), None, [], ()], ids=repr
    )
    async def test_a_value_of_any_kind_arrives_as_it_is(self, value: object) -> None:
        send(self_(), value)

        assert await receive() is value


class TestReceive:
    async def test_takes_patterns_and_options_in_every_combination(self) -> None:
        for message in "one", 2, 3.0, b"four", [5]:
            send(self_(), message)
        got = [
            await receive(list),
            await receive(str, bytes),
            await receive(int, float, timeout=0),
            await receive(timeout=0),
            await receive(*[bytes], **{"timeout": None}),
        ]

        assert got == [[5], "one", 2, 3.0, b"four"]

    async def test_refuses_an_option_that_it_does_not_have(self) -> None:
        with pytest.raises(TypeError, match="limit"):
            receive(limit=1)  # type: ignore[call-overload]  # the point of the test
