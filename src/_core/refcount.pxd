# Layer 0. How references are counted in C. Each module takes it, mostly by way of others:
# what Cython writes of Py_INCREF and Py_DECREF is this then.

cdef extern from *:
    """
    #ifndef FASTASK_REFCOUNT
    #define FASTASK_REFCOUNT

    /* In 3.12 and 3.13 Py_INCREF stores the lower half of a count, and Py_DECREF loads the
       whole: a processor has to wait for such a store. So here the lower half is loaded
       and the whole is stored, which suits the interpreter's own ones before and after.
       An immortal object has the sign bit of the lower half set; else the upper is 0. */
    #if PY_VERSION_HEX >= 0x030c0000 && PY_VERSION_HEX < 0x030e0000 \\
        && SIZEOF_VOID_P > 4 && !PY_BIG_ENDIAN && !defined(Py_GIL_DISABLED) \\
        && !defined(Py_REF_DEBUG)
    static inline Py_ALWAYS_INLINE void fastask_incref(PyObject *object) {
        PY_UINT32_T count = object->ob_refcnt_split[0];
        if ((int32_t)count >= 0) object->ob_refcnt = (Py_ssize_t)(count + 1);
    }
    static inline Py_ALWAYS_INLINE void fastask_decref(PyObject *object) {
        PY_UINT32_T count;
        if (object == NULL) return;
        count = object->ob_refcnt_split[0];
        if ((int32_t)count < 0) return;
        object->ob_refcnt = (Py_ssize_t)(count - 1);
        if (count == 1) _Py_Dealloc(object);
    }
    static inline Py_ALWAYS_INLINE PyObject *fastask_newref(PyObject *object) {
        fastask_incref(object);
        return object;
    }
    #undef Py_INCREF
    #define Py_INCREF(object) fastask_incref((PyObject *)(object))
    #undef Py_NewRef
    #define Py_NewRef(object) fastask_newref((PyObject *)(object))
    #else
    static inline Py_ALWAYS_INLINE void fastask_decref(PyObject *object) {
        if (object != NULL) Py_DECREF(object);
    }
    #endif

    /* `except ... as` of Cython 3.3 releases the traceback of the exception even when
       it has none, for want of memory. So what is released may be nothing. */
    #undef Py_DECREF
    #define Py_DECREF(object) fastask_decref((PyObject *)(object))
    #endif
    """
