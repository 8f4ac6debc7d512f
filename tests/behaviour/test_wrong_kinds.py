"""An argument of a wrong kind is told by its name, when it is given."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    Address,
    Agent,
    Down,
    DynamicSupervisor,
    Every,
    GenServer,
    NoProcessError,
    Registry,
    Supervisor,
    TaskRunner,
    TaskSupervisor,
    monitor,
    receive,
    send,
    sleep,
    spawn,
    unalias,
)

FIVE: Any = 5
YES: Any = "yes"
NONE: Any = None
UNHASHABLE: Any = []


async def nothing() -> None:
    """Return at once."""


WRONG: list[tuple[type[Exception], str, Callable[[], Any]]] = [
    (ValueError, "timeout .* got -1", lambda: TaskRunner.run([], timeout=-1)),
    (TypeError, "task supervisor", lambda: TaskRunner.run([(None, nothing)])),
    (TypeError, "task supervisor", lambda: TaskRunner.run([([], nothing)])),
    (TypeError, "engine .* got 5", lambda: fastask.connect(engine=FIVE)),
    (TypeError, "engine .* got 5", lambda: fastask.connect(FIVE, workers=1)),
    (ValueError, "app .* got 'bad'", lambda: fastask.connect(app="bad")),
    (ValueError, "app .* got ':x'", lambda: fastask.connect(app=":x")),
    (TypeError, "trap_exit .* got 'yes'", lambda: spawn(nothing, trap_exit=YES)),
    (TypeError, "trap_exit .* got 5", lambda: spawn(nothing, trap_exit=FIVE)),
    (TypeError, "flag .* got 'yes'", lambda: fastask.sys.trace("name", YES)),
    (TypeError, "fn .* got 5", lambda: Agent.start_link(FIVE)),
    (TypeError, "fn .* got 5", lambda: Agent.start(FIVE)),
    (TypeError, "fn .* got no argument", lambda: Agent.start_link()),
    (ValueError, "name .* got None", lambda: Address(NONE, "node")),
    (TypeError, r"name .* got \[\]", lambda: Address(UNHASHABLE, "node")),
    (TypeError, "node .* got 5", lambda: Address("name", FIVE)),
    (ValueError, "seconds .* got inf", lambda: Every(math.inf, nothing)),
    (ValueError, "jitter .* got inf", lambda: Every(1, nothing, jitter=math.inf)),
    (ValueError, "timeout .* got -1", lambda: GenServer.child_spec(timeout=-1)),
    (TypeError, "timeout .* got 'yes'", lambda: GenServer.child_spec(timeout=YES)),
]


@pytest.mark.parametrize(
    ("kind", "words", "call"), WRONG, ids=[f"{w[1]}" for w in WRONG]
)
async def test_is_refused(
    kind: type[Exception], words: str, call: Callable[[], Any]
) -> None:
    with pytest.raises(kind) as caught:
        await call()

    assert re.search(words, str(caught.value))


class TestRegistry:
    @pytest.mark.parametrize("thing", [5, "name"])
    async def test_refuses_what_is_no_process(self, thing: Any) -> None:
        async with Registry() as registry:
            with pytest.raises(TypeError, match="process must be a Process"):
                registry.keys(thing)
            with pytest.raises(TypeError, match="process must be a Process"):
                registry.values("key", thing)


class TestRun:
    def test_refuses_a_debug_that_is_no_flag(self) -> None:
        with pytest.raises(TypeError, match=r"debug must be .*, got 5"):
            fastask.run(nothing, debug=FIVE)

    def test_refuses_signals_that_are_no_flag(self) -> None:
        with pytest.raises(TypeError, match=r"handle_signals must be .*, got 'yes'"):
            fastask.run(nothing, handle_signals=YES)


class TestNotStarted:
    @pytest.mark.parametrize(
        "call",
        [
            lambda: Supervisor([]).which_children(),
            lambda: Supervisor([]).terminate_child("id"),
            lambda: DynamicSupervisor().count_children(),
            lambda: TaskSupervisor().children(),
            lambda: TaskSupervisor().async_(nothing),
            lambda: Registry().lookup("key"),
            lambda: TaskSupervisor().stop(),
        ],
    )
    async def test_is_said_of_a_supervisor(self, call: Callable[[], Any]) -> None:
        with pytest.raises(NoProcessError, match="it has not been started"):
            await call()

    async def test_is_not_said_of_one_that_has_ended(self) -> None:
        async with TaskSupervisor() as tasks:
            pass

        with pytest.raises(NoProcessError, match="it has ended"):
            tasks.children()


class TestAlias:
    async def test_of_a_monitor_may_have_the_name_of_elixir(self) -> None:
        process = spawn(sleep, None)
        ref = monitor(process, alias="explicit_unalias")
        send(ref, "message")
        message = await receive()
        fastask.exit(process, KILL)
        down = await receive(ref)
        send(ref, "late")

        assert message == "message"
        assert isinstance(down, Down)
        assert await receive() == "late"
        assert unalias(ref)

    async def test_of_a_monitor_of_nobody_likewise(self) -> None:
        ref = monitor("nobody", alias="explicit_unalias")
        await receive(ref)
        send(ref, "message")

        assert await receive() == "message"
        assert unalias(ref)
