from cpython.object cimport PyObject

cdef extern from *:
    """
    typedef struct {
        PyObject_HEAD
        PyObject *outer;
        PyObject *variables;
        PyObject *weak_references;
        int is_entered;
    } fastask_context;

    #define fastask_variables(context) (((fastask_context *)(context))->variables)

    static inline void fastask_put_variables(PyObject *context, PyObject *variables) {
        Py_INCREF(variables);
        Py_XSETREF(fastask_variables(context), variables);
    }

    /* Whether a context is as it was when it was lent, and nobody has hold of it but
       those who are known. Who has set a variable may hold a token, which is good for
       this context only. */
    static inline int fastask_is_untouched(
        PyObject *context, PyObject *variables, Py_ssize_t references
    ) {
        return Py_REFCNT(context) == references
            && fastask_variables(context) == variables
            && ((fastask_context *)context)->weak_references == NULL;
    }
    """
    ctypedef struct fastask_context:
        pass
    PyObject *variables "fastask_variables"(object context) noexcept  # borrowed
    void put_variables "fastask_put_variables"(object context, object given) noexcept
    bint is_untouched "fastask_is_untouched"(
        object context, object given, Py_ssize_t references
    ) noexcept

cdef extern from "Python.h":
    bint is_context "PyContext_CheckExact"(object thing) noexcept
    object PyContext_New()


cdef object snapshot()


cdef inline object context_with(object spare, object given):
    """Return a context with the variables of a snapshot: a new one for no `spare`."""
    if spare is None:
        spare = PyContext_New()
    if variables(spare) is not <PyObject *>given:
        put_variables(spare, given)
    return spare
