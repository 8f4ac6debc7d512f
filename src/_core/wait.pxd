cimport cython
from cpython.object cimport PyObject

from fastask._core.mailbox cimport Letter
from fastask._core.process cimport Process, flag
from fastask._core.wheel cimport Node


cdef enum Stage:
    FRESH
    PARKED
    FINISHED


@cython.final
@cython.no_gc                   # armed, it is reached from the wheel alone; else by its wait
cdef class Alarm(Node):
    # Ends a wait when its time is over.
    cdef Wait wait              # I20: only while it is armed
    cdef long long limit        # ns from the first step of the wait


cdef class Wait:
    # I3: a process is parked in at most one wait. What it waits for stays where it is
    # (mailbox, bond) until the process runs again and the wait polls, so nothing is
    # lost when it is cancelled in between.
    # I20: the collector sees a wait, but not while it is parked.
    cdef Process process
    cdef object gate        # the future that another driver than `process` awaits
    cdef object value
    cdef Alarm alarm        # None: its time is not limited
    cdef unsigned int removals  # of letters, when a scan of the mailbox ended
    cdef unsigned char stage
    cdef flag expired
    cdef flag honoured      # may wait even while the process is unwinding
    cdef flag unawaited     # I31: so far, though a verb handed it out

    cdef str verb(self)
    cdef bint poll(self) except -1
    cdef int expire(self) except -1
    cdef bint wants(self, Letter letter) except -1
    cdef int rouse(self) except -1
    cdef int ring(self) except -1
    cdef int leave(self) except -1

    cdef int limit_to(self, object seconds) except -1
    cdef int set_alarm(self, long long limit) except -1
    cdef int drop_alarm(self) except -1
    cdef int _disarm(self) except -1
    cdef double limit(self) except? -1.0
    cdef int _step(self, PyObject **out) except -1
    cdef int _take_turn(self, PyObject **out) except -1
    cdef int _park(self, PyObject **out) except -1
    cdef int _refuse(self, PyObject **out) except -1


cdef void hide(Wait wait) noexcept
cdef void show(Wait wait) noexcept
