from fastask._core.process cimport Process
from fastask._core.ref cimport Ref
from fastask._core.scheduler cimport Scheduler


cdef object name_key(object name, str argument)
cdef Process lookup(Scheduler scheduler, object dest, str argument)
cdef object unreachable(object dest)
cdef int check_dest(object dest, str argument) except -1
cdef Process named(Scheduler scheduler, object name, str argument)
cdef int register_process(Process process, object name) except -1
cdef int check_free(Scheduler scheduler, object name) except -1
cdef int switch_off(Ref ref) except -1
cdef int deliver_by_ref(Ref ref, object message) except -1
