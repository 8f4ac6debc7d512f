"""The exceptions and the exit reasons."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Literal, assert_never, assert_type

import fastask
from fastask import Process, Reason, Task


def timeouts(error: fastask.TaskTimeoutError) -> None:
    assert_type(error.tasks, tuple[Task[Any], ...])
    assert_type(error.task, Task[Any] | None)
    assert_type(error.timeout, float | None)


def fields(
    call: fastask.CallError,
    taken: fastask.NameTakenError,
    started: fastask.AlreadyStartedError,
    start: fastask.StartError,
    ended: fastask.Exit,
    worker: fastask.WorkerError,
) -> None:
    assert_type(call.reason, Any)
    assert_type(taken.process, Process[Any] | None)
    assert_type(started.process, Process[Any] | None)
    assert_type(start.child_id, Hashable | None)
    assert_type(ended.reason, Any)
    assert_type(worker.exitcode, int | None)
    raise fastask.Exit(("shutdown", 1))


def take(
    ours: type[fastask.FastaskError],
    value: type[ValueError],
    lookup: type[LookupError],
    timeout: type[TimeoutError],
    runtime: type[RuntimeError],
) -> None: ...


def kinds() -> None:
    take(
        fastask.AlreadyStartedError,
        fastask.NotOwnerError,
        fastask.NoProcessError,
        fastask.TaskTimeoutError,
        fastask.MaxChildrenError,
    )
    take(
        fastask.StartError,
        fastask.NameTakenError,
        fastask.UnknownNameError,
        fastask.CallTimeoutError,
        fastask.MaxChildrenError,
    )
    take(
        fastask.CallError,
        fastask.NotOwnerError,
        fastask.ChildNotFoundError,
        fastask.TaskTimeoutError,
        fastask.MaxChildrenError,
    )


def reasons(reason: Reason) -> str:
    assert_type(fastask.BRUTAL_KILL.name, Literal["BRUTAL_KILL"])
    as_text: str = reason
    match reason:
        case fastask.NORMAL | fastask.SHUTDOWN:
            return as_text
        case fastask.KILL | fastask.KILLED | fastask.TIMEOUT:
            return as_text
        case fastask.NOPROC | fastask.NOCONNECTION:
            return as_text
        case _:
            assert_never(reason)
