"""Scheduler: runs the processes of one event loop. Layer 5.

Runnable processes stand in a queue of ours; the loop sees one callback, the drain,
for all of them. A drain hands the loop back after BUDGET so that sockets and the
loop's own timers are served, and is the only place where coroutines are stepped.
"""

import asyncio
import contextvars
import sys
from asyncio import CancelledError, _get_running_loop
from collections import deque
from gc import get_referents
from types import CoroutineType, GetSetDescriptorType

from cpython.dict cimport PyDict_DelItem, PyDict_SetItem, PyDict_Size
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

from fastask._core.aim cimport disarm_all
from fastask._core.bond cimport LINK, Bond
from fastask._core.context cimport snapshot
from fastask._core.hub cimport (
    PYGEN_ERROR, PYGEN_NEXT, Hub, PySendResult, call_soon, fastask_send, lend, running_hub,
    swap_running_hub, take_back,
)
from fastask._core.process cimport (
    CLOSING, DEAD, DOOMED, FREE, RUNNABLE, RUNNING, UNWINDING, WAITING, Process,
    line_of,
)
from fastask._core.signal cimport exit_by_call, finish
from fastask._core.wait cimport Wait
from fastask._core.wheel cimport Node, nanoseconds, now_ns, time_of

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

    /* Attributes of a type of C, without looking for them by name each time. */
    static PyObject *fastask_read(PyObject *descriptor, PyObject *object) {
        return Py_TYPE(descriptor)->tp_descr_get(
            descriptor, object, (PyObject *)Py_TYPE(object));
    }
    static int fastask_write(PyObject *descriptor, PyObject *object, PyObject *value) {
        return Py_TYPE(descriptor)->tp_descr_set(descriptor, object, value);
    }
    """
    PyObject *item "fastask_item"(object mapping, object key, Py_hash_t hash)
    object read "fastask_read"(object descriptor, object thing)
    int write "fastask_write"(object descriptor, object thing, object value) except -1

cdef object _Future = asyncio.Future
cdef object _future_loop = vars(_Future)["_loop"]
cdef object _future_blocking = vars(_Future).get("_asyncio_future_blocking")
cdef object _add_done_callback = vars(_Future)["add_done_callback"]
if type(_future_loop) is not GetSetDescriptorType:
    _Future = None  # asyncio runs without its part in C
cdef object _wakeup = vars(Process)["_wakeup"]
cdef object _NORMAL = NORMAL
cdef object _SHUTDOWN = SHUTDOWN
cdef object _KILLED = KILLED

cdef enum:
    BUDGET = 100_000            # ns that a drain may take before the loop has a turn
    STEPS_BETWEEN_LOOKS = 32    # at the clock
    MOST_CHOSEN = 32            # steps of a drain that a chooser directs
    DEEPEST_KILL = 50           # kills inside kills before one has to wait its turn
    TURNS_TO_UNWIND = 3         # of the loop, that an adopted task has

DEFAULT_GRACE = 5.0
cdef str ATTRIBUTE = "_fastask_scheduler"


cdef inline Process _take(Scheduler self, PyObject *before):
    """Take a process out of the run queue: the one after `before`, or the first."""
    cdef Process process
    if before is NULL:
        process = <Process>self.run_head
        self.run_head = process.run_next
    else:
        process = <Process>(<Process>before).run_next
        (<Process>before).run_next = process.run_next
    if self.run_tail is <PyObject *>process:
        self.run_tail = before
    if process.opens:
        process.opens = False
        self.opened -= 1
    process.queued = False
    Py_DECREF(process)  # taken in Process.wake or spawn; the variable holds it
    return process


cdef class Deadline(Node):
    """Ends the unwinding of a process whose grace is over."""

    cdef int fire(self) except -1:
        return self.process.hub.kill(self.process, _KILLED)


cdef class Scheduler(Hub):
    """Runs the processes of one event loop; one thread at a time may touch it."""

    def __init__(self, loop):
        self.loop = loop
        self.loop_hash = hash(loop)
        self.keeps_frames = loop.get_debug()
        self.grace = DEFAULT_GRACE
        self.context = contextvars.Context()
        self.drain_callback = self._drain
        self.look_callback = self._look
        self.inbox = deque()
        self.stride = 1
        self.given = set()
        self.ready = ready_of(loop)
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

    # Driving.

    cdef int arm(self) except -1:
        if self.draining or self.armed:
            return 0
        return self.arm_again()

    cdef int arm_again(self) except -1:
        try:
            self.handle = call_soon(self, self.drain_callback, None)
        except RuntimeError:
            if not self.loop.is_closed():
                raise
            return 0
        self.armed += 1
        return 0

    def _drain(self):
        """Step runnable processes until there are none or the budget is spent."""
        if self.draining:
            return
        if self.armed:
            self.armed -= 1
        if self.keeper is None:
            self.keep()
        self._turn(None)

    def _look(self):
        """See to the timers and the other threads, unless an armed drain does."""
        if not self.draining and not self.armed:
            self._turn(None)

    cdef int resume(self, object target) except -1:
        cdef Process process = <Process>target
        if self.draining or self.chooser is not None or self.halted:
            return process.wake()
        if process.life != WAITING or process.adopted:
            return 0
        process.life = RUNNABLE
        return self._turn(process)

    cdef int _turn(self, Process process) except -1:
        """Have one process step, or all that can, in a callback of the loop."""
        cdef PyObject *outer
        cdef object task = self._enter(None)
        self.draining = True
        outer = swap_running_hub(<PyObject *>self)
        try:
            self._run(process)
        finally:
            swap_running_hub(outer)
            self.draining = self.stepping = False
            self.running = None
            try:
                if (self.run_head is not NULL or self.inbox) and not self.halted:
                    self.arm()
                self._arm_timer()
            finally:
                self._enter(task)

    cdef int _run(self, Process process) except -1:
        try:
            if process is not None:
                self.clock = now_ns()
                self.stepped = process
                return self.step(process)
            if self.chooser is None:
                return self._step_in_order()
            return self._step_chosen()
        except BaseException as error:  # raised again
            if self.stepped is not None:
                self._rescue(self.stepped, error)
            raise
        finally:
            self.stepped = None

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

    cdef int _step_in_order(self) except -1:
        cdef Process process
        cdef long long now = now_ns()
        cdef long long end = now + BUDGET
        cdef int steps = 0
        self.clock = now
        self._take_inbox()
        self.wheel.advance(now)
        self.stepping = True
        if self.run_head is not NULL and (<Process>self.run_head).opens:
            (<Process>self.run_head).opens = False  # the batch is ours
            self.opened -= 1
        while True:
            if self.run_head is NULL:
                # Time has passed: what is due may make a process runnable.
                if self.wheel.armed:
                    self.wheel.advance(now_ns())
                if self.run_head is NULL:
                    return 0
            if (<Process>self.run_head).opens:
                return 0  # a drain of its own is armed for it
            if not self.stepping and not (<Process>self.run_head).as_task:
                return 0  # a task has its place before what the loop calls next
            process = _take(self, NULL)
            if process.life == RUNNABLE:
                self.stepped = process
                self.step(process)
                self.stepped = None
                if self.halted:
                    return 0
            elif process.as_task:
                self._call_back(process)
            steps += 1
            if steps >= self.stride:
                steps = 0
                now = now_ns()
                # Slow steps are looked at one by one, quick ones many at a time.
                if now - self.clock > BUDGET // 4:
                    self.stride = 1
                elif self.stride < STEPS_BETWEEN_LOOKS:
                    self.stride *= 2
                self.clock = now
                if self.inbox:
                    self._take_inbox()
                if self.wheel.armed:
                    self.wheel.advance(now)
                if now > end:
                    self.stepping = False

    cdef int _call_back(self, Process process) except -1:
        if self.entered is not NULL:
            self._enter(None)  # a callback is called in no task
        return process.call_back()

    cdef int _step_chosen(self) except -1:
        """Step runnable processes in an order that the chooser decides (I19).

        What is open is which of them goes first, and whether the loop has its turn
        before all of them have had theirs; nothing is that depends on how fast this
        machine is.
        """
        cdef Process process
        cdef int steps = 0
        self.clock = time_of(self.wheel)
        self._take_inbox()
        self.wheel.advance(self.clock)
        while self.run_head is not NULL and steps < MOST_CHOSEN:
            process = self._take_chosen()
            if process.life == RUNNABLE:
                self.chooser.chosen(process)
                self.stepped = process
                self.step(process)
                self.stepped = None
                if self.halted:
                    return 0
                steps += 1
            self._take_inbox()
            if self.wheel.stands < 0:
                self.wheel.advance(time_of(self.wheel))
            if self.run_head is not NULL and self.chooser.loop_is_ready():
                if self.chooser.choose(2) == 1:
                    return 0
        return 0

    cdef Process _take_chosen(self):
        cdef PyObject *before = NULL
        cdef PyObject *cursor = self.run_head
        cdef Py_ssize_t count = 0
        while cursor is not NULL:
            count += 1
            cursor = (<Process>cursor).run_next
        if count > 1:
            count = self.chooser.choose(count)
            while count > 0:
                before = self.run_head if before is NULL else (<Process>before).run_next
                count -= 1
        return _take(self, before)

    def choose_by(self, chooser):
        """Have what is left open decided: `choose(n)` returns a number below n."""
        self.chooser = chooser
        self.patience = 0

    def next_deadline(self):
        """Return the time at which the wheel wants to be advanced, or -1."""
        return self.wheel.next_deadline()

    def set_clock(self, long long now):
        """Let the clock stand at a time, which never lies before the last one."""
        self.wheel.stand(now)

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

    # Stepping.

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
        if self.current_tasks is None:
            self.swap_current(self.loop, process)
        elif self.entered != <PyObject *>process:
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
            self._detach_future(process)
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
            return self._refuse_yield(process, f"cannot yield the wait {what!r}")
        return self._await_future(process, what)

    cdef int _give_loop_a_turn(self, Process process) except -1:
        """A bare yield, as of `asyncio.sleep(0)`: the loop runs once before it goes on.

        A task of asyncio only lets go first what the loop was told to call before: the
        rest of the loop has its turn when the drain is over.
        """
        if process.as_task and self.ready is not None and self.chooser is None:
            return process.wake()
        call_soon(self, self._go_on, process)
        return 0

    def _go_on(self, Process process):
        if process.awaited is None and process.parked is None:
            process.wake()

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

    cdef bint _start_grace(self, Process process) except -1:
        """Begin the time that an unwinding process has; False when it is none."""
        cdef Deadline deadline
        cdef double grace = process.extra.grace
        if grace < 0.0:
            grace = self.grace
        if grace == 0.0:
            self._close(process)
            return False
        deadline = Deadline.__new__(Deadline)
        deadline.process = process
        process.extra.deadline = deadline
        self.wheel.add(deadline, time_of(self.wheel) + nanoseconds(grace))
        return True

    cdef int _await_future(self, Process process, object future) except -1:
        cdef object blocking
        if type(future) is _Future and self._await_quickly(process, future):
            return 0
        if isinstance(future, Process) and self._await_process(process, <Process>future):
            return 0
        blocking = getattr(future, "_asyncio_future_blocking", None)
        if blocking is None:
            return self._refuse_yield(process, f"Task got bad yield: {future!r}")
        try:
            loop = _loop_of(future)
        except Exception as error:
            return self._refuse_yield(process, f"bad yield: {future!r}: {error!r}")
        if loop is not self.loop:
            return self._refuse_yield(
                process, f"Task {process!r} got Future {future!r} attached to a different loop"
            )
        if not blocking:
            return self._refuse_yield(
                process, f"yield was used instead of yield from in {process!r} with {future!r}"
            )
        if future is process:
            return self._refuse_yield(process, f"Task cannot await on itself: {process!r}")
        future._asyncio_future_blocking = False
        future.add_done_callback(process._wakeup, context=self.context)
        return self._now_awaits(process, future)

    cdef bint _await_quickly(self, Process process, object future) except -1:
        """Do as `_await_future` for a future of C, if there is nothing wrong with it."""
        if read(_future_loop, future) is not self.loop:
            return False
        if read(_future_blocking, future) is not True:
            return False
        write(_future_blocking, future, False)
        _add_done_callback(future, read(_wakeup, process), context=self.context)
        self._now_awaits(process, future)
        return True

    cdef bint _await_process(self, Process process, Process other) except -1:
        """Await a process of the same loop, if there is nothing wrong with that."""
        if other.hub is not self or other is process or other.life == DEAD:
            return False
        if not other._asyncio_future_blocking:
            return False
        other._asyncio_future_blocking = False
        other.join_by(process)
        self._now_awaits(process, other)
        return True

    cdef int _now_awaits(self, Process process, object future) except -1:
        cdef object message = None
        process.awaited = future
        if process.must_cancel:
            if process.extra is not None:
                message = process.extra.cancel_message
            if future.cancel(message):
                process.must_cancel = False
        if process.fate == DOOMED:
            process.wake()
        return 0

    cdef int _refuse_yield(self, Process process, str message) except -1:
        """Raise an error where the process yielded what nobody can wait for."""
        process.outcome = RuntimeError(message)
        process.must_throw = True
        return process.wake()

    cdef int _leave_future(self, Process process) except -1:
        """Cancel what a doomed process awaits, and step the process a turn later.

        A library may note in a callback of its future that it was cancelled: asyncpg
        does, and would refuse what a `finally` block asks of it before. A task of
        asyncio is stepped after such callbacks, too.
        """
        self._detach_future(process)
        process.life = WAITING
        call_soon(self, self._go_on, process)
        return 0

    cdef int _detach_future(self, Process process) except -1:
        """Cancel what a process awaits, and do not wait for that."""
        cdef object future = process.awaited
        process.awaited = None
        try:
            if isinstance(future, Process):
                (<Process>future).leave_to(process)
            future.remove_done_callback(process._wakeup)
            future.cancel()
        except Exception:  # whatever a foreign future does, the process goes on
            pass
        return 0

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
        if process.life == DEAD:
            return 0
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
                self._detach_future(process)
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

    # Processes.

    cdef Process spawn(self, object coroutine, object function, Process parent):
        """Make a process of a coroutine and put it in the run queue."""
        cdef Process process
        try:
            process = Process.__new__(Process)
            process.context = snapshot()
            if parent is not None:
                process.ancestors = line_of(parent)
        except MemoryError:
            coroutine.close()  # or it would warn that it was never awaited
            raise
        process.hub = self
        process.body = coroutine
        process.function = function
        process.born = self.clock if self.draining else time_of(self.wheel)
        process.life = WAITING
        process.enter_table()
        process.wake()
        if self.witness is not None:
            self.witness(process)
        return process

    cdef Process adopt(self, object task):
        """Return the process of an asyncio task of this loop, making it if needed."""
        cdef Process process = <Process>self.adopted.get(task)
        if process is not None:
            return process
        process = Process.__new__(Process)
        process.hub = self
        process.body = task
        process.function = task.get_coro()
        process.context = snapshot()
        process.born = time_of(self.wheel)
        process.life = WAITING
        process.adopted = True
        task.add_done_callback(self._adopted_done, context=self.context)
        self.adopted[task] = process
        process.enter_table()
        return process

    def _adopted_done(self, task):
        cdef Process process = <Process>self.adopted.pop(task)
        if task.cancelled():
            process.was_cancelled = process.fate == FREE
            finish(process, _SHUTDOWN)
        elif task._exception is not None:
            # `exception()` would tell asyncio that somebody has seen it.
            error = task._exception
            finish(process, error.reason if isinstance(error, Exit) else error)
        else:
            if process.fate == FREE:
                process.outcome = task.result()
                process.returned = True
            finish(process, _NORMAL)

    cdef int begin_exit(self, object target) except -1:
        cdef Process process = <Process>target
        process.body.cancel()
        self.loop.call_soon(
            self._unwound, process, TURNS_TO_UNWIND, context=self.context
        )
        return 0

    def _unwound(self, Process process, int turns):
        """End an adopted process whose task had its turn to unwind."""
        if turns > 0 and process.life != DEAD:
            self.loop.call_soon(self._unwound, process, turns - 1, context=self.context)
            return
        finish(process, process.reason)

    # Time.

    cdef int _arm_timer(self) except -1:
        """Have the loop call when the first timer of the wheel is due."""
        cdef long long deadline = self.wheel.next_deadline()
        cdef long long delay
        if deadline < 0:
            return 0
        if self.armed_timer is not None:
            if self.armed_for <= deadline:
                return 0
            self.armed_timer.cancel()
        delay = deadline - time_of(self.wheel)
        if delay < 0:
            delay = 0
        if self.wheel.stands < 0:
            # Whole milliseconds, rounded up: uvloop rounds to the nearest.
            delay = (delay + 999_999) // 1_000_000 * 1_000_000
        self.armed_timer = None
        try:
            self._arm_timer_in(delay / 1e9)
        except MemoryError:  # without the call, everybody would wait for ever
            self._arm_timer_in(delay / 1e9)
        self.armed_for = deadline
        return 0

    cdef int _arm_timer_in(self, double seconds) except -1:
        self.armed_timer = self.loop.call_later(
            seconds, self._timer_due, context=self.context
        )
        return 0

    def _timer_due(self):
        self.armed_timer = None
        self._look()

    # Other threads.

    cdef int post(self, tuple call) except -1:
        """Have a call made in the thread of the loop; safe from every thread."""
        if self.loop.is_closed():
            return 0  # its processes are gone, and the dead get no messages
        self.inbox.append(call)
        if self.inbox_signalled:
            return 0
        self.inbox_signalled = True
        try:
            self.loop.call_soon_threadsafe(self.look_callback, context=self.context)
        except RuntimeError:
            self.inbox_signalled = False
            self.inbox.clear()
            if not self.loop.is_closed():
                raise
        return 0

    cdef int _take_inbox(self) except -1:
        self.inbox_signalled = False
        for _ in range(len(self.inbox)):  # no more: who sends without end must wait
            call = self.inbox.popleft()
            call[0](*call[1:])
        return 0

    # The end of the loop.

    def keep(self):
        """Have the running loop end the processes when it ends itself."""
        self.keeper = _keep(self)
        try:
            self.keeper.__anext__().send(None)
        except StopIteration:
            pass

    def processes(self):
        """Return the live processes, oldest first."""
        cdef list processes = []
        cdef PyObject *cursor = self.live_head
        while cursor is not NULL:
            processes.append(<Process>cursor)
            cursor = (<Process>cursor).live_later
        return processes

    def armed_nodes(self):
        """Return what waits for its time in the wheel: timers, waits, and others."""
        return self.wheel.nodes()

    async def end(self, grace):
        """Stop every process that is no asyncio task: SHUTDOWN, KILL after `grace`."""
        cdef long long deadline = time_of(self.wheel) + nanoseconds(grace)
        cdef set told = set()
        self.root = None  # when it ends only now, the others go on to theirs
        self.halted = False
        self.arm()
        cdef Process process
        while True:
            left = [
                process for process in self.processes()
                if not process.adopted and not process.as_task  # asyncio ends those
            ]
            if not left:
                return
            if time_of(self.wheel) >= deadline:
                self.ended = True
                for process in left:
                    self.kill(process, _KILLED)
                continue
            for process in left:
                # A supervisor stops its children itself, in order.
                if process not in told and not _is_supervised(process):
                    told.add(process)
                    exit_by_call(process, None, _SHUTDOWN)
            self.vacated = self.loop.create_future()
            timer = self.loop.call_at(
                self.loop.time() + (deadline - time_of(self.wheel)) / 1e9 + 0.001,
                _resolve, self.vacated,
            )
            try:
                await self.vacated
            finally:
                timer.cancel()
                self.vacated = None

    def close(self):
        """Let go of the loop: nothing of ours stays scheduled in it."""
        self.ended = True
        if self.armed_timer is not None:
            self.armed_timer.cancel()
            self.armed_timer = None
        for process in self.processes():
            disarm_all(process)
        self.wheel.clear()
        if self.pools is not None:
            self.pools.close()


cdef int silence(object coroutine) except -1:
    """Keep a coroutine that swallowed its own close from running once more."""
    if type(coroutine) is CoroutineType and coroutine.cr_frame is not None:
        fastask_silence(coroutine)
    return 0


def _nothing():
    """Be called, in order to be seen in the loop's queue."""


cdef object ready_of(object loop):
    """Return the deque of what a loop calls next, or None when it cannot be found.

    It is only ever looked at. asyncio's loops show it; uvloop's do to the collector.
    """
    cdef object handle
    ready = getattr(loop, "_ready", None)
    if type(ready) is deque:
        return ready
    found = [thing for thing in get_referents(loop) if type(thing) is deque]
    if not found or loop.is_closed():
        return None
    handle = loop.call_soon(_nothing)
    handle.cancel()
    for ready in found:
        if ready and ready[-1] is handle:
            return ready
    return None


cdef object _loop_of(object future):
    try:
        return future.get_loop()
    except AttributeError:  # as asyncio has it
        return future._loop


cdef bint _is_supervised(Process process) except -1:
    """Tell whether a supervisor that lives has started the process."""
    cdef PyObject *cursor = process.bonds_in
    while cursor is not NULL:
        if (<Bond>cursor).flags & LINK and (<Bond>cursor).watcher.supervises:
            return True
        cursor = (<Bond>cursor).in_later
    return False


def _resolve(future):
    if not future.done():
        future.set_result(None)


async def _keep(scheduler):
    # The loop closes its asynchronous generators when it ends (`asyncio.run`,
    # `uvloop.run`, `Runner.close`). This one is never exhausted, so that is when the
    # processes that are left are stopped; nothing in asyncio is patched.
    try:
        yield
    finally:
        await scheduler.end(scheduler.default_grace)
        scheduler.close()


cdef Scheduler scheduler_of(object loop):
    """Return the scheduler of a loop, making it if needed."""
    cdef object scheduler = getattr(loop, ATTRIBUTE, None)
    if type(scheduler) is Scheduler:
        return <Scheduler>scheduler
    made = Scheduler(loop)
    setattr(loop, ATTRIBUTE, made)
    if _get_running_loop() is loop:
        made.keep()  # else its first drain does
    return <Scheduler>made


def scheduler_for(loop):
    """Return the scheduler of a running loop, making it if needed."""
    return scheduler_of(loop)


cdef Process current_or_none():
    """Return the process that is running, or None in a callback of the loop."""
    cdef PyObject *running = running_hub()
    cdef PyObject *task
    cdef Scheduler scheduler
    if running is not NULL:
        task = (<Scheduler>running).current()
        if task is not NULL and isinstance(<object>task, Process):
            return <Process>task
    scheduler = current_scheduler()
    task = scheduler.current()
    if task is NULL:
        return None
    if isinstance(<object>task, Process):
        return <Process>task
    return scheduler.adopt(<object>task)


cdef Process current_process():
    """Return the process that is running.

    Raises:
        RuntimeError: If no loop is running, or no coroutine of it.
    """
    cdef Process process = current_or_none()
    if process is None:
        raise RuntimeError("no process is running: this is a callback of the loop")
    return process


cdef bint runs_here(Process process) except -1:
    """Tell whether a process is the one that runs, in a drain of this thread.

    It is the quick answer: False does not say that it is another.
    """
    if running_hub() is not <PyObject *>process.hub:
        return False
    return process.hub.current() == <PyObject *>process


cdef object stranger():
    """Return the running asyncio task when it is no process (yet), else None."""
    cdef PyObject *task
    cdef Scheduler scheduler
    if running_hub() is NULL and _get_running_loop() is None:
        return None
    scheduler = current_scheduler()
    task = scheduler.current()
    if task is NULL or isinstance(<object>task, Process):
        return None
    return None if <object>task in scheduler.adopted else <object>task


cdef Scheduler current_scheduler():
    """Return the scheduler of the running loop."""
    cdef PyObject *running = running_hub()
    if running is not NULL:
        return <Scheduler>running
    loop = _get_running_loop()
    if loop is None:
        raise RuntimeError("no running event loop: fastask needs one, see fastask.run")
    return scheduler_of(loop)
