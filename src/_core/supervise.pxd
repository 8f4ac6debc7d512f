cdef class Supervising:
    cdef object __weakref__
    cdef public object table        # of the children, when it is known
    cdef public object known_as     # the name by which it was found, or None

    cdef object _own_table(self)
