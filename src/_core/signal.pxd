from fastask._core.bond cimport Bond
from fastask._core.mailbox cimport Letter
from fastask._core.process cimport Process
from fastask._core.ref cimport Ref


cdef class Tie(Bond):
    pass


cdef int deliver(Process process, object message) except -1
cdef int arrived(Process process, Letter letter) except -1
cdef int unpack(Process process, Letter letter) except -1
cdef int exit_by_link(Process target, object source, object reason) except -1
cdef int exit_by_call(Process target, Process source, object reason) except -1
cdef int doom(Process target, object reason) except -1
cdef int give_time(Process target, double seconds) except -1
cdef int kill_later(Process target) except -1
cdef int not_told(Process process, object error) except -1
cdef int end_foreign(Process process, object reason) except -1
cdef int lose(Process process) except -1
cdef object absence_of(Process dead)
cdef int finish(Process process, object reason) except -1
cdef Ref monitor_process(Process watcher, Process target, object monitored, int mode)
cdef bint demonitor_ref(Process watcher, Ref ref) except -1
cdef int link_processes(Process one, Process other) except -1
cdef int unlink_processes(Process one, Process other) except -1
cdef int flush_down(Process process, Ref ref) except -1
