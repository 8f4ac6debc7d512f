"""Messages and outcomes are values: they match, do not change, and can be copied."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest

import fastask
from fastask import (
    Address,
    Down,
    Exited,
    Failed,
    Ok,
    Reply,
    TaskRunner,
    TaskSupervisor,
    Timeout,
    async_nolink,
    make_ref,
    process_info,
    self_,
)

REF: Any = "ref"
PROCESS: Any = "process"

VALUES: list[Any] = [
    Reply(REF, 1),
    Down(REF, PROCESS, "reason"),
    Exited(PROCESS, "reason"),
    Timeout(REF, "message"),
    Ok(1),
    Failed("reason"),
    Address("name", "node"),
]

each_value = pytest.mark.parametrize("value", VALUES, ids=repr)


async def one() -> int:
    """Return a number."""
    return 1


class TestReply:
    def test_matches_as_a_pair(self) -> None:
        message: Any = Reply(REF, 7)
        match message:
            case (ref, value):
                assert (ref, value) == (REF, 7)
            case _:
                pytest.fail("it is no pair")

    def test_does_not_match_as_three(self) -> None:
        message: Any = Reply(REF, 7)
        match message:
            case (_, _, _):
                pytest.fail("it has two elements")
            case (_, *rest):
                assert rest == [7]

    def test_matches_by_its_class(self) -> None:
        match Reply(REF, 7):
            case Reply(ref, value):
                assert (ref, value) == (REF, 7)


class TestFrozen:
    @each_value
    def test_a_field_cannot_be_set(self, value: Any) -> None:
        field = type(value).__match_args__[0]
        before = repr(value)
        with pytest.raises(dataclasses.FrozenInstanceError, match=field):
            setattr(value, field, 2)

        assert repr(value) == before

    @each_value
    def test_a_field_cannot_be_deleted(self, value: Any) -> None:
        field = type(value).__match_args__[-1]
        before = repr(value)
        with pytest.raises(dataclasses.FrozenInstanceError, match=field):
            delattr(value, field)

        assert repr(value) == before

    @each_value
    def test_no_attribute_can_be_added(self, value: Any) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError, match="extra"):
            value.extra = 2

    @each_value
    def test_can_be_pickled_and_copied(self, value: Any) -> None:
        assert pickle.loads(pickle.dumps(value)) == value
        assert copy.copy(value) == copy.deepcopy(value) == value

    async def test_an_outcome_of_a_runner_keeps_its_value(self) -> None:
        async with TaskSupervisor() as tasks:
            runner = TaskRunner.run([(tasks, one)])
            outcome: Any = await anext(runner)

        with pytest.raises(dataclasses.FrozenInstanceError, match="value"):
            outcome.value = 2
        assert (outcome.value, outcome.index) == (1, 0)


class TestCopy:
    async def test_of_a_handle_is_the_handle(self) -> None:
        task = async_nolink(one)
        handles: list[Any] = [self_(), task, make_ref(), task.process]

        assert [copy.copy(h) is h for h in handles] == [True] * 4
        assert all(a is b for a, b in zip(copy.deepcopy(handles), handles, strict=True))
        await task

    async def test_of_process_info_as_a_dict_has_the_processes(self) -> None:
        process = fastask.spawn_link(fastask.receive)
        info = process_info(self_())
        assert info is not None
        fields = dataclasses.asdict(info)
        fastask.send(process, "end")
        await process

        assert fields["links"] == [process]
