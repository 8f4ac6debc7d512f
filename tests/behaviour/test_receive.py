"""Messages: order, selective receive, timeouts, sleep."""

from __future__ import annotations

import enum
import time
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    TIMEOUT,
    Down,
    Exited,
    Process,
    Reason,
    Ref,
    Reply,
    Timeout,
    make_ref,
    monitor,
    process_info,
    receive,
    receive_nowait,
    self_,
    send,
    send_after,
    sleep,
    spawn,
    spawn_monitor,
    start_timer,
    trap_exit,
    unlink,
)


async def nothing() -> None:
    """Return at once."""


async def idle() -> None:
    """Wait for ever, whatever arrives."""
    await receive(lambda message: False)


async def end(*helpers: Process) -> None:
    """Kill helpers and wait until they are gone."""
    for helper in helpers:
        unlink(helper)
        ref = monitor(helper)
        fastask.exit(helper, KILL)
        await receive(ref)


def mailbox() -> list[Any]:
    info = process_info(self_())
    assert info is not None
    return list(info.messages)


def fill(*messages: object) -> None:
    """Put messages into one's own mailbox."""
    for message in messages:
        send(self_(), message)


class TestReceive:
    async def test_without_a_pattern_takes_the_oldest_message(self) -> None:
        fill("first", "second")

        assert await receive() == "first"
        assert await receive() == "second"

    async def test_takes_any_object_as_message(self) -> None:
        messages: list[object] = [None, False, 0, (), [], {}, object(), ValueError()]
        fill(*messages)
        received = [await receive() for _ in messages]

        assert all(a is b for a, b in zip(received, messages, strict=True))

    async def test_messages_are_shared_not_copied(self) -> None:
        message = ["mutable"]
        fill(message)

        assert await receive() is message

    async def test_a_type_matches_by_isinstance(self) -> None:
        fill("a", 1, True)

        assert await receive(bool) is True
        assert await receive(int) == 1
        assert mailbox() == ["a"]

    async def test_a_predicate_matches_where_it_is_true(self) -> None:
        fill(1, 2, 3, 4)

        assert await receive(lambda number: number > 2) == 3
        assert mailbox() == [1, 2, 4]

    async def test_a_predicate_may_answer_with_any_truth(self) -> None:
        fill("", "full")

        assert await receive(len) == "full"
        assert mailbox() == [""]

    async def test_a_class_with_a_call_is_a_type_not_a_predicate(self) -> None:
        fill(1, "1")

        assert await receive(str) == "1"
        assert mailbox() == [1]

    async def test_the_oldest_matching_message_wins(self) -> None:
        """The order of the patterns counts for nothing."""
        fill("text", 1)

        assert await receive(int, str) == "text"
        assert mailbox() == [1]

    async def test_patterns_of_every_kind_may_stand_together(self) -> None:
        ref = make_ref()
        fill(1.5, "text", (ref, "tagged"), 7)
        patterns = (ref, str, lambda message: message == 7)

        assert await receive(*patterns) == "text"
        assert await receive(*patterns) == (ref, "tagged")
        assert await receive(*patterns) == 7
        assert mailbox() == [1.5]

    async def test_what_does_not_match_stays_in_place_and_in_order(self) -> None:
        fill(1, "a", 2, "b", 3, "c", 4)

        assert [await receive(str) for _ in range(3)] == ["a", "b", "c"]
        assert mailbox() == [1, 2, 3, 4]

    async def test_what_was_skipped_stays_before_what_arrives_later(self) -> None:
        async def later(parent: Process) -> None:
            send(parent, "wanted")
            send(parent, 4)

        fill(1, 2, 3)
        process, ref = spawn_monitor(later, self_())
        await receive(str)
        await receive(ref)

        assert mailbox() == [1, 2, 3, 4]

    async def test_a_queued_message_comes_before_one_that_arrives(self) -> None:
        send_after(self_(), "new", 0)
        fill("old")

        assert await receive(str) == "old"
        assert await receive(str) == "new"

    async def test_waits_for_a_message_that_matches(self) -> None:
        async def child(parent: Process) -> None:
            for message in ("a", "b", 3):
                send(parent, message)
                await sleep(0)

        process, ref = spawn_monitor(child, self_())

        assert await receive(int) == 3
        await receive(ref)
        assert mailbox() == ["a", "b"]

    async def test_a_predicate_that_raises_raises_in_the_receiver(self) -> None:
        def broken(message: object) -> bool:
            raise ZeroDivisionError

        fill("kept")
        with pytest.raises(ZeroDivisionError):
            await receive(broken)

        assert mailbox() == ["kept"]

    async def test_a_predicate_that_raises_later_does_not_hit_the_sender(self) -> None:
        def broken(message: object) -> bool:
            raise ZeroDivisionError

        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await receive(broken)
            except ZeroDivisionError:
                send(parent, ("caught", await receive()))

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        send(process, "kept")

        assert await receive(tuple) == ("caught", "kept")
        await receive(ref)

    async def test_a_receiver_is_not_run_inside_the_send(self) -> None:
        log: list[str] = []

        async def child(parent: Process) -> None:
            send(parent, "ready")
            await receive()
            log.append("received")

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        send(process, "go")
        log.append("sent")
        await receive(ref)

        assert log == ["sent", "received"]

    async def test_many_queued_messages_come_out_as_they_went_in(self) -> None:
        fill(*range(1000))

        assert [await receive() for _ in range(1000)] == list(range(1000))


class TestReceiveByRef:
    async def test_takes_a_tuple_that_starts_with_the_ref(self) -> None:
        ref = make_ref()
        fill("noise", (ref, 1, 2), (make_ref(), 3))

        assert await receive(ref) == (ref, 1, 2)
        assert len(mailbox()) == 2

    async def test_takes_a_reply(self) -> None:
        ref = make_ref()
        reply = Reply(ref, "value")
        fill("noise", reply)

        assert await receive(ref) is reply

    async def test_takes_a_down(self) -> None:
        process, ref = spawn_monitor(nothing)
        down = await receive(ref)

        assert isinstance(down, Down)
        assert (down.ref, down.process, down.reason) == (ref, process, NORMAL)

    async def test_takes_a_timeout(self) -> None:
        timer = start_timer(0, self_(), "message")
        message = await receive(timer.ref)

        assert isinstance(message, Timeout)
        assert (message.ref, message.message) == (timer.ref, "message")

    async def test_takes_a_down_that_user_code_built(self) -> None:
        ref = make_ref()
        fill(Down(ref, self_(), "made up"))

        assert (await receive(ref)).reason == "made up"

    async def test_leaves_a_ref_that_is_not_in_front(self) -> None:
        ref = make_ref()
        messages: list[object] = [ref, [ref, 1], ("tag", ref), (), {ref: 1}]
        fill(*messages)

        with pytest.raises(TimeoutError):
            await receive(ref, timeout=0)
        assert mailbox() == messages

    async def test_leaves_other_messages_in_order(self) -> None:
        ref = make_ref()
        fill(1, (ref, "a"), 2, (ref, "b"), 3)

        assert await receive(ref) == (ref, "a")
        assert mailbox() == [1, 2, (ref, "b"), 3]
        assert await receive(ref) == (ref, "b")
        assert mailbox() == [1, 2, 3]

    async def test_several_refs_give_the_oldest_message(self) -> None:
        first, second = make_ref(), make_ref()
        fill((second, "older"), (first, "newer"))

        assert await receive(first, second) == (second, "older")
        assert await receive(first, second) == (first, "newer")

    async def test_a_tagged_message_taken_otherwise_is_gone(self) -> None:
        ref = make_ref()
        fill((ref, "value"))
        taken = await receive(tuple)

        assert taken == (ref, "value")
        with pytest.raises(TimeoutError):
            await receive(ref, timeout=0)

    async def test_wakes_for_its_ref_only(self) -> None:
        ref = make_ref()

        async def child(parent: Process) -> None:
            send(parent, (make_ref(), "stranger"))
            send(parent, "noise")
            send(parent, (ref, "mine"))

        process, down = spawn_monitor(child, self_())

        assert await receive(ref) == (ref, "mine")
        await receive(down)
        assert len(mailbox()) == 2

    @pytest.mark.slow
    async def test_the_length_of_the_backlog_does_not_matter(self) -> None:
        """Gotcha 5: scanning 200 000 messages would take some hundred times as long."""

        async def rounds() -> float:
            started = time.perf_counter()
            for _ in range(2000):
                ref = make_ref()
                fill((ref, "value"))
                await receive(ref)
            return time.perf_counter() - started

        await rounds()
        empty = min([await rounds() for _ in range(3)])
        fill(*range(200_000))
        full = min([await rounds() for _ in range(3)])

        assert full < empty * 20
        assert mailbox() == list(range(200_000))


class TestTimeout:
    async def test_nothing_in_time_is_a_timeout_error(self) -> None:
        with pytest.raises(TimeoutError):
            await receive(timeout=0.01)

    async def test_zero_on_an_empty_mailbox_is_a_timeout_error(self) -> None:
        with pytest.raises(TimeoutError):
            await receive(timeout=0)

    async def test_a_queued_match_beats_zero(self) -> None:
        fill("noise", 1)

        assert await receive(int, timeout=0) == 1

    async def test_a_message_in_time_stops_the_clock(self) -> None:
        """The clock of one receive must not end the next."""
        send_after(self_(), "in time", 0)
        first = await receive(timeout=0.02)
        send_after(self_(), "later", 0.05)

        assert first == "in time"
        assert await receive() == "later"

    async def test_noise_does_not_restart_it(self) -> None:
        """PROC 56."""

        async def noise(parent: Process) -> None:
            for number in range(1000):
                send(parent, number)
                await sleep(0.02)

        process = spawn(noise, self_())
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            await receive(str, timeout=0.1)
        elapsed = time.monotonic() - started
        await end(process)
        numbers = mailbox()

        assert 0.1 <= elapsed < 2.0
        assert len(numbers) >= 2
        assert numbers == list(range(len(numbers)))

    async def test_is_never_early_after_blocking_work(self) -> None:
        """Gotcha 61: the loop's own clock may be old."""
        time.sleep(0.03)
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            await receive(timeout=0.03)

        assert time.monotonic() - started >= 0.03

    async def test_leaves_the_mailbox_as_it_was(self) -> None:
        fill(1, 2, 3)
        with pytest.raises(TimeoutError):
            await receive(str, timeout=0.01)

        assert mailbox() == [1, 2, 3]

    async def test_a_message_after_it_is_for_the_next_receive(self) -> None:
        with pytest.raises(TimeoutError):
            await receive(timeout=0.01)
        fill("late")

        assert await receive(timeout=0) == "late"

    async def test_it_can_be_caught_and_the_process_goes_on(self) -> None:
        async def child() -> str:
            try:
                await receive(timeout=0)
            except TimeoutError:
                return "went on"
            return "received"

        assert await spawn(child) == "went on"

    async def test_an_integer_is_as_good_as_a_float(self) -> None:
        fill("here")

        assert await receive(timeout=5) == "here"

    async def test_none_is_no_limit(self) -> None:
        send_after(self_(), "at last", 0.02)

        assert await receive(timeout=None) == "at last"

    async def test_many_at_once_end_in_the_order_of_their_deadlines(self) -> None:
        log: list[int] = []

        async def child(number: int, seconds: float) -> None:
            with pytest.raises(TimeoutError):
                await receive(timeout=seconds)
            log.append(number)

        refs = [
            spawn_monitor(child, number, 0.01 + (5 - number) * 0.02)[1]
            for number in range(5)
        ]
        for ref in refs:
            await receive(ref)

        assert log == [4, 3, 2, 1, 0]


class TestReceiveNowait:
    async def test_takes_the_oldest_match(self) -> None:
        fill("a", 1, 2)

        assert receive_nowait(int) == 1
        assert mailbox() == ["a", 2]

    async def test_takes_a_message_by_ref(self) -> None:
        ref = make_ref()
        fill("a", (ref, 1))

        assert receive_nowait(ref) == (ref, 1)
        assert mailbox() == ["a"]

    async def test_without_a_match_it_is_a_lookup_error(self) -> None:
        fill("a")

        with pytest.raises(LookupError):
            receive_nowait(int)
        assert mailbox() == ["a"]

    async def test_without_a_match_it_returns_the_default(self) -> None:
        assert receive_nowait(int, default=7) == 7

    async def test_none_is_a_default_like_any_other(self) -> None:
        assert receive_nowait(default=None) is None

    async def test_a_match_beats_the_default(self) -> None:
        fill(None)

        assert receive_nowait(default="default") is None


class TestSleep:
    async def test_zero_gives_the_others_a_turn(self) -> None:
        """PROC 80."""
        log: list[str] = []

        async def child() -> None:
            log.append("child")

        process, ref = spawn_monitor(child)
        await sleep(0)
        log.append("parent")
        await receive(ref)

        assert log == ["child", "parent"]

    async def test_lasts_as_long_as_it_says(self) -> None:
        started = time.monotonic()
        await sleep(0.02)

        assert 0.02 <= time.monotonic() - started < 2.0

    async def test_is_never_early_after_blocking_work(self) -> None:
        """Gotcha 61: the loop's own clock may be old."""
        time.sleep(0.03)
        started = time.monotonic()
        await sleep(0.03)

        assert time.monotonic() - started >= 0.03

    async def test_leaves_messages_in_the_mailbox(self) -> None:
        fill("old")
        send_after(self_(), "new", 0)
        await sleep(0.02)

        assert mailbox() == ["old", "new"]

    async def test_without_end_can_be_killed(self) -> None:
        """PROC 80."""

        async def child(parent: Process) -> None:
            send(parent, "ready")
            await sleep(None)
            send(parent, "slept")

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        send(process, "a message does not end it")
        await sleep(0)
        fastask.exit(process, KILL)

        assert (await receive(ref)).reason is KILLED
        assert mailbox() == []

    async def test_takes_very_long_times(self) -> None:
        """PROC 81."""

        async def child(parent: Process) -> None:
            send(parent, "ready")
            await sleep(2.0**32)

        process = spawn(child, self_())
        await receive(str)
        await sleep(0)

        assert process.alive
        await end(process)


class TestMessages:
    async def test_a_reply_equals_the_tuple(self) -> None:
        ref = make_ref()

        assert Reply(ref, "value") == (ref, "value")
        assert (ref, "value") == Reply(ref, "value")
        assert Reply(ref, "value") != (ref, "other")

    async def test_a_reply_unpacks_like_the_tuple(self) -> None:
        ref = make_ref()
        tag, value = Reply(ref, "value")

        assert (tag, value) == (ref, "value")

    async def test_a_reply_matches_by_position_and_by_keyword(self) -> None:
        ref = make_ref()
        message: object = Reply(ref, "value")

        match message:
            case Reply(tag, value):
                assert (tag, value) == (ref, "value")
            case _:
                pytest.fail("no match by position")
        match message:
            case Reply(ref=tag, value=value):
                assert (tag, value) == (ref, "value")
            case _:
                pytest.fail("no match by keyword")

    async def test_a_down_matches_by_position_and_by_keyword(self) -> None:
        process, ref = spawn_monitor(nothing)
        message = await receive()

        match message:
            case Down(tag, who, reason):
                assert (tag, who, reason) == (ref, process, NORMAL)
            case _:
                pytest.fail("no match by position")
        match message:
            case Down(ref=tag, process=who, reason=reason):
                assert (tag, who, reason) == (ref, process, NORMAL)
            case _:
                pytest.fail("no match by keyword")

    async def test_an_exited_matches_by_position_and_by_keyword(self) -> None:
        trap_exit(True)
        fastask.exit(self_(), "reason")
        message = await receive()

        match message:
            case Exited(who, reason):
                assert (who, reason) == (self_(), "reason")
            case _:
                pytest.fail("no match by position")
        match message:
            case Exited(process=who, reason=reason):
                assert (who, reason) == (self_(), "reason")
            case _:
                pytest.fail("no match by keyword")

    async def test_a_timeout_matches_by_position_and_by_keyword(self) -> None:
        timer = start_timer(0, self_(), "text")
        message = await receive()

        match message:
            case Timeout(tag, text):
                assert (tag, text) == (timer.ref, "text")
            case _:
                pytest.fail("no match by position")
        match message:
            case Timeout(ref=tag, message=text):
                assert (tag, text) == (timer.ref, "text")
            case _:
                pytest.fail("no match by keyword")

    async def test_a_reply_built_by_hand_answers_a_task(self) -> None:
        """Detail 8."""
        task: fastask.Task[Any] = fastask.async_nolink(idle)
        send(self_(), Reply(task.ref, "by hand"))

        assert await fastask.await_(task) == "by hand"
        assert task.process is not None
        await end(task.process)
        assert mailbox() == []

    async def test_a_reply_built_by_hand_answers_yield(self) -> None:
        """Detail 8."""
        task: fastask.Task[Any] = fastask.async_nolink(idle)
        send(self_(), Reply(task.ref, "by hand"))

        assert await fastask.yield_(task, timeout=0) == fastask.Ok("by hand")
        assert task.process is not None
        await end(task.process)
        assert mailbox() == []

    async def test_a_reply_built_by_hand_is_found(self) -> None:
        """Detail 8."""
        task: fastask.Task[Any] = fastask.async_nolink(idle)

        assert fastask.find([task], Reply(task.ref, "by hand")) == ("by hand", task)
        assert task.process is not None
        await end(task.process)
        assert mailbox() == []

    async def test_the_result_of_a_task_is_a_message(self) -> None:
        """Gotcha 4."""

        async def work() -> str:
            return "result"

        task = fastask.async_nolink(work)
        reply, down = await receive(), await receive()

        assert isinstance(reply, Reply)
        assert (reply.ref, reply.value) == (task.ref, "result")
        assert isinstance(down, Down)
        assert (down.ref, down.process, down.reason) == (
            task.ref,
            task.process,
            NORMAL,
        )


class TestReasons:
    @pytest.mark.parametrize(
        "name",
        ["NORMAL", "SHUTDOWN", "KILL", "KILLED", "NOPROC", "NOCONNECTION", "TIMEOUT"],
    )
    def test_each_is_a_top_level_name(self, name: str) -> None:
        assert getattr(fastask, name) is Reason[name]

    def test_they_are_a_str_enum(self) -> None:
        assert issubclass(Reason, enum.StrEnum)
        assert (SHUTDOWN, TIMEOUT) == ("shutdown", "timeout")

    def test_ref_is_a_type_of_its_own(self) -> None:
        assert isinstance(Ref, type)
        assert not issubclass(Ref, (int, str, tuple))
