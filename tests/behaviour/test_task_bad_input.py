"""Arguments that make no sense are refused, and nothing has happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import (
    BRUTAL_KILL,
    ChildSpec,
    Process,
    Task,
    async_,
    async_nolink,
    await_,
    await_many,
    child_spec,
    completed,
    ignore,
    process_info,
    receive,
    self_,
    send,
    shutdown,
    start,
    start_link,
    yield_,
    yield_many,
)

NOTHING: dict[str, object] = {
    "messages": [],
    "message_queue_len": 0,
    "links": [],
    "monitors": [],
}


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


def process_of(task: Task[Any]) -> Process:
    """The process of a task that has one."""
    assert task.process is not None
    return task.process


async def receive_one() -> Any:
    """Return the first message."""
    return await receive()


async def many_awaited(task: Any, timeout: Any) -> Any:
    return await await_many([task], timeout)


async def many_yielded(task: Any, timeout: Any) -> Any:
    return await yield_many([task], timeout)


async def ignored(task: Any, timeout: Any) -> Any:
    return ignore(task)


async def shut_down_by_method(task: Any, timeout: Any) -> Any:
    return await task.shutdown(timeout)


async def awaited_by_method(task: Any, timeout: Any) -> Any:
    return await task.await_(timeout)


async def yielded_by_method(task: Any, timeout: Any) -> Any:
    return await task.yield_(timeout)


Verb = Callable[[Any, Any], Any]

FUNCTIONS: list[Verb] = [await_, many_awaited, yield_, many_yielded, shutdown]
METHODS: list[Verb] = [awaited_by_method, yielded_by_method, shut_down_by_method]

each_verb = pytest.mark.parametrize("verb", [*FUNCTIONS, *METHODS])


class TestTime:
    @each_verb
    async def test_below_zero_is_a_value_error(self, verb: Verb) -> None:
        """TASK 123."""
        with pytest.raises(ValueError, match="-1"):
            await verb(completed("value"), -1)

    @each_verb
    async def test_a_little_below_zero_is_a_value_error(self, verb: Verb) -> None:
        """TASK 123."""
        with pytest.raises(ValueError, match=r"-0\.001"):
            await verb(completed("value"), -0.001)

    @each_verb
    async def test_that_is_no_number_is_a_type_error(self, verb: Verb) -> None:
        """TASK 123."""
        with pytest.raises(TypeError, match="soon"):
            await verb(completed("value"), "soon")

    @each_verb
    @pytest.mark.parametrize("timeout", [-1, "soon"])
    async def test_leaves_the_task_as_it_was(self, verb: Verb, timeout: Any) -> None:
        """TASK 123."""
        task = async_(receive_one)
        with pytest.raises((ValueError, TypeError)):
            await verb(task, timeout)
        held = left_behind()
        send(process_of(task), "value")

        assert await task == "value"
        assert held == {
            **NOTHING,
            "links": [task.process],
            "monitors": [(task.ref, task.process)],
        }

    @pytest.mark.parametrize("verb", [await_, many_awaited, yield_, many_yielded])
    async def test_of_a_brutal_kill_is_for_shutdown_alone(self, verb: Verb) -> None:
        with pytest.raises((ValueError, TypeError)):
            await verb(completed("value"), BRUTAL_KILL)


class TestTask:
    @pytest.mark.parametrize("verb", [*FUNCTIONS, ignored])
    @pytest.mark.parametrize("thing", [None, 1, "task", (1, 2)])
    async def test_that_is_none_is_a_type_error(self, verb: Verb, thing: Any) -> None:
        with pytest.raises(TypeError):
            await verb(thing, 0)

    @pytest.mark.parametrize("verb", [await_many, yield_many])
    async def test_a_list_must_be_a_list(self, verb: Verb) -> None:
        with pytest.raises(TypeError):
            await verb(17, 0)


class TestYieldMany:
    async def test_a_limit_below_zero_is_a_value_error(self) -> None:
        with pytest.raises(ValueError, match="-1"):
            await yield_many([completed(1)], limit=-1)

    @pytest.mark.parametrize("limit", ["two", 1.5])
    async def test_a_limit_that_is_no_integer_is_a_type_error(self, limit: Any) -> None:
        with pytest.raises(TypeError):
            await yield_many([completed(1)], limit=limit)

    async def test_an_unknown_answer_to_a_timeout_is_a_value_error(self) -> None:
        answer: Any = "explode"

        with pytest.raises(ValueError, match="explode"):
            await yield_many([completed(1)], on_timeout=answer)

    async def test_is_refused_before_anything_is_taken(self) -> None:
        task = completed("value")
        with pytest.raises(ValueError, match="-1"):
            await yield_many([task], limit=-1)

        assert await task.await_(0) == "value"


class TestFunction:
    @pytest.mark.parametrize(
        "starter", [async_, async_nolink, start, start_link, child_spec]
    )
    @pytest.mark.parametrize("thing", [None, 17, "name", []])
    async def test_that_cannot_be_called_is_a_type_error(
        self, starter: Callable[..., Any], thing: Any
    ) -> None:
        with pytest.raises(TypeError):
            starter(thing)
        assert left_behind() == NOTHING

    @pytest.mark.parametrize("starter", [async_, async_nolink, start, start_link])
    async def test_a_coroutine_takes_no_arguments(
        self, starter: Callable[..., Any]
    ) -> None:
        coroutine = receive_one()

        with pytest.raises(TypeError):
            starter(coroutine, "argument")
        coroutine.close()
        assert left_behind() == NOTHING

    async def test_arguments_that_do_not_fit_are_a_type_error(self) -> None:
        starter: Any = async_nolink

        with pytest.raises(TypeError, match="receive_one"):
            await starter(receive_one, "one too many")
        assert left_behind() == NOTHING

    @pytest.mark.parametrize("starter", [async_, async_nolink])
    async def test_an_unknown_executor_is_a_value_error(
        self, starter: Callable[..., Any]
    ) -> None:
        with pytest.raises(ValueError, match="fibre"):
            starter(divmod, 7, 2, executor="fibre")
        assert left_behind() == NOTHING

    @pytest.mark.parametrize("starter", [async_, async_nolink])
    async def test_an_executor_that_cannot_run_is_a_type_error(
        self, starter: Callable[..., Any]
    ) -> None:
        with pytest.raises(TypeError):
            starter(divmod, 7, 2, executor=17)
        assert left_behind() == NOTHING


class TestChildSpec:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("restart", "sometimes"),
            ("type", "gardener"),
            ("shutdown", -1.0),
        ],
    )
    async def test_an_unknown_value_is_a_value_error(
        self, field: str, value: Any
    ) -> None:
        with pytest.raises(ValueError, match=str(value)):
            ChildSpec("x", start_link, **{field: value})

    async def test_a_shutdown_that_is_no_time_is_refused(self) -> None:
        shutdown: Any = "softly"

        with pytest.raises((ValueError, TypeError), match="softly"):
            ChildSpec("x", start_link, shutdown=shutdown)

    async def test_a_start_that_cannot_be_called_is_a_type_error(self) -> None:
        start: Any = 17

        with pytest.raises(TypeError):
            ChildSpec("x", start)

    @pytest.mark.parametrize("shutdown", [0, 0.5, 5.0, None, BRUTAL_KILL])
    async def test_every_way_to_stop_is_accepted(self, shutdown: Any) -> None:
        assert ChildSpec("x", start_link, shutdown=shutdown).shutdown == shutdown

    async def test_options_of_child_spec_are_checked(self) -> None:
        restart: Any = "sometimes"

        with pytest.raises(ValueError, match="sometimes"):
            child_spec(receive_one, restart=restart)


class TestOutsideOfALoop:
    @pytest.mark.parametrize("starter", [async_, async_nolink, start, start_link])
    def test_a_task_cannot_be_started(self, starter: Callable[..., Any]) -> None:
        with pytest.raises(RuntimeError):
            starter(receive_one)

    def test_a_task_cannot_be_completed(self) -> None:
        with pytest.raises(RuntimeError):
            fastask.completed("value")
