cpdef object normalise(object reason)
cpdef bint is_expected(object reason) except -1
