"""AsyncioTask: the process that stands for an asyncio task. Layer 9.

It is what `task_factory` makes: a process with asyncio's rules in the place of ours.
Its crash is asyncio's to report, its table does not own it, and `cancel` is what ends
it. All that a process can do it can, too.
"""

import asyncio
import sys
from asyncio import CancelledError, InvalidStateError
from asyncio.base_tasks import _task_repr
from asyncio.coroutines import iscoroutine
from asyncio.format_helpers import extract_stack
from types import CoroutineType
from weakref import ref as weak

cimport cython
from cpython.object cimport PyObject, PyTypeObject

from fastask._core.context cimport is_context, snapshot
from fastask._core.hub cimport is_here, lend, running_hub, take_back
from fastask._core.pool cimport keep_memory
from fastask._core.process cimport CLOSING, DEAD, DOOMED, FREE, WAITING, Process
from fastask._core.scheduler cimport Scheduler, scheduler_of
from fastask._core.signal cimport finish

from fastask._core.message cimport failure_of

from fastask._core.reason import KILLED

cdef extern from "Python.h":
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1

cdef extern from *:
    """
    /* Cython makes the dictionary of each object at once. From 3.12 on the interpreter
       finds methods faster without one, before that with one. */
    static void fastask_attributes_come_late(PyObject *task) {
    #if PY_VERSION_HEX >= 0x030c0000
        PyObject **attributes = _PyObject_GetDictPtr(task);
        if (*attributes != NULL && PyDict_GET_SIZE(*attributes) == 0)
            Py_CLEAR(*attributes);
    #endif
    }

    /* Cython leaves None for a dictionary behind what the collector has cleared; those
       who still look there then expect nothing, or a dictionary. */
    static inquiry fastask_clear = NULL;
    static int fastask_clear_all(PyObject *task) {
        int status = fastask_clear(task);
        Py_CLEAR(*_PyObject_GetDictPtr(task));
        return status;
    }
    static void fastask_clear_well(PyTypeObject *type) {
        fastask_clear = type->tp_clear;
        type->tp_clear = fastask_clear_all;
    }
    """
    void attributes_come_late "fastask_attributes_come_late"(object task)
    void clear_well "fastask_clear_well"(PyTypeObject *type)

cdef object _CoroutineType = CoroutineType
cdef object _KILLED = KILLED
cdef object _iscoroutine = iscoroutine
cdef bint LISTED_AT_ONCE = sys.version_info >= (3, 14)
cdef object _register = asyncio.tasks._register_task
cdef object _register_eager = getattr(asyncio.tasks, "_register_eager_task", None)
cdef object _unregister_eager = getattr(asyncio.tasks, "_unregister_eager_task", None)
cdef object _TASKS = getattr(asyncio.tasks, "_scheduled_tasks", None)
if _TASKS is None:
    _TASKS = asyncio.tasks._all_tasks  # Python 3.11


cdef class AsyncioTask(Process):
    """A task of asyncio on this core; `isinstance(task, asyncio.Task)` holds.

    Made by `task_factory`, or as `asyncio.Task` is. It is also a `Process`: it has a
    mailbox, and may link, monitor and be linked to.

    Args:
        coro: The coroutine to run.
        loop: The event loop; the current one when None.
        name: What people call it; `Task-N` when None.
        context: The context variables to run with; a copy of the current ones when
            None.
        eager_start: Whether to run up to the first wait at once; only where the loop
            is running.

    Raises:
        TypeError: If `coro` is no coroutine.
    """

    def __init__(self, coro, *, loop=None, name=None, context=None, eager_start=False):
        if self.hub is not None:
            raise RuntimeError(f"{self!r} has begun already")
        if type(coro) is not _CoroutineType and not _iscoroutine(coro):
            raise TypeError(f"a coroutine was expected, got {coro!r}")
        if loop is None:
            loop = asyncio.get_event_loop()
        self.begin(loop, coro, context)
        if name is not None:
            self.task_name = str(name)
        self.start(bool(eager_start))

    cdef int begin(self, object loop, object coro, object context) except -1:
        cdef PyObject *running = running_hub()
        cdef Scheduler scheduler
        if running is not NULL and (<Scheduler>running).loop is loop:
            scheduler = <Scheduler>running
        else:
            scheduler = scheduler_of(loop)
        attributes_come_late(self)
        self.context = snapshot() if context is None else _checked(context)
        self.as_task = True
        self.reported = True  # by asyncio
        self.hub = scheduler
        self.body = self.coro = self.function = coro
        self.born = scheduler.clock
        self.life = WAITING
        self.tells_of_loss = True
        self.enter_table()
        if scheduler.keeps_frames:
            self.source_traceback = extract_stack(sys._getframe(0))
        return 0

    cdef int start(self, bint eager) except -1:
        cdef Scheduler scheduler = <Scheduler>self.hub
        if eager and scheduler.loop.is_running():
            if LISTED_AT_ONCE:
                _register_eager(self)
            try:
                scheduler.step_at_once(self)
            finally:
                if LISTED_AT_ONCE:
                    _unregister_eager(self)
            if self.life == DEAD:
                self.coro = None
                return 0
        else:
            self.wake()
        if LISTED_AT_ONCE:
            self.listed = True
            _register(self)
        elif scheduler.roll is None:
            scheduler.roll = Roll(scheduler)
        return 0

    @property
    def __class__(self):
        return asyncio.Task

    def __repr__(self):
        return _task_repr(self)

    # The outcome.

    @cython.binding(False)
    @cython.embedsignature.format("clinic")
    def result(self):
        """Return what the coroutine returned, or raise what ended it.

        Raises:
            asyncio.InvalidStateError: If the task has not ended.
            asyncio.CancelledError: If it was cancelled.
            BaseException: What it raised.
        """
        if self.life != DEAD:
            raise InvalidStateError("Result is not set.")
        return self.conclude()

    cdef object conclude(self):
        self.unread = False
        return Process.conclude(self)

    @cython.binding(False)
    @cython.embedsignature.format("clinic")
    def exception(self):
        """Return the exception that the coroutine raised, or None.

        Raises:
            asyncio.InvalidStateError: If the task has not ended.
            asyncio.CancelledError: If it was cancelled.
        """
        if self.life != DEAD:
            raise InvalidStateError("Exception is not set.")
        if self.was_cancelled:
            raise self.failure()
        self.unread = False
        return self.error()

    cdef object error(self):
        """Return the exception that ended it, or None."""
        if self.life != DEAD or self.returned or self.was_cancelled:
            return None
        if self.outcome is not None and self.fate == FREE:
            return self.outcome  # the Exit that it raised
        return failure_of(self.reason)

    cdef object failure(self):
        cdef object error
        if self.was_cancelled:
            return self._make_cancelled_error()
        error = self.error()
        return error if self.traceback is None else error.with_traceback(self.traceback)

    def _make_cancelled_error(self):
        error, self.outcome = self.outcome, None  # the first has the traceback
        if error is not None:
            return error
        message = self._cancel_message
        return CancelledError() if message is None else CancelledError(message)

    def set_result(self, result):
        raise RuntimeError("Task does not support set_result operation")

    def set_exception(self, exception):
        raise RuntimeError("Task does not support set_exception operation")

    # Cancelling.

    @cython.binding(False)
    @cython.embedsignature.format("clinic")
    def cancel(self, msg=None):
        """Cancel the task: `asyncio.CancelledError` is raised where it waits.

        Returns False when the task has ended.
        """
        cdef Process process = self
        self.unread = False
        if self.life == DEAD:
            return False
        while True:  # along a chain of processes that await each other
            process.extras()
            process.extra.cancels += 1
            if process.fate == DOOMED or process.fate == CLOSING:
                return True
            if not isinstance(process.awaited, Process):
                break
            if (<Process>process.awaited).life == DEAD or (<Process>process.awaited).adopted:
                break
            process = <Process>process.awaited
        if process.awaited is not None and process.awaited.cancel(msg=msg):
            return True
        process.must_cancel = True
        if msg is not None or process.extra is not None:
            process.extras().cancel_message = msg
        if process.awaited is None or not process.as_task:
            process.wake()  # else what it awaits does, when that is done
        return True

    # What waits for the end.

    @cython.binding(False)
    @cython.embedsignature.format("clinic")
    def add_done_callback(self, callback, *, context=None):
        """Call `callback(task)` soon after the task has ended."""
        if self.life == DEAD:
            self.hub.loop.call_soon(callback, self, context=context)
            return
        self._add(callback, snapshot() if context is None else _checked(context))

    @cython.binding(False)
    @cython.embedsignature.format("clinic")
    def remove_done_callback(self, callback):
        """Remove every such callback; return how many there were."""
        cdef list pairs = self._pairs()
        cdef list kept = [
            pair for pair in pairs if pair[1] is None or pair[0] != callback
        ]
        self._put_back(kept)
        return len(pairs) - len(kept)

    cdef int join_by(self, Process waiter) except -1:
        return self._add(waiter, None)

    cdef int leave_to(self, Process waiter) except -1:
        return self._put_back([pair for pair in self._pairs() if pair[0] is not waiter])

    cdef int _add(self, object waiter, object context) except -1:
        if self.waiter is None:
            self.waiter = waiter
            self.waiter_context = context
            return 0
        if self.waiters is None:
            self.waiters = []
        self.waiters.append((waiter, context))
        return 0

    cdef list _pairs(self):
        """Return the pairs of who waits and its context, None for a process."""
        cdef list pairs = []
        if self.waiter is not None:
            pairs.append((self.waiter, self.waiter_context))
        if self.waiters is not None:
            pairs.extend(self.waiters)
        return pairs

    cdef int _put_back(self, list pairs) except -1:
        self.waiter = self.waiter_context = self.waiters = None
        for waiter, context in pairs:
            self._add(waiter, context)
        return 0

    cdef int settle(self) except -1:
        if self.fate == FREE and not self.returned and not self.was_cancelled:
            self.unread = True
            self.traceback = self.error().__traceback__
        if self.waiters is not None:
            self._settle_all()
        elif self.waiter is not None:
            self._settle_one()
        return Process.settle(self)

    cdef int _settle_one(self) except -1:
        """Wake the process that waits; a callback has the place of the task."""
        cdef Process process
        if self.waiter_context is not None:
            return self._queue_callbacks()
        process = <Process>self.waiter
        self.waiter = None
        return process.wake() if process.awaited is self else 0

    cdef int _settle_all(self) except -1:
        cdef list callbacks = []
        for waiter, context in self._pairs():
            if context is not None:
                callbacks.append((waiter, context))
            elif (<Process>waiter).awaited is self:
                (<Process>waiter).wake()
        self._put_back(callbacks)
        return self._queue_callbacks() if callbacks else 0

    cdef int _queue_callbacks(self) except -1:
        if not self.hub.keeps_frames and self.hub.chooser is None:
            return self.queue()
        for callback, context in self._pairs():
            self._call_soon(callback, context)
        return self._put_back([])

    cdef int call_back(self) except -1:
        cdef object callback = self.waiter
        cdef object context = self.waiter_context
        cdef list others = self.waiters
        self.waiter = self.waiter_context = self.waiters = None
        if callback is None:
            return 0
        try:
            self._call(callback, context)
            while others:
                callback, context = others.pop(0)
                self._call(callback, context)
        except BaseException:  # an interrupt: the others come next
            if others:
                self._put_back(others)
                self.queue()
            raise
        return 0

    cdef int _call(self, object callback, object context) except -1:
        cdef object lent = lend(self.hub, context)
        try:
            PyContext_Enter(lent)
            try:
                callback(self)
            finally:
                PyContext_Exit(lent)
                take_back(self.hub, lent, context, 1)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # as asyncio's handles do
            self.hub.loop.call_exception_handler({
                "message": f"Exception in callback {callback!r}",
                "exception": error,
                "task": self,
            })
        return 0

    def _call_soon(self, callback, context):
        context = lend(self.hub, context)
        try:
            self.hub.loop.call_soon(callback, self, context=context)
        except MemoryError:  # once more: who waits would wait for ever
            self.hub.loop.call_soon(callback, self, context=context)

    def __del__(self):
        if self.hub is None:
            return
        if self.life != DEAD:
            try:
                if self.tells_of_loss:
                    self._complain("Task was destroyed but it is pending!", None)
            finally:
                self._end_unseen()
        elif self.unread:
            self.unread = False
            self._complain("Task exception was never retrieved", self.error())

    cdef int _end_unseen(self) except -1:
        """End it as killed, as nothing is left that could wake it (I23).

        As in asyncio nobody who would be called at its end is; but it has a mailbox,
        timers that aim at it, and processes that monitor it. The collector may have come
        here in another thread.
        """
        cdef Scheduler scheduler = <Scheduler>self.hub
        self.waiter = self.waiter_context = self.waiters = self.awaited = None
        self.was_cancelled = True
        if scheduler.loop.is_running() and not is_here(scheduler):
            return scheduler.post((_finish_killed, self))
        return finish(self, _KILLED)

    def _complain(self, message, error):
        context = {"task" if error is None else "future": self, "message": message}
        if error is not None:
            context["exception"] = error
        if self.source_traceback:
            context["source_traceback"] = self.source_traceback
        self.hub.loop.call_exception_handler(context)

    # What asyncio calls it, and what it looks at.

    def get_name(self):
        """Return the name: what was given, or `Task-N`."""
        if self.task_name is None:
            self.task_name = f"Task-{self.id}"
        return self.task_name

    def set_name(self, value):
        """Set the name."""
        self.task_name = str(value)

    def get_coro(self):
        """Return the coroutine, or None when an eager start has ended it."""
        return self.coro

    @property
    def _name(self):
        return self.get_name()

    @property
    def _context(self):
        return self.get_context()

    @property
    def _state(self):
        if self.life != DEAD:
            return "PENDING"
        return "CANCELLED" if self.was_cancelled else "FINISHED"

    @property
    def _result(self):
        return self.outcome if self.returned else None

    @property
    def _exception(self):
        return self.error()

    @property
    def _callbacks(self):
        return [
            (waiter._wakeup, waiter.get_context()) if context is None
            else (waiter, lend(self.hub, context))
            for waiter, context in self._pairs()
        ]

    @property
    def _asyncio_awaited_by(self):
        return {waiter for waiter, context in self._pairs() if context is None} or None

    @property
    def _source_traceback(self):
        return self.source_traceback

    @property
    def _num_cancels_requested(self):
        return self.cancelling()

    @property
    def _cancel_message(self):
        return None if self.extra is None else self.extra.cancel_message

    @_cancel_message.setter
    def _cancel_message(self, message):
        self.extras().cancel_message = message

    @property
    def _log_destroy_pending(self):
        return self.tells_of_loss

    @_log_destroy_pending.setter
    def _log_destroy_pending(self, bint value):
        self.tells_of_loss = value

    @_log_destroy_pending.deleter
    def _log_destroy_pending(self):
        raise AttributeError("_log_destroy_pending cannot be deleted")

    @property
    def _log_traceback(self):
        return self.unread

    @_log_traceback.setter
    def _log_traceback(self, value):
        if value:
            raise ValueError("_log_traceback can only be set to False")
        self.unread = False


clear_well(<PyTypeObject *>AsyncioTask)


def _finish_killed(AsyncioTask task):
    finish(task, _KILLED)


cdef object _checked(object context):
    if not is_context(context):
        raise TypeError(f"context must be a contextvars.Context, got {context!r}")
    return context


@cython.final
cdef class Roll:
    # Stands in asyncio's set of tasks, where weak references to tasks are, for all
    # tasks of one scheduler. It costs more to enter a task there than to run it, and
    # hardly anybody ever looks: so the tasks are entered when somebody does. The set
    # has grown then under the eyes of who looks, and `asyncio.all_tasks` begins anew.
    cdef object scheduler       # weak
    cdef object __weakref__

    def __init__(self, Scheduler scheduler):
        self.scheduler = weak(scheduler, self._leave)
        _TASKS.data.add(self)

    def _leave(self, scheduler):
        _TASKS.data.discard(self)

    def __call__(self):
        cdef Scheduler scheduler = <Scheduler>self.scheduler()
        cdef Process process
        if scheduler is None:
            return
        unlisted = [
            process for process in scheduler.processes()
            if process.as_task and not (<AsyncioTask>process).listed
        ]
        for process in unlisted:
            (<AsyncioTask>process).listed = True
            _register(process)


def task_factory(loop, coro, *, name=None, context=None, eager_start=None):
    """Run asyncio's own tasks on this core: `loop.set_task_factory(task_factory)`.

    `asyncio.create_task`, `TaskGroup`, `gather`, `wait_for` and all others then make
    tasks that behave as before, and are processes: they may `receive`, `link` and be
    monitored. Nothing in asyncio is patched; a loop without the factory, and what runs
    there, is not touched.

    Args:
        loop: The event loop.
        coro: The coroutine to run.
        name: What people call the task.
        context: The context variables to run with; a copy of the current ones when
            None.
        eager_start: Whether to run up to the first wait at once.

    Returns:
        The task.

    Raises:
        TypeError: If `coro` is no coroutine.

    Example:
        ```python
        import asyncio
        import fastask

        async def main() -> None:
            asyncio.get_running_loop().set_task_factory(fastask.task_factory)
            async with asyncio.TaskGroup() as group:
                task = group.create_task(asyncio.sleep(0.01, "done"))
            assert task.result() == "done"

        asyncio.run(main())
        ```
    """
    cdef AsyncioTask task
    if type(coro) is not _CoroutineType and not _iscoroutine(coro):
        raise TypeError(f"a coroutine was expected, got {coro!r}")
    task = AsyncioTask.__new__(AsyncioTask)
    task.begin(loop, coro, context)
    if name is not None:
        task.task_name = str(name)
    task.start(bool(eager_start))
    return task


def eager_task_factory(loop, coro, *, name=None, context=None, eager_start=True):
    """Run asyncio's own tasks on this core, and each up to its first wait at once.

    As `asyncio.eager_task_factory`, also before Python 3.12: see `task_factory`.
    """
    return task_factory(
        loop, coro, name=name, context=context,
        eager_start=True if eager_start is None else eager_start,
    )


keep_memory(<PyTypeObject *>AsyncioTask, 1024)
