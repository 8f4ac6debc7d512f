from fastask._core.process cimport Process
from fastask._core.scheduler cimport Scheduler


cdef Process start_process(
    Scheduler scheduler, object fn, tuple args, object executor, Process parent
)
cdef Process caller_for(object fn)
cdef bint is_async(object fn) except -1
cdef int discard(object fn) except -1
cdef int start_linked(Process me, Process process) except -1
