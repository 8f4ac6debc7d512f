from cpython.object cimport PyObject

from fastask._core.mailbox cimport Letter
from fastask._core.process cimport Process
from fastask._core.wheel cimport Node


cdef enum Stage:
    FRESH
    PARKED
    FINISHED


cdef class Wait(Node):
    # I3: a process is parked in at most one wait. What it waits for stays where it is
    # (mailbox, bond) until the process runs again and the wait polls, so nothing is
    # lost when it is cancelled in between.
    # I20: the collector sees a wait, but not while it is parked.
    cdef Process process
    cdef object gate        # the future that another driver than `process` awaits
    cdef object value
    cdef long long limit    # ns, when it is limited
    cdef bint limited
    cdef unsigned char stage
    cdef bint expired
    cdef bint honoured      # may wait even while the process is unwinding

    cdef bint poll(self) except -1
    cdef int expire(self) except -1
    cdef bint wants(self, Letter letter) except -1
    cdef int rouse(self) except -1
    cdef int leave(self) except -1

    cdef int limit_to(self, object seconds) except -1
    cdef int _step(self, PyObject **out) except -1
    cdef int _take_turn(self, PyObject **out) except -1
    cdef int _park(self, PyObject **out) except -1
    cdef int _refuse(self, PyObject **out) except -1


cdef void hide(Wait wait) noexcept
cdef void show(Wait wait) noexcept
