from cpython.object cimport PyObject

from fastask._core.process cimport Process
from fastask._core.scheduler cimport Scheduler


cdef PyObject *quick_process() noexcept
cdef Process current_process()
cdef Process current_or_none()
cdef Scheduler current_scheduler()
cdef bint runs_here(Process process) except -1
cdef object stranger()
