from fastask._core.process cimport Process


cdef dict crash_record(Process process, bint observed)
cdef int report_crash(dict record) except -1
cdef int release_frames(object error) except -1
