"""`auto_shutdown`: significant children whose own end ends their supervisor."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

import fastask
from fastask import (
    NORMAL,
    SHUTDOWN,
    ChildNotFoundError,
    ChildSpec,
    Exited,
    GenServer,
    NoProcessError,
    Process,
    Stop,
    Supervisor,
    monitor,
    processes,
    receive,
    receive_nowait,
    self_,
    send,
    trap_exit,
    whereis,
)

MODES = ["any_significant", "all_significant"]
ORDERLY = [NORMAL, SHUTDOWN, (SHUTDOWN, 1)]


class Worker(GenServer):
    """Tells its teller when it is told to stop."""

    def init(self, teller: Process[Any], name: str) -> None:
        trap_exit(True)
        self.teller, self.name = teller, name

    def handle_cast(self, request: Any) -> Any:
        return request

    def terminate(self, reason: Any) -> None:
        send(self.teller, ("stop", self.name, reason))


def worker(name: str, **options: Any) -> ChildSpec:
    return Worker.child_spec(self_(), name, id=name, name=name, **options)


def significant(name: str, restart: Any = "transient") -> ChildSpec:
    return worker(name, restart=restart, significant=True)


def told() -> list[Any]:
    """What workers have told the calling process."""
    found = []
    while (message := receive_nowait(tuple, default=None)) is not None:
        found.append(message)
    return found


async def end(supervisor: Supervisor, name: str, reason: Any) -> None:
    """End a worker, and wait until its supervisor has reacted."""
    ref = monitor(name)
    GenServer.cast(name, Stop(reason))
    await receive(ref)
    with contextlib.suppress(ChildNotFoundError, NoProcessError):
        await supervisor.terminate_child("nobody")


async def started(children: list[ChildSpec], mode: Any, **options: Any) -> Supervisor:
    """Start a supervisor whose end the caller traps."""
    trap_exit(True)
    return await Supervisor.start_link(children, auto_shutdown=mode, **options)


async def ended(supervisor: Supervisor) -> Any:
    message = await receive(Exited)
    assert message.process is supervisor.process
    assert processes() == [self_()]
    return message.reason


def runs(supervisor: Supervisor) -> bool:
    return supervisor.process is not None and supervisor.process.alive


@pytest.mark.parametrize("reason", ORDERLY)
@pytest.mark.parametrize("restart", ["transient", "temporary"])
async def test_any_ends_with_the_first(reason: Any, restart: Any) -> None:
    children = [worker("a"), significant("b", restart), significant("c"), worker("d")]
    supervisor = await started(children, "any_significant")
    await end(supervisor, "b", reason)

    assert await ended(supervisor) == SHUTDOWN
    assert told() == [
        ("stop", "b", reason),
        ("stop", "d", SHUTDOWN),
        ("stop", "c", SHUTDOWN),
        ("stop", "a", SHUTDOWN),
    ]


@pytest.mark.parametrize("reason", ORDERLY)
async def test_all_ends_with_the_last(reason: Any) -> None:
    children = [significant("a"), significant("b", "temporary"), worker("c")]
    supervisor = await started(children, "all_significant")
    await end(supervisor, "b", reason)
    assert runs(supervisor)
    await end(supervisor, "a", reason)

    assert await ended(supervisor) == SHUTDOWN
    assert told()[2:] == [("stop", "c", SHUTDOWN)]


@pytest.mark.parametrize("mode", MODES)
async def test_a_temporary_one_counts_when_it_crashes(mode: Any) -> None:
    supervisor = await started([significant("a", "temporary")], mode)
    await end(supervisor, "a", "crash")

    assert await ended(supervisor) == SHUTDOWN
    told()


@pytest.mark.parametrize("mode", MODES)
async def test_a_transient_one_that_crashes_is_restarted(mode: Any) -> None:
    async with Supervisor([significant("a")], auto_shutdown=mode) as supervisor:
        before = whereis("a")
        await end(supervisor, "a", "crash")

        assert runs(supervisor)
        assert whereis("a") not in (None, before)


@pytest.mark.parametrize("mode", MODES)
async def test_the_end_of_another_does_not_count(mode: Any) -> None:
    children = [significant("a"), worker("b", restart="transient")]
    async with Supervisor(children, auto_shutdown=mode) as supervisor:
        await end(supervisor, "b", NORMAL)

        assert runs(supervisor)
        assert whereis("a") is not None


@pytest.mark.parametrize("restart", ["transient", "temporary"])
@pytest.mark.parametrize("mode", MODES)
async def test_terminate_child_does_not_count(mode: Any, restart: Any) -> None:
    children = [significant("a", restart), worker("b")]
    async with Supervisor(children, auto_shutdown=mode) as supervisor:
        await supervisor.terminate_child("a")
        await end(supervisor, "b", "crash")

        assert runs(supervisor)


async def test_all_passes_over_those_that_were_terminated() -> None:
    supervisor = await started([significant("a"), significant("b")], "all_significant")
    await supervisor.terminate_child("a")
    await end(supervisor, "b", NORMAL)

    assert await ended(supervisor) == SHUTDOWN
    told()


@pytest.mark.parametrize("mode", MODES)
async def test_a_stop_with_its_siblings_does_not_count(mode: Any) -> None:
    children = [worker("a"), significant("b"), significant("c")]
    async with Supervisor(
        children, auto_shutdown=mode, strategy="one_for_all"
    ) as supervisor:
        await end(supervisor, "a", "crash")

        assert runs(supervisor)
        assert supervisor.count_children().active == 3


@pytest.mark.parametrize("mode", MODES)
async def test_a_child_that_is_added_counts(mode: Any) -> None:
    supervisor = await started([worker("a")], mode)
    await supervisor.start_child(significant("b"))
    await end(supervisor, "b", NORMAL)

    assert await ended(supervisor) == SHUTDOWN
    told()


async def test_ends_the_outer_one_in_turn() -> None:
    inner = Supervisor.child_spec(
        [significant("a")],
        auto_shutdown="any_significant",
        restart="transient",
        significant=True,
    )
    outer = await started([inner], "any_significant")
    GenServer.cast("a", Stop(NORMAL))

    assert await ended(outer) == SHUTDOWN
    told()


async def test_is_not_taken_for_giving_up(caplog: pytest.LogCaptureFixture) -> None:
    supervisor = await started([significant("a")], "any_significant")
    await end(supervisor, "a", NORMAL)

    assert await ended(supervisor) == SHUTDOWN
    assert [r for r in caplog.records if r.name == "fastask"] == []
    told()


def test_is_not_for_permanent_children() -> None:
    with pytest.raises(ValueError, match="significant must be False for a permanent"):
        ChildSpec("a", fastask.sleep, (0,), significant=True)


async def test_is_not_for_supervisors_that_never_end_so() -> None:
    with pytest.raises(ValueError, match=r"auto_shutdown is 'never'.*'a'"):
        Supervisor([significant("a")])
