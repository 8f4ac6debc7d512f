cimport cython

from fastask._core.bond cimport Bond
from fastask._core.request cimport GenCall
from fastask._core.process cimport Process
from fastask._core.wait cimport Wait


cdef enum Tag:
    PROCESS
    NAME
    REF


@cython.final
cdef class Remote(Process):
    # What stands here for a process of another node (I27).
    cdef readonly object session    # the link to its node
    cdef readonly str node
    cdef readonly str incarnation
    cdef readonly unsigned long long origin     # its name on the wire, with `number`
    cdef readonly unsigned long long number
    cdef readonly int tag           # what the number means to its node
    cdef readonly object meant      # the name that its node looks up, with the tag NAME
    cdef public unsigned long long serial       # of what its node watches for us; 0: nothing
    cdef bint owed                  # its node tells its value with its end
    cdef object doomed              # why we ended it, when that was our own doing
    cdef bint started               # by us: a kill of ours ends it here at once
    cdef bint cancelling


@cython.final
cdef class Watch(Bond):
    # What another node hears of a process of ours: its end, and its value if it is owed.
    cdef readonly object session
    cdef readonly unsigned long long serial
    cdef bint streams               # the process works at an item of a stream


@cython.final
cdef class Asked(Wait):
    # In the place of a caller's wait: what becomes of a call goes to the caller's node.
    cdef object session
    cdef unsigned long long serial
    cdef GenCall call
