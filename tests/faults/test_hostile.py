"""Objects of the user that raise wherever they are touched do not harm the core.

What they raise goes to whoever touched them; a crash that cannot be shown is told of
all the same.
"""

from __future__ import annotations

import contextlib
import contextvars
import gc
import logging
import sys
from collections.abc import Iterator
from typing import Any, cast

import pytest

import fastask
from fastask import Down, Ok, receive, self_, send

WAIT = 5.0


class HostileError(Exception):
    """What hostile objects raise."""


class Hostile:
    """Raises when it is compared, hashed, shown or tested."""

    def __eq__(self, other: object) -> bool:
        raise HostileError("eq")

    def __hash__(self) -> int:
        raise HostileError("hash")

    def __repr__(self) -> str:
        raise HostileError("repr")

    def __bool__(self) -> bool:
        raise HostileError("bool")

    def __len__(self) -> int:
        raise HostileError("len")


class HostileCrashError(Exception):
    """Cannot be shown."""

    def __str__(self) -> str:
        raise HostileError("str")

    __repr__ = __str__


class HostileType(type):
    """Raises when it is asked what belongs to it."""

    def __instancecheck__(cls, instance: object) -> bool:
        raise HostileError("instancecheck")


class HostileClass(metaclass=HostileType):
    pass


class Dying:
    """Raises, and sends, when it is freed."""

    def __init__(self, told: list[str]) -> None:
        self.told = told

    def __del__(self) -> None:
        self.told.append("freed")
        with contextlib.suppress(Exception):
            send("nobody", "from a finalizer")
        raise HostileError("del")


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseException | None]]:
    """What could not be raised, in the place of pytest's own hook."""
    seen: list[BaseException | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda hook: seen.append(hook.exc_value))
    yield seen
    gc.collect()
    seen.clear()  # their frames name processes


async def give(value: object) -> object:
    return value


class TestHostileObjects:
    async def test_go_through_a_mailbox(self) -> None:
        hostile = Hostile()
        send(self_(), hostile)
        send(self_(), (hostile, 1))

        assert await receive() is hostile
        assert (await receive())[0] is hostile

    async def test_are_results(self) -> None:
        hostile = Hostile()

        assert await fastask.async_(give, hostile) is hostile
        outcome = await fastask.yield_(
            fastask.async_nolink(give, hostile), timeout=WAIT
        )
        assert isinstance(outcome, Ok)
        assert outcome.value is hostile

    async def test_are_exit_reasons(self) -> None:
        hostile = Hostile()
        process, ref = fastask.spawn_monitor(receive)
        await fastask.sleep(0)
        fastask.exit(process, hostile)

        assert (await receive(ref, timeout=WAIT)).reason is hostile

    async def test_are_labels_and_reasons_of_a_report(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def crash() -> None:
            fastask.set_label(Hostile())
            raise HostileCrashError

        process = fastask.spawn(crash)
        while process.alive:
            await fastask.sleep(0)

        assert "HostileCrashError" in caplog.text

    async def test_a_log_handler_that_raises_harms_nobody(self) -> None:
        class Filter(logging.Filter):
            def filter(self, record: logging.LogRecord) -> bool:
                raise HostileError("log")

        logger = logging.getLogger("fastask")
        hostile = Filter()
        logger.addFilter(hostile)
        raised: list[Any] = []
        loop = self_().get_loop()
        loop.set_exception_handler(lambda _, context: raised.append(context))
        try:
            process = fastask.spawn(give, 1)
            broken = fastask.spawn(boom)
            while process.alive or broken.alive:
                await fastask.sleep(0)
            await fastask.sleep(0.001)  # a turn of the loop
        finally:
            logger.removeFilter(hostile)

        assert isinstance(raised[0]["exception"], HostileError)


async def boom() -> None:
    raise ValueError("boom")


class TestHostilePatterns:
    async def test_a_predicate_that_raises_raises_in_the_receiver(self) -> None:
        def refuse(message: object) -> bool:
            raise HostileError("predicate")

        send(self_(), 1)
        with pytest.raises(HostileError):
            await receive(refuse)

        assert await receive() == 1

    async def test_while_waiting_the_message_stays(self) -> None:
        async def picky() -> object:
            with contextlib.suppress(HostileError):
                await receive(HostileClass)
            return await receive()

        task = fastask.async_(picky)
        await fastask.sleep(0)
        send(task.process, "kept")

        assert await task == "kept"

    async def test_a_truth_value_that_raises(self) -> None:
        send(self_(), 1)
        with pytest.raises(HostileError):
            await receive(cast(Any, lambda message: Hostile()))

        assert await receive() == 1

    async def test_in_a_task_it_is_the_reason(self) -> None:
        process, ref = fastask.spawn_monitor(receive, HostileClass)
        send(process, 1)

        down = await receive(ref, timeout=WAIT)
        assert isinstance(down.reason, HostileError)

    async def test_a_predicate_may_send_and_spawn(self) -> None:
        started: list[fastask.Process[object]] = []

        def meddle(message: object) -> bool:
            if not started:
                started.append(fastask.spawn(give, 1))
                send(self_(), "more")
            return message == "more"

        send(self_(), "first")

        assert await receive(meddle, timeout=WAIT) == "more"
        assert await receive() == "first"
        assert await started[0] == 1


class TestFinalizers:
    async def test_of_messages_that_nobody_takes(
        self, unraisable: list[BaseException | None]
    ) -> None:
        told: list[str] = []
        process, ref = fastask.spawn_monitor(receive, str)
        for _ in range(3):
            send(process, Dying(told))
        send(process, "go")

        assert isinstance(await receive(ref, timeout=WAIT), Down)
        assert told == ["freed"] * 3
        assert all(isinstance(error, HostileError) for error in unraisable)

    async def test_of_results_and_locals(
        self, unraisable: list[BaseException | None]
    ) -> None:
        told: list[str] = []

        async def keep() -> Dying:
            local = Dying(told)
            await fastask.sleep(0)
            del local
            return Dying(told)

        task = fastask.async_nolink(keep)
        await fastask.yield_(task, timeout=WAIT)
        del task
        gc.collect()

        assert told == ["freed"] * 2
        assert len(unraisable) == 2

    async def test_of_the_locals_of_a_process_that_is_killed(
        self, unraisable: list[BaseException | None]
    ) -> None:
        told: list[str] = []

        async def keep() -> None:
            local = Dying(told)
            await receive()
            del local

        process, ref = fastask.spawn_monitor(keep)
        await fastask.sleep(0)
        fastask.exit(process, fastask.KILL)

        assert (await receive(ref, timeout=WAIT)).reason is fastask.KILLED
        assert told == ["freed"]


class TestCallbacks:
    async def test_a_done_callback_that_raises_harms_no_other(self) -> None:
        raised: list[Any] = []
        called: list[object] = []
        loop = self_().get_loop()
        loop.set_exception_handler(lambda _, context: raised.append(context))

        def refuse(process: object) -> None:
            raise HostileError("callback")

        process = fastask.spawn(give, 3)
        process.add_done_callback(refuse)
        process.add_done_callback(called.append)
        assert await process == 3
        await fastask.sleep(0.001)  # a turn of the loop

        assert called == [process]
        assert isinstance(raised[0]["exception"], HostileError)

    async def test_a_token_of_another_context_raises_in_a_finally(self) -> None:
        variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
        token = variable.set(1)

        async def misuse() -> None:
            try:
                await receive()
            finally:
                variable.reset(token)

        killed, ref = fastask.spawn_monitor(misuse)
        ended, other = fastask.spawn_monitor(misuse)
        await fastask.sleep(0)
        fastask.exit(killed, fastask.KILL)
        send(ended, "go")

        assert (await receive(ref, timeout=WAIT)).reason is fastask.KILLED
        assert isinstance((await receive(other, timeout=WAIT)).reason, ValueError)
