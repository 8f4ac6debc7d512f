from fastask._core.hub cimport Hub
from fastask._core.outgoing cimport Outgoing
from fastask._core.term cimport Terms


cdef class Traffic:
    # One link's messages, both ways, as long as they are simple.
    cdef Hub hub
    cdef Terms terms
    cdef readonly dict exports      # that of the hub
    cdef public Outgoing outbox
    cdef readonly unsigned long long mark   # of the other node
    cdef public unsigned long long expected     # the number of the next frame
    cdef public Py_ssize_t taken    # bytes that were taken, and not yet given back
    cdef public bint is_closed

    cdef bint take_simple(self, bytes frame) except -1
    cdef Py_ssize_t take_message(self, bytes frame, Py_ssize_t position) except -1
    cdef bint deliver_here(
        self, unsigned long long origin, unsigned long long number,
        const unsigned char *data, Py_ssize_t size,
    ) except -1
