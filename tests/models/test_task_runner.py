"""A TaskRunner against a model of its tasks, its one timer and its owner's mailbox.

Tasks of two supervisors return, fail, end or are killed in any order, messages of
others come in between, time passes, and the owner stops the run or lets it time out.
Whatever it does: each task is told of once, in order of arrival, nothing of a run that
is done is in the mailbox, and the messages of others stay.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import fastask
from fastask import (
    KILL,
    KILLED,
    NORMAL,
    Exit,
    Failed,
    Ok,
    Process,
    Reply,
    TaskRunner,
    TaskSupervisor,
)
from tests.models.play import mix, programs
from tests.models.virtual import play_in_virtual_time

ERROR = ValueError("boom")
LIMIT = 100
ENDS: dict[str, Any] = {
    "ok": Ok("done"),
    "fail": Failed(ERROR),
    "leave": Failed(NORMAL),
    "kill": Failed(KILLED),
}
NOTHING = object()


class Model:
    """What is in the mailbox: pairs of an index and an outcome, notes, the timeout."""

    def __init__(self, count: int, limit: int | None) -> None:
        self.running = set(range(count))  # of which nothing is told yet
        self.ended: set[int] = set()
        self.mailbox: list[Any] = []
        self.left: int | None = limit  # how much time, None when there is no timer
        self.done = False
        self.killed: set[int] = set()
        self.check_done()

    def check_done(self) -> None:
        if not self.running:
            self.finish()

    def finish(self) -> None:
        self.done = True
        self.left = None
        self.mailbox = [m for m in self.mailbox if m[0] == "note"]

    def end(self, index: int, how: str) -> None:
        """A task ends, and its owner is told, if it still waits for that."""
        self.ended.add(index)
        if not self.done and index in self.running:
            self.mailbox.append(("ended", index, ENDS[how]))

    def pass_time(self, seconds: int) -> None:
        if self.left is None:
            return
        self.left -= seconds
        if self.left <= 0:  # every command takes a little, too
            self.left = None
            self.mailbox.append(("timeout",))

    def take(self) -> Any:
        """Receive the oldest message and say what it means."""
        if not self.mailbox:
            return NOTHING
        what, *rest = self.mailbox.pop(0)
        if what == "note":
            return None
        if what == "timeout":
            self.finish()
            return TaskRunner.TIMEOUT
        index, outcome = rest
        self.running.discard(index)
        self.check_done()
        return index, outcome

    def stop(self, kill: bool) -> None:
        self.finish()
        if kill:
            self.ended |= self.running
        self.running.clear()


class Game:
    """Runs one after another, each beside its model."""

    def __init__(self, supervisors: list[TaskSupervisor]) -> None:
        self.supervisors = supervisors
        self.processes: list[Process[Any]] = []
        self.runner: TaskRunner | None = None
        self.model = Model(0, None)
        self.others: list[Process[Any]] = []

    async def work(self, index: int) -> str:
        self.processes[index] = fastask.self_()
        match await fastask.receive():
            case "fail":
                raise ERROR
            case "leave":
                raise Exit(NORMAL)
        return "done"

    async def run(self, count: int, limited: bool) -> None:
        """Begin a run; what an older one has left running ends."""
        if self.runner is not None:
            self.runner.stop()
        for process in self.processes:
            fastask.exit(process, KILL)
        self.processes = [fastask.self_()] * count
        limit = LIMIT if limited else None
        specs = [(self.supervisors[i % 2], self.work, i) for i in range(count)]
        self.runner = TaskRunner.run(specs, timeout=limit)
        notes = [message for message in self.model.mailbox if message[0] == "note"]
        self.model = Model(count, limit)
        self.model.mailbox = notes
        await fastask.sleep(0.001)

    async def end(self, number: int, how: str) -> None:
        alive = sorted(set(range(len(self.processes))) - self.model.ended)
        if not alive:
            return
        index = alive[number % len(alive)]
        if how == "kill":
            fastask.exit(self.processes[index], KILL)
        else:
            fastask.send(self.processes[index], how)
        self.model.end(index, how)

    async def note(self, kind: str) -> None:
        """A message of somebody else, which may look like one of a run."""
        ref = fastask.make_ref()
        fastask.send(
            fastask.self_(),
            {
                "str": "note",
                "reply": Reply(ref, "fake"),
                "down": fastask.Down(ref, fastask.self_(), "fake"),
                "timeout": fastask.Timeout(ref, TaskRunner.TIMEOUT),
            }[kind],
        )
        self.model.mailbox.append(("note",))

    async def sleep(self, seconds: int) -> None:
        await fastask.sleep(seconds)
        self.model.pass_time(seconds)

    async def take(self) -> None:
        """Give the oldest message to the runner, which tells what it means."""
        message = fastask.receive_nowait(default=NOTHING)
        expected = self.model.take()
        assert (message is NOTHING) == (expected is NOTHING)
        if message is NOTHING or self.runner is None:
            return
        event: Any = self.runner.handle_message(message)
        if isinstance(expected, tuple):
            assert (event.index, event) == expected
        else:
            assert event is expected

    async def stop(self, kill: bool) -> None:
        if self.runner is not None and not self.model.done:
            self.runner.stop(kill=kill)
            self.model.stop(kill)

    def compare(self) -> None:
        info = fastask.process_info(fastask.self_())
        assert info is not None
        # A reply is followed by its Down, which the runner takes along with it.
        told = [m for m in info.messages if not self.is_second(m, info.messages)]
        assert len(told) == len(self.model.mailbox)
        if self.runner is not None:
            assert self.runner.done == self.model.done
        assert [process.alive for process in self.processes] == [
            index not in self.model.ended for index in range(len(self.processes))
        ]

    def is_second(self, message: Any, messages: list[Any]) -> bool:
        return isinstance(message, fastask.Down) and any(
            isinstance(other, Reply) and other.ref is message.ref for other in messages
        )


commands = mix(
    st.tuples(st.just("run"), st.integers(0, 6), st.booleans()),
    *[st.tuples(st.just("end"), st.integers(0, 5), st.sampled_from(list(ENDS)))] * 4,
    *[st.tuples(st.just("take"))] * 4,
    st.tuples(st.just("note"), st.sampled_from(["str", "reply", "down", "timeout"])),
    *[st.tuples(st.just("sleep"), st.integers(0, 60))] * 2,
    st.tuples(st.just("stop"), st.booleans()),
)


@given(st.integers(0, 2**32), programs(commands))
def test_a_runner_tells_of_each_task_once_and_leaves_nothing(
    seed: int, program: list[tuple[Any, ...]]
) -> None:
    async def main() -> None:
        async with TaskSupervisor() as one, TaskSupervisor() as other:
            game = Game([one, other])
            for name, *args in program:
                await getattr(game, name)(*args)
                await fastask.sleep(0.001)
                game.compare()

    play_in_virtual_time(main, seed)
