cimport cython

from fastask._core.bond cimport Bond
from fastask._core.process cimport Process
from fastask._core.wait cimport Wait


cdef enum StartState:
    STARTING
    STARTED
    IGNORED
    FAILED


@cython.final
cdef class Starting(Bond):
    # I16: between a process that starts and its starter; the link of the two once the
    # start is acknowledged.
    cdef Wait waiting
    cdef object failure
    cdef unsigned char state

    cdef int acknowledge(self) except -1
    cdef int ignore(self) except -1


@cython.final
cdef class StartWait(Wait):
    cdef Wait body              # what the process runs; None once it does
    cdef object function
    cdef object name
    cdef Starting starting
    cdef bint links

    cdef int _begin(self) except -1


cdef StartWait new_start(
    Wait body, object function, object name, object timeout, bint links
)
