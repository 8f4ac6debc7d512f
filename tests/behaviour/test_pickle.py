"""What a value of the package is once it has been pickled or copied."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import (
    BRUTAL_KILL,
    NORMAL,
    Answer,
    Continue,
    Hibernate,
    IdleTimeout,
    Ignore,
    NoReply,
    Reason,
    Stop,
    async_,
)
from tests.behaviour import in_worker


def by_pickle(value: object) -> object:
    """Write and read a value as the library does."""
    return pickle.loads(pickle.dumps(value))


def by_cloudpickle(value: object) -> object:
    """Write and read a value as closures are."""
    cloudpickle = pytest.importorskip("cloudpickle")
    return pickle.loads(cloudpickle.dumps(value))


WAYS = [by_pickle, by_cloudpickle, copy.copy, copy.deepcopy]


@pytest.mark.parametrize("way", WAYS)
class TestAConstant:
    @pytest.mark.parametrize("value", [BRUTAL_KILL, *Reason], ids=repr)
    def test_is_the_very_same_object(
        self, value: object, way: Callable[[object], object]
    ) -> None:
        assert way(value) is value
        assert way([value]) == [value]

    def test_has_a_type_that_is_the_same(self, way: Callable[[object], object]) -> None:
        assert way(type(BRUTAL_KILL)) is type(BRUTAL_KILL)
        assert way(Reason) is Reason


@pytest.mark.usefixtures("bare_main")
async def test_a_constant_is_the_same_object_in_a_worker_process() -> None:
    task: fastask.Task[Any] = async_(
        in_worker.is_brutal_kill, BRUTAL_KILL, executor="process"
    )

    assert await task == (True, BRUTAL_KILL)


ANSWERS = [
    Answer(1),
    Answer([1], then=Continue("x")),
    Continue({"a": 1}),
    Hibernate(),
    IdleTimeout(1.5),
    IdleTimeout(None),
    Ignore(),
    NoReply(),
    NoReply(then=IdleTimeout(2)),
    Stop(),
    Stop("why"),
    Stop("why", reply=None),
    Stop(("shutdown", 1), reply=[1]),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("answer", ANSWERS, ids=repr)
def test_an_answer_is_equal_to_what_it_was(
    answer: object, way: Callable[[object], object]
) -> None:
    made = way(answer)

    assert made == answer
    assert type(made) is type(answer)
    assert repr(made) == repr(answer)


def test_a_stop_keeps_the_reason_and_whether_there_is_a_reply() -> None:
    bare, replying = by_pickle(Stop("normal")), by_pickle(Stop(reply=None))

    assert isinstance(bare, Stop)
    assert isinstance(replying, Stop)
    assert bare.reason is NORMAL
    assert (bare.has_reply, replying.has_reply) == (False, True)
