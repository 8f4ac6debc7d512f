cimport cython

from fastask._core.bond cimport Bond
from fastask._core.process cimport Lineage, Process


cdef enum RestartType:
    TEMPORARY
    TRANSIENT
    PERMANENT


@cython.final
cdef class Children:
    # The table of one task supervisor. The children are the bonds of its process that
    # are a `Child`; there is no other list (I18).
    cdef readonly Process supervisor
    cdef readonly Py_ssize_t count  # those that wait for their restart included
    cdef Py_ssize_t most            # negative: no bound
    cdef bint closed                # the supervisor is ending

    cdef int check(self) except -1
    cdef Child enter(self, Process process, object shutdown)


@cython.final
cdef class Again:
    # What a restart needs.
    cdef object fn
    cdef tuple args
    cdef Lineage callers


@cython.final
cdef class Child(Bond):
    cdef Children table
    cdef readonly object shutdown
    cdef readonly object reason     # why it ended, when it may have to be restarted
    cdef Again again                # None for a temporary child
    cdef unsigned char restart
    cdef bint waits                 # for its restart: it is in the supervisor's mailbox
