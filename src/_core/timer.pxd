cimport cython

from fastask._core.aim cimport Aim
from fastask._core.ref cimport Ref
from fastask._core.scheduler cimport Scheduler


@cython.final
@cython.no_gc
cdef class Timer(Aim):
    cdef Scheduler scheduler
    cdef object dest
    cdef object message
    cdef Ref _ref
