cdef int check_executor(object executor, object fn) except -1
