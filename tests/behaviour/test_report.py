"""Crash reports: one for every abnormal end that nobody observes, none for others."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    NORMAL,
    SHUTDOWN,
    Exit,
    Exited,
    Process,
    demonitor,
    link,
    monitor,
    receive,
    self_,
    send,
    set_label,
    sleep,
    spawn,
    spawn_link,
    spawn_monitor,
    trap_exit,
    unlink,
)


async def nothing() -> None:
    """Return at once."""


async def idle() -> None:
    """Wait for ever, whatever arrives."""
    await receive(lambda message: False)


async def leave(reason: object) -> None:
    raise Exit(reason)


async def crash(error: BaseException) -> None:
    raise error


async def crash_when_told() -> None:
    """Wait for a message and crash."""
    await receive()
    raise ValueError("boom")


async def end(*helpers: Process) -> None:
    """Kill helpers and wait until they are gone."""
    for helper in helpers:
        unlink(helper)
        ref = monitor(helper)
        fastask.exit(helper, KILL)
        await receive(ref)


async def gone(process: Process) -> None:
    """Wait for an end without observing it: a monitor would keep the report away."""
    while process.alive:
        await asyncio.sleep(0)


def reports(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "fastask"]


def text_of(record: logging.LogRecord) -> str:
    """What a log file would show: the message and the traceback."""
    return logging.Formatter("%(message)s").format(record)


async def report_of_a_crash(caplog: pytest.LogCaptureFixture, **options: Any) -> str:
    """The text of the one report of a process that crashed."""
    process = spawn(crash_when_told, **options)
    send(process, "go")
    await gone(process)
    (record,) = reports(caplog)
    return text_of(record)


class TestReported:
    async def test_a_crash_that_nobody_observes(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        await gone(spawn(crash, ValueError("boom")))

        assert [record.levelno for record in reports(caplog)] == [logging.ERROR]

    async def test_as_soon_as_the_process_is_dead(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        counts: list[int] = []
        process = spawn(crash, ValueError("boom"))
        while process.alive:
            counts.append(len(reports(caplog)))
            await asyncio.sleep(0)

        assert set(counts) == {0}
        assert len(reports(caplog)) == 1

    async def test_not_again_when_the_process_is_collected(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        process = spawn(crash, ValueError("boom"))
        await gone(process)
        del process
        gc.collect()
        await sleep(0)

        assert len(reports(caplog)) == 1

    @pytest.mark.parametrize("reason", ["boom", None, ("a", 1), KILL], ids=repr)
    async def test_an_exit_with_another_reason_than_the_expected(
        self, caplog: pytest.LogCaptureFixture, reason: object
    ) -> None:
        await gone(spawn(leave, reason))
        (record,) = reports(caplog)

        assert record.levelno == logging.ERROR
        assert repr(reason) in text_of(record) or str(reason) in text_of(record)

    async def test_an_end_by_an_exit_signal(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        process = spawn(idle)
        await sleep(0)
        fastask.exit(process, "boom")
        await gone(process)

        assert len(reports(caplog)) == 1
        assert "boom" in text_of(reports(caplog)[0])

    async def test_a_kill(self, caplog: pytest.LogCaptureFixture) -> None:
        process = spawn(idle)
        await sleep(0)
        fastask.exit(process, KILL)
        await gone(process)
        await sleep(0)

        assert len(reports(caplog)) == 1
        assert "killed" in text_of(reports(caplog)[0]).lower()

    async def test_each_of_several_crashes(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        for process in [spawn(crash, ValueError(f"boom {n}")) for n in range(5)]:
            await gone(process)
        texts = [text_of(record) for record in reports(caplog)]

        assert len(texts) == 5
        assert all(f"boom {n}" in text for n, text in enumerate(texts))

    async def test_a_monitor_removed_before_does_not_count(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        process, ref = spawn_monitor(crash_when_told)
        demonitor(ref)
        send(process, "go")
        await gone(process)

        assert len(reports(caplog)) == 1

    async def test_a_link_removed_before_does_not_count(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        process = spawn_link(crash_when_told)
        unlink(process)
        send(process, "go")
        await gone(process)

        assert len(reports(caplog)) == 1

    async def test_an_observer_that_died_before_does_not_count(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def watcher(watched: Process) -> None:
            monitor(watched)
            link(watched)

        process = spawn(crash_when_told)
        _, ref = spawn_monitor(watcher, process)
        await receive(ref)
        send(process, "go")
        await gone(process)

        assert len(reports(caplog)) == 1

    async def test_an_own_monitor_of_something_else_does_not_count(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def child(other: Process) -> None:
            monitor(other)
            raise ValueError("boom")

        other = spawn(idle)
        await gone(spawn(child, other))

        assert len(reports(caplog)) == 1
        await end(other)

    async def test_a_crash_that_takes_its_peers_along_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def peer() -> None:
            spawn_link(crash, ValueError("boom"))
            await idle()

        await gone(spawn(peer))

        assert len(reports(caplog)) == 1
        assert "boom" in text_of(reports(caplog)[0])

    async def test_an_adopted_task_that_a_linked_crash_ends(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Detail 6: asyncio sees `CancelledError`, the report sees the reason."""
        adopted: list[Process] = []

        async def plain() -> None:
            adopted.append(self_())
            spawn_link(crash, ValueError("boom"))
            await idle()

        task = asyncio.create_task(plain())
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await gone(adopted[0])

        assert len(reports(caplog)) == 1
        assert "boom" in text_of(reports(caplog)[0])


class TestNotReported:
    async def test_a_return(self, caplog: pytest.LogCaptureFixture) -> None:
        await gone(spawn(nothing))

        assert reports(caplog) == []

    @pytest.mark.parametrize(
        "reason", [NORMAL, SHUTDOWN, (SHUTDOWN, 1), (SHUTDOWN, ValueError("boom"))]
    )
    async def test_an_expected_exit(
        self, caplog: pytest.LogCaptureFixture, reason: object
    ) -> None:
        await gone(spawn(leave, reason))

        assert reports(caplog) == []

    @pytest.mark.parametrize("reason", [SHUTDOWN, (SHUTDOWN, 1)])
    async def test_an_expected_exit_signal(
        self, caplog: pytest.LogCaptureFixture, reason: object
    ) -> None:
        process = spawn(idle)
        await sleep(0)
        fastask.exit(process, reason)
        await gone(process)

        assert reports(caplog) == []

    async def test_an_asyncio_cancellation(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        process = spawn(idle)
        await sleep(0)
        process.cancel()
        await gone(process)

        assert reports(caplog) == []

    async def test_a_crash_that_is_monitored(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        _, ref = spawn_monitor(crash, ValueError("boom"))
        await receive(ref)
        await sleep(0)

        assert reports(caplog) == []

    async def test_a_crash_that_is_linked(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        trap_exit(True)
        spawn_link(crash, ValueError("boom"))
        await receive(Exited)
        await sleep(0)

        assert reports(caplog) == []

    async def test_a_crash_that_a_process_awaits(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Detail 5."""
        with pytest.raises(ValueError, match="boom"):
            await spawn(crash, ValueError("boom"))

        assert reports(caplog) == []

    async def test_a_crash_that_a_plain_task_awaits(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def plain(process: Process) -> None:
            await process

        process = spawn(crash_when_told)
        task = asyncio.create_task(plain(process))
        await asyncio.sleep(0)
        send(process, "go")
        with pytest.raises(ValueError, match="boom"):
            await task

        assert reports(caplog) == []

    async def test_a_crash_that_gather_awaits(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        results = await asyncio.gather(
            spawn(crash, ValueError("boom")), return_exceptions=True
        )

        assert [str(result) for result in results] == ["boom"]
        assert reports(caplog) == []

    async def test_what_a_finally_block_raises_after_a_signal(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def child() -> None:
            try:
                await idle()
            finally:
                raise ValueError("from the finally block")

        process = spawn(child)
        await sleep(0)
        fastask.exit(process, SHUTDOWN)
        await gone(process)

        assert reports(caplog) == []

    def test_the_root_whose_exception_run_raises(
        self, caplog: pytest.LogCaptureFixture, run: Callable[..., Any]
    ) -> None:
        with pytest.raises(ValueError, match="boom"):
            run(crash, ValueError("boom"))

        assert reports(caplog) == []

    def test_processes_that_run_ends(
        self, caplog: pytest.LogCaptureFixture, run: Callable[..., Any]
    ) -> None:
        async def main() -> None:
            spawn(idle)
            await sleep(0)

        run(main)

        assert reports(caplog) == []


class TestContents:
    async def test_the_traceback(self, caplog: pytest.LogCaptureFixture) -> None:
        text = await report_of_a_crash(caplog)

        assert "Traceback (most recent call last)" in text
        assert "in crash_when_told" in text
        assert "ValueError: boom" in text

    async def test_the_id(self, caplog: pytest.LogCaptureFixture) -> None:
        process = spawn(crash, ValueError("boom"))
        await gone(process)

        assert str(process.id) in text_of(reports(caplog)[0])

    async def test_the_name(self, caplog: pytest.LogCaptureFixture) -> None:
        text = await report_of_a_crash(caplog, name="worker seven")

        assert "worker seven" in text

    async def test_the_label(self, caplog: pytest.LogCaptureFixture) -> None:
        """PROC 85."""

        async def child() -> None:
            set_label("job seven")
            raise ValueError("boom")

        await gone(spawn(child))

        assert "job seven" in text_of(reports(caplog)[0])

    async def test_the_function_even_without_a_traceback(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        process = spawn(idle)
        await sleep(0)
        fastask.exit(process, "boom")
        await gone(process)

        assert "idle" in text_of(reports(caplog)[0])

    async def test_the_ancestors(self, caplog: pytest.LogCaptureFixture) -> None:
        async def middle(parent: Process) -> None:
            send(parent, spawn(crash_when_told))
            await idle()

        process = spawn(middle, self_())
        grandchild = await receive(Process)
        send(grandchild, "go")
        await gone(grandchild)
        text = text_of(reports(caplog)[0])
        await end(process)

        assert "ancestors" in text.lower()
        assert str(process.id) in text
        assert str(self_().id) in text

    async def test_the_callers(self, caplog: pytest.LogCaptureFixture) -> None:
        process = fastask.start(crash, ValueError("boom"))
        await gone(process)
        text = text_of(reports(caplog)[0])

        assert "callers" in text.lower()
        assert str(self_().id) in text

    async def test_the_age(self, caplog: pytest.LogCaptureFixture) -> None:
        text = await report_of_a_crash(caplog)

        assert re.search(r"\bage\b", text.lower())

    async def test_no_part_of_it_fails_on_a_broken_repr(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken:
            def __repr__(self) -> str:
                raise ZeroDivisionError

        async def child() -> None:
            set_label(Broken())
            raise ValueError("boom")

        await gone(spawn(child))

        assert len(reports(caplog)) == 1
        assert "boom" in text_of(reports(caplog)[0])
