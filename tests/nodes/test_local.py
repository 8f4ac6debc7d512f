"""The engine of worker processes, and what `connect` refuses."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fastask
from fastask import Address, GenServer, TaskSupervisor
from tests.nodes import there

pytestmark = pytest.mark.usefixtures("bare_main")

PROGRAM = """
import os, signal, sys, time
import fastask

async def stay() -> None:
    await fastask.sleep(3600)

async def pid() -> int:
    return os.getpid()

async def main() -> None:
    async with fastask.connect(workers=2, name="app@host"):
        for name in fastask.nodes():
            tasks = fastask.TaskSupervisor.ref("task_supervisor", name)
            print(await tasks.async_(pid), flush=True)
            tasks.async_(stay)
        await fastask.sleep(3600)

if __name__ == "__main__":
    fastask.run(main)
"""


@pytest.fixture
def program(tmp_path: Path) -> subprocess.Popen[str]:
    """A program with two workers, which has told their pids."""
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(PROGRAM))
    return subprocess.Popen(
        [sys.executable, str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


RETURNS = """
import asyncio, os, sys
import fastask

async def pid() -> int:
    return os.getpid()

async def main() -> None:
    await fastask.connect(workers=2, name="app@host")
    for name in fastask.nodes():
        tasks = fastask.TaskSupervisor.ref("task_supervisor", name)
        print(await tasks.async_(pid), flush=True)
        tasks.async_(fastask.sleep, 3600)

if __name__ == "__main__":
    asyncio.run(main()) if sys.argv[1] == "asyncio" else fastask.run(main)
"""


def pids_of(program: subprocess.Popen[str]) -> list[int]:
    assert program.stdout is not None
    return [int(program.stdout.readline()) for _ in range(2)]


def wait_for_the_end_of(pids: list[int]) -> None:
    """Wait until no such process is left; one of them cannot be waited for."""
    import time

    deadline = time.monotonic() + 10
    while any(is_there(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0] != "Z"
    except OSError:
        return False


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")


@on_linux
@pytest.mark.slow
class TestTheEnd:
    def test_workers_end_with_a_parent_that_is_killed(
        self, program: subprocess.Popen[str]
    ) -> None:
        pids = pids_of(program)

        program.kill()
        program.communicate()

        wait_for_the_end_of(pids)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_to_all_of_the_group_ends_all_in_order(
        self, program: subprocess.Popen[str], number: signal.Signals
    ) -> None:
        pids = pids_of(program)

        if number == signal.SIGINT and sys.platform != "win32":
            os.killpg(program.pid, number)  # as a terminal does
        else:
            program.send_signal(number)
        _, errors = program.communicate(timeout=10)

        wait_for_the_end_of(pids)
        assert program.returncode in (-number, 128 + number, 1)
        assert "crashed" not in errors
        assert "Killed" not in errors


@on_linux
@pytest.mark.slow
@pytest.mark.parametrize("run_by", ["fastask", "asyncio"])
def test_a_program_that_returns_without_leaving_ends_in_order(
    tmp_path: Path, run_by: str
) -> None:
    file = tmp_path / "returns.py"
    file.write_text(RETURNS)

    outcome = subprocess.run(
        [sys.executable, str(file), run_by],
        capture_output=True,
        text=True,
        timeout=20,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )

    assert outcome.stderr == ""
    wait_for_the_end_of([int(line) for line in outcome.stdout.split()])


class TestNames:
    async def test_workers_are_named_after_this_node(self) -> None:
        async with fastask.connect(workers=2, name="a@b") as node:
            assert repr(node) == "<Node a@b>"
            assert fastask.node() == "a@b"
            assert fastask.nodes() == ["a@b/0", "a@b/1"]

        assert fastask.node() == "nonode@nohost"

    async def test_it_is_awaited_and_stopped(self) -> None:
        node = await fastask.connect(workers=1)

        assert fastask.nodes() == [f"{fastask.node()}/0"]
        await node.stop()
        assert fastask.nodes() == []

    async def test_another_cluster_can_follow(self) -> None:
        for _ in range(2):
            async with fastask.connect(workers=1):
                assert len(fastask.nodes()) == 1


class TestApp:
    async def test_none_is_a_task_supervisor(self) -> None:
        async with fastask.connect(workers=1):
            for name in (fastask.node(), *fastask.nodes()):
                tasks = TaskSupervisor.ref("task_supervisor", name)
                assert await tasks.async_(there.where) == (0, name)

    async def test_one_of_the_caller_is_used(self) -> None:
        async with (
            TaskSupervisor(name="task_supervisor") as mine,
            fastask.connect(workers=1),
        ):
            assert fastask.whereis("task_supervisor") is mine.process

    async def test_it_may_be_children(self) -> None:
        app = [there.Counter.child_spec(5, name="counter")]

        async with fastask.connect(workers=1, app=app):
            for name in (fastask.node(), *fastask.nodes()):
                assert await GenServer.call(Address("counter", name), "number") == 5

    async def test_it_may_be_the_name_of_a_function(self) -> None:
        async with fastask.connect(workers=1, app="tests.nodes.there:app"):
            (name,) = fastask.nodes()
            assert await GenServer.call(Address("counter", name), "number") == 0

    @pytest.mark.usefixtures("crashes")
    async def test_one_that_does_not_start_is_an_error(self) -> None:
        with pytest.raises(fastask.WorkerError, match="exit code 1 before it was up"):
            await fastask.connect(workers=1, app="tests.nodes.there:broken_there")

        assert fastask.node() == "nonode@nohost"

    async def test_one_that_does_not_exist_is_an_error(self) -> None:
        with pytest.raises(AttributeError, match="nothing"):
            await fastask.connect(workers=1, app="tests.nodes.there:nothing")


class TestArguments:
    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            (
                {"engine": "carrier pigeon"},
                ValueError,
                "engine must be one of 'local', 'd",
            ),
            ({"workers": 0}, ValueError, "workers must be an integer >= 1, got 0"),
            ({"workers": "2"}, TypeError, "workers must be an integer >= 1, got '2'"),
            ({"name": ""}, ValueError, "name must not be empty"),
            ({"name": 1}, TypeError, "name must be a string, got 1"),
            ({"net_ticktime": 0}, ValueError, "net_ticktime must be .* >= 0.1"),
            ({"net_ticktime": "1"}, TypeError, "net_ticktime must be a number"),
            ({"app": [lambda: None]}, TypeError, "app must be picklable"),
        ],
    )
    def test_wrong_ones_are_refused_at_once(
        self, options: dict[str, Any], error: type[Exception], words: str
    ) -> None:
        with pytest.raises(error, match=words):
            fastask.connect(**options)

    @pytest.mark.parametrize("option", ["join", "security"])
    async def test_local_joins_nothing(self, option: str) -> None:
        options: dict[str, Any] = {option: "x"}
        with pytest.raises(
            ValueError, match=f"{option} must be None for engine='local'"
        ):
            await fastask.connect(workers=1, **options)

    async def test_a_node_is_in_one_cluster(self) -> None:
        async with fastask.connect(workers=1, name="a@b"):
            with pytest.raises(fastask.AlreadyStartedError, match="already, as a@b"):
                await fastask.connect(workers=1)

    async def test_monitor_nodes_needs_a_cluster(self) -> None:
        with pytest.raises(RuntimeError, match="in no cluster"):
            fastask.monitor_nodes(True)
        with pytest.raises(TypeError, match="flag must be True or False"):
            fastask.monitor_nodes(1)  # type: ignore[arg-type]  # on purpose


@pytest.mark.usefixtures("crashes")
class TestSupervision:
    async def test_one_that_ends_too_often_ends_the_cluster(self) -> None:
        async def connected() -> None:
            await fastask.connect(workers=1)
            fastask.send(me, "up")
            await fastask.sleep(3600)

        me = fastask.self_()
        process, ref = fastask.spawn_monitor(connected)
        await fastask.receive(str)
        (name,) = fastask.nodes()
        fastask.monitor_nodes(True)
        for _ in range(4):
            os.kill(
                await TaskSupervisor.ref("task_supervisor", name).async_(there.pid), 9
            )
            await fastask.receive(fastask.NodeDown)
            if _ < 3:
                await fastask.receive(fastask.NodeUp, timeout=10)

        assert (await fastask.receive(ref, timeout=10)).reason is fastask.SHUTDOWN
        assert process.alive is False

    async def test_a_program_that_ends_leaves_no_worker(self) -> None:
        node = await fastask.connect(workers=1)
        (name,) = fastask.nodes()
        pid = await TaskSupervisor.ref("task_supervisor", name).async_(there.pid)
        assert node.process is not None

        fastask.unlink(node.process)
        left = [p for p in fastask.processes() if p is not fastask.self_()]
        refs = [fastask.monitor(process) for process in left]
        fastask.exit(node.process, fastask.KILL)

        for ref in refs:
            await fastask.receive(ref)
        assert fastask.node() == "nonode@nohost"
        if sys.platform == "linux":
            await asyncio.get_running_loop().run_in_executor(
                None, wait_for_the_end_of, [pid]
            )


class TestTurns:
    def test_who_exits_the_program_for_a_message_exits_it(
        self, loop_factory: Callable[[], asyncio.AbstractEventLoop]
    ) -> None:
        """A loop takes an error where it brings data for one of the connection."""
        seen = []

        async def exits() -> None:
            await fastask.receive()
            seen.append(fastask.nodes())
            raise SystemExit(3)

        async def main() -> None:
            async with fastask.connect(workers=1):
                (node,) = fastask.nodes()
                tasks = TaskSupervisor.ref("task_supervisor", node)
                echo = await tasks.start_child(there.echo)
                process = fastask.spawn(exits)
                fastask.send(echo, (process, "go"))
                await fastask.sleep(20)

        with pytest.raises(SystemExit) as caught:
            fastask.run(main, loop_factory=loop_factory)

        assert caught.value.code == 3
        assert len(seen) == 1
