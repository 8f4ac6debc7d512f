cimport cython

from fastask._core.task cimport Task
from fastask._core.wait cimport Wait


@cython.final
cdef class AwaitMany(Wait):
    cdef list tasks             # as listed
    cdef dict outcomes          # of the tasks that have one
    cdef list pending           # the others, each once
    cdef object on_timeout      # None: for await_many
    cdef Py_ssize_t missing     # how many outcomes the wait still needs
    cdef Py_ssize_t arrivals    # of letters of pending tasks, since the last poll
    cdef object timeout

    cdef int _begin(self) except -1
    cdef list _arrived(self)
    cdef int _forget_all(self) except -1
    cdef int _results(self) except -1
