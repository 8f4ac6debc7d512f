"""Bad input to a supervisor: one clear error that names argument, rule and value."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import pytest

import fastask
from fastask import (
    BRUTAL_KILL,
    ChildSpec,
    GenServer,
    Supervisor,
    child_spec,
    process_info,
    processes,
    self_,
)


class Idle(GenServer):
    def init(self, *args: Any) -> None:
        """Take anything."""


class NoSpec:
    """A class that is no child."""


class WrongSpec:
    """A class whose `child_spec` is wrong."""

    @classmethod
    def child_spec(cls, *args: Any) -> Any:
        return {"id": cls}


class OneArgument(Supervisor):
    def __init__(self, size: int) -> None:
        super().__init__([])


async def idle() -> None:
    await fastask.receive(lambda message: False)


def plain() -> None:
    """A plain function is no child: its restart type is not clear."""


def make_spec(**fields: Any) -> ChildSpec:
    return ChildSpec(**{"id": "a", "start": idle, **fields})


class TestOptions:
    """Each error comes from the constructor: nothing has started yet."""

    @pytest.mark.parametrize(
        ("options", "error", "text"),
        [
            ({"strategy": "one_for_two"}, ValueError, "strategy must be one of"),
            ({"strategy": None}, ValueError, "strategy must be one of"),
            ({"strategy": "simple_one_for_one"}, ValueError, "strategy must be one of"),
            ({"strategy": []}, ValueError, "strategy must be one of"),
            ({"auto_shutdown": "always"}, ValueError, "auto_shutdown must be one of"),
            ({"auto_shutdown": True}, ValueError, "auto_shutdown must be one of"),
            ({"max_restarts": -1}, ValueError, "max_restarts must be an integer >= 0"),
            ({"max_restarts": 1.5}, TypeError, "max_restarts must be an integer >= 0"),
            ({"max_restarts": True}, TypeError, "max_restarts must be an integer >= 0"),
            ({"max_restarts": None}, TypeError, "max_restarts must be an integer >= 0"),
            ({"max_restarts": "3"}, TypeError, "max_restarts must be an integer >= 0"),
            ({"max_seconds": 0}, ValueError, "max_seconds must be a number > 0"),
            ({"max_seconds": -1.0}, ValueError, "max_seconds must be a number > 0"),
            ({"max_seconds": math.nan}, ValueError, "max_seconds must be a number > 0"),
            ({"max_seconds": "5"}, TypeError, "max_seconds must be a number > 0"),
            ({"max_seconds": None}, TypeError, "max_seconds must be a number > 0"),
            ({"max_seconds": True}, TypeError, "max_seconds must be a number > 0"),
            ({"name": []}, TypeError, "name must be hashable"),
        ],
    )
    async def test_of_a_wrong_value(
        self, options: dict[str, Any], error: type[Exception], text: str
    ) -> None:
        [value] = options.values()
        with pytest.raises(error, match=re.escape(text)) as caught:
            Supervisor([Idle], **options)
        assert type(caught.value) is error
        assert repr(value) in str(caught.value)

    @pytest.mark.parametrize("seconds", [0.001, 1, math.inf])
    async def test_max_seconds_may_be_any_positive_number(self, seconds: float) -> None:
        async with Supervisor([], max_seconds=seconds):
            pass

    async def test_start_link_raises_the_same_and_starts_nothing(self) -> None:
        with pytest.raises(ValueError, match="strategy must be one of"):
            await Supervisor.start_link([Idle], strategy="one_for_two")
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            await Supervisor.start_link([Idle], max_restart=3)
        with pytest.raises(TypeError, match="missing"):
            await Supervisor.start_link()
        assert processes() == [self_()]
        info = process_info(self_())
        assert info is not None
        assert (list(info.messages), list(info.links)) == ([], [])

    async def test_two_wrong_ones_are_one_error(self) -> None:
        wrong: Any = "one_for_two"
        with pytest.raises(ValueError, match="strategy must be"):
            Supervisor([42], strategy=wrong, max_restarts=-1)


class TestChildren:
    @pytest.mark.parametrize("children", [None, 5, "ab", Idle, idle, make_spec()])
    async def test_that_are_no_list(self, children: Any) -> None:
        with pytest.raises(TypeError, match="children must be an iterable") as caught:
            Supervisor(children)
        assert repr(children) in str(caught.value)

    @pytest.mark.parametrize(
        "child",
        [
            None,
            42,
            "a",
            (),
            (1, 2),
            [],
            [Idle],
            {},
            object(),
            NoSpec,
            NoSpec(),
            (NoSpec, 1),
            Idle(),
            plain,
            (plain, 1),
            len,
        ],
    )
    async def test_of_which_one_is_no_child(self, child: Any) -> None:
        with pytest.raises(TypeError, match="a child must be") as caught:
            Supervisor([Idle, child])
        assert repr(child) in str(caught.value)

    async def test_of_which_one_is_a_coroutine(self) -> None:
        coroutine = idle()
        with pytest.raises(TypeError, match="a child must be"):
            Supervisor([coroutine])
        coroutine.close()

    async def test_of_which_one_is_a_process(self) -> None:
        with pytest.raises(TypeError, match="a child must be"):
            Supervisor([self_()])

    async def test_of_which_one_is_a_reference(self) -> None:
        with pytest.raises(TypeError, match="must not be a reference"):
            Supervisor([Supervisor.ref("top")])

    @pytest.mark.parametrize("child", [WrongSpec, (WrongSpec, 1)])
    async def test_with_a_child_spec_that_returns_garbage(self, child: Any) -> None:
        with pytest.raises(TypeError, match="must return a ChildSpec") as caught:
            Supervisor([child])
        assert "WrongSpec" in str(caught.value)

    @pytest.mark.parametrize(
        "children",
        [
            [Idle, Idle],
            [Idle, (Idle, 1)],
            [idle, idle],
            [idle, child_spec(idle)],
            [make_spec(), Idle, make_spec()],
            [Supervisor([]), Supervisor([])],
            [Supervisor([], name="a"), make_spec()],
        ],
    )
    async def test_with_one_id(self, children: list[Any]) -> None:
        with pytest.raises(ValueError, match="id must be unique among children"):
            Supervisor(children)

    async def test_may_be_any_iterable(self) -> None:
        async with Supervisor(make_spec(id=n, start=plain) for n in range(3)) as sup:
            assert [info.id for info in sup.which_children()] == [2, 1, 0]

    async def test_that_take_other_arguments_do_not_start(self) -> None:
        """The constructor of a child runs when it starts."""
        with pytest.raises(fastask.StartError) as caught:
            await Supervisor.start_link([(OneArgument, 1, 2)])
        assert caught.value.child_id is OneArgument
        assert isinstance(caught.value.reason, TypeError)
        assert processes() == [self_()]


class TestChildSpec:
    @pytest.mark.parametrize(
        ("fields", "error", "text"),
        [
            ({"id": []}, TypeError, "id must be hashable"),
            ({"start": None}, TypeError, "start must be callable"),
            ({"start": "idle"}, TypeError, "start must be callable"),
            ({"args": 1}, TypeError, "args must be a tuple"),
            ({"args": [1]}, TypeError, "args must be a tuple"),
            ({"restart": "always"}, ValueError, "restart must be one of"),
            ({"restart": None}, ValueError, "restart must be one of"),
            ({"type": "manager"}, ValueError, "type must be one of"),
            ({"shutdown": "brutal_kill"}, TypeError, "shutdown must be seconds"),
            ({"shutdown": True}, TypeError, "shutdown must be seconds"),
            ({"shutdown": -1}, ValueError, "shutdown must be a number of seconds"),
            ({"shutdown": math.nan}, ValueError, "shutdown must be a number of"),
            ({"significant": 1}, TypeError, "significant must be a bool"),
        ],
    )
    async def test_with_a_wrong_field(
        self, fields: dict[str, Any], error: type[Exception], text: str
    ) -> None:
        [value] = fields.values()
        with pytest.raises(error, match=re.escape(text)) as caught:
            make_spec(**fields)
        assert type(caught.value) is error
        assert repr(value) in str(caught.value)

    @pytest.mark.parametrize("make", [Idle.child_spec, Supervisor.child_spec])
    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"restart": "always"}, "restart must be one of"),
            ({"shutdown": -1}, "shutdown must be"),
            ({"shutdown": "5"}, "shutdown must be"),
            ({"significant": True}, "significant must be False for a permanent"),
            ({"id": []}, "id must be hashable"),
        ],
    )
    async def test_of_a_class(
        self, make: Any, options: dict[str, Any], text: str
    ) -> None:
        with pytest.raises((TypeError, ValueError), match=text):
            make(**options)

    @pytest.mark.parametrize("fn", [None, 5, "idle"])
    async def test_of_no_function(self, fn: Any) -> None:
        with pytest.raises(TypeError, match="fn must be a function"):
            child_spec(fn)

    async def test_a_changed_copy_is_checked(self) -> None:
        wrong: Any = "always"
        with pytest.raises(ValueError, match="restart must be one of"):
            dataclasses.replace(make_spec(), restart=wrong)

    @pytest.mark.parametrize("shutdown", [0, 0.5, 5, math.inf, None, BRUTAL_KILL])
    async def test_shutdown_may_be(self, shutdown: Any) -> None:
        spec = Idle.child_spec(shutdown=shutdown)
        assert spec.shutdown == shutdown
        async with Supervisor([spec]):
            pass
        assert processes() == [self_()]
