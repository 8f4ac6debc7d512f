"""SIGINT and SIGTERM, sent to programs in processes of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


async def nothing() -> None:
    """Return at once."""


async def crash(error: BaseException) -> None:
    raise error


class TestSignalHandlers:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_are_put_back(self, run: Run, number: signal.Signals) -> None:
        before = signal.getsignal(number)
        run(nothing)

        assert signal.getsignal(number) is before

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_are_put_back_after_a_crash(self, run: Run, number: signal.Signals) -> None:
        before = signal.getsignal(number)
        with pytest.raises(ValueError, match="boom"):
            run(crash, ValueError("boom"))

        assert signal.getsignal(number) is before


class Program:
    """A Python program in a process of its own, with the loop under test."""

    HEAD = """
    import asyncio, sys, fastask
    factory = asyncio.SelectorEventLoop if sys.argv[1] == "asyncio" else None
    def say(*words):
        print(*words, flush=True)
    """

    def __init__(self, loop: str, text: str, errors: Path) -> None:
        source = textwrap.dedent(self.HEAD) + textwrap.dedent(text)
        self.errors = errors
        with errors.open("w") as stderr:
            self.popen = subprocess.Popen(
                [sys.executable, "-c", source, loop],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self.watchdog = threading.Timer(30.0, self.popen.kill)
        self.watchdog.start()

    def lines(self) -> Iterator[str]:
        """What the program says from now on."""
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            yield line.rstrip("\n")

    def said_on_stderr(self) -> str:
        return self.errors.read_text()

    def wait_for(self, wanted: str) -> None:
        if not any(line == wanted for line in self.lines()):
            pytest.fail(f"never said {wanted!r}; {self.said_on_stderr()}")

    def finish(self) -> tuple[int, list[str], str]:
        """Wait for the end: the exit code, the lines said since, and stderr."""
        lines = list(self.lines())
        return self.popen.wait(), lines, self.said_on_stderr()

    def close(self) -> None:
        self.watchdog.cancel()
        with self.popen:
            self.popen.kill()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[[str, str], Program]]:
    started: list[Program] = []

    def start(loop: str, text: str) -> Program:
        started.append(Program(loop, text, tmp_path / "stderr"))
        return started[-1]

    yield start
    for one in started:
        one.close()


Start = Callable[[str, str], Program]


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_what_a_handler_sends_between_the_last_look_of_a_loop_and_its_wait_arrives(
    program: Start,
) -> None:
    started = program(
        "asyncio",
        """
        import selectors, signal

        class Late(selectors.DefaultSelector):
            comes = False
            def select(self, timeout=None):
                if self.comes:
                    self.comes = False
                    signal.raise_signal(signal.SIGUSR1)
                return super().select(timeout)

        async def main():
            me = fastask.self_()
            signal.signal(signal.SIGUSR1, lambda *_: fastask.send(me, "signal"))
            selector.comes = True
            say(await fastask.receive())

        selector = Late()
        fastask.run(main, loop_factory=lambda: factory(selector))
        """,
    )

    assert started.finish()[:2] == (0, ["signal"])


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
@pytest.mark.parametrize("loop", ["asyncio", "default"])
class TestSignals:
    @pytest.mark.parametrize(
        ("number", "raised"),
        [(signal.SIGINT, "KeyboardInterrupt()"), (signal.SIGTERM, "SystemExit(143)")],
    )
    def test_raise_as_python_does(
        self, program: Start, loop: str, number: signal.Signals, raised: str
    ) -> None:
        """Detail 1."""
        started = program(
            loop,
            """
            async def main():
                say("ready")
                await fastask.sleep(60)
            try:
                fastask.run(main, loop_factory=factory)
            except BaseException as error:
                say(repr(error))
            """,
        )
        started.wait_for("ready")
        started.popen.send_signal(number)

        assert started.finish()[:2] == (0, [raised])

    @pytest.mark.parametrize(
        ("number", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143)]
    )
    def test_give_the_usual_exit_code(
        self, program: Start, loop: str, number: signal.Signals, code: int
    ) -> None:
        started = program(
            loop,
            """
            async def main():
                say("ready")
                await fastask.sleep(60)
            fastask.run(main, loop_factory=factory)
            """,
        )
        started.wait_for("ready")
        started.popen.send_signal(number)

        assert started.finish()[0] == code

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_run_the_finally_blocks_of_root_and_children(
        self, program: Start, loop: str, number: signal.Signals
    ) -> None:
        started = program(
            loop,
            """
            async def child(parent):
                try:
                    fastask.send(parent, "ready")
                    await fastask.sleep(60)
                finally:
                    await asyncio.sleep(0.01)
                    say("child")
            async def main():
                fastask.spawn(child, fastask.self_())
                await fastask.receive()
                try:
                    say("ready")
                    await fastask.sleep(60)
                finally:
                    await asyncio.sleep(0.01)
                    say("root")
            fastask.run(main, loop_factory=factory)
            """,
        )
        started.wait_for("ready")
        started.popen.send_signal(number)

        assert started.finish()[1] == ["root", "child"]

    def test_reach_a_root_that_waits_for_something_else(
        self, program: Start, loop: str
    ) -> None:
        started = program(
            loop,
            """
            async def main():
                say("ready")
                await asyncio.get_running_loop().create_future()
            fastask.run(main, loop_factory=factory)
            """,
        )
        started.wait_for("ready")
        started.popen.send_signal(signal.SIGTERM)

        assert started.finish()[0] == 143

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_are_a_shutdown_message_to_a_root_that_traps(
        self, program: Start, loop: str, number: signal.Signals
    ) -> None:
        started = program(
            loop,
            """
            async def main():
                fastask.trap_exit(True)
                say("ready")
                message = await fastask.receive(fastask.Exited)
                say(message.reason is fastask.SHUTDOWN)
            fastask.run(main, loop_factory=factory)
            """,
        )
        started.wait_for("ready")
        started.popen.send_signal(number)

        assert started.finish()[1] == ["True"]

    @pytest.mark.parametrize("turn", [0, 1, 2, 3, "close"])
    def test_are_never_lost(self, program: Start, loop: str, turn: object) -> None:
        """From the moment in which there is a loop to the one in which it is closed."""
        started = program(
            loop,
            f"""
            import signal
            turn = {turn!r}
            left = turn if turn != "close" else 100
            def counted(method):
                def call(*args):
                    global left
                    left -= 1
                    if left == 0:
                        signal.raise_signal(signal.SIGINT)
                    return method(*args)
                return call
            throwaway = (factory or fastask.runtime.default_loop)()
            throwaway.close()
            class Loop(type(throwaway)):
                run_until_complete = counted(type(throwaway).run_until_complete)
                def close(self):
                    super().close()
                    if turn == "close":
                        signal.raise_signal(signal.SIGINT)
            def make():
                loop = Loop()
                if turn == 0:
                    signal.raise_signal(signal.SIGINT)
                return loop
            async def main():
                if turn in (0, 1, 2):
                    await fastask.receive()
            try:
                fastask.run(main, loop_factory=make)
            except KeyboardInterrupt:
                say("interrupted")
            say(left <= 0 or turn == "close")
            """,
        )

        assert started.finish() == (0, ["interrupted", "True"], "")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_second_one_stops_hard(
        self, program: Start, loop: str, number: signal.Signals
    ) -> None:
        started = program(
            loop,
            """
            async def main():
                try:
                    say("ready")
                    await fastask.sleep(60)
                finally:
                    say("unwinding")
                    await asyncio.sleep(60)
                    say("unwound")
            fastask.run(main, loop_factory=factory, grace=60.0)
            """,
        )
        started.wait_for("ready")
        started.popen.send_signal(number)
        started.wait_for("unwinding")
        started.popen.send_signal(number)
        code, lines, _ = started.finish()

        assert code != 0
        assert lines == []

    def test_print_no_crash_report(self, program: Start, loop: str) -> None:
        started = program(
            loop,
            """
            import logging
            logging.basicConfig()
            async def child():
                await fastask.sleep(60)
            async def main():
                fastask.spawn_link(child)
                fastask.spawn(child)
                say("ready")
                await fastask.sleep(60)
            fastask.run(main, loop_factory=factory)
            """,
        )
        started.wait_for("ready")
        started.popen.send_signal(signal.SIGTERM)

        assert started.finish()[2] == ""

    def test_are_left_alone_when_told_so(self, program: Start, loop: str) -> None:
        started = program(
            loop,
            """
            async def main():
                try:
                    say("ready")
                    await fastask.sleep(60)
                finally:
                    say("finally")
            fastask.run(main, loop_factory=factory, handle_signals=False)
            """,
        )
        started.wait_for("ready")
        started.popen.send_signal(signal.SIGTERM)

        assert started.finish()[:2] == (-signal.SIGTERM, [])

    def test_a_handler_of_the_program_works_when_they_are_left_alone(
        self, program: Start, loop: str
    ) -> None:
        started = program(
            loop,
            """
            import signal
            async def main():
                root = fastask.self_()
                loop = asyncio.get_running_loop()
                loop.add_signal_handler(signal.SIGTERM, fastask.send, root, "signal")
                say("ready")
                say(await fastask.receive())
            fastask.run(main, loop_factory=factory, handle_signals=False)
            """,
        )
        started.wait_for("ready")
        started.popen.send_signal(signal.SIGTERM)

        assert started.finish()[:2] == (0, ["signal"])
