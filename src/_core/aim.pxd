cimport cython
from cpython.object cimport PyObject

from fastask._core.process cimport Process
from fastask._core.wheel cimport Node


@cython.no_gc
cdef class Aim(Node):
    # I7: an armed timer that aims at a process is in `target.extra.timers`.
    cdef Process target
    cdef PyObject *aim_earlier
    cdef PyObject *aim_later


cdef int aim(Aim timer, Process target) except -1
cdef int unaim(Aim timer) except -1
cdef int disarm_all(Process target) except -1
