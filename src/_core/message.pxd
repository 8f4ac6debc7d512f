cimport cython

cimport fastask._core.refcount


@cython.final
cdef class Reply:
    cdef readonly object ref
    cdef readonly object value


@cython.final
cdef class Down:
    cdef readonly object ref
    cdef readonly object process
    cdef readonly object reason


@cython.final
cdef class Exited:
    cdef readonly object process
    cdef readonly object reason


@cython.final
cdef class Timeout:
    cdef readonly object ref
    cdef readonly object message


cdef class Ok:
    cdef readonly object value


cdef class Failed:
    cdef readonly object reason


cdef Reply new_reply(object ref, object value)
cdef Down new_down(object ref, object process, object reason)
cdef Exited new_exited(object process, object reason)
cdef Timeout new_timeout(object ref, object message)
cdef Ok new_ok(object value)
cdef Failed new_failed(object reason)
cdef object failure_of(object reason)
