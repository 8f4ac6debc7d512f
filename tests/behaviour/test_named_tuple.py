"""A tuple of a class of its own is tagged with the ref that is its first element."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from fastask import (
    Failed,
    Ok,
    Ref,
    async_nolink,
    await_,
    await_many,
    find,
    make_ref,
    receive,
    receive_nowait,
    self_,
    send,
    yield_,
)


class Reading(NamedTuple):
    """A message as users define one."""

    ref: Ref
    value: int


class Triple(NamedTuple):
    """A message that is no pair."""

    ref: Ref
    key: str
    value: int


class Empty(tuple[()]):
    """A tuple without a first element."""


async def never() -> int:
    """Wait for ever."""
    return int(await receive(lambda message: False))


class TestMessage:
    @pytest.mark.parametrize("make", [Reading, lambda ref, v: Triple(ref, "k", v)])
    async def test_is_received_by_its_ref(self, make: Any) -> None:
        ref = make_ref()
        send(self_(), "noise")
        send(self_(), make(ref, 1))

        assert await receive(ref, timeout=0) == make(ref, 1)
        assert receive_nowait() == "noise"

    async def test_is_taken_by_its_ref_without_waiting(self) -> None:
        ref = make_ref()
        send(self_(), Reading(ref, 1))

        assert receive_nowait(ref) == Reading(ref, 1)

    async def test_that_is_empty_is_a_message_like_any_other(self) -> None:
        send(self_(), Empty())

        assert receive_nowait(make_ref(), default=None) is None
        assert receive_nowait() == ()


class TestReply:
    async def test_of_a_task_may_be_one(self) -> None:
        tasks = [async_nolink(never) for _ in range(4)]
        for number, task in enumerate(tasks):
            send(self_(), Reading(task.ref, number))

        assert await yield_(tasks[0], 0) == Ok(0)
        assert await await_(tasks[1], 0) == 1
        assert await await_many([tasks[2]], 0) == [2]
        assert find([tasks[3]], await receive(tasks[3].ref)) == (3, tasks[3])
        for task in tasks:
            assert isinstance(await task.shutdown(), Failed | None)
