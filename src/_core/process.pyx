"""Process: one coroutine with a mailbox, bonds to others and a fate. Layer 2.

This room holds the data of a process and the face it shows to asyncio, to which it is
a task. What signals do to it is told in `signal`, how it runs in `step`.
"""

import contextvars
from asyncio import CancelledError, InvalidStateError
from asyncio.base_tasks import _task_get_stack, _task_print_stack
from types import GenericAlias
from weakref import ref as weak

cimport cython
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF

from fastask._core.context cimport context_with, is_context
from fastask._core.hub cimport Hub
from fastask._core.message cimport failure_of
from fastask._core.pool cimport keep_memory
from fastask._core.ref cimport exporter_here
from fastask._core.stepped cimport step_by


cdef enum:
    LONGEST_LINE = 64       # ancestors kept before the oldest half is forgotten


@cython.final
cdef class Lineage:
    pass


@cython.final
cdef class Extra:
    def __cinit__(self):
        self.grace = -1.0


cdef class Process:
    """The handle of a process: hashable, and valid for ever (Elixir's pid).

    A process is made by `spawn` and its kin and belongs to one event loop. It may be
    awaited by any coroutine of that loop, and does for asyncio as one of its tasks.
    Only `send` may be used from other threads. A dead process keeps its id, its
    reason and what its function returned, but no stack.

    Attributes:
        id: A number that no other process of the same event loop has or had.
    """

    __class_getitem__ = classmethod(GenericAlias)

    def __init__(self):
        raise TypeError("a process is made by spawn(), not by calling its class")

    def __reduce__(self):
        cdef object exporter = exporter_here()
        if exporter is None or not exporter.takes(self.hub.loop):
            raise TypeError(f"{self!r} belongs to this event loop: cannot pickle it")
        return exporter.process(self)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __repr__(self):
        cdef list words = [f"<{type(self).__name__} #{self.id}"]
        if self.name is not None:
            words.append(f"name={self.name!r}")
        if self.label is not None:
            words.append(f"label={self.label!r}")
        if self.function is not None:
            words.append(function_name(self.function))
        if self.life == DEAD:
            words.append(f"dead reason={self.reason!r}")
        return " ".join(words) + ">"

    @property
    def name(self):
        """The registered name, or None."""
        return None if self.extra is None else self.extra.name

    @property
    def alive(self):
        """Whether the process has not ended. It ends when its unwinding has ended."""
        return self.life != DEAD

    @property
    def label(self):
        """What `set_label` set, or None."""
        return None if self.extra is None else self.extra.label

    # What asyncio asks of a future.

    def __await__(self):
        return Join(self, self)

    def __iter__(self):
        return Join(self, self)

    @cython.binding(False)
    @cython.embedsignature.format("clinic")
    def get_loop(self):
        """Return the event loop that the process belongs to."""
        return self.hub.loop

    @property
    def _loop(self):
        return self.hub.loop

    @cython.binding(False)
    @cython.embedsignature.format("clinic")
    def done(self):
        """Return whether the process has ended."""
        return self.life == DEAD

    @cython.binding(False)
    @cython.embedsignature.format("clinic")
    def cancelled(self):
        """Return whether the process ended by an asyncio cancellation."""
        return self.was_cancelled != 0

    def result(self):
        """Return what the function returned, or raise what ended the process.

        Raises:
            asyncio.InvalidStateError: If the process has not ended.
            asyncio.CancelledError: If it was cancelled.
            Exit: If it ended with a reason that is no exception.
            BaseException: What it crashed with.
        """
        if self.life != DEAD:
            raise InvalidStateError(f"{self!r} has not ended")
        return self.conclude()

    def exception(self):
        """Return what awaiting the process raises, or None when it returned.

        Raises:
            asyncio.InvalidStateError: If the process has not ended.
            asyncio.CancelledError: If it was cancelled.
        """
        if self.life != DEAD:
            raise InvalidStateError(f"{self!r} has not ended")
        if self.was_cancelled:
            raise self.failure()
        return None if self.returned else self.failure()

    def add_done_callback(self, callback, *, context=None):
        """Call `callback(process)` soon after the process has ended."""
        watch(self, callback, context, self)

    def remove_done_callback(self, callback):
        """Remove every such callback; return how many there were."""
        return unwatch(self, callback)

    def set_result(self, result):
        raise RuntimeError(f"{self!r} has the result that its function returns")

    def set_exception(self, exception):
        raise RuntimeError(f"{self!r} has the exception that its function raises")

    # What asyncio asks of a task.

    def cancel(self, msg=None):
        """Cancel the process as asyncio cancels a task.

        `asyncio.CancelledError` is raised where it waits; unless it is caught, the
        process ends with `SHUTDOWN`. Returns False when the process has ended.
        """
        if self.life == DEAD:
            return False
        if self.adopted:
            return self.body.cancel(msg)
        cdef Process process = self
        while True:  # along a chain of processes that await each other
            process.extras()
            process.extra.cancels += 1
            if process.fate == DOOMED or process.fate == CLOSING:
                return True
            if type(process.awaited) is not Process:
                break
            if (<Process>process.awaited).life == DEAD:
                break
            process = <Process>process.awaited
        if process.awaited is not None and process.awaited.cancel(msg):
            return True
        process.must_cancel = True
        if msg is not None:
            process.extras().cancel_message = msg
        process.wake()
        return True

    @cython.binding(False)
    @cython.embedsignature.format("clinic")
    def cancelling(self):
        """Return how many calls of `cancel` were not taken back by `uncancel`."""
        if self.adopted and self.body is not None:
            return self.body.cancelling()
        return 0 if self.extra is None else self.extra.cancels

    @cython.binding(False)
    @cython.embedsignature.format("clinic")
    def uncancel(self):
        """Take back one call of `cancel`; return how many remain."""
        if self.adopted and self.body is not None:
            return self.body.uncancel()
        if self.extra is None:
            return 0
        if self.extra.cancels > 0:
            self.extra.cancels -= 1
            if self.extra.cancels == 0:
                self.must_cancel = False
        return self.extra.cancels

    def get_name(self):
        """Return the registered name, the label or a name made of the id."""
        if self.extra is not None:
            if self.extra.name is not None:
                return str(self.extra.name)
            if self.extra.label is not None:
                return str(self.extra.label)
        return f"Process-{self.id}"

    def set_name(self, value):
        """Set the label: what asyncio calls a name is for people only."""
        self.extras().label = str(value)

    def get_coro(self):
        """Return the coroutine, or None when the process has ended."""
        return self.body.get_coro() if self.adopted and self.body else self.body

    def get_context(self):
        """Return the context variables of the process, None when it has ended."""
        return None if self.context is None else self.own_context()

    def _make_cancelled_error(self):
        return CancelledError()  # `asyncio.gather` asks for it

    @property
    def _asyncio_future_blocking(self):
        return self.blocking == 1

    @_asyncio_future_blocking.setter
    def _asyncio_future_blocking(self, value):
        self.blocking = bool(value)

    @property
    def _coro(self):
        return self.get_coro()

    @property
    def _must_cancel(self):
        return self.must_cancel

    @property
    def _fut_waiter(self):
        return self.awaited

    def get_stack(self, *, limit=None):
        """Return the frames of the coroutine, as `asyncio.Task.get_stack` does."""
        return [] if self.get_coro() is None else _task_get_stack(self, limit)

    def print_stack(self, *, limit=None, file=None):
        """Print the frames of the coroutine, as `asyncio.Task.print_stack` does."""
        _task_print_stack(self, limit, file)

    @cython.binding(False)
    @cython.embedsignature.format("clinic")
    def _wakeup(self, future):
        """Go on: the future that the process awaits is done."""
        if self.awaited is future:  # the step lets go of it
            self.hub.resume(self)

    # For the rooms above.

    cdef int wake(self) except -1:
        """Put a waiting process in the run queue; nothing else needs it."""
        if self.life != WAITING or self.adopted:
            if self.life == RUNNABLE and not self.hub.draining:
                self.hub.arm()  # the drain that is to step it may be lost (I26)
            return 0
        self.queue()
        if self.life == WAITING:  # no handler of a signal has ended it meanwhile
            self.life = RUNNABLE
        return 0

    cdef int queue(self) except -1:
        """Put a process at the end of the run queue."""
        cdef Hub hub = self.hub
        cdef bint opens = False
        # First of all: when that fails, nothing has happened.
        if self.as_task:
            opens = hub.place()
        elif not hub.draining and not hub.is_armed():
            hub.arm_again()
        if self.queued:
            return 0  # by the handler of a signal, while the loop was told (I30)
        self.opens = opens
        hub.opened += opens
        self.queued = True
        self.run_next = NULL
        Py_INCREF(self)  # released by the drain that takes it from the queue
        if hub.run_tail is NULL:
            hub.run_head = <PyObject *>self
        else:
            (<Process>hub.run_tail).run_next = <PyObject *>self
        hub.run_tail = <PyObject *>self
        return 0

    cdef int call_back(self) except -1:
        """Call what waits for the end of a task of asyncio, which has come."""
        return 0

    cdef object own_context(self):
        """Return the context, which nobody else has from now on."""
        if not is_context(self.context):
            self.context = context_with(None, self.context)
        return self.context

    cdef Extra extras(self):
        if self.extra is None:
            self.extra = Extra.__new__(Extra)
        return self.extra

    cdef int enter_table(self) except -1:
        cdef Hub hub = self.hub
        hub.spawned += 1
        self.id = hub.spawned
        if not self.as_task:
            Py_INCREF(self)  # I1: the table owns it; released in leave_table
        self.live_earlier = hub.live_tail
        if hub.live_tail is NULL:
            hub.live_head = <PyObject *>self
        else:
            (<Process>hub.live_tail).live_later = <PyObject *>self
        hub.live_tail = <PyObject *>self
        hub.live += 1
        return 0

    cdef int leave_table(self) except -1:
        cdef Hub hub = self.hub
        if self.live_earlier is NULL:
            hub.live_head = self.live_later
        else:
            (<Process>self.live_earlier).live_later = self.live_later
        if self.live_later is NULL:
            hub.live_tail = self.live_earlier
        else:
            (<Process>self.live_later).live_earlier = self.live_earlier
        self.live_earlier = self.live_later = NULL
        hub.live -= 1
        if not self.as_task:
            Py_DECREF(self)  # taken in enter_table; the caller holds another
        return 0

    cdef int carry(self, int what, object subject, object value) except -1:
        """Take what reaches a process of another node (I27)."""
        raise SystemError("only a process of another node is reached by its node")

    cdef int join_by(self, Process waiter) except -1:
        """Have a process of the same loop woken at the end, without a callback."""
        cdef Extra extra = self.extras()
        if extra.callbacks is None:
            extra.callbacks = []
        extra.callbacks.append(waiter)
        return 0

    cdef int leave_to(self, Process waiter) except -1:
        """Forget a process that awaits this one."""
        if self.extra is not None and self.extra.callbacks is not None:
            if waiter in self.extra.callbacks:
                self.extra.callbacks.remove(waiter)
        return 0

    cdef int settle(self) except -1:
        """Wake those who wait for the end, and schedule the callbacks."""
        cdef list callbacks
        cdef object vacated = self.hub.vacated
        if vacated is not None and not vacated.done():
            vacated.set_result(None)
        if self.extra is None or self.extra.callbacks is None:
            return 0
        callbacks = self.extra.callbacks
        self.extra.callbacks = None
        for entry in callbacks:
            if isinstance(entry, Process):
                if (<Process>entry).awaited is self:
                    (<Process>entry).wake()
                continue
            callback, context, subject = entry
            try:
                self.hub.loop.call_soon(callback, subject, context=context)
            except MemoryError:  # once more: who waits would wait for ever
                self.hub.loop.call_soon(callback, subject, context=context)
        return 0

    cdef object conclude(self):
        """Return what a process that has ended returned, or raise why it did not."""
        if self.returned:
            return self.outcome
        raise self.failure()

    cdef object failure(self):
        """Return what awaiting it raises, once it has ended without a value."""
        if self.was_cancelled:
            return CancelledError()
        if self.outcome is not None and self.fate == FREE:
            if self.as_task or not isinstance(self.reason, BaseException):
                return self.outcome  # the Exit that it raised
        return failure_of(self.reason)


@cython.final
@cython.freelist(64)
cdef class Join:
    # What `await process` iterates: a future's protocol, so that any driver can wait.
    # `subject` is what is handed to asyncio: the process, or the task that stands
    # for it.
    cdef Process process
    cdef object subject
    cdef bint asked

    def __init__(self, Process process, object subject):
        self.process = process
        self.subject = subject

    def __iter__(self):
        return self

    def __await__(self):  # without it, the type has no place for its step
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        """Go on, as `coroutine.send` does."""
        cdef PyObject *out = NULL
        cdef int status = _step_join(<PyObject *>self, &out)
        result = <object>out
        Py_DECREF(result)  # given by the step
        if status == 0:
            return result
        raise StopIteration(result)


cdef int _step_join(PyObject *iterator, PyObject **out) except -1:
    cdef Join join = <Join>iterator
    cdef object value
    if join.process.life == DEAD:
        value = join.process.conclude()
        out[0] = <PyObject *>value
        Py_INCREF(value)  # given to the caller
        return 1
    if join.asked:
        # As a future: who iterates by hand, `list(process)` say, would never end.
        raise RuntimeError("await wasn't used with future")
    join.asked = True
    if join.subject is join.process:
        join.process.blocking = True
    else:
        join.subject._asyncio_future_blocking = True
    out[0] = <PyObject *>join.subject
    Py_INCREF(join.subject)  # given to the caller
    return 0


step_by(<PyTypeObject *>Join, <void *>_step_join)


def join(Process process, object subject):
    """Return the iterator that waits for the end of `process` through asyncio."""
    return Join(process, subject)


def watch(Process process, object callback, object context, object subject):
    """Call `callback(subject)` in `context` soon after the process has ended."""
    cdef Extra extra
    if context is None:
        context = contextvars.copy_context()
    if process.life == DEAD:
        process.hub.loop.call_soon(callback, subject, context=context)
        return
    if process.life == REMOTE:
        process.carry(WATCH, None, True)
    extra = process.extras()
    if extra.callbacks is None:
        extra.callbacks = []
    extra.callbacks.append((callback, context, subject))


def unwatch(Process process, object callback):
    """Remove a callback wherever `watch` added it; return how often that was."""
    cdef list kept
    if process.extra is None or process.extra.callbacks is None:
        return 0
    kept = [
        entry for entry in process.extra.callbacks
        if isinstance(entry, Process) or entry[0] != callback
    ]
    removed = len(process.extra.callbacks) - len(kept)
    process.extra.callbacks = kept or None
    return removed


def function_name(object function):
    """Return a name for people of what a process runs."""
    while hasattr(function, "func"):
        function = function.func  # functools.partial
    name = getattr(function, "__qualname__", None)
    return name if name is not None else type(function).__qualname__


cdef Lineage line_of(Process process):
    """Return the lineage that the children of `process` continue.

    It holds no process alive. A line that grows beyond LONGEST_LINE forgets its older
    half, so that generations without end cost nothing (I9).
    """
    cdef Extra extra = process.extras()
    cdef Lineage line
    if extra.line is None:
        line = Lineage.__new__(Lineage)
        line.process = weak(process)
        line.id = process.id
        line.ancestors = _shortened(process.ancestors)
        line.callers = _shortened(process.callers)
        line.depth = 1 + max(_depth(line.ancestors), _depth(line.callers))
        extra.line = line  # whole, as code of the user may have run meanwhile
    return extra.line


cdef inline int _depth(Lineage line):
    return 0 if line is None else line.depth


cdef Lineage _shortened(Lineage line):
    cdef list kept = []
    cdef Lineage copy, rest = None
    if line is None or line.depth < LONGEST_LINE:
        return line
    while line is not None and len(kept) < LONGEST_LINE // 2:
        kept.append(line)
        line = line.ancestors if line.ancestors is not None else line.callers
    for line in reversed(kept):
        copy = Lineage.__new__(Lineage)
        copy.process = line.process
        copy.id = line.id
        copy.ancestors = copy.callers = rest
        copy.depth = 1 + _depth(rest)
        rest = copy
    return rest


cdef list line_members(Lineage line, bint callers):
    """Return the processes of a line that still exist, nearest first."""
    cdef list members = []
    while line is not None:
        process = line.process()
        if process is not None:
            members.append(process)
        line = line.callers if callers else line.ancestors
    return members


keep_memory(<PyTypeObject *>Process, 1024)
