"""What supervisors log: every crash once, restarts, giving up, hard shutdowns."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import (
    BRUTAL_KILL,
    KILL,
    NORMAL,
    SHUTDOWN,
    ChildSpec,
    Exited,
    GenServer,
    Process,
    StartError,
    Stop,
    Supervisor,
    receive,
    self_,
    send,
    trap_exit,
)

ERROR, WARNING = logging.ERROR, logging.WARNING


class Worker(GenServer):
    """Tells its teller when it starts; a cast is what it does."""

    def init(
        self,
        teller: Process[Any],
        name: str,
        on_init: Callable[[], Any] | None = None,
        on_terminate: Callable[[], Any] | None = None,
    ) -> Any:
        trap_exit(True)
        self.on_terminate = on_terminate
        send(teller, ("start", name))
        return on_init() if on_init else None

    def handle_cast(self, request: Any) -> Any:
        if isinstance(request, Exception):
            raise request
        return request

    def terminate(self, reason: Any) -> Any:
        return self.on_terminate() if self.on_terminate else None


def worker(
    name: str, on_init: Any = None, on_terminate: Any = None, **options: Any
) -> ChildSpec:
    return Worker.child_spec(
        self_(), name, on_init, on_terminate, id=name, name=name, **options
    )


def fail() -> None:
    raise ValueError("boom")


async def started(name: str) -> None:
    """Wait for the news that a worker has started."""
    assert await receive(tuple) == ("start", name)


def reports(
    caplog: pytest.LogCaptureFixture, level: int = 0
) -> list[logging.LogRecord]:
    return [r for r in caplog.records if r.name == "fastask" and r.levelno >= level]


def facts(record: logging.LogRecord) -> tuple[Any, Any, Any, Any]:
    """The level of a record, and what a supervisor adds to it."""
    return (
        record.levelno,
        getattr(record, "child_id", None),
        getattr(record, "exit_reason", None),
        getattr(record, "restart_count", None),
    )


class TestRestart:
    async def test_of_a_crash_is_a_report_and_a_warning(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """api.md, Detail 5: the crash is reported, once."""
        error = ValueError("boom")
        async with Supervisor([worker("a")]) as supervisor:
            await started("a")
            GenServer.cast("a", error)
            await started("a")

        crash, restart = reports(caplog)
        assert facts(crash) == (ERROR, None, error, None)
        assert "crashed: ValueError: boom" in crash.getMessage()
        assert facts(restart) == (WARNING, "a", error, 1)
        assert vars(restart)["supervisor"] is supervisor.process
        assert "restarts child 'a'" in restart.getMessage()
        assert "restart 1 of 3" in restart.getMessage()

    @pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, (SHUTDOWN, 1)])
    async def test_of_an_orderly_end_is_a_warning(
        self, reason: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with Supervisor([worker("a")]):
            await started("a")
            GenServer.cast("a", Stop(reason))
            await started("a")

        assert [facts(r) for r in reports(caplog)] == [(WARNING, "a", reason, 1)]

    async def test_counts(self, caplog: pytest.LogCaptureFixture) -> None:
        async with Supervisor([worker("a"), worker("b")]):
            await started("a")
            await started("b")
            for name in "abb":
                GenServer.cast(name, Stop("crash"))
                await started(name)

        assert [facts(r) for r in reports(caplog) if r.levelno == WARNING] == [
            (WARNING, "a", "crash", 1),
            (WARNING, "b", "crash", 2),
            (WARNING, "b", "crash", 3),
        ]

    @pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
    async def test_with_siblings_is_one_warning(
        self, strategy: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with Supervisor([worker("a"), worker("b")], strategy=strategy):
            await started("a")
            await started("b")
            GenServer.cast("a", Stop("crash"))
            await started("a")
            await started("b")

        assert [r.levelno for r in reports(caplog)] == [ERROR, WARNING]

    async def test_that_does_not_happen_is_the_report_only(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        error = ValueError("boom")
        async with Supervisor([worker("a", restart="temporary")]) as supervisor:
            await started("a")
            GenServer.cast("a", error)
            while supervisor.which_children():
                await fastask.sleep(0)

        assert [facts(r) for r in reports(caplog)] == [(ERROR, None, error, None)]

    async def test_of_a_function_that_crashes(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        error, parent, runs = ValueError("boom"), self_(), [0]

        async def run() -> None:
            runs[0] += 1
            if runs[0] == 1:
                raise error
            send(parent, ("start", "run"))
            await receive(lambda message: False)

        async with Supervisor([ChildSpec("run", fastask.spawn_link, (run,))]):
            await started("run")

        assert [facts(r) for r in reports(caplog)] == [
            (ERROR, None, error, None),
            (WARNING, "run", error, 1),
        ]

    async def test_that_fails_is_one_error_each_time(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        error = ValueError("no")
        answers: list[Exception | None] = [None, error, error, None]

        def init() -> None:
            if (answer := answers.pop(0)) is not None:
                raise answer

        async with Supervisor([worker("a", init)]):
            await started("a")
            GenServer.cast("a", Stop("crash"))
            for _ in range(3):
                await started("a")

        assert [facts(r) for r in reports(caplog)] == [
            (ERROR, None, "crash", None),
            (WARNING, "a", "crash", 1),
            (ERROR, "a", error, 1),
            (ERROR, "a", error, 2),
        ]
        assert "the restart of child 'a' failed" in reports(caplog)[-1].getMessage()


class TestGivingUp:
    async def test_is_one_error_besides_the_crash(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        trap_exit(True)
        error = ValueError("boom")
        supervisor = await Supervisor.start_link([worker("a")], max_restarts=0)
        await started("a")
        GenServer.cast("a", error)
        await receive(Exited)

        crash, giving_up = reports(caplog)
        assert facts(crash) == (ERROR, None, error, None)
        assert facts(giving_up) == (ERROR, "a", error, 1)
        assert vars(giving_up)["supervisor"] is supervisor.process
        assert "gives up: child 'a'" in giving_up.getMessage()
        assert "within 5 s" in giving_up.getMessage()

    async def test_after_the_fourth_crash(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        trap_exit(True)
        await Supervisor.start_link([worker("a")])
        for _ in range(4):
            await started("a")
            GenServer.cast("a", Stop("crash"))
        await receive(Exited)

        levels = [record.levelno for record in reports(caplog)]
        assert levels == [ERROR, WARNING] * 3 + [ERROR, ERROR]
        assert facts(reports(caplog)[-1]) == (ERROR, "a", "crash", 4)

    async def test_of_an_inner_one_is_a_restart_of_the_outer(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        inner = Supervisor([worker("a")], max_restarts=0, name="inner")
        async with Supervisor([inner]):
            await started("a")
            GenServer.cast("a", Stop("crash"))
            await started("a")

        assert [facts(r) for r in reports(caplog)] == [
            (ERROR, None, "crash", None),
            (ERROR, "a", "crash", 1),
            (WARNING, "inner", SHUTDOWN, 1),
        ]


class TestStart:
    async def test_a_failure_is_told_to_the_caller_only(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with pytest.raises(StartError):
            await Supervisor.start_link([worker("a"), worker("b", fail)])
        async with Supervisor([]) as supervisor:
            with pytest.raises(StartError):
                await supervisor.start_child(worker("b", fail))

        assert reports(caplog) == []


class TestStop:
    async def test_in_order_is_no_record(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def idle() -> None:
            await receive(lambda message: False)

        async with Supervisor([worker("a"), idle, Supervisor([])]) as supervisor:
            await supervisor.terminate_child("a")
            await supervisor.restart_child("a")

        assert reports(caplog) == []

    async def test_of_a_slow_child_is_a_warning(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        slow = worker("slow", None, asyncio.Event().wait, shutdown=0.01)
        async with Supervisor([worker("a"), slow]) as supervisor:
            pass

        [record] = reports(caplog)
        assert facts(record)[:2] == (WARNING, "slow")
        assert vars(record)["supervisor"] is supervisor.process
        assert "did not stop within 0.01 s" in record.getMessage()

    async def test_by_brutal_kill_is_no_record(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with Supervisor([worker("a", shutdown=BRUTAL_KILL)]):
            pass

        assert reports(caplog) == []

    @pytest.mark.parametrize("by_hand", [False, True])
    async def test_of_a_child_that_crashes_then_is_one_error(
        self, by_hand: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with Supervisor([worker("a", None, fail)]) as supervisor:
            if by_hand:
                await supervisor.terminate_child("a")

        [record] = reports(caplog)
        assert facts(record)[:2] == (ERROR, "a")
        assert isinstance(facts(record)[2], ValueError)
        assert record.exc_info is not None
        assert "was to stop and ended with" in record.getMessage()

    async def test_a_child_that_is_killed_by_another_is_reported_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with Supervisor([worker("a")]):
            await started("a")
            fastask.exit("a", KILL)
            await started("a")

        assert [facts(r)[0] for r in reports(caplog)] == [ERROR, WARNING]
