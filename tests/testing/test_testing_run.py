"""Deterministic runs: the order is the seed's, time jumps, and nothing hangs unseen."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import logging
import os
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

import fastask
from fastask.testing import DeadlockError, run

HOUR = 3600.0


def now() -> float:
    """The time of the running loop."""
    return asyncio.get_running_loop().time()


async def busy_program(log: list[Any]) -> None:
    """Tell of many things that may happen in many orders."""
    me = fastask.self_()

    async def sender(name: str) -> None:
        for i in range(3):
            fastask.send(me, (name, i))
            await fastask.sleep(0.001 * (len(name) + i % 2))

    async def broken() -> None:
        raise ValueError("on purpose")

    fastask.trap_exit(True)
    async with fastask.TaskSupervisor() as supervisor:
        fastask.spawn_link(sender, "a")
        fastask.spawn_link(sender, "bb")
        fastask.spawn_monitor(broken)
        supervisor.async_nolink(sender, "ccc")
        async for item in fastask.async_stream([3, 1, 2], fastask.sleep):
            log.append(("streamed", item, now()))
        with contextlib.suppress(TimeoutError):
            while True:
                message = await fastask.receive(timeout=1.0)
                log.append(
                    (now(), message if type(message) is tuple else type(message))
                )


class TestSeed:
    def test_decides_the_run_event_for_event(self) -> None:
        def transcript(seed: int) -> str:
            log: list[Any] = []
            run(busy_program, log, seed=seed)
            return repr(log)

        for seed in range(20):
            assert transcript(seed) == transcript(seed)

    def test_reaches_every_order_of_processes(self) -> None:
        async def sending(word: str, to: Any) -> None:
            fastask.send(to, word)

        async def main() -> str:
            me = fastask.self_()
            for word in "abcd":
                fastask.spawn(sending, word, me)
            return "".join([await fastask.receive() for _ in range(4)])

        assert len({run(main, seed=seed) for seed in range(400)}) == 24

    def test_keeps_the_order_of_one_pair_of_processes(self) -> None:
        async def sender(to: Any, name: str) -> None:
            for i in range(5):
                fastask.send(to, (name, i))
                await asyncio.sleep(0)

        async def main() -> list[Any]:
            for name in ("one", "other"):
                fastask.spawn(sender, fastask.self_(), name)
            return [await fastask.receive() for _ in range(10)]

        transcripts = [run(main, seed=seed) for seed in range(50)]

        for transcript in transcripts:
            for name in ("one", "other"):
                assert [i for who, i in transcript if who == name] == list(range(5))
        assert len({tuple(transcript) for transcript in transcripts}) > 10

    def test_interrupts_a_process_whose_messages_are_there_already(self) -> None:
        async def other(log: list[str]) -> None:
            log.append("other")

        async def main() -> list[str]:
            log: list[str] = []
            fastask.send(fastask.self_(), 1)
            fastask.send(fastask.self_(), 2)
            fastask.spawn(other, log)
            await fastask.receive()
            log.append("one")
            await fastask.receive()
            log.append("two")
            return log

        orders = {tuple(run(main, seed=seed)[:2]) for seed in range(50)}

        assert orders == {("other", "one"), ("one", "other"), ("one", "two")}

    def test_interrupts_a_server_between_two_messages(self) -> None:
        class Server(fastask.GenServer):
            def init(self, log: list[str]) -> None:
                self.log = log

            def handle_info(self, message: Any) -> None:
                self.log.append(message)

        async def other(log: list[str]) -> None:
            log.append("other")

        async def main() -> list[str]:
            log: list[str] = []
            server = await Server.start_link(log)
            fastask.spawn(other, log)
            fastask.send(server, "one")
            fastask.send(server, "two")
            await fastask.sleep(1)
            await fastask.GenServer.stop(server)
            return log

        assert {tuple(run(main, seed=seed)) for seed in range(60)} == {
            ("one", "two", "other"),
            ("one", "other", "two"),
            ("other", "one", "two"),
        }

    def test_interleaves_asyncio_tasks_and_processes(self) -> None:
        async def noting(log: list[str], word: str) -> None:
            log.append(word)

        async def main() -> str:
            log: list[str] = []
            task = asyncio.create_task(noting(log, "t"))
            fastask.spawn(noting, log, "p")
            fastask.spawn(noting, log, "q")
            await task
            await fastask.sleep(1)
            return "".join(log)

        assert {"tpq", "ptq", "pqt"} <= {run(main, seed=seed) for seed in range(100)}

    def test_is_told_by_a_note_and_on_stderr_when_the_run_fails(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        async def main() -> None:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no") as caught:
            run(main, seed=4711)

        assert "seed=4711" in capsys.readouterr().err
        assert any("seed=4711" in note for note in caught.value.__notes__)
        assert any("main" in note for note in caught.value.__notes__)

    def test_is_drawn_and_told_where_none_is_given(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        async def main() -> float:
            order = []
            me = fastask.self_()

            async def send(number: int) -> None:
                fastask.send(me, number)

            for number in range(6):
                fastask.spawn(send, number)
            for _ in range(6):
                order.append(await fastask.receive())
            raise LookupError(order)

        with pytest.raises(LookupError) as first:
            run(main)
        seed = int(capsys.readouterr().err.split("seed=")[1].split()[0])
        with pytest.raises(LookupError) as second:
            run(main, seed=seed)

        assert first.value.args == second.value.args

    @pytest.mark.parametrize("seed", [True, 1.5, "1"])
    def test_must_be_an_integer(self, seed: Any) -> None:
        with pytest.raises(TypeError, match=r"seed must be an integer or None, got "):
            run(fastask.sleep, 0, seed=seed)


class TestChoices:
    def test_none_is_the_order_of_an_ordinary_run(self) -> None:
        async def main() -> list[int]:
            me = fastask.self_()

            async def send(number: int) -> None:
                fastask.send(me, number)

            for number in range(9):
                fastask.spawn(send, number)
            return [await fastask.receive() for _ in range(9)]

        assert run(main, choices=[]) == fastask.run(main) == list(range(9))

    def test_beside_a_seed_are_refused(self) -> None:
        with pytest.raises(
            TypeError, match="seed must be None where choices are given"
        ):
            run(fastask.sleep, 0, seed=1, choices=[])

    @pytest.mark.parametrize("choices", [[-1], [True], ["1"]])
    def test_must_be_whole_numbers(self, choices: Any) -> None:
        with pytest.raises(ValueError, match="choices must be integers >= 0, got"):
            run(fastask.sleep, 0, choices=choices)


class TestVirtualTime:
    def test_jumps_to_the_next_timer(self) -> None:
        async def main() -> float:
            begin = now()
            await fastask.sleep(HOUR)
            await asyncio.sleep(HOUR)
            fastask.send_after(fastask.self_(), "tick", HOUR)
            await fastask.receive()
            return now() - begin

        begin = time.monotonic()

        assert run(main, seed=1) == pytest.approx(3 * HOUR)
        assert time.monotonic() - begin < 60

    def test_is_exact(self) -> None:
        async def main() -> list[float]:
            times = []
            for seconds in (0.0001, 1e-6, 0.25, 86_400.0 * 3):
                begin = now()
                await fastask.sleep(seconds)
                times.append((now() - begin) / seconds)
            return times

        assert run(main) == pytest.approx([1, 1, 1, 1], rel=1e-9)

    def test_goes_on_where_floats_are_coarser_than_nanoseconds(self) -> None:
        async def main() -> float:
            for number in range(40):
                await fastask.sleep(1e6 + number * 0.064)
                await asyncio.sleep(0.0001)
            return now()

        assert run(main) == pytest.approx(40e6, rel=1e-5)

    def test_fires_timers_in_the_order_of_their_deadlines(self) -> None:
        async def main() -> list[Any]:
            for seconds in (30, 0.5, 7200, 0.25, 90):
                fastask.send_after(fastask.self_(), seconds, seconds)
            return [await fastask.receive() for _ in range(5)]

        for seed in range(20):
            assert run(main, seed=seed) == [0.25, 0.5, 30, 90, 7200]

    def test_stands_while_anything_can_run(self) -> None:
        async def main() -> float:
            fastask.spawn(fastask.sleep, 1)
            for _ in range(100):
                await asyncio.sleep(0)
            return now()

        assert run(main) == 0

    def test_runs_limits_out(self) -> None:
        async def main() -> float:
            task = fastask.async_(fastask.sleep, None)
            with pytest.raises(fastask.TaskTimeoutError):
                await fastask.await_(task, timeout=60)
            await fastask.shutdown(task)
            return now()

        assert run(main) == 60

    def test_makes_a_race_of_a_timeout_and_a_message_go_both_ways(self) -> None:
        async def later(to: Any) -> None:
            await fastask.sleep(1)
            fastask.send(to, "in time")

        async def main() -> str:
            fastask.spawn(later, fastask.self_())
            await asyncio.sleep(0)
            try:
                return str(await fastask.receive(timeout=1))
            except TimeoutError:
                return "late"

        assert {run(main, seed=seed) for seed in range(60)} == {"in time", "late"}

    def test_is_that_of_restarts(self) -> None:
        async def main() -> int:
            starts = []

            async def child() -> None:
                starts.append(now())
                await fastask.sleep(10)
                raise ValueError("again")

            spec = fastask.child_spec(child, restart="permanent")
            async with fastask.Supervisor([spec], max_restarts=1, max_seconds=5.0):
                await fastask.sleep(995)
            return len(starts)

        logging.getLogger("fastask").disabled = True
        try:
            assert run(main) == 100
        finally:
            logging.getLogger("fastask").disabled = False

    def test_is_that_of_cron(self) -> None:
        times: list[float] = []

        async def main() -> None:
            async def noon() -> None:
                times.append(now() / HOUR)

            job = fastask.Cron("0 12 * * *", noon)
            async with fastask.Supervisor([job]):
                await fastask.sleep(3 * 24 * HOUR)

        run(main, now=datetime(2026, 5, 1, 6, tzinfo=UTC))

        assert times == pytest.approx([6, 30, 54])

    def test_begins_where_it_is_told_to_in_any_zone(self) -> None:
        times: list[float] = []

        async def main() -> None:
            async def at_nine() -> None:
                times.append(now() / HOUR)

            job = fastask.Cron("0 9 * * *", at_nine)
            async with fastask.Supervisor([job]):
                await fastask.sleep(24 * HOUR)

        run(main, now=datetime(2026, 5, 1, 9, tzinfo=timezone(timedelta(hours=2))))

        assert times == pytest.approx([2])

    @pytest.mark.parametrize(
        ("value", "error"), [(1.0, TypeError), (datetime(2020, 1, 1), ValueError)]
    )
    def test_must_begin_at_an_aware_time(
        self, value: Any, error: type[Exception]
    ) -> None:
        with pytest.raises(error, match="now must be a"):
            run(fastask.sleep, 0, now=value)

    def test_is_real_where_that_is_wanted(self) -> None:
        async def main() -> float:
            begin = time.monotonic()
            await fastask.sleep(0.02)
            return time.monotonic() - begin

        assert run(main, virtual_time=False) >= 0.02

    def test_goes_on_as_outside_while_a_socket_is_watched(self) -> None:
        async def main() -> float:
            read, write = os.pipe()
            loop = asyncio.get_running_loop()
            arrived = loop.create_future()
            loop.add_reader(read, arrived.set_result, None)
            begin = time.monotonic()
            await fastask.sleep(0.03)
            real = time.monotonic() - begin
            os.write(write, b"x")
            await arrived
            loop.remove_reader(read)
            os.close(read)
            os.close(write)
            return real

        assert run(main) >= 0.03


class TestPlainFunctions:
    def test_take_no_time(self) -> None:
        async def main() -> tuple[float, int, int]:
            await fastask.await_(fastask.async_(time.sleep, 0.01))
            number = await asyncio.to_thread(sum, [1, 2])
            with ThreadPoolExecutor(1) as executor:
                task = fastask.async_(sum, [3, 4], executor=executor)
                return now(), number, await fastask.await_(task)

        assert run(main) == (0, 3, 7)

    def test_that_wait_for_each_other_are_not_held_up_for_good(self) -> None:
        async def main() -> float:
            gate = threading.Event()
            waiting = fastask.async_(gate.wait, 30)
            opening = fastask.async_(gate.set)
            await fastask.await_many([waiting, opening])
            return now()

        assert run(main) < 10

    def test_that_raise_are_seen(self) -> None:
        def fail() -> None:
            raise ValueError("in a thread")

        async def main() -> None:
            fastask.trap_exit(True)
            await fastask.await_(fastask.async_(fail))

        with pytest.raises(ValueError, match="in a thread"):
            run(main)


class TestDeadlock:
    def test_is_an_error_that_says_who_waits_and_where(self) -> None:
        async def reader() -> None:
            await fastask.receive(int)

        async def main() -> None:
            fastask.send(fastask.self_(), "unwanted")
            await fastask.async_(reader)

        with pytest.raises(DeadlockError) as caught:
            run(main)

        assert "reader" in str(caught.value)
        assert "1 messages in its mailbox" in str(caught.value)
        assert f"{__file__}:" in str(caught.value)

    def test_runs_the_finally_blocks(self) -> None:
        log = []

        async def main() -> None:
            try:
                await fastask.receive()
            finally:
                log.append("cleaned up")

        with pytest.raises(DeadlockError):
            run(main)

        assert log == ["cleaned up"]

    def test_is_none_while_a_thread_may_send(self) -> None:
        async def main() -> str:
            me = fastask.self_()
            begin = threading.Event()

            def send() -> None:
                begin.wait()
                fastask.send(me, "from afar")

            thread = threading.Thread(target=send)
            thread.start()
            asyncio.get_running_loop().call_soon(begin.set)
            message = await fastask.receive()
            thread.join()
            return str(message)

        assert run(main) == "from afar"

    def test_of_asyncio_alone_is_one_too(self) -> None:
        async def main() -> None:
            await asyncio.get_running_loop().create_future()

        with pytest.raises(DeadlockError, match="no process can run"):
            run(main)


class TestRun:
    def test_returns_what_main_returned(self) -> None:
        async def main(left: int, right: int) -> int:
            return left + right

        assert run(main, 1, 2) == 3

    def test_takes_a_plain_function(self) -> None:
        assert run(sum, [1, 2]) == 3

    def test_takes_a_coroutine(self) -> None:
        async def main() -> int:
            return 5

        coroutine: Coroutine[Any, Any, int] = main()

        assert run(coroutine) == 5

    def test_takes_a_supervisor(self) -> None:
        log = []

        async def child() -> None:
            await fastask.sleep(HOUR)
            log.append("worked")

        spec = fastask.child_spec(child, restart="transient", significant=True)

        run(fastask.Supervisor([spec], auto_shutdown="any_significant"))

        assert log == ["worked"]

    def test_ends_the_others(self) -> None:
        ends = []

        async def other() -> None:
            try:
                await fastask.sleep(None)
            finally:
                ends.append(True)

        async def main() -> None:
            fastask.spawn(other)
            await asyncio.sleep(0)
            await fastask.sleep(1)

        run(main)

        assert ends == [True]

    def test_leaves_the_collector_as_it_was(self) -> None:
        async def main() -> bool:
            return gc.isenabled()

        assert run(main) is False
        assert gc.isenabled()

    def test_gives_processes_their_contexts(self) -> None:
        variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")

        async def child() -> int:
            return variable.get()

        async def main() -> int:
            variable.set(7)
            return await fastask.await_(fastask.async_(child))

        assert run(main) == 7

    def test_cannot_be_called_in_a_loop(self) -> None:
        async def main() -> None:
            run(fastask.sleep, 0)

        with pytest.raises(RuntimeError, match="while an event loop is running"):
            run(main)
