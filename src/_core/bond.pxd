from cpython.object cimport PyObject

from fastask._core.mailbox cimport Letter
from fastask._core.process cimport Process
from fastask._core.ref cimport Ref
from fastask._core.wheel cimport Node


cdef enum BondFlag:
    LINK = 1        # an end of either side is an exit signal to the other
    MONITOR = 2     # the end of the target is a Down to the watcher
    REPLY = 4       # the result of the target is a reply to the watcher
    ATTACHED = 8    # in the lists of both processes
    PRIVATE = 16    # no monitor that a user may see: an item of a stream, a call
    KEPT = 32       # supervision: `unlink` does not end it


cdef class Bond(Node):
    # I2: an attached bond is in `target.bonds_in`, which owns one reference to it, and
    # in `watcher.bonds_out`. The death of either side detaches it.
    cdef Process watcher
    cdef Process target
    cdef Ref ref                # made when somebody asks
    cdef object monitored       # what was monitored, when that was a name
    cdef Letter letter          # the packed letter in the watcher's mailbox (I5)
    cdef PyObject *in_earlier
    cdef PyObject *in_later
    cdef PyObject *out_earlier
    cdef PyObject *out_later
    cdef unsigned char flags

    cdef Ref reference(self)
    cdef int replied(self) except -1
    cdef int exited(self, Process dead, Process survivor, object reason) except -1
    cdef int down(self, object reason) except -1


cdef int attach(Bond bond) except -1
cdef bint detach(Bond bond) except -1
cdef Bond link_between(Process one, Process other)
cdef list bonds_of(Process process, bint incoming)
