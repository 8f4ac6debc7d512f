from fastask._core.hub cimport Hub


cdef enum:
    LONG = 64 * 1024    # bytes from which on data are seen to by the class above


cdef class Outgoing:
    # What leaves by a link: messages that are gathered for the next frame.
    cdef Hub hub
    cdef unsigned long long mark    # of this node, in each frame
    cdef unsigned long long seq     # of the next frame
    cdef char *room                 # the messages that were gathered,
    cdef Py_ssize_t capacity
    cdef Py_ssize_t filled          # so many bytes of them
    cdef list long_ones             # buffers that they refer to
    cdef Py_ssize_t count           # how many messages they are
    cdef Py_ssize_t size            # bytes of all that
    cdef bint planned               # the hub calls at the end of a turn
    cdef bint departing             # a frame is being handed to the link
    cdef public object link         # or None: there is none yet, or no longer
    cdef public bint is_closed
    cdef public bint is_waiting     # frames, or chunks, wait for credit
    cdef public bint is_ordering    # it matters who sends a message
    cdef public Py_ssize_t credit   # bytes that may still be on their way

    cdef int post(
        self, int kind, int flags, unsigned long long serial, unsigned long long number,
        unsigned long long origin, bytes data,
    ) except -1
    cdef char *claim(self, Py_ssize_t size) except NULL
    cdef int gathered(self, Py_ssize_t written, Py_ssize_t size) except -1
    cdef int plan(self) except -1
    cdef int leave(self) except -1
    cdef void reset(self) noexcept
    cdef int depart(self, bytes frame, list long_ones, Py_ssize_t count, int flags) except -1
