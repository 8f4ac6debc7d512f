"""TaskRunner: many tasks and one deadline, in any process that handles messages."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from enum import Enum
from typing import Any, Final, Literal, Self, TypeVar

from fastask._core.collect import ignore
from fastask._core.errors import NotOwnerError
from fastask._core.message import Down, Failed, Ok, Reply, Timeout
from fastask._core.process import Process
from fastask._core.reason import KILL
from fastask._core.receive import receive, receive_nowait
from fastask._core.ref import Ref
from fastask._core.start import check_function, check_many, check_seconds
from fastask._core.task import Task
from fastask._core.timer import Timer, start_timer
from fastask._core.verb import demonitor, exit, hush, self_
from fastask.task_supervisor import RemoteTaskSupervisor, TaskSupervisor

__all__ = ["RunnerFailed", "RunnerOk", "TaskRunner"]

T = TypeVar("T")

Spec = tuple[Any, ...]
"""A task supervisor (or its name), a function and its arguments."""


class RunnerTimeout(Enum):
    """The type of `TaskRunner.TIMEOUT`."""

    TIMEOUT = "timeout"

    def __repr__(self) -> str:
        return "TaskRunner.TIMEOUT"


class RunnerOk(Ok[T]):
    """An `Ok` of a `TaskRunner`, equal to a plain one of the same value.

    Attributes:
        task: The task.
        index: The place of its specification in the list.
    """

    task: Task[Any]
    index: int

    def __init__(self, value: T, task: Task[Any], index: int) -> None:
        super().__init__(value)
        self.task = task
        self.index = index

    def __eq__(self, other: object) -> bool:
        return self.value == other.value if isinstance(other, Ok) else NotImplemented

    def __hash__(self) -> int:
        return hash(Ok(self.value))


class RunnerFailed(Failed):
    """A `Failed` of a `TaskRunner`, equal to a plain one of the same reason.

    Attributes:
        task: The task.
        index: The place of its specification in the list.
    """

    task: Task[Any]
    index: int

    def __init__(self, reason: Any, task: Task[Any], index: int) -> None:
        super().__init__(reason)
        self.task = task
        self.index = index

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Failed):
            return bool(self.reason == other.reason)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(Failed(self.reason))


Event = RunnerOk[Any] | RunnerFailed | Literal[RunnerTimeout.TIMEOUT]


class TaskRunner:
    """Tasks under supervisors, whose results its owner takes out of its own messages.

    It receives nothing by itself: the owner gives it each message, from a receive loop
    or from `handle_info`, and is told what it means. The tasks are monitored, not
    linked: one that fails harms nobody, and they outlive their owner.

    After the last result, the timeout or `stop`, no message of the run is in the
    mailbox, and none arrives.

    Example:
        ```python
        import fastask
        from fastask import Failed, Ok, TaskRunner, TaskSupervisor

        async def compute(x: int) -> int:
            if x <= 0:
                raise ValueError(x)
            await fastask.sleep(x / 1000)
            return x

        async def main() -> None:
            async with TaskSupervisor() as tasks:
                specs = [(tasks, compute, x) for x in (3, 2, 60_000)]
                runner = TaskRunner.run(specs, timeout=0.1)
                total = 0
                while not runner.done:
                    match runner.handle_message(await fastask.receive()):
                        case Ok(value):
                            total += value
                        case Failed():
                            pass
                        case TaskRunner.TIMEOUT:
                            print("only", total)
                assert total == 5
                runner.stop()

        fastask.run(main)
        ```

    Elixir: the `TaskRunner` of "Beyond Task.Async".
    """

    TIMEOUT: Final = RunnerTimeout.TIMEOUT

    def __init__(self) -> None:
        """Refuse: a runner is made by `run`."""
        raise TypeError("a TaskRunner is made by TaskRunner.run()")

    _owner: Process[Any]
    _tasks: dict[Ref, tuple[int, Task[Any]]]
    _left: dict[Ref, tuple[int, Task[Any]]]
    _timer: Timer | None
    _done: bool

    @classmethod
    def run(cls, specs: Iterable[Spec], timeout: float | None = 5.0) -> Self:
        """Start the tasks, owned by the caller, and the time for all of them.

        Args:
            specs: Tuples of a `TaskSupervisor` (or the name of one), a function and its
                arguments. Each may name another supervisor.
            timeout: Seconds for all together, or None for no limit.

        Returns:
            The runner.

        Raises:
            TypeError: If a specification is of a wrong form.
            ValueError: If `timeout` is negative.
            UnknownNameError: If nobody has the name of a supervisor.
            NoProcessError: If a supervisor has ended.
            MaxChildrenError: If one is full. What was started before such an error is
                killed.
        """
        check_many("specs", specs, "specifications")
        if timeout is not None:
            check_seconds("timeout", timeout)
        checked = [_check(spec) for spec in specs]
        runner = cls.__new__(cls)
        runner._owner = self_()
        runner._tasks = {}
        runner._left = {}
        runner._done = False
        runner._timer = None
        if timeout is not None:
            runner._timer = start_timer(timeout, runner._owner, cls.TIMEOUT)
        try:
            for index, (supervisor, fn, args) in enumerate(checked):
                task = supervisor.async_nolink(fn, *args)
                runner._tasks[task.ref] = (index, task)
        except BaseException:  # raised again
            runner.stop(kill=True)
            raise
        if not runner._tasks:
            runner._finish()
        return runner

    @property
    def done(self) -> bool:
        """Whether all results are in, time ran out, or it was stopped."""
        return self._done

    def handle_message(self, message: Any) -> Event | None:
        """Tell what a message that the owner received means to the run.

        Args:
            message: Any message.

        Returns:
            None when it is no message of the run. `Ok(value)` or `Failed(reason)`, with
            `.task` and `.index`, when a task ended. `TaskRunner.TIMEOUT` when time ran
            out; what has not ended then runs on, unless `stop` is called.

        Raises:
            NotOwnerError: If the caller is not the process that called `run`.
        """
        self._check_owner()
        if self._done:
            return None
        match message:
            case Reply(ref, value):
                return self._ended(ref, Ok(value))
            case (Ref() as ref, value):
                return self._ended(ref, Ok(value))
            case Down(ref=ref, reason=reason):
                return self._ended(ref, Failed(reason))
            case Timeout(ref=ref) if self._timer and ref is self._timer.ref:
                self._left, self._tasks = self._tasks, {}
                for _, task in self._left.values():
                    ignore(task)
                self._finish()
                return self.TIMEOUT
        return None

    def stop(self, kill: bool = True) -> None:
        """End the run: nothing of it arrives any more.

        Args:
            kill: Whether to kill the tasks that have not ended; also after a timeout.

        Raises:
            NotOwnerError: If the caller is not the process that called `run`.
        """
        self._check_owner()
        left = {**self._left, **self._tasks}
        self._left, self._tasks = {}, {}
        for ref, (_, task) in left.items():
            if kill and task.process is not None:
                hush(task.process)
                exit(task.process, KILL)
            demonitor(ref, flush=True)
            ignore(task)
        self._finish()

    def __aiter__(self) -> Self:
        """Iterate over the events, taking the run's messages out of the mailbox."""
        return self

    async def __anext__(self) -> Event:
        """Return the next event; other messages stay where they are."""
        self._check_owner()
        while not self._done:
            event = self.handle_message(await receive(self._is_ours))
            if event is not None:
                return event
        raise StopAsyncIteration

    def __repr__(self) -> str:
        state = "done" if self._done else f"{len(self._tasks)} tasks left"
        return f"<TaskRunner of {self._owner!r}, {state}>"

    def _check_owner(self) -> None:
        if self_() is not self._owner:
            raise NotOwnerError(
                f"only the owner {self._owner!r} may use {self!r}, and {self_()!r} is "
                "another process"
            )

    def _is_ours(self, message: Any) -> bool:
        match message:
            case Timeout(ref=ref):
                return self._timer is not None and ref is self._timer.ref
            case Reply(ref, _) | Down(ref=ref) | (Ref() as ref, _):
                return ref in self._tasks
        return False

    def _ended(
        self, ref: Ref, outcome: Ok[Any] | Failed
    ) -> RunnerOk[Any] | RunnerFailed | None:
        index, task = self._tasks.pop(ref, (0, None))
        if task is None:
            return None
        demonitor(ref, flush=True)
        if not self._tasks:
            self._finish()
        if isinstance(outcome, Ok):
            return RunnerOk(outcome.value, task, index)
        return RunnerFailed(outcome.reason, task, index)

    def _finish(self) -> None:
        self._done = True
        if self._timer is not None:
            self._timer.cancel()
            receive_nowait(self._timer.ref, default=None)
            self._timer = None


def _check(
    spec: Any,
) -> tuple[TaskSupervisor | RemoteTaskSupervisor, Callable[..., Any], tuple[Any, ...]]:
    if not isinstance(spec, tuple) or len(spec) < 2:
        raise TypeError(
            "a specification must be a tuple of a task supervisor, a function and its "
            f"arguments, got {spec!r}"
        )
    supervisor, fn, *args = spec
    if not isinstance(supervisor, TaskSupervisor | RemoteTaskSupervisor):
        if supervisor is None or not isinstance(supervisor, Hashable):
            raise TypeError(
                "a specification must begin with a task supervisor or the name of one, "
                f"got {supervisor!r}"
            )
        supervisor = TaskSupervisor.ref(supervisor)
    check_function(fn)
    return supervisor, fn, tuple(args)
