"""Dynamic supervisors: children that come and go, each restarted by itself."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from typing import Any, ClassVar

from fastask._core.answer import Stop
from fastask._core.errors import (
    AlreadyStartedError,
    ChildNotFoundError,
    MaxChildrenError,
    StartError,
)
from fastask._core.message import Exited, Failed, Ok
from fastask._core.process import Process
from fastask._core.reason import SHUTDOWN
from fastask._core.request import GenCall
from fastask._core.verb import self_, send, trap_exit
from fastask._report import report_giving_up, report_restart, report_start_failure
from fastask._service import Service
from fastask._supervision import (
    Child,
    ChildCount,
    ChildInfo,
    Intensity,
    Retry,
    StartFailure,
    cause_of,
    check_intensity,
    check_max_children,
    check_name,
    count,
    start_error,
    start_process,
    stop_process,
    stop_processes,
)
from fastask.gen_server import GenServer
from fastask.spec import ChildSpec
from fastask.supervisor import spec_of

__all__ = ["DynamicSupervisor"]

_LOGGER = logging.getLogger("fastask")


class DynamicSupervisor(Service["DynamicSupervisorServer"]):
    """Starts children when it is asked to, restarts each by itself, stops all at once.

    The ids of their specifications do not matter. When children are restarted more than
    `max_restarts` times within `max_seconds`, it stops all and ends with `SHUTDOWN`.

    Args:
        max_children: How many it may have, or None for no limit.
        max_restarts: How many restarts are allowed,
        max_seconds: within how many seconds.
        extra_arguments: Put before the arguments of every child's start.
        name: A name or a `Via`.

    Raises:
        TypeError: If an option is of a wrong type.
        ValueError: If an option has no such value.

    Example:
        ```python
        import fastask

        async def work(n: int) -> None:
            await fastask.sleep(60)

        async def main() -> None:
            async with fastask.DynamicSupervisor(max_children=2) as supervisor:
                for n in range(2):
                    await supervisor.start_child(fastask.child_spec(work, n))
                assert supervisor.count_children().active == 2

        fastask.run(main)
        ```

    Elixir: `DynamicSupervisor`.
    """

    _server: ClassVar[type]

    def __init__(
        self,
        *,
        max_children: int | None = None,
        max_restarts: int = 3,
        max_seconds: float = 5.0,
        extra_arguments: tuple[Any, ...] | list[Any] = (),
        name: Hashable | None = None,
    ) -> None:
        """Check everything; nothing starts."""
        check_intensity(max_restarts, max_seconds)
        check_max_children(max_children)
        check_name(name)
        if not isinstance(extra_arguments, tuple | list):
            raise TypeError(
                f"extra_arguments must be a tuple or a list, got {extra_arguments!r}"
            )
        self.max_children = max_children
        self.max_restarts = max_restarts
        self.max_seconds = max_seconds
        self.extra_arguments: tuple[Any, ...] = tuple(extra_arguments)
        self.name = name

    async def start_child(self, spec: Any) -> Process[Any] | None:
        """Start a child.

        Args:
            spec: As in the list of a `Supervisor`.

        Returns:
            Its process, or None when it did not want to run (`Ignore`); it is forgotten
            then.

        Raises:
            MaxChildrenError: If there are as many children as there may be.
            StartError: If it did not start.
            NoProcessError: If the supervisor has ended.
            TypeError: If it is no child.
            ValueError: If it is significant.

        Elixir: `DynamicSupervisor.start_child/2`.
        """
        checked = spec_of(spec)
        if checked.significant:
            raise ValueError("significant must be False here, got True")
        process: Process[Any] | None = await self._ask("start_child", checked)
        return process

    async def terminate_child(self, p: Process[Any]) -> None:
        """Stop a child and forget it.

        Args:
            p: Its process; of one that is being restarted, the last one.

        Raises:
            ChildNotFoundError: If that is no child.
            NoProcessError: If the supervisor has ended.

        Elixir: `DynamicSupervisor.terminate_child/2`.
        """
        await self._ask("terminate_child", p)

    def which_children(self) -> list[ChildInfo]:
        """Return the children; their `id` is None.

        Raises:
            NoProcessError: If the supervisor has ended.
            UnknownNameError: If nobody has the name.

        Elixir: `DynamicSupervisor.which_children/1`.
        """
        return self._served()._get_state()

    def count_children(self) -> ChildCount:
        """Return how many children there are; see `which_children`.

        Elixir: `DynamicSupervisor.count_children/1`.
        """
        return count(list(self._served().children.values()))


class DynamicSupervisorServer(GenServer):
    """The process of a `DynamicSupervisor`."""

    def init(self, supervisor: DynamicSupervisor) -> None:
        """Begin with no child."""
        trap_exit(True)
        self.supervisor = supervisor
        self.intensity: Intensity = Intensity(
            supervisor.max_restarts, supervisor.max_seconds
        )
        # By process; one that is being restarted stands under its last one.
        self.children: dict[Process[Any], Child] = {}

    async def terminate(self, reason: Any) -> None:
        """Stop all children, side by side."""
        children = [child for child in self.children.values() if child.process]
        self.children.clear()
        await stop_processes(
            [(c.process, c.spec.id, c.spec.shutdown) for c in children if c.process]
        )

    def _get_state(self) -> list[ChildInfo]:
        return [child.info(is_named=False) for child in self.children.values()]

    def _replace_state(self, function: Any) -> Any:
        raise TypeError("the state of a supervisor cannot be replaced")

    # Requests.

    async def handle_call(
        self, request: tuple[str, Any], from_: GenCall
    ) -> Ok[Any] | Failed:
        """Do what a manager asks for; what is wrong with it is its error."""
        verb, argument = request
        try:
            return Ok(await getattr(self, verb)(argument))
        except (
            AlreadyStartedError,
            ChildNotFoundError,
            MaxChildrenError,
            StartError,
        ) as error:
            return Failed(error)

    async def start_child(self, spec: ChildSpec) -> Process[Any] | None:
        """Start a child."""
        most = self.supervisor.max_children
        if most is not None and len(self.children) >= most:
            raise MaxChildrenError(
                f"{self_()!r} has {len(self.children)} children, and max_children is "
                f"{most}"
            )
        child = Child(spec)
        try:
            await self.start_one(child)
        except StartFailure as failure:
            raise start_error(spec, failure.reason) from cause_of(failure.reason)
        return child.process

    async def terminate_child(self, process: Any) -> None:
        """Stop a child and forget it."""
        child = self.children.pop(process, None) if _is_process(process) else None
        if child is None:
            raise ChildNotFoundError(f"no child has the process {process!r}")
        child.restarting = False
        if child.process is not None:
            await stop_process(process, child.spec.id, child.spec.shutdown)

    async def start_one(self, child: Child) -> None:
        """Start the process of a child, and enter it."""
        process = await start_process(child.spec, self.supervisor.extra_arguments)
        child.process = process
        child.restarting = False
        if process is not None:
            self.children[process] = child

    # Ends.

    async def handle_info(self, message: Any) -> Stop | None:
        """Handle the end of a child, or another try to restart one."""
        match message:
            case Exited(process=process, reason=reason):
                return await self.child_ended(process, reason)
            case Retry(child=child, reason=reason, process=Process() as process):
                if self.children.get(process) is child and child.restarting:
                    return await self.restart(process, child, reason, is_retry=True)
                return None
            case _:
                _LOGGER.error(
                    "supervisor %r received an unexpected message: %r",
                    self_(),
                    message,
                )
                return None

    async def child_ended(self, process: Any, reason: Any) -> Stop | None:
        """Restart a child that ended, or forget it, as its restart type says."""
        child = self.children.get(process)
        if child is None or child.restarting:
            return None
        child.process = None
        if child.to_restart(reason):
            return await self.restart(process, child, reason)
        del self.children[process]
        return None

    async def restart(
        self, process: Process[Any], child: Child, reason: Any, is_retry: bool = False
    ) -> Stop | None:
        """Start a child anew in the place of the process that ended."""
        intensity = self.intensity
        exceeded = intensity.is_exceeded()
        number = len(intensity.restarts)
        id = child.spec.id
        if exceeded:
            report_giving_up(self_(), id, reason, number, intensity.max_seconds)
            self.supervisor._gave_up = True
            return Stop(SHUTDOWN)
        if not is_retry:
            report_restart(self_(), id, reason, number, intensity.max_restarts)
        child.restarting = True
        try:
            await self.start_one(child)
        except StartFailure as failure:
            report_start_failure(self_(), id, failure.reason, number)
            # By a message, so that others get their turn.
            send(self_(), Retry(child, failure.reason, process))
            return None
        del self.children[process]
        return None


def _is_process(value: object) -> bool:
    return isinstance(value, Process)


DynamicSupervisor._server = DynamicSupervisorServer
