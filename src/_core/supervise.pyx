"""Supervise: tasks and streams under a task supervisor. Layer 13.

What is started here is a task as any other, and an entry in the supervisor's table.
"""

from fastask._core.bond cimport LINK, MONITOR, REPLY, attach
from fastask._core.children cimport Children
from fastask._core.process cimport DEAD, Process, line_of
from fastask._core.scheduler cimport Scheduler
from fastask._core.start cimport caller_for, discard, start_process
from fastask._core.stream cimport Stream, new_stream
from fastask._core.task cimport Task
from fastask._core.wheel cimport duration_of

from fastask._core.reason import BRUTAL_KILL


cdef class Supervising:
    """The verbs of a task supervisor that start tasks.

    The public class adds how it is started, and `_resolve`, which finds the table of
    one that was reached by its name.
    """

    def _resolve(self):
        """Return the table of the supervisor that is meant now."""
        raise TypeError(f"{self!r} must define _resolve()")

    cdef object _own_table(self):
        cdef object table = self.table
        cdef Process supervisor
        if table is not None:
            supervisor = (<Children>table).supervisor
            if supervisor.life != DEAD:
                if self.known_as is None:
                    return table
                # A name is of one process, and a process has one name.
                if supervisor.extra is not None and supervisor.extra.name is self.known_as:
                    return table
        return self._resolve()

    def _current_table(self):
        """Return the table, for a stream that begins."""
        return self._own_table()

    def async_(self, fn, /, *args, shutdown=5.0, executor=None):
        """Start a task under the supervisor, linked to the caller and monitored by it.

        As `fastask.async_`; and when the supervisor stops, the task gets the exit signal
        `SHUTDOWN`, and is killed after `shutdown` seconds.

        Args:
            fn: An async function, a plain function (it runs in a worker thread) or a
                coroutine object.
            args: Positional arguments of `fn`.
            shutdown: Seconds, None for no limit, or `BRUTAL_KILL`.
            executor: Where a plain function runs, see `fastask.async_`.

        Returns:
            The task, owned by the caller.

        Raises:
            NoProcessError: If the supervisor has ended.
            UnknownNameError: If nobody has the name of the supervisor.
            MaxChildrenError: If it has as many children as it may have.
            TypeError: If `fn` cannot be run or called so.
            ValueError: If `shutdown` is negative.

        Elixir: `Task.Supervisor.async/3`.
        """
        return start_supervised(
            self, fn, args, executor, shutdown, LINK | MONITOR | REPLY
        )

    def async_nolink(self, fn, /, *args, shutdown=5.0, executor=None):
        """Start a task under the supervisor that the caller monitors, without a link.

        As `async_`, but neither takes the other down: a crash of the task is a `Down` to
        the caller, and the task outlives the caller.

        Elixir: `Task.Supervisor.async_nolink/3`.
        """
        return start_supervised(self, fn, args, executor, shutdown, MONITOR | REPLY)

    def async_stream(
        self,
        iterable,
        fn,
        *args,
        shutdown=5.0,
        max_concurrency=None,
        ordered=True,
        timeout=5.0,
        on_timeout="exit",
        zip_input_on_exit=False,
        executor=None,
        progress=None,
    ):
        """Run `fn(item, *args)` for each item in tasks under the supervisor.

        As `fastask.async_stream`; the supervisor is looked up when the stream is
        iterated. One that is gone, or full, raises in the process that iterates, after
        what was started has been killed.

        Elixir: `Task.Supervisor.async_stream/4`.
        """
        return supervised_stream(
            self, True, shutdown, iterable, fn, args, {
                "max_concurrency": max_concurrency,
                "ordered": ordered,
                "timeout": timeout,
                "on_timeout": on_timeout,
                "zip_input_on_exit": zip_input_on_exit,
                "executor": executor,
                "progress": progress,
            },
        )

    def async_stream_nolink(
        self,
        iterable,
        fn,
        *args,
        shutdown=5.0,
        max_concurrency=None,
        ordered=True,
        timeout=5.0,
        on_timeout="exit",
        zip_input_on_exit=False,
        executor=None,
        progress=None,
    ):
        """Run `fn(item, *args)` for each item; a crash is an element `Failed(reason)`.

        As `async_stream`, but a task that crashes does not end the process that iterates.
        When that process ends, what is in flight is stopped all the same.

        Elixir: `Task.Supervisor.async_stream_nolink/4`.
        """
        return supervised_stream(
            self, False, shutdown, iterable, fn, args, {
                "max_concurrency": max_concurrency,
                "ordered": ordered,
                "timeout": timeout,
                "on_timeout": on_timeout,
                "zip_input_on_exit": zip_input_on_exit,
                "executor": executor,
                "progress": progress,
            },
        )

    def start_child(self, fn, /, *args, restart="temporary", shutdown=5.0):
        """Start `fn(*args)` under the supervisor and forget it.

        No message of it ever reaches the caller, and neither ends with the other. A
        child that is restarted runs the same function again, in a new process; when that
        happens more often than the supervisor allows, the supervisor ends.

        Args:
            fn: An async function, a plain function (it runs in a worker thread) or, for
                a temporary child, a coroutine object.
            args: Positional arguments of `fn`.
            restart: `"temporary"`: never. `"transient"`: after an abnormal end.
                `"permanent"`: always.
            shutdown: Seconds, None for no limit, or `BRUTAL_KILL`.

        Returns:
            The process of the child.

        Raises:
            NoProcessError: If the supervisor has ended.
            UnknownNameError: If nobody has the name of the supervisor.
            MaxChildrenError: If it has as many children as it may have.
            TypeError: If `fn` cannot be run or called so.
            ValueError: If `restart` or `shutdown` has no such value.

        Elixir: `Task.Supervisor.start_child/3`.
        """
        cdef Children table
        try:
            check_child(fn, restart, shutdown)
            table = <Children>self._own_table()
        except BaseException:  # raised again
            discard(fn)
            raise
        return table.start(fn, args, restart, shutdown)


cdef object start_supervised(
    Supervising supervisor, object fn, tuple args, object executor, object shutdown,
    int flags,
):
    cdef Process owner = caller_for(fn)
    cdef Process process
    cdef Children table
    cdef Task task
    cdef object found
    try:
        if type(shutdown) is not float or not shutdown >= 0.0:
            check_shutdown(shutdown)
        found = supervisor._own_table()
        if type(found) is not Children:
            return found.start_task(owner, fn, args, executor, shutdown, flags & LINK != 0)
        table = <Children>found
        table.check()
    except BaseException:  # raised again
        discard(fn)
        raise
    process = start_process(
        <Scheduler>owner.hub, fn, args, executor, table.supervisor
    )
    process.callers = line_of(owner)
    task = Task.__new__(Task)
    task.watcher = owner
    task.target = process
    task.flags = flags
    attach(task)
    table.enter(process, shutdown)
    return task


cdef object supervised_stream(
    Supervising supervisor, bint links, object shutdown, object iterable, object fn,
    tuple args, dict options,
):
    cdef Stream stream
    check_shutdown(shutdown)
    stream = new_stream(iterable, fn, args, options)
    stream.supervisor = supervisor._current_table
    stream.shutdown = shutdown
    stream.links = links
    return stream


def check_child(fn, restart, shutdown):
    """Raise what is wrong with the arguments of `start_child`."""
    check_shutdown(shutdown)
    if restart not in ("temporary", "transient", "permanent"):
        raise ValueError(
            f"restart must be one of permanent, transient, temporary, got {restart!r}"
        )
    if restart != "temporary" and not callable(fn):
        raise TypeError(f"fn must be a function where it may run again, got {fn!r}")


cdef int check_shutdown(object value) except -1:
    """Raise what is wrong with the time that a child has to stop."""
    if value is not None and value is not BRUTAL_KILL:
        duration_of("shutdown", value)
    return 0
