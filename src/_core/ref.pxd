cimport cython

cimport fastask._core.refcount


cdef enum AliasMode:
    NO_ALIAS
    EXPLICIT         # until unalias
    REPLY            # until unalias, or the first message
    DEMONITOR        # until unalias, demonitor or the Down
    REPLY_DEMONITOR  # as DEMONITOR, or the first message, which demonitors too


@cython.final
cdef class Ref:
    cdef object __weakref__     # of those that other nodes know
    # I2: `bond` is the bond, if any, that this ref names, and is cleared when the
    # bond ends. `process` is who receives what is sent to the ref while
    # `mode` is not NO_ALIAS.
    cdef object bond
    cdef object process
    cdef AliasMode mode


cdef Ref new_ref()
cdef object exporter_here()
