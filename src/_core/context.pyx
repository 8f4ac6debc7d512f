"""Context: the context variables that many share until somebody sets one. Layer 0.

Python keeps the variables of a context in an immutable map. A copy of a context is
another object that refers to the same map; making one for each process costs as much
as a step, and the collector has one more object to visit. So what a process inherits
is the map alone, a snapshot. Only while it runs has it a context, which is lent to it,
and which it keeps when it has set a variable or when somebody else has hold of it (I25).

Python shows neither the map of a context nor a way to make a context of it. Where the
context is not laid out as this room expects, a snapshot is a copy of the context.
"""

from contextvars import Context, ContextVar

from cpython.object cimport PyObject

cdef extern from *:
    """
    /* The context that is entered in this thread (borrowed), or NULL. */
    #define fastask_entered_context() (PyThreadState_Get()->context)

    /* Python as it was looked into. Without a GIL, two threads may meet here. */
    #if PY_VERSION_HEX < 0x030f0000 && !defined(Py_GIL_DISABLED) && \\
        !defined(PYPY_VERSION)
    #define FASTASK_KNOWN_PYTHON 1
    #else
    #define FASTASK_KNOWN_PYTHON 0
    #endif
    """
    const bint FASTASK_KNOWN_PYTHON
    PyObject *entered_context "fastask_entered_context"() noexcept

cdef extern from "Python.h":
    object PyContext_CopyCurrent()

cdef bint SHARED = False


cdef bint _is_laid_out_as_expected() except -1:
    """Look at a context with a variable, and at another that is given its map."""
    if not FASTASK_KNOWN_PYTHON or Context.__basicsize__ != sizeof(fastask_context):
        return False
    variable = ContextVar("variable")
    one, other = Context(), Context()
    one.run(variable.set, one)
    if type(<object>variables(one)).__name__ != "hamt":
        return False
    put_variables(other, <object>variables(one))
    found = len(other) == 1 and other.get(variable) is one
    one.run(variable.set, None)  # which would be a cycle
    return found and other.get(variable) is one and variables(one) is not variables(other)


SHARED = _is_laid_out_as_expected()


cdef object snapshot():
    """Return what a process that starts now inherits."""
    cdef PyObject *entered
    if not SHARED:
        return PyContext_CopyCurrent()
    entered = entered_context()
    if entered is NULL:
        return PyContext_CopyCurrent()
    return <object>variables(<object>entered)
