cimport cython

from fastask._core.bond cimport Bond
from fastask._core.wait cimport Wait


cdef enum CallState:
    PENDING
    ANSWERED
    ENDED           # the server ended before it answered
    GIVEN_UP        # nobody waits any more


cdef enum CallKind:
    CALL
    SYSTEM          # a request of `fastask.sys`, served even while suspended
    STOP            # likewise; what is awaited is the end


@cython.final
cdef class Request:
    cdef readonly str name
    cdef readonly tuple args
    cdef readonly dict kwargs   # None: none were given


cdef class Method:
    # What `@call` and `@cast` make of a method of a server.
    cdef readonly object function
    cdef readonly str name
    cdef Py_ssize_t least       # positional arguments, besides self
    cdef Py_ssize_t most        # negative: only the signature knows
    cdef object signature
    cdef void *entry            # what the interpreter calls

    cdef object send(self, object dest, object asked, bint single, dict kwargs)
    cdef int check(self, tuple args, dict kwargs) except -1


@cython.final
cdef class GenCall(Bond):
    # The request, the reply address and the monitor of one call (I15).
    cdef Method method          # that is called, or None
    cdef object asked           # the request; of a method its argument, or their tuple
    cdef dict kwargs            # of `method`; None: none were given
    cdef bint single            # one argument, without a tuple
    cdef Wait waiting
    cdef object answer          # or the exit reason
    cdef unsigned char state
    cdef unsigned char kind


@cython.final
@cython.no_gc                   # it is in a mailbox, which is emptied in the end
@cython.freelist(64)
cdef class GenCast:
    cdef Method method          # as those of GenCall
    cdef object asked
    cdef dict kwargs
    cdef bint single


cdef GenCast new_cast(Method method, object asked, bint single, dict kwargs)
cdef int answer_call(GenCall call, object value) except -1
cdef object request_of(Method method, object asked, bint single, dict kwargs)
cdef int call_by_entry(object kind) except -1
