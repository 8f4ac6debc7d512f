cimport cython


@cython.final
cdef class Answer:
    cdef readonly object value
    cdef readonly object then


@cython.final
cdef class NoReply:
    cdef readonly object then


@cython.final
cdef class Stop:
    cdef readonly object reason
    cdef object _reply
    cdef readonly bint has_reply


@cython.final
cdef class Continue:
    cdef readonly object argument


@cython.final
cdef class IdleTimeout:
    cdef readonly object seconds
    cdef long long nanoseconds      # negative: no limit


@cython.final
cdef class Ignore:
    pass


@cython.final
cdef class Hibernate:
    pass
