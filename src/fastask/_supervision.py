"""What the supervisors share: checks, how a child starts and stops, and how often."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal

from fastask._core.errors import AlreadyStartedError, Exit, StartError
from fastask._core.message import Exited
from fastask._core.process import Process
from fastask._core.reason import BRUTAL_KILL, KILL, KILLED, SHUTDOWN, is_expected
from fastask._core.receive import receive
from fastask._core.ref import Ref
from fastask._core.timer import monotonic_time
from fastask._core.verb import (
    describe,
    exit,
    extend_grace,
    hush,
    link,
    monitor,
    self_,
    send,
    unlink,
)
from fastask._report import report_shutdown, report_slow_shutdown
from fastask._service import Service
from fastask.spec import ChildSpec, Shutdown


@dataclass(frozen=True)
class ChildInfo:
    """A child, as `which_children` lists it.

    Attributes:
        id: Of its specification; None under a `DynamicSupervisor`.
        process: Its process, None when it is stopped, `"restarting"` when its restart
            failed and is tried again.
        type: `"worker"` or `"supervisor"`.
        modules: The class or the name of the module that it is started from.
    """

    id: Hashable
    process: Process[Any] | Literal["restarting"] | None
    type: str
    modules: list[Any]


@dataclass(frozen=True)
class ChildCount:
    """How many children a supervisor has.

    Attributes:
        specs: Specifications, whether their children run or not.
        active: Processes that run.
        supervisors: Specifications of supervisors.
        workers: Specifications of workers.
    """

    specs: int
    active: int
    supervisors: int
    workers: int


@dataclass(slots=True, eq=False)
class Child:
    """A child of a supervisor, in the supervisor's process."""

    spec: ChildSpec
    process: Process[Any] | None = None
    restarting: bool = False

    def info(self, is_named: bool = True) -> ChildInfo:
        """Return the line of `which_children`."""
        return ChildInfo(
            id=self.spec.id if is_named else None,
            process="restarting" if self.restarting else self.process,
            type=self.spec.type,
            modules=modules_of(self.spec),
        )

    def to_restart(self, reason: Any) -> bool:
        """Tell whether the restart type asks for a restart after `reason`."""
        match self.spec.restart:
            case "permanent":
                return True
            case "transient":
                return not is_expected(reason)
            case _:
                return False


@dataclass(frozen=True, slots=True)
class Retry:
    """A supervisor's message to itself: try to restart this child once more."""

    child: Child
    reason: Any
    process: Process[Any] | None = None  # under which it stands


def count(children: Sequence[Child]) -> ChildCount:
    """Count children for `count_children`."""
    supervisors = sum(child.spec.type == "supervisor" for child in children)
    return ChildCount(
        specs=len(children),
        active=sum(child.process is not None for child in children),
        supervisors=supervisors,
        workers=len(children) - supervisors,
    )


def modules_of(spec: ChildSpec) -> list[Any]:
    """Return the class whose start a specification names, or the module of it."""
    owner = getattr(spec.start, "__self__", None)
    if owner is not None:
        return [owner if inspect.isclass(owner) else type(owner)]
    return [getattr(spec.start, "__module__", None)]


class Intensity:
    """How often a supervisor has restarted lately, and how often it may."""

    def __init__(self, max_restarts: int, max_seconds: float) -> None:
        self.max_restarts = max_restarts
        self.max_seconds = max_seconds
        self.restarts: deque[float] = deque()

    def is_exceeded(self) -> bool:
        """Count a restart; tell whether it is one too many."""
        now = monotonic_time()
        self.restarts.append(now)
        while now - self.restarts[0] > self.max_seconds:
            self.restarts.popleft()
        return len(self.restarts) > self.max_restarts


def check_intensity(max_restarts: object, max_seconds: object) -> None:
    """Raise what is wrong with the two options."""
    if isinstance(max_restarts, bool) or not isinstance(max_restarts, int):
        raise TypeError(f"max_restarts must be an integer >= 0, got {max_restarts!r}")
    if max_restarts < 0:
        raise ValueError(f"max_restarts must be an integer >= 0, got {max_restarts!r}")
    if isinstance(max_seconds, bool) or not isinstance(max_seconds, int | float):
        raise TypeError(f"max_seconds must be a number > 0, got {max_seconds!r}")
    if not max_seconds > 0:
        raise ValueError(f"max_seconds must be a number > 0, got {max_seconds!r}")


def check_max_children(max_children: object) -> None:
    """Raise what is wrong with the option."""
    if max_children is None:
        return
    if isinstance(max_children, bool) or not isinstance(max_children, int):
        raise TypeError(
            f"max_children must be an integer >= 0 or None, got {max_children!r}"
        )
    if max_children < 0:
        raise ValueError(
            f"max_children must be an integer >= 0 or None, got {max_children!r}"
        )


def check_name(name: object) -> None:
    """Raise when a name cannot be one."""
    try:
        hash(name)
    except TypeError:
        raise TypeError(f"name must be hashable, got {name!r}") from None


class StartFailure(Exception):
    """A child did not start, for `reason`; never seen by users."""

    def __init__(self, reason: Any) -> None:
        super().__init__(reason)
        self.reason = reason


async def start_process(
    spec: ChildSpec, extra: tuple[Any, ...] = ()
) -> Process[Any] | None:
    """Start a child in the running supervisor; None when it does not want to run.

    Raises:
        StartFailure: If it did not start.
    """
    started: Any = None
    try:
        started = spec.start(*extra, *spec.args)
        if not isinstance(started, Process) and inspect.isawaitable(started):
            started = await started
    except Exception as error:
        # The error keeps this frame, and the collector does not see through a wait.
        started = None
        raise StartFailure(reason_of(error)) from error
    process = started.process if isinstance(started, Service) else started
    if process is None:
        return None
    if not isinstance(process, Process):
        raise StartFailure(("bad_return_value", started))
    if not process.alive:
        _tell_of_end(process)
        return process
    try:
        link(process)
    except ValueError as error:  # it is of another event loop
        raise StartFailure(error) from error
    return process


def _tell_of_end(process: Process[Any]) -> None:
    # It ended before anybody looked. Where it was linked the news is in the mailbox.
    messages = (describe(self_()) or {})["messages"]
    if not any(isinstance(m, Exited) and m.process is process for m in messages):
        send(self_(), Exited(process, KILLED))


def reason_of(error: BaseException) -> Any:
    """Return the reason for which a start that raised has failed."""
    if isinstance(error, StartError):
        if error.child_id is None:
            return error.reason
        return (SHUTDOWN, ("failed_to_start_child", error.child_id, error.reason))
    return error.reason if isinstance(error, Exit) else error


def start_error(spec: ChildSpec, reason: Any) -> Exception:
    """Return what whoever asked for a child gets when it did not start."""
    if isinstance(reason, AlreadyStartedError):
        return reason
    return start_error_of(spec.id, reason)


def start_error_of(id: Hashable, reason: Any) -> StartError:
    """Return the error of a child that did not start."""
    return StartError(
        f"child {id!r} did not start: {reason!r}", reason=reason, child_id=id
    )


def cause_of(reason: Any) -> BaseException | None:
    """Return what the error of a start that failed for `reason` is raised from."""
    is_cause = isinstance(reason, BaseException)
    return reason if is_cause and not isinstance(reason, AlreadyStartedError) else None


async def stop_process(process: Process[Any], id: Hashable, shutdown: Shutdown) -> None:
    """Stop one child, and wait until it has ended."""
    await stop_processes([(process, id, shutdown)])


async def stop_processes(
    children: Sequence[tuple[Process[Any], Hashable, Shutdown]],
) -> None:
    """Stop children side by side; each has its own time before it is killed."""
    begin = monotonic_time()
    stopping = [
        (
            _deadline(begin, shutdown),
            _tell_to_end(process, shutdown),
            process,
            id,
            shutdown,
        )
        for process, id, shutdown in children
        if process.alive
    ]
    stopping.sort(key=itemgetter(0))
    for deadline, ref, process, id, shutdown in stopping:
        left = None if deadline == float("inf") else deadline - monotonic_time()
        try:
            down = await receive(ref, timeout=left if left is None else max(0.0, left))
        except TimeoutError:
            report_slow_shutdown(self_(), id, process, shutdown)
            exit(process, KILL)
            await receive(ref)
            continue
        if not is_expected(down.reason) and shutdown is not BRUTAL_KILL:
            report_shutdown(self_(), id, process, down.reason)


def _tell_to_end(process: Process[Any], shutdown: Shutdown) -> Ref:
    """Give a child the signal to end; return the reference that its end comes with."""
    hush(process)
    ref = monitor(process)
    unlink(process)
    if shutdown is BRUTAL_KILL:
        exit(process, KILL)
    else:
        extend_grace(process, float("inf") if shutdown is None else shutdown)
        exit(process, SHUTDOWN)
    return ref


def _deadline(begin: float, shutdown: Shutdown) -> float:
    if shutdown is None or shutdown is BRUTAL_KILL:
        return float("inf")
    return begin + shutdown
