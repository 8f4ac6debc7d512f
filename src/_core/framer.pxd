cdef class Framer:
    # Both directions of a stream of bytes.
    cdef public object transport    # the loop's, or None
    cdef public object receiver     # who gets the frames, or None
    cdef public bint is_partial     # the class above has a part of a frame

    cdef Py_ssize_t cut(self, bytes data) except -1
