"""Task supervisors: tasks that do not end unseen, and stop with the part they serve."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from typing import Any, ClassVar, Self, overload

from fastask._core.answer import Stop
from fastask._core.children import Child, Children
from fastask._core.errors import ChildNotFoundError
from fastask._core.message import Exited, Failed, Ok
from fastask._core.process import Process, function_name
from fastask._core.reason import SHUTDOWN
from fastask._core.request import GenCall
from fastask._core.supervise import Supervising, check_child
from fastask._core.verb import self_, send, trap_exit
from fastask._nodes.task_supervisor import RemoteTaskSupervisor
from fastask._report import report_giving_up, report_restart, report_start_failure
from fastask._service import Service
from fastask._supervision import (
    ChildCount,
    ChildInfo,
    Intensity,
    check_intensity,
    check_max_children,
    check_name,
    stop_processes,
)
from fastask.gen_server import GenServer

__all__ = ["RemoteTaskSupervisor", "TaskSupervisor"]

_LOGGER = logging.getLogger("fastask")


class TaskSupervisor(Supervising, Service["TaskSupervisorServer"]):
    """Starts tasks as its children: they stop when it does, and none is forgotten.

    In its own event loop a start is an entry in a table, and no message. Tasks of
    `async_` and `async_nolink` are never restarted; those of `start_child` are when
    they were started with a restart type that says so.

    Args:
        name: A name or a `Via`.
        max_children: How many it may have, or None for no limit.
        max_restarts: How many restarts are allowed,
        max_seconds: within how many seconds, before it stops all and ends.

    Raises:
        TypeError: If an option is of a wrong type.
        ValueError: If an option has no such value.

    Example:
        ```python
        import fastask

        async def double(x: int) -> int:
            return 2 * x

        async def main() -> None:
            async with fastask.TaskSupervisor(name="tasks"):
                tasks = fastask.TaskSupervisor.ref("tasks")
                assert await tasks.async_(double, 21) == 42

        fastask.run(main)
        ```

    Elixir: `Task.Supervisor`.
    """

    _server: ClassVar[type]

    def __init__(
        self,
        *,
        name: Hashable | None = None,
        max_children: int | None = None,
        max_restarts: int = 3,
        max_seconds: float = 5.0,
    ) -> None:
        """Check everything; nothing starts."""
        check_name(name)
        check_max_children(max_children)
        check_intensity(max_restarts, max_seconds)
        self.name = name
        self.max_children = max_children
        self.max_restarts = max_restarts
        self.max_seconds = max_seconds

    @overload
    @classmethod
    def ref(cls, name: Hashable, node: None = None) -> Self: ...
    @overload
    @classmethod
    def ref(cls, name: Hashable, node: str) -> RemoteTaskSupervisor: ...
    @classmethod
    def ref(
        cls, name: Hashable, node: str | None = None
    ) -> Self | RemoteTaskSupervisor:
        """Return an object for a supervisor that runs and has that name.

        The name is looked up at every use. Without a node, that raises
        `UnknownNameError` when nobody has it then.

        Args:
            name: A registered name or a `Via`.
            node: The node where it runs, this one too; then verbs that return a value
                are awaited. None means this one.

        Elixir: `{name, node}`.
        """
        if node is not None:
            return RemoteTaskSupervisor(name, node)
        return super().ref(name)

    def _resolve(self) -> Children:
        table = self._served().table
        if self._dest is not None:
            name = table.supervisor.name
            self.table: Children | None = None if name is None else table
            self.known_as: object = name
        return table

    async def terminate_child(self, p: Process[Any]) -> None:
        """Stop a child: `SHUTDOWN`, and the kill after its time; wait for its end.

        Raises:
            ChildNotFoundError: If that is no child that lives.
            NoProcessError: If the supervisor has ended.

        Elixir: `Task.Supervisor.terminate_child/2`.
        """
        await self._ask("terminate_child", p)

    def children(self) -> list[Process[Any]]:
        """Return the processes of the children that live, in no promised order.

        Raises:
            NoProcessError: If the supervisor has ended.
            UnknownNameError: If nobody has the name.

        Elixir: `Task.Supervisor.children/1`.
        """
        return [child.process for child in self._resolve().alive()]

    def which_children(self) -> list[ChildInfo]:
        """Return the children; their `id` is None. See `children`.

        Elixir: `DynamicSupervisor.which_children/1`.
        """
        return self._served()._get_state()

    def count_children(self) -> ChildCount:
        """Return how many children there are; see `children`.

        Elixir: `DynamicSupervisor.count_children/1`.
        """
        return count_of(self._resolve())


def count_of(table: Children) -> ChildCount:
    """Count the children in a table."""
    return ChildCount(
        specs=table.count, active=len(table.alive()), supervisors=0, workers=table.count
    )


class Retry:
    """The supervisor's message to itself: try to restart this child once more."""

    __slots__ = ("child",)

    def __init__(self, child: Child) -> None:
        self.child: Child = child


class TaskSupervisorServer(GenServer):
    """The process of a `TaskSupervisor`."""

    def init(self, supervisor: TaskSupervisor) -> None:
        """Begin with no child."""
        trap_exit(True)
        self.table: Children = Children(self_(), supervisor.max_children)
        self.intensity: Intensity = Intensity(
            supervisor.max_restarts, supervisor.max_seconds
        )
        supervisor.table = self.table
        self.supervisor = supervisor

    async def terminate(self, reason: Any) -> None:
        """Stop all children, side by side."""
        await self.stop_all(self.table.close())

    async def stop_all(self, children: list[Child]) -> None:
        """Stop some children."""
        for child in children:
            self.table.spare(child)
        await stop_processes([(c.process, _name_of(c), c.shutdown) for c in children])

    def _get_state(self) -> list[ChildInfo]:
        return [
            ChildInfo(None, child.process, "worker", [function_name(child.function)])
            for child in self.table.alive()
        ]

    def _replace_state(self, function: Any) -> Any:
        raise TypeError("the state of a supervisor cannot be replaced")

    async def handle_call(
        self, request: tuple[Any, ...], from_: GenCall
    ) -> Ok[Any] | Failed:
        """Do what only the supervisor does, and what another node asks for."""
        match request:
            case ("terminate_child", process):
                return await self.terminate_child(process)
            case ("start_child", fn, args, restart, shutdown):
                return self.start_child(fn, args, restart, shutdown)
            case ("children",):
                return Ok([child.process for child in self.table.alive()])
            case ("which_children",):
                return Ok(self._get_state())
        return Ok(count_of(self.table))

    def start_child(
        self, fn: Any, args: tuple[Any, ...], restart: Any, shutdown: Any
    ) -> Ok[Process[Any]] | Failed:
        """Start a child for a process of another node."""
        try:
            check_child(fn, restart, shutdown)
            return Ok(self.table.start(fn, args, restart, shutdown))
        except Exception as error:  # raised where it was asked for
            return Failed(error)

    async def terminate_child(self, process: Any) -> Ok[None] | Failed:
        """Stop a child."""
        child = self.table.find(process)
        if child is None:
            return Failed(ChildNotFoundError(f"no child has the process {process!r}"))
        await self.stop_all([child])
        return Ok(None)

    def handle_info(self, message: Any) -> Stop | None:
        """Restart a child that ended."""
        match message:
            case Child():
                report = True
            case Retry(child=child):
                message, report = child, False
            case Exited():
                return None  # of a process that is linked to us, and no child
            case _:
                _LOGGER.error(
                    "supervisor %r received an unexpected message: %r",
                    self_(),
                    message,
                )
                return None
        return self.restart(message, report)

    def restart(self, child: Child, report: bool) -> Stop | None:
        """Run the function of a child again, unless that was too often."""
        intensity = self.intensity
        exceeded = intensity.is_exceeded()
        number = len(intensity.restarts)
        id = _name_of(child)
        if exceeded:
            report_giving_up(self_(), id, child.reason, number, intensity.max_seconds)
            self.table.forget(child)
            self.supervisor._gave_up = True
            return Stop(SHUTDOWN)
        if report:
            report_restart(self_(), id, child.reason, number, intensity.max_restarts)
        try:
            self.table.start_again(child)
        except Exception as error:
            report_start_failure(self_(), id, error, number)
            send(self_(), Retry(child))
        return None


def _name_of(child: Child) -> str | None:
    return None if child.function is None else function_name(child.function)


TaskSupervisor._server = TaskSupervisorServer
