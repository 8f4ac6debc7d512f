from fastask._core.hub cimport Hub
from fastask._core.process cimport Process


cdef int await_future(Hub hub, Process process, object future) except -1
cdef int detach_future(Process process) except -1
cdef int refuse_yield(Process process, str message) except -1
