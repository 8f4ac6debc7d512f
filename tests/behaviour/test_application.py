"""`fastask.run` of a supervision tree, and `python -m fastask run`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import fastask
from fastask import GenServer, Supervisor, TaskSupervisor, application

Run = Callable[..., Any]

# How one program asks another to stop: on Windows it asks a whole process group.
if sys.platform == "win32":
    STOPS = [signal.CTRL_BREAK_EVENT]
    STOPPED_HARD = 128 + signal.SIGBREAK
    FLAGS = subprocess.CREATE_NEW_PROCESS_GROUP
else:
    STOPS = [signal.SIGTERM, signal.SIGINT]
    STOPPED_HARD = 128 + signal.SIGTERM
    FLAGS = 0

PROGRAM = """
import os, signal, sys
import fastask

class Noted(fastask.GenServer):
    def init(self, name, stubborn=False):
        fastask.trap_exit(True)
        self.name, self.stubborn = name, stubborn
        print("start", name, flush=True)

    async def terminate(self, reason):
        print("stop", self.name, reason, flush=True)
        if self.stubborn:
            await fastask.sleep(60)

class Crashing(fastask.GenServer):
    def init(self):
        fastask.send(fastask.self_(), "crash")

    def handle_info(self, message):
        raise ValueError(message)

class Broken(fastask.GenServer):
    def init(self):
        raise ValueError("broken from the start")

async def ready():
    print("ready", flush=True)
    await fastask.sleep(None)

def spec(name, **options):
    return Noted.child_spec(name, id=name, **options)

tree = fastask.Supervisor([spec("a"), spec("b"), ready])
children = [spec("a"), ready]
stubborn = fastask.Supervisor([
    fastask.ChildSpec("s", Noted.start_link, ("s", True), shutdown=0.05), ready,
])
very_stubborn = fastask.Supervisor([
    fastask.ChildSpec("s", Noted.start_link, ("s", True), shutdown=None), ready,
])
gives_up = fastask.Supervisor([spec("a"), Crashing])
broken = fastask.Supervisor([spec("a"), Broken])
nothing = 42

def make():
    return fastask.Supervisor([spec("a"), ready])

async def end_by_itself():
    pass

by_itself = fastask.Supervisor(
    [fastask.child_spec(end_by_itself, restart="transient", significant=True)],
    auto_shutdown="any_significant",
)

if __name__ == "__main__":
    fastask.run(globals()[sys.argv[1]])
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A file with trees to run."""
    file = tmp_path / "trees.py"
    file.write_text(PROGRAM)
    return file


@contextmanager
def started(program: Path, *command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command beside the program, and leave nothing of it."""
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=program.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        creationflags=FLAGS,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], line: str) -> list[str]:
    """Read what a process prints up to a line."""
    assert process.stdout is not None
    lines = list[str]()
    for read in process.stdout:
        lines.append(read.strip())
        if lines[-1].startswith(line):
            return lines
    raise AssertionError(f"never printed {line!r}: {lines}")


def finish(process: subprocess.Popen[str]) -> tuple[int, list[str], str]:
    """Wait for the end; return the status, the rest of the output, and the errors."""
    out, err = process.communicate(timeout=30)
    return process.returncode, out.split("\n")[:-1], err


ORDERLY = ["stop b shutdown", "stop a shutdown"]


@pytest.mark.slow
class TestSignals:
    @pytest.mark.parametrize("number", STOPS)
    def test_stop_the_children_in_reverse_order_and_exit_with_0(
        self, program: Path, number: int
    ) -> None:
        with started(program, "trees.py", "tree") as process:
            began = read_until(process, "ready")
            process.send_signal(number)
            status, out, err = finish(process)

        assert began == ["start a", "start b", "ready"]
        assert (status, out, err) == (0, ORDERLY, "")

    @pytest.mark.parametrize("number", STOPS)
    def test_do_the_same_to_the_command(self, program: Path, number: int) -> None:
        with started(program, "-m", "fastask", "run", "trees:tree") as process:
            read_until(process, "ready")
            process.send_signal(number)
            status, out, _ = finish(process)

        assert (status, out) == (0, ORDERLY)

    def test_leave_a_child_its_time_and_log_that_it_was_killed(
        self, program: Path
    ) -> None:
        with started(program, "-m", "fastask", "run", "trees:stubborn") as process:
            read_until(process, "ready")
            process.send_signal(STOPS[0])
            status, out, err = finish(process)

        assert (status, out) == (0, ["stop s shutdown"])
        assert "child 's'" in err
        assert "did not stop within 0.05 s" in err

    def test_stop_hard_when_a_second_one_comes(self, program: Path) -> None:
        with started(program, "trees.py", "very_stubborn") as process:
            read_until(process, "ready")
            process.send_signal(STOPS[0])
            read_until(process, "stop s")
            process.send_signal(STOPS[0])
            status, _, _ = finish(process)

        assert status == STOPPED_HARD


@pytest.mark.slow
class TestCommand:
    def test_exits_with_1_when_the_tree_gives_up(self, program: Path) -> None:
        with started(program, "-m", "fastask", "run", "trees:gives_up") as process:
            status, out, err = finish(process)

        assert status == 1
        assert out == ["start a", "stop a shutdown"]
        assert "gives up" in err

    def test_exits_with_1_when_the_tree_does_not_start(self, program: Path) -> None:
        with started(program, "-m", "fastask", "run", "trees:broken") as process:
            status, out, err = finish(process)

        assert status == 1
        assert out == ["start a", "stop a shutdown"]
        assert "broken from the start" in err

    def test_exits_with_0_when_the_tree_ends_as_it_should(self, program: Path) -> None:
        with started(program, "-m", "fastask", "run", "trees:by_itself") as process:
            status, _, _ = finish(process)

        assert status == 0

    @pytest.mark.parametrize("target", ["trees:children", "trees:make"])
    def test_takes_a_list_of_children_and_a_function(
        self, program: Path, target: str
    ) -> None:
        with started(program, "-m", "fastask", "run", target) as process:
            read_until(process, "ready")
            process.send_signal(STOPS[0])
            status, out, _ = finish(process)

        assert (status, out) == (0, ["stop a shutdown"])

    @pytest.mark.parametrize(
        ("target", "message"),
        [
            ("trees", "target must be MODULE:ATTRIBUTE, got 'trees'"),
            ("trees:missing", "has no attribute 'missing'"),
            ("missing:tree", "No module named 'missing'"),
            ("trees:nothing", "trees:nothing must be a supervisor"),
        ],
    )
    def test_exits_with_2_when_there_is_no_such_tree(
        self, program: Path, target: str, message: str
    ) -> None:
        with started(program, "-m", "fastask", "run", target) as process:
            status, _, err = finish(process)

        assert status == 2
        assert message in err
        assert "Traceback" not in err


class Crashing(GenServer):
    def init(self) -> None:
        fastask.send(fastask.self_(), "crash")

    def handle_info(self, message: object) -> None:
        raise ValueError(message)


async def stop_by_name() -> None:
    await Supervisor.ref("tree").stop()


class TestRun:
    def test_returns_when_the_tree_was_stopped(self, run: Run) -> None:
        # A child cannot wait for the end of its own supervisor.
        async def ask() -> None:
            fastask.start(stop_by_name)

        tree = Supervisor([fastask.child_spec(ask)], name="tree")

        assert run(tree) is None

    def test_exits_with_1_when_the_tree_gives_up(self, run: Run) -> None:
        with pytest.raises(SystemExit) as caught:
            run(Supervisor([Crashing], max_restarts=0))

        assert caught.value.code == 1

    def test_raises_when_the_tree_does_not_start(self, run: Run) -> None:
        def refuse() -> None:
            raise ValueError("no")

        tree = Supervisor([fastask.ChildSpec("refuse", refuse)])

        with pytest.raises(fastask.StartError) as caught:
            run(tree)
        assert caught.value.child_id == "refuse"

    def test_takes_a_task_supervisor_too(self, run: Run) -> None:
        tasks = TaskSupervisor(name="tree", max_restarts=0)

        async def crash() -> None:
            raise ValueError("crash")

        async def start() -> None:
            TaskSupervisor.ref("tree").start_child(crash, restart="permanent")

        helper = fastask.child_spec(start)
        with pytest.raises(SystemExit):
            run(Supervisor([tasks, helper], max_restarts=0))


class TestLoadTree:
    def test_finds_an_attribute_of_an_attribute(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "nested_trees.py").write_text(
            "import fastask\nclass App:\n    tree = fastask.Supervisor([], name='t')\n"
        )
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(str(tmp_path))

        tree = application.load_tree("nested_trees:App.tree")

        assert tree.name == "t"
