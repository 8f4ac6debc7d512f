"""What is documented holds on Windows, as far as another system can look like it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SIGBREAK = 21

SIGNALS = {
    signal.SIGINT: "KeyboardInterrupt()",
    signal.SIGTERM: "SystemExit(143)",
    SIGBREAK: "SystemExit(149)",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not hasattr(signal, "pthread_sigmask") or sys.platform == "win32",
        reason="signals are blocked in one thread, which POSIX can",
    ),
]

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a program on what looks like Windows; it is gone after the test."""
    with ExitStack() as programs:

        def start_program(
            text: str, *arguments: str, winloop: bool = False
        ) -> subprocess.Popen[str]:
            path = [str(HERE), str(tmp_path), *sys.path]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
            environment["FASTASK_WINLOOP"] = "1" if winloop else ""
            program = subprocess.Popen(
                [sys.executable, "-c", HEAD + textwrap.dedent(text), *arguments],
                cwd=tmp_path,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            programs.enter_context(program)
            programs.callback(program.kill)
            return program

        yield start_program


def finish(program: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Wait for the end: the status, and the lines that are not read yet."""
    output, _ = program.communicate(timeout=30)
    return program.returncode, output.splitlines()


def wait_for(program: subprocess.Popen[str], wanted: str) -> None:
    """Read up to a line."""
    assert program.stdout is not None
    lines = list[str]()
    for line in program.stdout:
        lines.append(line)
        if line.rstrip("\n") == wanted:
            return
    pytest.fail(f"never said {wanted!r} but {''.join(lines)}")


HEAD = """
import windows
import asyncio, sys, fastask
def say(*words):
    print(*words, flush=True)
"""

WAITING = """
async def main():
    try:
        say("ready")
        await asyncio.get_running_loop().create_future()
    finally:
        say("unwinding")
        if "stubborn" in sys.argv:
            await asyncio.get_running_loop().create_future()
factory = getattr(windows, sys.argv[1], None)
try:
    fastask.run(main, loop_factory=factory, grace=60.0)
except BaseException as error:
    say(repr(error))
"""


class TestLoop:
    @pytest.mark.parametrize(
        ("winloop", "name"), [(True, "Winloop"), (False, "Proactor")]
    )
    def test_is_winloop_where_it_is_installed(
        self, start: Start, winloop: bool, name: str
    ) -> None:
        program = start(
            """
            async def main():
                return type(asyncio.get_running_loop()).__name__
            say(fastask.run(main))
            """,
            winloop=winloop,
        )

        assert finish(program) == (0, [name])

    @pytest.mark.parametrize("loop", ["Selector", "Proactor", "Winloop"])
    def test_needs_no_turns_to_wait_by_a_coarse_clock(
        self, start: Start, loop: str
    ) -> None:
        program = start(
            """
            import time
            async def main():
                loop, began = asyncio.get_running_loop(), time.perf_counter()
                before = loop.turns
                for _ in range(10):
                    await fastask.sleep(0.01)
                say(time.perf_counter() - began >= 0.1, loop.turns - before < 50)
            fastask.run(main, loop_factory=getattr(windows, sys.argv[1]))
            """,
            loop,
        )

        assert finish(program) == (0, ["True True"])

    @pytest.mark.parametrize("loop", ["Selector", "Proactor", "Winloop"])
    def test_carries_tasks_threads_streams_and_servers(
        self, start: Start, loop: str
    ) -> None:
        program = start(
            """
            async def double(x):
                await asyncio.sleep(0)
                return 2 * x
            class Counter(fastask.GenServer):
                def init(self):
                    self.count = 0
                @fastask.call
                def add(self, n: int) -> int:
                    self.count += n
                    return self.count
            async def main():
                say(await fastask.async_(double, 1), await fastask.async_(abs, -1))
                async for item in fastask.async_stream([1, 2], double):
                    say(item)
                tree = fastask.Supervisor([Counter.child_spec(name="counter")])
                async with tree:
                    say(await Counter.add("counter", 3))
            fastask.run(main, loop_factory=getattr(windows, sys.argv[1]))
            """,
            loop,
        )

        assert finish(program) == (0, ["2 1", "Ok(value=2)", "Ok(value=4)", "3"])

    def test_of_the_tests_has_its_virtual_time(self, start: Start) -> None:
        program = start(
            """
            import fastask.testing, time
            began = time.perf_counter()
            fastask.testing.run(fastask.sleep, 3600.0)
            say(time.perf_counter() - began < 60)
            """
        )

        assert finish(program) == (0, ["True"])


@pytest.mark.parametrize("loop", ["Selector", "Proactor", "Winloop", "default"])
class TestSignals:
    @pytest.mark.parametrize("number", SIGNALS)
    def test_wake_the_loop_and_raise_as_documented(
        self, start: Start, loop: str, number: int
    ) -> None:
        program = start(WAITING, loop)
        wait_for(program, "ready")
        program.send_signal(number)

        assert finish(program) == (0, ["unwinding", SIGNALS[number]])

    @pytest.mark.parametrize("number", SIGNALS)
    def test_stop_hard_when_a_second_one_comes(
        self, start: Start, loop: str, number: int
    ) -> None:
        program = start(WAITING, loop, "stubborn")
        wait_for(program, "ready")
        program.send_signal(number)
        wait_for(program, "unwinding")
        program.send_signal(number)

        assert finish(program) == (0, [SIGNALS[number]])

    def test_find_their_handlers_and_the_wakeup_put_back(
        self, start: Start, loop: str
    ) -> None:
        program = start(
            """
            import signal
            numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGBREAK]
            before = [signal.getsignal(number) for number in numbers]
            factory = getattr(windows, sys.argv[1], None)
            fastask.run(fastask.sleep, 0, loop_factory=factory)
            after = [signal.getsignal(number) for number in numbers]
            say(before == after, signal.set_wakeup_fd(-1))
            """,
            loop,
        )

        assert finish(program) == (0, ["True -1"])


TREES = """
import fastask
class Noted(fastask.GenServer):
    def init(self, name):
        fastask.trap_exit(True)
        self.name = name
    def terminate(self, reason):
        print("stop", self.name, reason, flush=True)
async def ready():
    print("ready", flush=True)
    await fastask.sleep(None)
tree = [Noted.child_spec(name, id=name) for name in "ab"] + [ready]
"""


class TestCommandLine:
    @pytest.mark.parametrize("number", SIGNALS)
    @pytest.mark.parametrize("winloop", [True, False])
    def test_stops_the_tree_in_order(
        self, start: Start, tmp_path: Path, winloop: bool, number: int
    ) -> None:
        (tmp_path / "trees.py").write_text(TREES, encoding="utf-8")
        program = start(
            """
            import runpy
            runpy.run_module("fastask", run_name="__main__")
            """,
            "run",
            "--log-level=ERROR",
            "trees:tree",
            winloop=winloop,
        )
        wait_for(program, "ready")
        program.send_signal(number)

        assert finish(program) == (0, ["stop b shutdown", "stop a shutdown"])
