"""Task: a process that owes its owner a reply. Layer 11.

A task is the bond between the two: link, monitor and reply address in one record. The
reply reaches the owner as a real message; until somebody looks at it as a message it
stays packed, one letter for the Reply and its Down (I5).
"""

from asyncio import CancelledError
from types import GenericAlias

cimport cython
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_DECREF
from libc.math cimport INFINITY

from fastask._core.bond cimport ATTACHED, LINK, MONITOR, REPLY, Bond, attach, detach
from fastask._core.current cimport current_process, runs_here, stranger
from fastask._core.mailbox cimport Letter, letters_with, put, take_out
from fastask._core.message cimport (
    Down, Reply, failure_of, new_down, new_failed, new_ok, new_reply,
)
from fastask._core.pool cimport keep_memory, keep_one, take_one
from fastask._core.process cimport DEAD, Process, line_of
from fastask._core.ref cimport DEMONITOR, NO_ALIAS, Ref
from fastask._core.scheduler cimport Scheduler
from fastask._core.signal cimport (
    absence_of, arrived, deliver, exit_by_call, exit_by_link, flush_down, give_time,
    unlink_processes,
)
from fastask._core.start cimport caller_for, start_linked, start_process
from fastask._core.wait cimport FRESH, PARKED, Wait

from fastask._core.errors import NotOwnerError, TaskTimeoutError
from fastask._core.process import join, unwatch, watch
from fastask._core.reason import (
    BRUTAL_KILL, KILL, KILLED, NORMAL, SHUTDOWN,
)

cdef object _NORMAL = NORMAL
cdef object _KILL = KILL
cdef object _KILLED = KILLED
cdef object _SHUTDOWN = SHUTDOWN
cdef object _BRUTAL_KILL = BRUTAL_KILL


cdef class Task(Bond):
    """A process started by `async_` and its kin, whose result the owner collects.

    Only the owner, the process that started it, may use the verbs. To asyncio a task
    is a future: `gather`, `wait`, `shield` and callbacks from any coroutine of the loop
    give the result and leave the owner's mailbox alone.

    Attributes:
        ref: Tags the messages of the task: `Reply(ref, value)`, `Down(ref, ...)`.
        process: The process that runs it; None when made by `completed`.
        owner: The process that started it.
    """

    __class_getitem__ = classmethod(GenericAlias)

    def __init__(self):
        raise TypeError("a task is made by async_(), async_nolink() or completed()")

    @property
    def ref(self):
        return self.reference()

    @property
    def process(self):
        return self.target

    @property
    def owner(self):
        return self.watcher

    def __repr__(self):
        return f"<Task of {self.watcher!r} run by {self.target!r}>"

    def __reduce__(self):
        raise TypeError(f"{self!r} belongs to this event loop: cannot pickle it")

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __await__(self):
        if not runs_here(self.watcher):
            if stranger() is not None:
                return join_task(self)
            self.check_owner("await")
        return _await_of(self)

    def __iter__(self):
        return join_task(self)

    def await_(self, timeout=5.0):
        """See `fastask.await_`."""
        return new_await(self, "await_", timeout, False)

    def yield_(self, timeout=5.0):
        """See `fastask.yield_`."""
        return new_await(self, "yield_", timeout, True)

    def shutdown(self, timeout=5.0):
        """See `fastask.shutdown`."""
        self.check_owner("shutdown")
        return new_shutdown(self, timeout)

    def ignore(self):
        """See `fastask.ignore`."""
        self.check_owner("ignore")
        return ignore_task(self)

    # What asyncio asks of a future.

    def get_loop(self):
        """Return the event loop that the task belongs to."""
        return self.watcher.hub.loop

    def done(self):
        """Return whether the process of the task has ended."""
        return self.completed or self.target.life == DEAD

    def cancelled(self):
        """Return whether the process of the task ended by an asyncio cancellation."""
        return not self.completed and self.target.was_cancelled != 0

    def result(self):
        """Return the value, or raise what ended the task; see `Process.result`."""
        return self.value if self.completed else self.target.result()

    def exception(self):
        """Return what ended the task, or None; see `Process.exception`."""
        return None if self.completed else self.target.exception()

    def add_done_callback(self, callback, *, context=None):
        """Call `callback(task)` soon after the task has ended."""
        if self.completed:
            self.get_loop().call_soon(callback, self, context=context)
        else:
            watch(self.target, callback, context, self)

    def remove_done_callback(self, callback):
        """Remove every such callback; return how many there were."""
        return 0 if self.completed else unwatch(self.target, callback)

    def cancel(self, msg=None):
        """Cancel the process of the task as asyncio cancels a task."""
        return not self.completed and self.target.cancel(msg)

    def _make_cancelled_error(self):
        return CancelledError()  # `asyncio.gather` asks for it

    # What the end of its process does.

    cdef Ref reference(self):
        cdef Ref ref = self.ref
        if ref is None:
            ref = Bond.reference(self)
            if self.flags & REPLY and self.flags & ATTACHED:
                ref.mode = DEMONITOR
                ref.process = self.watcher
        return ref

    cdef int replied(self) except -1:
        cdef Process owner = self.watcher
        cdef Letter letter
        if not self.target.returned:
            return 0
        if self.flags & LINK and owner.traps:
            # The Exited of the link comes between Reply and Down.
            return deliver(owner, new_reply(self.reference(), self.target.outcome))
        letter = put(&owner.mailbox, self, Bond_ref(self))
        letter.packed = True
        owner.mailbox.packed += 1
        self.letter = letter
        self.down_included = True
        return arrived(owner, letter)

    cdef int exited(self, Process dead, Process survivor, object reason) except -1:
        return exit_by_link(survivor, dead, reason)

    cdef int down(self, object reason) except -1:
        cdef Ref ref = Bond_ref(self)
        if ref is not None:
            ref.mode = NO_ALIAS
        if self.down_included:
            return 0
        return deliver(self.watcher, new_down(self.reference(), self.target, reason))

    # For the verbs.

    cdef int check_owner(self, str verb) except -1:
        cdef Process me
        if runs_here(self.watcher):
            return 0
        me = current_process()
        if me is not self.watcher:
            raise NotOwnerError(
                f"{verb}: only the owner {self.watcher!r} may use {self!r}, "
                f"and {me!r} is another process"
            )
        return 0

    cdef int take(self) except -1:
        """Take the outcome out of the mailbox, if it is there, into `taken`.

        The oldest message that is one counts: the reply of the process, a `Reply` that
        somebody built with the ref, or a `Down`. Afterwards the task is demonitored
        and nothing of it is left in the mailbox but further replies.
        """
        cdef Process owner = self.watcher
        cdef Ref ref = Bond_ref(self)
        cdef Letter letter = self.letter
        cdef object message
        if ref is None:
            if letter is None:
                return NOTHING
            self.letter = None
            take_out(&owner.mailbox, letter)
            self.flags &= ~(MONITOR | REPLY)  # nothing will come any more
            self.taken = self.target.outcome
            return VALUE
        for letter in letters_with(&owner.mailbox, ref):
            if letter.packed:
                self.letter = None
                take_out(&owner.mailbox, letter)
                self.taken = self.target.outcome
                self.forget()
                return VALUE
            message = letter.message
            if type(message) is Reply or (isinstance(message, tuple) and len(message) == 2):
                take_out(&owner.mailbox, letter)
                self.taken = message[1]
                self.forget()
                return VALUE
            if type(message) is Down:
                take_out(&owner.mailbox, letter)
                self.taken = (<Down>message).reason
                self.forget()
                return FAILURE
        return NOTHING

    cdef int forget(self) except -1:
        """Demonitor and flush: no message of the task arrives from now on."""
        cdef Ref ref = Bond_ref(self)
        cdef Letter letter = self.letter
        if self.flags & (MONITOR | REPLY):
            self.flags &= ~(MONITOR | REPLY)
            if not self.flags & LINK:
                detach(self)
        if ref is not None:
            ref.mode = NO_ALIAS
            ref.bond = None
            flush_down(self.watcher, ref)
        elif letter is not None:
            self.letter = None
            take_out(&self.watcher.mailbox, letter)
        return 0


cdef inline Ref Bond_ref(Task task):
    # The field, without making the ref: `Task.ref` is the property.
    return (<Bond>task).ref


cdef inline object join_task(Task task):
    return _Done(task) if task.completed else join(task.target, task)


class _Done:
    # Awaiting a completed task through asyncio.
    def __init__(self, task):
        self.task = task

    def __iter__(self):
        return self

    def send(self, value):
        return self.__next__()

    def __next__(self):
        raise StopIteration(self.task.result())


# Awaiting one.

@cython.final
cdef class Await(Wait):
    """Waits for the outcome of one task."""

    cdef str verb(self):
        return "await_"

    cdef bint poll(self) except -1:
        cdef Task task = self.task
        cdef int taken = task.take()
        cdef object value
        if taken == NOTHING:
            if self.alarm is None and not task.flags & (MONITOR | REPLY):
                self.leave()
                raise RuntimeError(
                    f"cannot await {task!r} without a limit: its outcome was taken, "
                    "or given up, before, and nothing will come"
                )
            return False
        value = task.taken
        task.taken = None
        if taken == VALUE:
            self.value = new_ok(value) if self.yields else value
        elif self.yields:
            self.value = new_failed(value)
        else:
            self.leave()
            raise failure_of(value)
        return True

    cdef int expire(self) except -1:
        if self.yields:
            self.value = None
            return 0
        self.task.forget()
        raise TaskTimeoutError(
            f"{self.task!r} did not finish within {self.limit():g} s",
            tasks=(self.task,),
            timeout=self.limit(),
        )

    cdef bint wants(self, Letter letter) except -1:
        return letter.message is self.task or (
            letter.tag is not None and letter.tag is Bond_ref(self.task)
        )


cdef Await _await_of(Task task):
    cdef PyObject *over = take_one()
    cdef Await wait
    if over is NULL:
        wait = Await.__new__(Await)
    else:
        wait = <Await>over
        Py_DECREF(wait)  # the variable holds it
    wait.process = task.watcher
    wait.task = task
    return wait


cdef bint _wipe(PyObject *freed) noexcept:
    """Make an await that nobody refers to as new; False when it cannot be."""
    # A variable of its type would count as a reference, and free the await again.
    if (<Await>freed).stage == PARKED or (<Await>freed).unawaited:
        return False
    (<Await>freed).process = None
    (<Await>freed).value = None
    (<Await>freed).task = None
    (<Await>freed).stage = FRESH
    (<Await>freed).alarm = None
    (<Await>freed).expired = (<Await>freed).yields = False
    return True


cdef Await new_await(Task task, str verb, object timeout, bint yields):
    cdef Await wait
    task.check_owner(verb)
    wait = _await_of(task)
    wait.limit_to(timeout)
    wait.yields = yields
    wait.unawaited = True
    return wait


# Giving up.

@cython.final
cdef class Shutdown(Wait):
    """Sends the exit signal at its first poll, and waits for what comes of it."""

    cdef str verb(self):
        return "shutdown"

    cdef bint poll(self) except -1:
        cdef Task task = self.task
        cdef Process process = task.target
        if task.completed:
            self.value = ignore_task(task)
            return True
        if self._take():
            return True
        if self.expired and not self.brutal:
            # Time ran out: kill, and wait for the end without a limit.
            self.expired = False
            self.late = True
            self.drop_alarm()
            exit_by_call(process, task.watcher, _KILL)
            return self._take()
        if self.sent:
            return False
        if process.life == DEAD:
            self.value = new_failed(absence_of(process))
            return True
        self.sent = True
        # The caller must survive the signal, and hear of the end even of an ignored
        # task.
        unlink_processes(task.watcher, process)
        task.flags |= MONITOR
        if not task.flags & ATTACHED:
            attach(task)
        task.reference().bond = task
        if self.brutal:
            exit_by_call(process, task.watcher, _KILL)
        else:
            give_time(process, INFINITY if self.alarm is None else self.limit())
            exit_by_call(process, task.watcher, _SHUTDOWN)
        return self._take()

    cdef bint _take(self) except -1:
        """Take the outcome once the process has ended: a reply by hand ends nothing."""
        cdef Task task = self.task
        cdef int taken
        cdef object reason
        if task.target.life != DEAD:
            return False
        taken = task.take()
        if taken == NOTHING:
            return False
        reason = task.taken
        task.taken = None
        if taken == VALUE:
            self.value = new_ok(reason)
        elif reason is (_KILLED if self.brutal else _SHUTDOWN) and not self.late:
            self.value = None
        elif reason is _SHUTDOWN and self.late:
            self.value = None  # it was unwinding, and the kill only ended that
        else:
            self.value = new_failed(reason)
        return True

    cdef int expire(self) except -1:
        # Only for a limit of 0: the signal is sent, and the kill follows at once.
        self.expired = True
        if not self.poll():
            raise SystemError("a killed process is dead")
        return 0

    cdef bint wants(self, Letter letter) except -1:
        return letter.message is self.task or (
            letter.tag is not None and letter.tag is Bond_ref(self.task)
        )


cdef Shutdown new_shutdown(Task task, object timeout):
    cdef Shutdown wait
    cdef bint brutal = timeout is _BRUTAL_KILL
    wait = Shutdown.__new__(Shutdown)
    wait.process = task.watcher
    wait.task = task
    wait.brutal = brutal
    if not brutal:
        wait.limit_to(timeout)
    wait.unawaited = True
    return wait


cdef object kill_task(Task task):
    """Shut a task down brutally, at once; its process is not the one that runs."""
    cdef Shutdown wait
    if task.completed:
        return ignore_task(task)
    wait = new_shutdown(task, _BRUTAL_KILL)
    wait.unawaited = False
    return wait.value if wait.poll() else None


cdef object ignore_task(Task task):
    """Return the outcome if it is there; let go of the task in any case."""
    cdef int taken
    cdef object outcome
    taken = task.take()
    if not task.completed:
        unlink_processes(task.watcher, task.target)
    if taken == NOTHING:
        task.forget()
        return None
    outcome = task.taken
    task.taken = None
    return new_ok(outcome) if taken == VALUE else new_failed(outcome)


# Starting.

cdef Task start_task(
    Scheduler scheduler, Process owner, object fn, tuple args, object executor, int flags
):
    """Start a process that owes `owner` a reply."""
    cdef Task task = Task.__new__(Task)  # first: it may fail
    cdef Process process = start_process(scheduler, fn, args, executor, owner)
    process.callers = line_of(owner)
    task.watcher = owner
    task.target = process
    task.flags = flags
    attach(task)
    return task


def async_(fn, *args, executor=None):
    """Start `fn(*args)` in a process that is linked to the caller, and monitored by it.

    The result reaches the caller as the message `Reply(task.ref, value)`, which the
    verbs take. When the task crashes, the caller, unless it traps exits, dies with the
    same reason, whatever it is awaiting; when the caller ends abnormally, so does the
    task.

    A plain function in a thread sees the context variables of its process. When the
    process ends first, whatever ends it, the function runs on, and its result is
    dropped. So it is in an executor of yours, where one that waits is cancelled.

    `executor="process"` calls it in a worker process, which is spawned when it is needed
    and used again. The function, its arguments and what it returns or raises are
    pickled, context variables do not go along, and an exception has the traceback of
    the worker as its cause. When the process of the task ends first, its worker is
    killed: nothing unwinds there. When the worker ends first, the task crashes with
    `WorkerError`. How many threads and workers there are is said by `limit_executor`.

    Args:
        fn: An async function, a plain function (it runs in a worker thread) or a
            coroutine object.
        args: Positional arguments of `fn`.
        executor: Where a plain function runs: `"thread"`, which is also what None means;
            `"process"`; `"interpreter"`, from Python 3.14 on; or a
            `concurrent.futures.Executor`.

    Returns:
        The task, owned by the caller.

    Raises:
        TypeError: If `fn` cannot be run or called so.
        ValueError: If there is no such executor.
        RuntimeError: If no process is running.

    Example:
        ```python
        import fastask

        async def double(x: int) -> int:
            return 2 * x

        async def main() -> int:
            task = fastask.async_(double, 21)
            return await task

        assert fastask.run(main) == 42
        ```

    Elixir: `Task.async/1`.
    """
    cdef Process owner = caller_for(fn)
    return start_task(
        <Scheduler>owner.hub, owner, fn, args, executor, LINK | MONITOR | REPLY
    )


def async_nolink(fn, *args, executor=None):
    """Start `fn(*args)` in a process that the caller monitors, without a link.

    As `async_`, but neither takes the other down: when the task crashes, the caller
    gets `Down`, and awaiting raises what the task crashed with.

    Elixir: `Task.Supervisor.async_nolink/2`, without the supervisor.
    """
    cdef Process owner = caller_for(fn)
    return start_task(
        <Scheduler>owner.hub, owner, fn, args, executor, MONITOR | REPLY
    )


def start(fn, *args):
    """Start `fn(*args)` and forget it: neither linked nor monitored.

    A crash is logged at once. Elixir: `Task.start/1`.
    """
    cdef Process me = caller_for(fn)
    cdef Process process = start_process(<Scheduler>me.hub, fn, args, None, me)
    process.callers = line_of(me)
    return process


def start_link(fn, *args):
    """Start `fn(*args)` in a process that is linked to the caller; no reply comes.

    Elixir: `Task.start_link/1`.
    """
    cdef Process me = caller_for(fn)
    cdef Process process = start_process(<Scheduler>me.hub, fn, args, None, me)
    process.callers = line_of(me)
    start_linked(me, process)
    return process


def completed(value):
    """Return a task that has finished with `value`; no process runs.

    Its reply is in the caller's mailbox at once, and all verbs work.

    Elixir: `Task.completed/1`.
    """
    cdef Process owner = current_process()
    cdef Task task = Task.__new__(Task)
    task.watcher = owner
    task.completed = True
    task.value = value
    task.flags = REPLY
    deliver(owner, new_reply(task.reference(), value))
    return task


keep_memory(<PyTypeObject *>Task, 1024)
keep_memory(<PyTypeObject *>Await, 64)
keep_one(<PyTypeObject *>Await, <void *>_wipe)
