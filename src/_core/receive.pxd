cimport cython

from fastask._core.mailbox cimport Letter
from fastask._core.process cimport Process
from fastask._core.ref cimport Ref
from fastask._core.wait cimport Wait


@cython.final
cdef class Receive(Wait):
    cdef object pattern     # the only one, when it is a ref, or a tuple; None: any message
    cdef Letter seen        # the newest letter that was tried

    cdef bint take(self) except -1
    cdef Letter _scan(self, Process process)
    cdef bint _matches(self, Letter letter) except -1


@cython.final
cdef class Sleep(Wait):
    pass
