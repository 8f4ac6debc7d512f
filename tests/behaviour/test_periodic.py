"""`Every` and `Cron`: functions that run again and again, as children."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

import fastask
from fastask import (
    SHUTDOWN,
    Cron,
    Every,
    Process,
    Supervisor,
    monitor,
    process_info,
    receive,
    receive_nowait,
    self_,
    send,
)


async def tell(process: Process[Any], word: str = "run") -> None:
    send(process, word)


async def tell_who(process: Process[Any]) -> None:
    send(process, self_())


async def tell_and_crash(process: Process[Any]) -> None:
    send(process, self_())
    raise ValueError("boom")


def tell_thread(process: Process[Any]) -> None:
    send(process, threading.current_thread())


class TestEvery:
    async def test_runs_at_once_and_again(self) -> None:
        async with Supervisor([Every(0.005, tell, self_())]):
            assert [await receive() for _ in range(3)] == ["run"] * 3

    async def test_is_never_early(self) -> None:
        loop = fastask.self_().get_loop()
        begin = loop.time()
        async with Supervisor([Every(0.02, tell, self_())]):
            for _ in range(3):
                await receive()

        assert loop.time() - begin >= 0.039

    async def test_may_wait_before_the_first_run(self) -> None:
        async with Supervisor([Every(60, tell, self_(), immediate=False)]) as tree:
            await fastask.sys.get_state(tree)
            await fastask.sleep(0.01)

        assert receive_nowait(default=None) is None

    async def test_comes_later_by_a_jitter(self) -> None:
        async with Supervisor([Every(0.001, tell, self_(), jitter=0.002)]):
            assert [await receive() for _ in range(3)] == ["run"] * 3

    async def test_runs_in_the_child(self) -> None:
        async with Supervisor([Every(60, tell_who, self_())]) as supervisor:
            (info,) = supervisor.which_children()

            assert await receive() is info.process
            assert info.id == "tell_who"
            assert info.process is not None
            assert info.process != "restarting"
            assert info.process.label == "Every(60, tell_who)"

    async def test_runs_a_plain_function_in_a_thread(self) -> None:
        async with Supervisor([Every(60, tell_thread, self_())]):
            assert await receive() is not threading.main_thread()

    @pytest.mark.usefixtures("crashes")
    async def test_a_run_that_fails_is_a_crash_of_the_child(self) -> None:
        async with Supervisor([Every(60, tell_and_crash, self_())]):
            first = await receive()
            second = await receive()

        assert first is not second

    @pytest.mark.usefixtures("crashes")
    async def test_a_plain_function_that_fails_is_one_too(self) -> None:
        runs = []
        me = self_()

        def fail() -> None:
            runs.append(1)
            send(me, len(runs))
            raise ValueError("boom")

        async with Supervisor([Every(60, fail)]):
            assert [await receive(), await receive()] == [1, 2]

    async def test_runs_do_not_overlap_and_missed_ones_are_skipped(self) -> None:
        me = self_()
        running = []
        begins: list[float] = []
        loop = me.get_loop()

        async def slow() -> None:
            begins.append(loop.time())
            running.append(1)
            assert running == [1]
            await fastask.sleep(0.025)
            running.pop()
            send(me, "done")

        async with Supervisor([Every(0.01, slow)]):
            for _ in range(3):
                await receive()

        # Each takes as long as two and a half times, so every third one comes.
        assert begins[1] - begins[0] >= 0.029
        assert begins[2] - begins[0] >= 0.059

    async def test_runs_may_overlap(self) -> None:
        async def hang(process: Process[Any]) -> None:
            send(process, self_())
            await receive("never".__eq__)

        async with Supervisor([Every(0.005, hang, self_(), overlap=True)]):
            processes = [await receive() for _ in range(3)]

            assert len(set(processes)) == 3
            assert all(process.alive for process in processes)
        for process in processes:
            ref = monitor(process)
            await receive(ref)

    async def test_a_run_is_stopped_with_the_child(self) -> None:
        cleaned = []

        async def hang(process: Process[Any]) -> None:
            send(process, "began")
            try:
                await receive("never".__eq__)
            finally:
                cleaned.append("up")

        async with Supervisor([Every(60, hang, self_())]):
            await receive("began".__eq__)

        assert cleaned == ["up"]

    async def test_stops_between_two_runs(self) -> None:
        async with Supervisor([Every(60, tell_who, self_())]):
            child = await receive()
            ref = monitor(child)

        assert (await receive(ref)).reason == SHUTDOWN

    async def test_has_a_specification_that_can_be_changed(self) -> None:
        spec = Every(60, tell, self_()).child_spec(id="mine", restart="temporary")

        assert (spec.id, spec.restart, spec.type) == ("mine", "temporary", "worker")

    @pytest.mark.parametrize(
        ("arguments", "options", "error", "message"),
        [
            ((0, tell), {}, ValueError, "seconds must be a number > 0"),
            ((-1, tell), {}, ValueError, "seconds must be a number > 0"),
            ((float("nan"), tell), {}, ValueError, "seconds must be a number > 0"),
            (("1", tell), {}, TypeError, "seconds must be a number"),
            ((1, 42), {}, TypeError, "fn must be"),
            ((1, tell), {"jitter": -1}, ValueError, "jitter must be a number >= 0"),
            ((1, tell), {"jitter": "x"}, TypeError, "jitter must be a number"),
            ((1, tell), {"immediate": 1}, TypeError, "immediate must be True or False"),
            ((1, tell), {"overlap": 1}, TypeError, "overlap must be True or False"),
        ],
    )
    def test_bad_input_is_one_clear_error(
        self,
        arguments: Any,
        options: dict[str, Any],
        error: type[Exception],
        message: str,
    ) -> None:
        with pytest.raises(error, match=message):
            Every(*arguments, **options)


class FakeCron(Cron):
    """A `Cron` whose wall clock begins at a time, and runs as fast as it is told."""

    def __init__(self, clock: Callable[[], datetime], *arguments: Any) -> None:
        self.clock = clock
        super().__init__(*arguments)

    def _now(self) -> datetime:
        return self.clock()


class Never(Cron):
    """A `Cron` whose expression fits no day of the next fifty years."""

    def _times(self, after: datetime) -> Iterator[datetime]:
        return iter(())


class Clock:
    """A wall clock that is a little before a time, the first time it is looked at."""

    def __init__(self, *times: datetime) -> None:
        self.times = list(times)

    def __call__(self) -> datetime:
        return self.times.pop(0) if len(self.times) > 1 else self.times[0]


NIGHT = datetime(2026, 3, 1, 2, 59, 59, 995_000, tzinfo=UTC)


class TestCron:
    async def test_runs_when_the_time_has_come(self) -> None:
        late = NIGHT + timedelta(seconds=1)
        clock = Clock(NIGHT, NIGHT, NIGHT, late)
        async with Supervisor([FakeCron(clock, "0 3 * * *", tell, self_())]):
            assert await receive() == "run"
            await fastask.sleep(0.01)

        assert receive_nowait(default=None) is None  # the next one is tomorrow

    async def test_goes_on_from_where_the_clock_is(self) -> None:
        minute = timedelta(minutes=1)
        times = [NIGHT, NIGHT]
        for n in range(6):
            times += [NIGHT + n * minute, NIGHT + n * minute + timedelta(seconds=1)]
        clock = Clock(*times, NIGHT + 100 * minute)
        async with Supervisor([FakeCron(clock, "* * * * *", tell, self_())]):
            assert [await receive(), await receive()] == ["run", "run"]

    async def test_waits_for_ever_for_a_day_that_never_comes(self) -> None:
        async with Supervisor([Never("0 3 * * *", tell, self_())]) as supervisor:
            (info,) = supervisor.which_children()
            await fastask.sleep(0.005)

            assert isinstance(info.process, Process)
            described = process_info(info.process)
            assert described is not None
            assert described.status == "waiting"
            assert info.process.label == "Cron('0 3 * * *', tell)"

    @pytest.mark.usefixtures("crashes")
    async def test_a_run_that_fails_is_a_crash_of_the_child(self) -> None:
        late = NIGHT + timedelta(seconds=1)
        clock = Clock(NIGHT, NIGHT, NIGHT, late)
        spec = FakeCron(clock, "0 3 * * *", tell_and_crash, self_())
        async with Supervisor([spec]) as supervisor:
            ref = monitor(await receive())
            down = await receive(ref)
            while supervisor.count_children().active == 0:
                await fastask.sleep(0)

        assert isinstance(down.reason, ValueError) or down.reason == fastask.NOPROC

    def test_knows_time_zones_by_name_and_object(self) -> None:
        paris = Cron("0 3 * * *", tell, timezone="Europe/Paris")
        east = Cron("0 3 * * *", tell, timezone=timezone(timedelta(hours=2)))

        assert str(paris.timezone) == "Europe/Paris"
        assert east._now().utcoffset() == timedelta(hours=2)

    def test_counts_in_its_time_zone(self) -> None:
        cron = Cron("0 3 * * *", tell, timezone="Europe/Paris")
        begin = datetime(2026, 3, 28, 12, tzinfo=cron.timezone)
        times = cron._times(begin)

        # The clock is turned forth on the 29th, at two o'clock.
        assert next(times).astimezone(UTC) == datetime(2026, 3, 29, 1, tzinfo=UTC)
        assert next(times).astimezone(UTC) == datetime(2026, 3, 30, 1, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("arguments", "options", "error", "message"),
        [
            (("0 3 * *", tell), {}, ValueError, "expression must be a cron expression"),
            (("61 * * * *", tell), {}, ValueError, "expression must be a cron"),
            ((3, tell), {}, TypeError, "expression must be a string"),
            (("* * * * *", 42), {}, TypeError, "fn must be"),
            (
                ("* * * * *", tell),
                {"timezone": "Mars/Olympus"},
                ValueError,
                "timezone must be the name of a time zone, got 'Mars/Olympus'",
            ),
            (("* * * * *", tell), {"timezone": 1}, TypeError, "timezone must be"),
        ],
    )
    def test_bad_input_is_one_clear_error(
        self,
        arguments: Any,
        options: dict[str, Any],
        error: type[Exception],
        message: str,
    ) -> None:
        with pytest.raises(error, match=message):
            Cron(*arguments, **options)

    def test_says_which_extra_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "cronsim", None)

        with pytest.raises(ImportError, match=r"install fastask-otp\[cron\]"):
            Cron("* * * * *", tell)
