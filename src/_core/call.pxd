cimport cython

from fastask._core.process cimport Process
from fastask._core.request cimport GenCall, Method
from fastask._core.wait cimport Wait


@cython.final
cdef class CallMethod(Method):
    cdef readonly object timeout


@cython.final
cdef class CastMethod(Method):
    pass


@cython.final
cdef class CallWait(Wait):
    cdef object dest
    cdef Method method
    cdef object asked
    cdef dict kwargs
    cdef GenCall call
    cdef bint single
    cdef unsigned char kind
    cdef bint sent

    cdef object _request(self)
    cdef int _send(self) except -1
    cdef int _carry(self, Process target, GenCall call) except -1
    cdef object _failure(self, object reason)
    cdef int _check_cycle(self, Process target) except -1
