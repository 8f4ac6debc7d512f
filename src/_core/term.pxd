cimport cython

from fastask._core.hub cimport Hub

cdef object OTHER       # what `Terms.read` returns of what it leaves to pickle


@cython.final
cdef class Terms:
    # How this node and another one write what most messages are made of.
    cdef Hub hub
    cdef unsigned long long mark    # this node's
    cdef bytes theirs               # what stands before a process of the one that writes,
    cdef bytes ours                 # and of the one that reads

    cdef object write(self, object session, object value)
    cdef object read(self, object session, const unsigned char *data, Py_ssize_t size)
