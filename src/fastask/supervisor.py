"""Supervisors: a list of children that are started in order, and kept running."""

from __future__ import annotations

import inspect
import logging
from asyncio import CancelledError
from collections.abc import Hashable, Iterable
from typing import Any, ClassVar, Literal, Self, get_args

from fastask._core.answer import Stop
from fastask._core.errors import AlreadyStartedError, ChildNotFoundError, StartError
from fastask._core.message import Exited, Failed, Ok
from fastask._core.process import Process, function_name
from fastask._core.reason import SHUTDOWN
from fastask._core.request import GenCall
from fastask._core.start import check_many
from fastask._core.task import start_link
from fastask._core.verb import self_, send, trap_exit
from fastask._report import report_giving_up, report_restart, report_start_failure
from fastask._service import Service, Starting
from fastask._supervision import (
    Child,
    ChildCount,
    ChildInfo,
    Intensity,
    Retry,
    StartFailure,
    cause_of,
    check_intensity,
    check_name,
    count,
    start_error,
    start_error_of,
    start_process,
    stop_process,
)
from fastask.gen_server import GenServer
from fastask.spec import ChildSpec

__all__ = ["ChildCount", "ChildInfo", "Supervisor"]

_LOGGER = logging.getLogger("fastask")

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
AutoShutdown = Literal["never", "any_significant", "all_significant"]


def spec_of(child: Any) -> ChildSpec:
    """Return the specification that a child in one of its short forms stands for.

    Raises:
        TypeError: If it is none of them.
    """
    if isinstance(child, ChildSpec):
        return child
    if isinstance(child, tuple) and child:
        return _spec_of_class(child[0], child[1:], child)
    if isinstance(child, type) or inspect.iscoroutinefunction(child):
        return _spec_of_class(child, (), child)
    own = getattr(child, "_child_spec", None)  # a supervisor, Every, Cron
    if own is not None:
        return own()  # type: ignore[no-any-return]  # all of them return one
    raise _no_child(child)


def _spec_of_class(head: Any, args: tuple[Any, ...], child: Any) -> ChildSpec:
    if inspect.iscoroutinefunction(head):
        return ChildSpec(function_name(head), start_link, (head, *args))
    make = getattr(head, "child_spec", None)
    if not isinstance(head, type) or make is None:
        raise _no_child(child)
    spec = make(*args)
    if not isinstance(spec, ChildSpec):
        raise TypeError(f"{head!r}.child_spec must return a ChildSpec, got {spec!r}")
    return spec


def _no_child(child: Any) -> TypeError:
    return TypeError(
        "a child must be a ChildSpec, a class with child_spec, a tuple of such a class "
        "and its arguments, a supervisor that is not started, an async function, Every "
        f"or Cron, got {child!r}"
    )


class Supervisor(Service["SupervisorServer"]):
    """Starts its children in order, restarts them, and stops them in reverse order.

    A child that ends is restarted as its restart type says, with others as the strategy
    says. When that happens more than `max_restarts` times within `max_seconds`, or a
    start fails that often, the supervisor stops all children and ends with `SHUTDOWN`.
    It ends likewise, with the reason, when the process that started it does.

    Args:
        children: Each a `ChildSpec`, a class with `child_spec` (of a `GenServer` or a
            `Supervisor`, say), a tuple `(Class, *args)`, a supervisor that is not
            started, an async function (a permanent worker that runs it), `Every` or
            `Cron`.
        strategy: Who is restarted with a child: `"one_for_one"`: nobody.
            `"one_for_all"`: all. `"rest_for_one"`: those started after it.
        max_restarts: How many restarts are allowed,
        max_seconds: within how many seconds.
        auto_shutdown: `"never"`, or whether the supervisor ends when
            `"any_significant"` or `"all_significant"` children have ended by
            themselves.
        name: A name or a `Via`.

    Raises:
        TypeError: If a child or an option is of a wrong type.
        ValueError: If two children have the same id or an option has no such value.

    Example:
        ```python
        import fastask

        class Counter(fastask.GenServer):
            def init(self) -> None:
                self.n = 0

            @fastask.call
            def next(self) -> int:
                self.n += 1
                return self.n

        async def main() -> None:
            counter = Counter.child_spec(name="counter")
            async with fastask.Supervisor([counter]) as supervisor:
                assert await Counter.next("counter") == 1
                assert supervisor.count_children().active == 1

        fastask.run(main)
        ```

    Elixir: `Supervisor`.
    """

    _server: ClassVar[type]

    def __init__(
        self,
        children: Iterable[Any],
        *,
        strategy: Strategy = "one_for_one",
        max_restarts: int = 3,
        max_seconds: float = 5.0,
        auto_shutdown: AutoShutdown = "never",
        name: Hashable | None = None,
    ) -> None:
        """Check everything; nothing starts."""
        _check_word("strategy", strategy, get_args(Strategy))
        _check_word("auto_shutdown", auto_shutdown, get_args(AutoShutdown))
        check_intensity(max_restarts, max_seconds)
        check_name(name)
        self.strategy = strategy
        self.max_restarts = max_restarts
        self.max_seconds = max_seconds
        self.auto_shutdown = auto_shutdown
        self.name = name
        check_many("children", children, "children")
        self.specs: list[ChildSpec] = [
            self._checked(spec_of(child)) for child in children
        ]
        ids = set[Hashable]()
        for spec in self.specs:
            if spec.id in ids:
                raise ValueError(f"id must be unique among children, got {spec.id!r}")
            ids.add(spec.id)

    def _checked(self, spec: ChildSpec) -> ChildSpec:
        if spec.significant and self.auto_shutdown == "never":
            raise ValueError(
                f"significant must be False where auto_shutdown is 'never', got True "
                f"for child {spec.id!r}"
            )
        return spec

    async def _started(self, start: Starting, starter: Process[Any]) -> Self:
        try:
            return await super()._started(start, starter)
        except StartError as error:
            match error.reason:
                case ("shutdown", ("failed_to_start_child", id, reason)):
                    raise start_error_of(id, reason) from cause_of(reason)
            raise

    # What is asked of one that runs.

    async def start_child(self, spec: Any) -> Process[Any] | None:
        """Add a child at the end, and start it.

        Args:
            spec: As in the list of children.

        Returns:
            Its process, or None when it did not want to run (`Ignore`).

        Raises:
            AlreadyStartedError: If a child with that id is known; `.process` is None
                when it is stopped.
            StartError: If it did not start.
            NoProcessError: If the supervisor has ended.
            TypeError: If it is no child.
            ValueError: If it is significant, and `auto_shutdown` is `"never"`.

        Elixir: `Supervisor.start_child/2`.
        """
        checked = spec_of(spec)
        process: Process[Any] | None = await self._ask("start_child", checked)
        return process

    async def terminate_child(self, id: Hashable) -> None:
        """Stop a child, which stays known unless it is temporary; it is not restarted.

        Raises:
            ChildNotFoundError: If no child has that id.
            NoProcessError: If the supervisor has ended.

        Elixir: `Supervisor.terminate_child/2`.
        """
        await self._ask("terminate_child", id)

    async def restart_child(self, id: Hashable) -> Process[Any] | None:
        """Start a child that is stopped.

        Returns:
            Its process, or None when it did not want to run (`Ignore`).

        Raises:
            AlreadyStartedError: If it runs.
            ChildNotFoundError: If no child has that id.
            StartError: If it did not start.
            NoProcessError: If the supervisor has ended.

        Elixir: `Supervisor.restart_child/2`.
        """
        process: Process[Any] | None = await self._ask("restart_child", id)
        return process

    async def delete_child(self, id: Hashable) -> None:
        """Forget a child that is stopped.

        Raises:
            AlreadyStartedError: If it runs.
            ChildNotFoundError: If no child has that id.
            NoProcessError: If the supervisor has ended.

        Elixir: `Supervisor.delete_child/2`.
        """
        await self._ask("delete_child", id)

    def which_children(self) -> list[ChildInfo]:
        """Return the children, the one that was added last first.

        Raises:
            NoProcessError: If the supervisor has ended.
            UnknownNameError: If nobody has the name.

        Elixir: `Supervisor.which_children/1`.
        """
        return self._served().which_children()

    def count_children(self) -> ChildCount:
        """Return how many children there are; see `which_children`.

        Elixir: `Supervisor.count_children/1`.
        """
        return count(list(self._served().children.values()))


def _check_word(option: str, value: object, words: tuple[str, ...]) -> None:
    if value not in words:
        raise ValueError(f"{option} must be one of {', '.join(words)}, got {value!r}")


class SupervisorServer(GenServer):
    """The process of a `Supervisor`."""

    async def init(self, supervisor: Supervisor) -> Stop | None:
        """Start the children; when one does not start, stop those that have."""
        trap_exit(True)
        self.supervisor = supervisor
        self.intensity: Intensity = Intensity(
            supervisor.max_restarts, supervisor.max_seconds
        )
        self.children: dict[Hashable, Child] = {}
        self.running: dict[Process[Any], Child] = {}
        try:
            for spec in supervisor.specs:
                await self.add(spec)
        except StartFailure as failure:
            await self.terminate(SHUTDOWN)
            return Stop((SHUTDOWN, ("failed_to_start_child", spec.id, failure.reason)))
        except CancelledError:  # who wanted it has ended, or given up
            await self.terminate(SHUTDOWN)
            raise
        return None

    async def terminate(self, reason: Any) -> None:
        """Stop all children, the last one first."""
        for child in reversed(list(self.children.values())):
            await self.stop_one(child)

    def which_children(self) -> list[ChildInfo]:
        """List the children, the last one first."""
        return [child.info() for child in reversed(self.children.values())]

    def _get_state(self) -> list[ChildInfo]:
        return self.which_children()

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
            StartError,
            ValueError,  # of `_checked`: what a start raises is a StartError
        ) as error:
            return Failed(error)

    async def start_child(self, spec: ChildSpec) -> Process[Any] | None:
        """Add a child and start it."""
        self.supervisor._checked(spec)
        known = self.children.get(spec.id)
        if known is not None:
            raise AlreadyStartedError(
                f"child {spec.id!r} is known, and {_state(known)}",
                process=known.process,
            )
        try:
            return await self.add(spec)
        except StartFailure as failure:
            raise start_error(spec, failure.reason) from cause_of(failure.reason)

    async def terminate_child(self, id: Hashable) -> None:
        """Stop a child."""
        child = self.find(id)
        await self.stop_one(child)
        if child.spec.restart == "temporary":
            del self.children[id]

    async def restart_child(self, id: Hashable) -> Process[Any] | None:
        """Start a child that is stopped."""
        child = self.find(id)
        self.check_stopped(child)
        try:
            await self.start_one(child)
        except StartFailure as failure:
            raise start_error(child.spec, failure.reason) from cause_of(failure.reason)
        return child.process

    async def delete_child(self, id: Hashable) -> None:
        """Forget a child that is stopped."""
        self.check_stopped(self.find(id))
        del self.children[id]

    def find(self, id: Hashable) -> Child:
        """Return the child with that id."""
        try:
            return self.children[id]
        except (KeyError, TypeError):
            raise ChildNotFoundError(f"no child has the id {id!r}") from None

    def check_stopped(self, child: Child) -> None:
        """Raise when a child runs or is about to."""
        if child.process is not None or child.restarting:
            raise AlreadyStartedError(
                f"child {child.spec.id!r} must be stopped, and {_state(child)}",
                process=child.process,
            )

    # Children.

    async def add(self, spec: ChildSpec) -> Process[Any] | None:
        """Start a child and enter it; a temporary one that ignores is not entered."""
        child = Child(spec)
        await self.start_one(child)
        if child.process is not None or spec.restart != "temporary":
            self.children[spec.id] = child
        return child.process

    async def start_one(self, child: Child) -> None:
        """Start the process of a child."""
        child.process = await start_process(child.spec)
        child.restarting = False
        if child.process is not None:
            self.running[child.process] = child

    async def stop_one(self, child: Child) -> None:
        """Stop the process of a child, if it runs."""
        process, child.process = child.process, None
        child.restarting = False
        if process is not None:
            # From here on its `Exited` is that of a stranger.
            del self.running[process]
            await stop_process(process, child.spec.id, child.spec.shutdown)

    # Ends.

    async def handle_info(self, message: Any) -> Stop | None:
        """Handle the end of a child, or another try to restart one."""
        match message:
            case Exited(process=process, reason=reason):
                return await self.child_ended(process, reason)
            case Retry(child=child):
                if child.restarting and self.children.get(child.spec.id) is child:
                    return await self.restart(child, message.reason, is_retry=True)
                return None
            case _:
                _LOGGER.error(
                    "supervisor %r received an unexpected message: %r",
                    self_(),
                    message,
                )
                return None

    async def child_ended(self, process: Any, reason: Any) -> Stop | None:
        """Restart a child that ended, or not, as its restart type says."""
        child = self.running.pop(process, None)
        if child is None:
            return None  # a process that is linked to us, or was a child
        child.process = None
        if child.to_restart(reason):
            return await self.restart(child, reason)
        if child.spec.restart == "temporary":
            del self.children[child.spec.id]
        return self.after_end_of(child)

    def after_end_of(self, child: Child) -> Stop | None:
        """End when the children that are significant have ended by themselves."""
        if not child.spec.significant:
            return None
        if self.supervisor.auto_shutdown == "all_significant" and any(
            other.spec.significant and (other.process is not None or other.restarting)
            for other in self.children.values()
        ):
            return None
        return Stop(SHUTDOWN)

    async def restart(
        self, child: Child, reason: Any, is_retry: bool = False
    ) -> Stop | None:
        """Restart a child, and those that the strategy restarts with it."""
        supervisor, intensity = self.supervisor, self.intensity
        exceeded = intensity.is_exceeded()
        number = len(intensity.restarts)
        id = child.spec.id
        if exceeded:
            report_giving_up(self_(), id, reason, number, intensity.max_seconds)
            self.supervisor._gave_up = True
            return Stop(SHUTDOWN)
        if not is_retry:
            report_restart(self_(), id, reason, number, supervisor.max_restarts)
        group = await self.stop_group(child)
        for member in group:
            try:
                await self.start_one(member)
            except StartFailure as failure:
                report_start_failure(self_(), member.spec.id, failure.reason, number)
                member.restarting = True
                # By a message, so that others get their turn.
                send(self_(), Retry(member, failure.reason))
                return None
        return None

    async def stop_group(self, child: Child) -> list[Child]:
        """Stop the others of a restart, last first; return all of it in order."""
        children = list(self.children.values())
        match self.supervisor.strategy:
            case "one_for_one":
                return [child]
            case "one_for_all":
                group = children
            case _:  # "rest_for_one"
                group = children[children.index(child) :]
        for member in reversed(group):
            if member is child:
                continue
            await self.stop_one(member)
            if member.spec.restart == "temporary":
                del self.children[member.spec.id]
        return [m for m in group if m is child or m.spec.restart != "temporary"]


Supervisor._server = SupervisorServer


def _state(child: Child) -> str:
    if child.restarting:
        return "is being restarted"
    return "stopped" if child.process is None else f"runs as {child.process!r}"
