"""Numbers that no float and no machine word can hold: refused by name, or no limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import (
    ChildSpec,
    DynamicSupervisor,
    Every,
    GenServer,
    IdleTimeout,
    Ok,
    TaskRunner,
    TaskSupervisor,
    async_stream,
    completed,
    receive,
    self_,
    send_after,
    sleep,
    spawn,
    start_timer,
)

HUGE: Any = 10**400
UNWRITTEN: Any = 10**5000
"""It has more digits than Python writes."""
COUNTLESS = 2**63


async def double(x: int) -> int:
    """Return twice the number."""
    return 2 * x


def run_tasks(timeout: Any) -> Any:
    return TaskRunner.run([], timeout=timeout)


SECONDS: list[tuple[str, Callable[[Any], Any]]] = [
    ("timeout", lambda v: receive(timeout=v)),
    ("seconds", sleep),
    ("timeout", lambda v: fastask.await_(completed(1), v)),
    ("timeout", lambda v: fastask.await_many([completed(1)], v)),
    ("timeout", lambda v: fastask.yield_(completed(1), v)),
    ("timeout", lambda v: fastask.shutdown(completed(1), v)),
    ("timeout", lambda v: GenServer.call("name", "request", v)),
    ("timeout", lambda v: async_stream([1], double, timeout=v)),
    ("seconds", lambda v: send_after(self_(), "message", v)),
    ("seconds", lambda v: start_timer(v, self_(), "message")),
    ("grace", lambda v: spawn(sleep, None, grace=v)),
    ("timeout", run_tasks),
    ("timeout", lambda v: GenServer.start(timeout=v)),
    ("timeout", lambda v: GenServer.child_spec(timeout=v)),
    ("seconds", IdleTimeout),
    ("seconds", lambda v: Every(v, double, 1)),
    ("jitter", lambda v: Every(1, double, 1, jitter=v)),
    ("shutdown", lambda v: ChildSpec("id", double, shutdown=v)),
    ("net_ticktime", lambda v: fastask.connect(net_ticktime=v)),
]


class TestSeconds:
    @pytest.mark.parametrize(("argument", "call"), SECONDS)
    async def test_that_no_float_can_be_are_a_value_error(
        self, argument: str, call: Callable[[Any], Any]
    ) -> None:
        with pytest.raises(ValueError, match=rf"{argument} must be .*, got 1000000"):
            await call(HUGE)

    @pytest.mark.parametrize("value", [HUGE, UNWRITTEN], ids=["long", "longer"])
    def test_of_the_grace_of_run_are_a_value_error(self, value: Any) -> None:
        with pytest.raises(ValueError, match="grace must be"):
            fastask.run(double, 1, grace=value)

    async def test_that_cannot_be_written_are_told_by_their_bits(self) -> None:
        with pytest.raises(ValueError, match="got an integer of 16610 bits"):
            await sleep(UNWRITTEN)


class TestCounts:
    async def test_of_a_stream_are_no_limit(self) -> None:
        stream = async_stream([1, 2], double, max_concurrency=COUNTLESS)

        assert [outcome async for outcome in stream] == [Ok(2), Ok(4)]

    async def test_of_children_of_a_task_supervisor_are_no_limit(self) -> None:
        async with TaskSupervisor(max_children=COUNTLESS) as tasks:
            assert await tasks.async_(double, 1) == 2

    async def test_of_children_of_a_dynamic_supervisor_are_no_limit(self) -> None:
        async with DynamicSupervisor(max_children=COUNTLESS) as supervisor:
            assert await supervisor.start_child(fastask.child_spec(sleep, None))

    async def test_of_restarts_are_no_limit(self) -> None:
        async with TaskSupervisor(max_restarts=COUNTLESS, max_seconds=HUGE) as tasks:
            assert await tasks.async_(double, 1) == 2

    async def test_of_events_that_are_logged_are_no_limit(self) -> None:
        async with TaskSupervisor() as tasks:
            assert tasks.process is not None
            assert await fastask.sys.log(tasks.process, COUNTLESS) == []
