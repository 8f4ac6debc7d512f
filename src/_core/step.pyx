"""Step: runs one process until it waits or ends. Layer 5.

A step is the only place where a coroutine goes on. Which process is stepped, and when,
is decided by the room above, `dispatch`.
"""

import asyncio
import contextvars
import sys
from asyncio import CancelledError
from collections import deque
from types import CoroutineType

from cpython.dict cimport PyDict_DelItem, PyDict_SetItem, PyDict_Size
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.math cimport INFINITY

from fastask._core.future cimport await_future, detach_future, refuse_yield
from fastask._core.hub cimport (
    PYGEN_ERROR, PYGEN_NEXT, Hub, PySendResult, call_soon, fastask_send, holders, lend,
    swap_running_hub, take_back,
)
from fastask._core.process cimport (
    CLOSING, DEAD, DOOMED, FREE, KILL_NOW, REMOTE, RUNNABLE, RUNNING, UNWINDING, WAITING,
    Process,
)
from fastask._core.signal cimport finish
from fastask._core.slot cimport replace
from fastask._core.wait cimport Wait
from fastask._core.wheel cimport Node, nanoseconds, time_of

from fastask._core.errors import Exit, ExitSignal
from fastask._core.reason import KILLED, NORMAL, SHUTDOWN

cdef extern from "Python.h":
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1

cdef extern from *:
    """
    /* Keep a coroutine that swallowed even GeneratorExit from running once more when
       it is freed: mark it as finalized. Its frame is cleared all the same. */
    static void fastask_silence(PyObject *coroutine) {
    #ifdef Py_GIL_DISABLED
        coroutine->ob_gc_bits |= 2;
    #else
        ((uintptr_t *)coroutine)[-1] |= 1;
    #endif
    }

    /* The exception that is set, with its traceback. */
    static PyObject *fastask_fetch(void) {
    #if PY_VERSION_HEX >= 0x030c0000
        return PyErr_GetRaisedException();
    #else
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        PyErr_NormalizeException(&type, &value, &traceback);
        if (traceback != NULL) PyException_SetTraceback(value, traceback);
        Py_XDECREF(type);
        Py_XDECREF(traceback);
        return value;
    #endif
    }

    /* fastask_send for throw. */
    static PySendResult fastask_throw(
        PyObject *coroutine, PyObject *name, PyObject *error, PyObject **out
    ) {
        PyObject *stop;
        *out = PyObject_CallMethodOneArg(coroutine, name, error);
        if (*out != NULL) return PYGEN_NEXT;
        if (!PyErr_ExceptionMatches(PyExc_StopIteration)) return PYGEN_ERROR;
        stop = fastask_fetch();
        *out = PyObject_GetAttrString(stop, "value");
        Py_DECREF(stop);
        return *out != NULL ? PYGEN_RETURN : PYGEN_ERROR;
    }
    """
    void fastask_silence(object coroutine)
    object fastask_fetch()
    PySendResult fastask_throw(
        object coroutine, object name, object error, PyObject **out
    )

cdef extern from *:
    """
    /* From 3.14 on, asyncio keeps its current task elsewhere. */
    #if PY_VERSION_HEX < 0x030e0000
    #define fastask_item(mapping, key, hash) _PyDict_GetItem_KnownHash(mapping, key, hash)
    #else
    #define fastask_item(mapping, key, hash) PyDict_GetItemWithError(mapping, key)
    #endif
    """
    PyObject *item "fastask_item"(object mapping, object key, Py_hash_t hash)

cdef object _NORMAL = NORMAL
cdef object _SHUTDOWN = SHUTDOWN
cdef object _KILLED = KILLED

cdef enum:
    DEEPEST_KILL = 50           # kills inside kills before one has to wait its turn

DEFAULT_GRACE = 5.0


cdef class Deadline(Node):
    """Ends the unwinding of a process whose grace is over."""

    cdef int fire(self) except -1:
        return self.process.hub.kill(self.process, _KILLED)


cdef class Stepper(Hub):
    """The part of a scheduler that steps a process, kills it, or sees it end."""

    def __init__(self, loop):
        self.loop = loop
        self.loop_hash = hash(loop)
        self.keeps_frames = loop.get_debug()
        self.grace = DEFAULT_GRACE
        self.context = contextvars.Context()
        self.given = set()
        self.rests = deque()
        self.rest_callback = self._go_on_after
        if sys.version_info < (3, 14):
            self.current_tasks = asyncio.tasks._current_tasks
        else:
            self.swap_current = asyncio.tasks._swap_current_task

    @property
    def default_grace(self):
        """Seconds that an unwinding process may await foreign futures."""
        return self.grace

    @default_grace.setter
    def default_grace(self, double seconds):
        self.grace = seconds

    @property
    def on_stack(self):
        """The process whose step goes on, or None; read by the stall watchdog."""
        return self.running

    # Asyncio's current task.

    cdef PyObject *current(self) except? NULL:
        if self.current_tasks is not None:
            return item(self.current_tasks, self.loop, self.loop_hash)
        task = asyncio.current_task(self.loop)  # the loop keeps it alive
        return NULL if task is None else <PyObject *>task

    cdef object _enter(self, object task):
        """Make `task` asyncio's current task; return the one before."""
        cdef PyObject *last
        cdef object before
        self.entered = NULL
        if self.current_tasks is None:
            return self.swap_current(self.loop, task)
        if task is None and PyDict_Size(self.current_tasks) == 0:
            return None
        last = item(self.current_tasks, self.loop, self.loop_hash)
        before = None if last is NULL else <object>last
        if task is not None:
            PyDict_SetItem(self.current_tasks, self.loop, task)
        elif last is not NULL:
            PyDict_DelItem(self.current_tasks, self.loop)
        return before

    # A step.

    cdef int step(self, Process process) except -1:
        """Run a process until it waits or ends."""
        cdef PyObject *out = NULL
        cdef PySendResult status
        cdef object given
        cdef object context
        cdef object outcome
        cdef object error = None
        if process.killing:
            return self._close(process)
        if process.fate == DOOMED and process.awaited is not None:
            return self._leave_future(process)
        process.life = RUNNING
        self.running = process
        self.steps += 1
        self.immediate = 0
        if self.entered != <PyObject *>process:
            if self.current_tasks is None:
                self.swap_current(self.loop, process)
            elif not replace(
                <PyObject *>self.current_tasks, <PyObject *>self.loop, <PyObject *>process
            ):
                PyDict_SetItem(self.current_tasks, self.loop, process)
            self.entered = <PyObject *>process
        if process.fate == DOOMED or process.must_cancel or process.must_throw:
            error = self._interruption(process)
        process.awaited = None
        given = process.context
        process.context = context = lend(self, given)
        PyContext_Enter(context)
        if error is not None:
            status = fastask_throw(process.body, "throw", error, &out)
        else:
            status = fastask_send(process.body, &out)
        if status == PYGEN_ERROR:
            outcome = fastask_fetch()
        else:
            outcome = <object>out
            Py_DECREF(outcome)  # the reference that the coroutine gave
        PyContext_Exit(context)
        if process.context is context and take_back(self, context, given, 2):
            process.context = given
        self.running = None
        if status == PYGEN_NEXT:
            return self._yielded(process, outcome)
        if status == PYGEN_ERROR:
            return self._failed(process, outcome)
        if process.fails:
            return self._failed(process, outcome)
        if process.as_task and process.must_cancel and process.fate == FREE:
            return self._failed(process, self._interruption(process))
        if process.fate == FREE:
            process.outcome = outcome
            process.returned = True
        return self._finish(process, _NORMAL)

    cdef object _interruption(self, Process process):
        """Return what is thrown into a process, and detach it from what it awaits."""
        cdef object error
        if process.awaited is not None:
            detach_future(process)
        if process.fate == DOOMED:
            process.fate = UNWINDING
            process.must_cancel = process.must_throw = False
            return ExitSignal(process.reason)
        if process.must_throw:
            process.must_throw = False
            error = process.outcome
            process.outcome = None
            return error
        process.must_cancel = False
        error = process.extra.cancel_message if process.extra is not None else None
        return CancelledError() if error is None else CancelledError(error)

    cdef int _yielded(self, Process process, object what) except -1:
        """A process yielded: it is parked, wants a turn, or awaits a future."""
        process.life = WAITING
        if process.killing:
            return self._close(process)
        if process.fate == UNWINDING and process.extras().deadline is None:
            if not self._start_grace(process):
                return 0
        if process.parked is what and what is not None:
            if process.must_cancel or process.fate == DOOMED:
                process.wake()  # it happened while the wait polled
            return 0
        if what is self:
            return process.wake()
        if what is None:
            return self._give_loop_a_turn(process)
        if isinstance(what, Wait):
            if process.fate != FREE:
                return self._close(process)
            return refuse_yield(process, f"cannot yield the wait {what!r}")
        return await_future(self, process, what)

    cdef int _give_loop_a_turn(self, Process process) except -1:
        """A bare yield, as of `asyncio.sleep(0)`: the loop runs once before it goes on.

        A task of asyncio only lets go first what the loop was told to call before: the
        rest of the loop has its turn when the drain is over.
        """
        if process.as_task and self.ready is not None and self.chooser is None:
            return process.wake()
        if self.ready is not None and self.chooser is None:
            return self._rest(process)
        call_soon(self, self._go_on, process)
        return 0

    cdef int _rest(self, Process process) except -1:
        """Have a process go on after all that the loop was told to call before.

        One call does for many, as long as the loop is told of nothing else (I28).
        """
        cdef list batch = self.last_rest
        if batch is not None and len(self.ready) and self.ready[-1] is batch[0]:
            batch.append(process)
            return 0
        batch = [None, process]
        self.rests.append(batch)
        try:
            batch[0] = call_soon(self, self.rest_callback, batch)
        except BaseException:  # raised again
            self.rests.pop()
            raise
        self.last_rest = batch
        return 0

    def _go_on_after(self, list batch):
        cdef list earlier
        while self.rests:
            earlier = self.rests.popleft()
            self._wake_all(earlier)  # before `batch`: the call was lost
            if earlier is batch:
                return

    cdef int _wake_all(self, list batch) except -1:
        cdef Py_ssize_t i = 1
        batch[0] = None
        if batch is self.last_rest:
            self.last_rest = None
        try:
            while i < len(batch):
                _go_on(<Process>batch[i])
                i += 1
        except BaseException:  # raised again; the others are found at the next turn
            del batch[1:i]
            self.rests.appendleft(batch)
            raise
        return 0

    cdef int find_lost_rest(self) except -1:
        """Wake who rests, where an interrupt has hit the call that would."""
        cdef list batch = self.rests[0]
        if holders(<PyObject *>batch[0]) == 2 or batch[0] in self.ready:
            return 0
        self.rests.popleft()
        return self._wake_all(batch)

    def _go_on(self, Process process):
        _go_on(process)

    cdef int _leave_future(self, Process process) except -1:
        """Cancel what a doomed process awaits, and step the process a turn later.

        A library may note in a callback of its future that it was cancelled: asyncpg
        does, and would refuse what a `finally` block asks of it before. A task of
        asyncio is stepped after such callbacks, too.
        """
        detach_future(process)
        process.life = WAITING
        call_soon(self, self._go_on, process)
        return 0

    cdef bint _start_grace(self, Process process) except -1:
        """Begin the time that an unwinding process has; False when it is none."""
        cdef Deadline deadline
        cdef double grace = process.extra.grace
        if grace < 0.0:
            grace = self.grace
        if grace == 0.0:
            self._close(process)
            return False
        if grace == INFINITY:
            return True
        deadline = Deadline.__new__(Deadline)
        deadline.process = process
        process.extra.deadline = deadline
        self.wheel.add(deadline, time_of(self.wheel) + nanoseconds(grace))
        return True

    # Starting before one's turn.

    cdef int step_at_once(self, Process process) except -1:
        """Step a process that was just made inside whoever is running."""
        cdef Process running = self.running
        cdef Process stepped = self.stepped
        cdef int immediate = self.immediate
        cdef PyObject *outer = swap_running_hub(<PyObject *>self)
        cdef object task = self._enter(None)
        process.life = RUNNABLE
        self.stepped = process
        try:
            self.step(process)
        except BaseException as error:  # raised again
            self._rescue(process, error)
            raise
        finally:
            self.running = running
            self.stepped = stepped
            self.immediate = immediate
            swap_running_hub(outer)
            self._enter(task)
        return 0

    cdef int _rescue(self, Process process, object error) except -1:
        """End a process that was neither parked nor queued when its step failed."""
        if process.life == DEAD or process.queued:
            return 0
        if process.fate == FREE:
            process.fate = DOOMED
            process.reason = error
        process.killing = True
        process.life = WAITING
        return process.wake()

    # Ending.

    cdef int _failed(self, Process process, object error) except -1:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self._finish(process, error)
            raise error
        if process.fate == FREE and isinstance(error, CancelledError):
            process.was_cancelled = True
            if process.as_task:
                process.outcome = error
            return self._finish(process, _SHUTDOWN)
        if isinstance(error, Exit):
            process.outcome = error  # awaiting the process raises this very one
            return self._finish(process, error.reason)
        return self._finish(process, error)

    cdef int _finish(self, Process process, object reason) except -1:
        if process.given:
            self.given.discard(process.body)
        if process is self.root:
            self.root = None
            self.halted = True
        return finish(process, reason)

    cdef int kill(self, object target, object reason) except -1:
        cdef Process process = <Process>target
        cdef object task
        if process.life >= DEAD:
            return process.carry(KILL_NOW, None, None) if process.life == REMOTE else 0
        if process.fate == FREE:
            process.fate = DOOMED
            process.reason = reason
        if process.adopted:
            task = process.body
            finish(process, reason)
            task.cancel()
            return 0
        if process.life == RUNNING or self.kills >= DEEPEST_KILL:
            process.killing = True
            return process.wake()
        self.kills += 1
        try:
            self._close(process)
        finally:
            self.kills -= 1
        return 0

    cdef int _close(self, Process process) except -1:
        """Close the coroutine of a process that is not running, and end it.

        Its `finally` blocks run now, inside whoever is running, and may not wait.
        """
        cdef object coroutine = process.body
        cdef object context = process.own_context()
        cdef object task
        cdef object interrupt = None
        cdef Process outer = self.running
        task = self._enter(process)
        try:
            process.fate = CLOSING
            if process.awaited is not None:
                detach_future(process)
            try:
                PyContext_Enter(context)
            except RuntimeError:  # a task that shares the context is running in it
                context = context.copy()
                PyContext_Enter(context)
            process.life = RUNNING
            self.running = process
            try:
                coroutine.close()
            except (KeyboardInterrupt, SystemExit) as error:
                interrupt = error
            except BaseException:  # the fate is fixed: nothing changes the reason
                pass
            finally:
                PyContext_Exit(context)
                self.running = outer
        finally:
            self._enter(task)
        try:
            silence(coroutine)
        finally:
            self._finish(process, process.reason)
        if interrupt is not None:
            raise interrupt
        return 0


cdef int _go_on(Process process) except -1:
    """Wake a process that wanted a turn of the loop, if that is what it waits for."""
    if process.awaited is None and process.parked is None:
        process.wake()
    return 0


cdef int silence(object coroutine) except -1:
    """Keep a coroutine that swallowed its own close from running once more."""
    if type(coroutine) is CoroutineType and coroutine.cr_frame is not None:
        fastask_silence(coroutine)
    return 0
