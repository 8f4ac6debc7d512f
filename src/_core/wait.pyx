"""Wait: what a process is parked in while it waits for something of ours. Layer 3.

A wait is an awaitable and its own iterator. The first step polls and, when there is
nothing yet, parks; whoever has something for it rouses the process, whose next step
polls again. Driven by its own process it yields itself, which costs no future and no
callback; driven by an asyncio task (an adopted process, or a task that awaits on
behalf of the process) it yields a future, the gate.
"""

from collections.abc import Coroutine
from warnings import warn

cimport cython
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF

from fastask._core.hub cimport current_of
from fastask._core.mailbox cimport Letter
from fastask._core.pool cimport keep_memory
from fastask._core.process cimport CLOSING, DEAD, DOOMED, FREE, UNWINDING, Process
from fastask._core.stepped cimport step_by
from fastask._core.wheel cimport IDLE, Node, limit_of, time_of

from fastask._core.errors import ExitSignal

cdef extern from "Python.h":
    void PyObject_GC_Track(PyObject *thing)
    void PyObject_GC_UnTrack(PyObject *thing)
    bint PyObject_GC_IsTracked(object thing)

cdef object _warn = warn


@cython.final
@cython.no_gc
cdef class Alarm(Node):
    cdef int fire(self) except -1:
        cdef Wait wait = self.wait
        self.wait = None
        return wait.ring()

    cdef int let_go(self) except -1:
        self.wait = None
        return 0


cdef class Wait:
    """The base of everything of fastask that is awaited."""

    def __init__(self):
        raise TypeError("a wait is made by the verb that waits")

    def __dealloc__(self):
        if self.unawaited and self.stage == FRESH:
            _warn(f"{self.verb()} was never awaited", RuntimeWarning)

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        """Go on, as `coroutine.send` does."""
        cdef PyObject *out = NULL
        cdef int status = self._step(&out)
        result = <object>out
        Py_DECREF(result)  # given by the step
        if status == 0:
            return result
        raise StopIteration(result)

    def throw(self, kind, value=None, traceback=None):
        """Stop waiting and raise, as `coroutine.throw` does."""
        self.leave()
        if value is None:
            value = kind() if isinstance(kind, type) else kind
        raise value

    def close(self):
        """Stop waiting, as `coroutine.close` does."""
        self.leave()

    cdef str verb(self):
        """Return what the user called. What derived classes hold is gone by then."""
        return "wait"

    cdef bint poll(self) except -1:
        """Tell whether the wait is over, with the outcome in `value`, or raise it."""
        return False

    cdef int expire(self) except -1:
        """Time ran out: set `value`, or raise."""
        return 0

    cdef bint wants(self, Letter letter) except -1:
        """Tell whether a letter that arrived may end the wait. Runs no user code."""
        return False

    cdef int limit_to(self, object seconds) except -1:
        """Limit the wait to a number of seconds that a user gave, or None."""
        if seconds is not None:
            self.set_alarm(limit_of("timeout", seconds))
        return 0

    cdef int set_alarm(self, long long limit) except -1:
        """Have the wait end so many nanoseconds after its first step."""
        self.alarm = Alarm.__new__(Alarm)
        self.alarm.limit = limit
        return 0

    cdef int drop_alarm(self) except -1:
        """Have the time of the wait not be limited any more."""
        if self.alarm is not None:
            self._disarm()
            self.alarm = None
        return 0

    cdef int _disarm(self) except -1:
        if self.alarm.slot != IDLE:
            self.process.hub.wheel.remove(self.alarm)
            self.alarm.wait = None
        return 0

    cdef double limit(self) except? -1.0:
        """Return the seconds that the wait may take."""
        return self.alarm.limit / 1e9

    cdef int rouse(self) except -1:
        """Make whoever drives the wait step it again."""
        if self.gate is None:
            if self.process.awaited is None:
                self.process.wake()
        elif not self.gate.done():
            self.gate.set_result(None)
        return 0

    cdef int ring(self) except -1:
        """Be told that the time is over."""
        self.expired = True
        return self.rouse()

    cdef int leave(self) except -1:
        """Let go of everything; the wait is over or abandoned."""
        cdef Process process = self.process
        if self.stage == PARKED:
            if self.alarm is not None:
                self._disarm()
            if process.parked is self:
                process.parked = None
            elif self.gate is not None and process.extra is not None:
                if process.extra.guests and self in process.extra.guests:
                    process.extra.guests.remove(self)
            self.gate = None
            show(self)
        self.stage = FINISHED
        return 0

    cdef int _step(self, PyObject **out) except -1:
        """Poll; return 1 with the value, or 0 with what to yield, or raise."""
        cdef Process process = self.process
        self.unawaited = False
        if self.stage == FINISHED:
            raise RuntimeError(f"cannot await {self!r} a second time")
        if process.fate != FREE or process.life == DEAD:
            if not (self.honoured and process.fate == UNWINDING):
                return self._refuse(out)
        if self.stage == FRESH:
            # I14: a process whose waits are always over at once has turns all the same.
            process.hub.immediate += 1
            if process.hub.immediate > process.hub.patience:
                if process.hub.interrupts():
                    return self._take_turn(out)
        else:
            show(self)
        if self.poll():
            pass
        elif self.expired or (self.alarm is not None and self.alarm.limit == 0):
            self.leave()
            self.expire()
        else:
            return self._park(out)
        self.leave()
        out[0] = <PyObject *>self.value
        Py_INCREF(self.value)  # given to the caller
        self.value = None
        return 1

    cdef int _take_turn(self, PyObject **out) except -1:
        """Yield one turn to the other processes, without being parked."""
        cdef object turn = None
        if current_of(self.process.hub) == <PyObject *>self.process:
            turn = self.process.hub
        out[0] = <PyObject *>turn
        Py_INCREF(turn)  # given to the caller
        return 0

    cdef int _park(self, PyObject **out) except -1:
        cdef Process process = self.process
        cdef PyObject *driver = current_of(process.hub)
        if self.stage == FRESH and self.alarm is not None:
            self.alarm.wait = self
            process.hub.wheel.add(
                self.alarm, time_of(process.hub.wheel) + self.alarm.limit
            )
            if not process.hub.draining:
                process.hub.arm()
        self.stage = PARKED
        if driver == <PyObject *>process:
            process.parked = self
            hide(self)
            out[0] = <PyObject *>self
            Py_INCREF(self)  # given to the caller
            return 0
        self.gate = process.hub.loop.create_future()
        if process.adopted and driver == <PyObject *>process.body:
            process.parked = self
        else:
            if process.extras().guests is None:
                process.extra.guests = []
            if self not in process.extra.guests:
                process.extra.guests.append(self)
        self.gate._asyncio_future_blocking = True
        out[0] = <PyObject *>self.gate
        Py_INCREF(self.gate)  # given to the caller
        return 0

    cdef int _refuse(self, PyObject **out) except -1:
        # A process that is ending waits for nothing of ours. The first such wait
        # raises; the second yields, unparked, and is never resumed: the step that
        # drives the process closes its coroutine. Another driver than the core goes
        # through its loop once and then sees the exception, so that code which
        # swallows everything cannot stop the loop.
        cdef Process process = self.process
        if self.stage == PARKED:
            self.leave()
            self.stage = FRESH
        if process.fate == DOOMED and process.life != DEAD:
            process.fate = UNWINDING
            raise ExitSignal(process.reason)
        if process.own_waits == 0 and process.fate != CLOSING:
            process.own_waits = 1
            raise ExitSignal(process.reason)
        if current_of(process.hub) == <PyObject *>process:
            out[0] = <PyObject *>self
            Py_INCREF(self)  # given to the caller
            return 0
        if not self.expired:
            self.expired = True
            out[0] = <PyObject *>None
            Py_INCREF(None)  # given to the caller
            return 0
        raise ExitSignal(process.reason)


Coroutine.register(Wait)  # so that asyncio makes a task of one where it needs a task


def passed_on(Wait wait):
    """Return a wait that a coroutine is to await, which tells if nobody awaits that."""
    wait.unawaited = False
    return wait


cdef void hide(Wait wait) noexcept:
    """Keep the collector from visiting a wait on each of its rounds."""
    PyObject_GC_UnTrack(<PyObject *>wait)


cdef void show(Wait wait) noexcept:
    """Let the collector see a wait that a frame or a list may keep."""
    if not PyObject_GC_IsTracked(wait):
        PyObject_GC_Track(<PyObject *>wait)


cdef int _step_wait(PyObject *wait, PyObject **out) except -1:
    return (<Wait>wait)._step(out)


step_by(<PyTypeObject *>Wait, <void *>_step_wait)
keep_memory(<PyTypeObject *>Alarm, 1024)
