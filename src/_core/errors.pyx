"""Every exception of fastask. Layer 0: the core raises them, so they live in it."""

from asyncio import CancelledError


class FastaskError(Exception):
    """The base of every error that fastask raises on purpose."""

    __module__ = "fastask"


class NotOwnerError(FastaskError, ValueError):
    """A task verb was called by a process that does not own the task."""

    __module__ = "fastask"


class TaskTimeoutError(FastaskError, TimeoutError):
    """Time ran out while waiting for tasks.

    Attributes:
        tasks: The tasks that were waited for; empty from a stream.
        timeout: The limit in seconds.
    """

    __module__ = "fastask"

    def __init__(self, message="", *, tasks=(), timeout=None):
        super().__init__(message)
        self.tasks = tuple(tasks)
        self.timeout = timeout

    @property
    def task(self):
        """The only task that was waited for, or None when there were more or none."""
        return self.tasks[0] if len(self.tasks) == 1 else None


class CallError(FastaskError):
    """A server could not answer a call.

    Attributes:
        reason: Why: an exit reason, `"calling_self"`, `TIMEOUT` or `NOPROC`.
        dest: The destination that was called.
        request: What was asked.
    """

    __module__ = "fastask"

    def __init__(self, message="", *, reason=None, dest=None, request=None):
        super().__init__(message)
        self.reason = reason
        self.dest = dest
        self.request = request


class CallTimeoutError(CallError, TimeoutError):
    """A server did not answer a call in time."""

    __module__ = "fastask"


class NoProcessError(FastaskError, LookupError):
    """The process that an operation needs is gone."""

    __module__ = "fastask"


class UnknownNameError(FastaskError, LookupError):
    """A message was sent to a name that nobody has."""

    __module__ = "fastask"


class NameTakenError(FastaskError, ValueError):
    """A name is taken, or the process already has one.

    Attributes:
        process: The process that holds the name.
    """

    __module__ = "fastask"

    def __init__(self, message="", *, process=None):
        super().__init__(message)
        self.process = process


class AlreadyStartedError(FastaskError):
    """What should be started is running already, or known and stopped.

    Attributes:
        process: The running process, or None when it is stopped.
    """

    __module__ = "fastask"

    def __init__(self, message="", *, process=None):
        super().__init__(message)
        self.process = process


class StartError(FastaskError):
    """A server or a child did not start.

    Attributes:
        reason: Why it did not.
        child_id: The id of the child, or None for a server.
    """

    __module__ = "fastask"

    def __init__(self, message="", *, reason=None, child_id=None):
        super().__init__(message)
        self.reason = reason
        self.child_id = child_id


class MaxChildrenError(FastaskError, RuntimeError):
    """A supervisor has as many children as it may have."""

    __module__ = "fastask"


class ChildNotFoundError(FastaskError, LookupError):
    """A supervisor has no such child."""

    __module__ = "fastask"


class WorkerError(FastaskError, RuntimeError):
    """The worker process that ran a plain function has ended, or its outcome is lost.

    Attributes:
        exitcode: That of the worker, minus the number of the signal that ended it; None
            when it is not known, or when the worker lives.
    """

    __module__ = "fastask"

    def __init__(self, message="", *, exitcode=None):
        super().__init__(message)
        self.exitcode = exitcode


class Exit(Exception):
    """Raise it to end one's own process with `reason`; not an error.

    Awaiting a task or a process that ended with a reason that is no exception
    raises it too. It can be caught like any exception.

    Args:
        reason: The exit reason.

    Elixir: `exit/1`.
    """

    __module__ = "fastask"

    def __init__(self, reason="normal"):
        super().__init__(reason)
        self.reason = normalise(reason)


class ExitSignal(CancelledError):
    """What unwinds the coroutine of a process that an exit signal ends.

    Catching it changes neither the fate of the process nor its reason.

    Attributes:
        reason: The exit reason of the process.
    """

    __module__ = "fastask"

    def __init__(self, reason=None):
        super().__init__(reason)
        self.reason = reason


from fastask._core.reason import normalise  # noqa: E402  # reason stands beside us
