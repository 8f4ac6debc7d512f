# Layer 0. What is awaited without a coroutine of its own: a type is given a function that
# steps its objects, `int step(object, PyObject **out) except -1`, which returns 0 with
# what to yield in `out`, 1 with the value, or raises. C code without a state of its own;
# each module that takes it has one such type, and the types derived from that.

from cpython.object cimport PyTypeObject

cdef extern from *:
    """
    typedef int (*fastask_step_t)(PyObject *, PyObject **);
    static fastask_step_t fastask_step = NULL;
    static PyObject *fastask_no_args = NULL;

    /* A generator-like object returns a value by StopIteration. None needs no exception
       at all; before 3.12 a bare value does; from then on an instance is made without
       the detour of a call, which costs twice as much. */
    static void fastask_stop(PyObject *value) {
        PyObject *stop;
        if (value == Py_None) return;
    #if PY_VERSION_HEX >= 0x030c0000
        stop = ((PyTypeObject *)PyExc_StopIteration)->tp_new(
            (PyTypeObject *)PyExc_StopIteration, fastask_no_args, NULL);
        if (stop == NULL) return;
        Py_XSETREF(((PyStopIterationObject *)stop)->value, Py_NewRef(value));
        PyErr_SetRaisedException(stop);
        return;
    #endif
        if (!PyTuple_Check(value) && !PyExceptionInstance_Check(value)) {
            PyErr_SetObject(PyExc_StopIteration, value);
            return;
        }
        stop = PyObject_CallOneArg(PyExc_StopIteration, value);
        if (stop == NULL) return;
        PyErr_SetObject(PyExc_StopIteration, stop);
        Py_DECREF(stop);
    }

    static PyObject *fastask_stepped_next(PyObject *self) {
        PyObject *out = NULL;
        int status = fastask_step(self, &out);
        if (status != 1) return status == 0 ? out : NULL;
        fastask_stop(out);
        Py_DECREF(out);
        return NULL;
    }

    static PySendResult fastask_stepped_send(
        PyObject *self, PyObject *Py_UNUSED(sent), PyObject **out
    ) {
        int status;
        *out = NULL;
        status = fastask_step(self, out);
        if (status < 0) return PYGEN_ERROR;
        return status == 0 ? PYGEN_NEXT : PYGEN_RETURN;
    }

    /* Cython has no syntax for am_send, and its __next__ cannot return a value without
       raising. Subclasses inherit both slots when their modules are imported. */
    static void fastask_step_by(PyTypeObject *type, void *step) {
        fastask_step = (fastask_step_t)step;
        fastask_no_args = PyTuple_New(0);
        type->tp_iternext = fastask_stepped_next;
        type->tp_as_async->am_send = fastask_stepped_send;
        PyType_Modified(type);
    }
    """
    void step_by "fastask_step_by"(PyTypeObject *type, void *step)
