"""Results as messages, and what a program may do with them."""

from __future__ import annotations

from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    NORMAL,
    SHUTDOWN,
    Down,
    Exit,
    Exited,
    Failed,
    Ok,
    Process,
    Reply,
    Task,
    Timeout,
    async_,
    async_nolink,
    completed,
    demonitor,
    make_ref,
    monitor,
    process_info,
    receive,
    receive_nowait,
    self_,
    send,
    start_timer,
    trap_exit,
    unlink,
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


async def ended(process: Process) -> Any:
    """Wait for the end of a process and return its reason."""
    down = await receive(monitor(process))
    return down.reason


async def kill(process: Process) -> None:
    """End a process that a test leaves running on purpose."""
    unlink(process)
    fastask.exit(process, KILL)
    await ended(process)


async def receive_one() -> Any:
    """Return the first message."""
    return await receive()


async def identity(value: Any) -> Any:
    return value


async def fail(error: BaseException) -> None:
    raise error


class TestMailbox:
    async def test_a_result_is_a_reply_and_then_a_down(self) -> None:
        task = async_(identity, "value")
        await ended(process_of(task))

        assert left_behind()["messages"] == [
            Reply(task.ref, "value"),
            Down(task.ref, process_of(task), NORMAL),
        ]

    async def test_a_failure_is_a_down_alone(self) -> None:
        task = async_nolink(fail, Exit("unknown"))
        await ended(process_of(task))

        assert left_behind()["messages"] == [
            Down(task.ref, process_of(task), "unknown")
        ]

    async def test_a_trapping_owner_sees_the_exit_before_the_down(self) -> None:
        trap_exit(True)
        task = async_(identity, "value")
        await ended(process_of(task))

        assert left_behind()["messages"] == [
            Reply(task.ref, "value"),
            Exited(process_of(task), NORMAL),
            Down(task.ref, process_of(task), NORMAL),
        ]

    async def test_what_the_task_sent_comes_before_its_reply(self) -> None:
        async def work(owner: Process) -> str:
            send(owner, "first")
            send(owner, "second")
            return "value"

        task = async_(work, self_())
        received = [await receive() for _ in range(4)]

        assert received == [
            "first",
            "second",
            Reply(task.ref, "value"),
            Down(task.ref, process_of(task), NORMAL),
        ]

    async def test_a_result_is_in_the_place_where_it_arrived(self) -> None:
        send(self_(), "before")
        task = async_(identity, "value")
        await ended(process_of(task))
        send(self_(), "after")

        assert left_behind()["messages"] == [
            "before",
            Reply(task.ref, "value"),
            Down(task.ref, process_of(task), NORMAL),
            "after",
        ]

    async def test_await_after_a_look_at_the_reply_finds_the_down(self) -> None:
        task = async_(identity, "value")
        await receive(Reply)

        with pytest.raises(Exit) as caught:
            await task
        assert caught.value.reason == NORMAL
        assert left_behind() == NOTHING


class TestReceiveByRef:
    async def test_gives_the_reply_and_then_the_down(self) -> None:
        send(self_(), "other")
        task = async_(identity, "value")

        assert await receive(task.ref) == Reply(task.ref, "value")
        assert await receive(task.ref) == Down(task.ref, process_of(task), NORMAL)
        assert left_behind()["messages"] == ["other"]

    async def test_gives_a_tuple_that_begins_with_the_ref(self) -> None:
        ref = make_ref()
        send(self_(), (make_ref(), "other"))
        send(self_(), (ref, "mine", 3))

        assert await receive(ref) == (ref, "mine", 3)

    async def test_gives_the_timeout_of_a_timer(self) -> None:
        timer = start_timer(0, self_(), "time is up")

        assert await receive(timer.ref) == Timeout(timer.ref, "time is up")

    async def test_gives_the_oldest_of_them(self) -> None:
        ref = make_ref()
        send(self_(), (ref, "tuple"))
        send(self_(), Reply(ref, "reply"))
        send(self_(), Down(ref, self_(), "down"))

        assert [receive_nowait(ref) for _ in range(3)] == [
            (ref, "tuple"),
            Reply(ref, "reply"),
            Down(ref, self_(), "down"),
        ]

    async def test_does_not_give_a_bare_ref_or_a_list(self) -> None:
        ref = make_ref()
        send(self_(), ref)
        send(self_(), [ref, "list"])

        assert receive_nowait(ref, default=None) is None

    async def test_does_not_give_a_tuple_with_the_ref_elsewhere(self) -> None:
        ref = make_ref()
        send(self_(), ("text", ref))
        send(self_(), ())

        assert receive_nowait(ref, default=None) is None


class TestReply:
    async def test_equals_the_tuple(self) -> None:
        ref = make_ref()

        assert Reply(ref, 1) == (ref, 1)
        assert (ref, 1) == Reply(ref, 1)

    async def test_differs_in_ref_and_in_value(self) -> None:
        ref = make_ref()

        assert Reply(ref, 1) != (ref, 2)
        assert Reply(ref, 1) != Reply(make_ref(), 1)

    async def test_unpacks_like_the_tuple(self) -> None:
        task = async_(identity, "value")

        ref, value = await receive(Reply)
        assert (ref, value) == (task.ref, "value")

    async def test_has_ref_and_value(self) -> None:
        ref = make_ref()
        reply = Reply(ref, "value")

        assert (reply.ref, reply.value) == (ref, "value")

    async def test_matches_by_position(self) -> None:
        ref = make_ref()

        match Reply(ref, "value"):
            case Reply(found, value):
                assert (found, value) == (ref, "value")
            case _:
                pytest.fail("no match")

    async def test_matches_by_keyword(self) -> None:
        ref = make_ref()

        match Reply(ref, "value"):
            case Reply(value="value", ref=found):
                assert found == ref
            case _:
                pytest.fail("no match")


class TestDown:
    async def test_names_what_was_monitored(self) -> None:
        task = async_nolink(fail, Exit("unknown"))

        down = await receive(Down)
        assert down.ref == task.ref
        assert down.process == task.process
        assert down.reason == "unknown"

    async def test_matches_by_position(self) -> None:
        task = async_nolink(fail, Exit((SHUTDOWN, "moved")))

        match await receive():
            case Down(ref, process, (fastask.SHUTDOWN, why)):
                assert (ref, process, why) == (task.ref, task.process, "moved")
            case _:
                pytest.fail("no match")

    async def test_matches_by_keyword(self) -> None:
        task = async_nolink(fail, ValueError("boom"))

        match await receive():
            case Down(reason=ValueError(args=(text,)), ref=ref):
                assert (text, ref) == ("boom", task.ref)
            case _:
                pytest.fail("no match")

    async def test_is_told_apart_from_a_reply(self) -> None:
        async_(identity, "value")
        seen: list[str] = []

        for _ in range(2):
            match await receive():
                case Reply(_, value):
                    seen.append(value)
                case Down(_, _, reason):
                    seen.append(reason)
        assert seen == ["value", NORMAL]


class TestDemonitor:
    async def test_of_the_ref_of_a_task_drops_reply_and_down(self) -> None:
        task = async_nolink(identity, "value")

        assert demonitor(task.ref) is True
        await ended(process_of(task))
        assert left_behind() == NOTHING

    async def test_is_true_when_it_removed_a_monitor(self) -> None:
        process = process_of(async_nolink(receive_one))
        ref = monitor(process)

        assert demonitor(ref) is True
        await kill(process)

    async def test_is_false_the_second_time(self) -> None:
        process = process_of(async_nolink(receive_one))
        ref = monitor(process)
        demonitor(ref)

        assert demonitor(ref) is False
        await kill(process)

    async def test_is_false_when_the_monitor_has_fired(self) -> None:
        task = async_nolink(identity, "value")
        await ended(process_of(task))

        assert demonitor(task.ref) is False
        assert left_behind()["message_queue_len"] == 2

    async def test_is_false_for_a_ref_that_is_no_monitor(self) -> None:
        assert demonitor(make_ref()) is False

    async def test_with_flush_removes_a_down_that_is_queued(self) -> None:
        task = async_nolink(fail, Exit("unknown"))
        await ended(process_of(task))

        assert demonitor(task.ref, flush=True) is False
        assert left_behind() == NOTHING

    async def test_is_false_once_the_result_was_taken(self) -> None:
        task = async_nolink(identity, "value")
        await task

        assert demonitor(task.ref) is False


class TestOkAndFailed:
    async def test_ok_matches_with_its_value(self) -> None:
        match await async_(identity, "value").yield_():
            case Ok(value):
                assert value == "value"
            case _:
                pytest.fail("no match")

    async def test_failed_matches_with_its_reason(self) -> None:
        match await async_nolink(fail, Exit("unknown")).yield_():
            case Failed(reason="unknown"):
                pass
            case other:
                pytest.fail(f"no match for {other}")

    async def test_ok_unwraps_to_its_value(self) -> None:
        assert Ok("value").unwrap() == "value"

    async def test_failed_unwraps_by_raising_the_exception(self) -> None:
        error = ValueError("boom")

        with pytest.raises(ValueError, match="boom") as caught:
            Failed(error).unwrap()
        assert caught.value is error

    async def test_failed_unwraps_by_raising_exit_for_another_reason(self) -> None:
        with pytest.raises(Exit) as caught:
            Failed("unknown").unwrap()
        assert caught.value.reason == "unknown"

    async def test_are_compared_by_value(self) -> None:
        failed: Any = Failed("a")

        assert Ok(1) == Ok(1)
        assert Ok(1) != Ok(2)
        assert Failed("a") == Failed("a")
        assert Failed("a") != Failed("b")
        assert Ok("a") != failed

    async def test_are_frozen(self) -> None:
        ok: Any = Ok(1)
        failed: Any = Failed("a")

        with pytest.raises(AttributeError):
            ok.value = 2
        with pytest.raises(AttributeError):
            failed.reason = "b"


class TestCompleted:
    async def test_a_completed_task_sends_a_reply_and_no_down(self) -> None:
        task = completed("value")

        assert await receive() == Reply(task.ref, "value")
        assert left_behind() == NOTHING
