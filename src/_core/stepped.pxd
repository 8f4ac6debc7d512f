# Layer 0. What is awaited without a coroutine of its own: a type is given a function that
# steps its objects, `int step(object, PyObject **out) except -1`, which returns 0 with
# what to yield in `out`, 1 with the value, or raises. C code whose only state is memory;
# each module that takes it has one such type, and the types derived from that.

from cpython.object cimport PyTypeObject

cdef extern from *:
    """
    typedef int (*fastask_step_t)(PyObject *, PyObject **);
    static fastask_step_t fastask_step = NULL;

    /* A generator-like object returns a value by StopIteration; None needs no exception at
       all. Before 3.12 the interpreter asks by `am_send`, which needs none either. From
       then on it asks each awaitable by `tp_iternext`, so the exceptions are made here, of
       a type whose memory is kept. */
    #if PY_VERSION_HEX >= 0x030c0000
    #define FASTASK_MOST_STOPS 16

    static PyObject *fastask_no_args = NULL;
    static PyObject *fastask_stops[FASTASK_MOST_STOPS];
    static int fastask_stops_kept = 0;

    static void fastask_stop_dealloc(PyObject *self) {
        PyStopIterationObject *stop = (PyStopIterationObject *)self;
        PyObject_GC_UnTrack(self);
        Py_CLEAR(stop->dict);
        Py_CLEAR(stop->args);
        Py_CLEAR(stop->notes);
        Py_CLEAR(stop->traceback);
        Py_CLEAR(stop->context);
        Py_CLEAR(stop->cause);
        Py_CLEAR(stop->value);
    #ifndef Py_GIL_DISABLED
        if (fastask_stops_kept < FASTASK_MOST_STOPS) {
            fastask_stops[fastask_stops_kept++] = self;
            return;
        }
    #endif
        PyObject_GC_Del(self);
    }

    static PyTypeObject fastask_stop_type = {PyVarObject_HEAD_INIT(NULL, 0)};

    static int fastask_ready_to_stop(void) {
        fastask_stop_type.tp_name = "StopIteration";
        fastask_stop_type.tp_base = (PyTypeObject *)PyExc_StopIteration;
        fastask_stop_type.tp_basicsize = sizeof(PyStopIterationObject);
        fastask_stop_type.tp_dealloc = fastask_stop_dealloc;
        fastask_stop_type.tp_flags = Py_TPFLAGS_DEFAULT;  /* the base is collected */
        fastask_no_args = PyTuple_New(0);
        return fastask_no_args == NULL ? -1 : PyType_Ready(&fastask_stop_type);
    }

    static PyObject *fastask_new_stop(void) {
        PyStopIterationObject *stop;
        if (fastask_stops_kept == 0)
            return fastask_stop_type.tp_new(&fastask_stop_type, fastask_no_args, NULL);
        stop = (PyStopIterationObject *)fastask_stops[--fastask_stops_kept];
        _Py_NewReference((PyObject *)stop);
        stop->args = Py_NewRef(fastask_no_args);
        stop->suppress_context = 0;
        PyObject_GC_Track(stop);
        return (PyObject *)stop;
    }

    static void fastask_stop(PyObject *value) {
        PyObject *stop;
        if (value == Py_None) return;
        stop = fastask_new_stop();
        if (stop == NULL) return;
        Py_XSETREF(((PyStopIterationObject *)stop)->value, Py_NewRef(value));
        PyErr_SetRaisedException(stop);
    }

    #else

    static int fastask_ready_to_stop(void) { return 0; }

    static void fastask_stop(PyObject *value) {
        PyObject *stop;
        if (value == Py_None) return;
        if (!PyTuple_Check(value) && !PyExceptionInstance_Check(value)) {
            PyErr_SetObject(PyExc_StopIteration, value);
            return;
        }
        stop = PyObject_CallOneArg(PyExc_StopIteration, value);
        if (stop == NULL) return;
        PyErr_SetObject(PyExc_StopIteration, stop);
        Py_DECREF(stop);
    }

    #endif

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
    static int fastask_step_by(PyTypeObject *type, void *step) {
        fastask_step = (fastask_step_t)step;
        type->tp_iternext = fastask_stepped_next;
        type->tp_as_async->am_send = fastask_stepped_send;
        PyType_Modified(type);
        return fastask_ready_to_stop();
    }
    """
    int step_by "fastask_step_by"(PyTypeObject *type, void *step) except -1
