# Layer 0. The memory of objects that are made and freed all the time is kept for the
# next ones: `keep_memory(type, most)`. Cython's free lists serve only classes whose base
# is in the same module. Of one type a module, the last object that was freed can be kept
# whole: `keep_one(type, wipe)`, where `wipe`, `bint wipe(PyObject *) noexcept`, makes it as
# new, or says that it can't; `take_one()` returns it, or NULL. C code; each module that
# takes it has pools of its own.

from cpython.object cimport PyObject, PyTypeObject

cdef extern from *:
    """
    #define FASTASK_MOST_POOLS 2
    #define FASTASK_MOST_KEPT 1024

    typedef struct {
        PyTypeObject *type;
        int most;
        int count;
        PyObject *kept[FASTASK_MOST_KEPT];
    } fastask_pool;

    static fastask_pool fastask_pools[FASTASK_MOST_POOLS];

    static inline fastask_pool *fastask_pool_of(PyTypeObject *type) {
        fastask_pool *pool = fastask_pools;
        for (; pool < fastask_pools + FASTASK_MOST_POOLS; pool++)
            if (pool->type == type) return pool;
        return NULL;
    }

    /* The two words before an object that the collector sees are the collector's, which
       marks there what is finalized. */
    static PyObject *fastask_alloc(PyTypeObject *type, Py_ssize_t items) {
        fastask_pool *pool = fastask_pool_of(type);
        PyObject *object;
        if (pool == NULL || pool->count == 0) return PyType_GenericAlloc(type, items);
        object = pool->kept[--pool->count];
        memset(object + 1, 0, (size_t)type->tp_basicsize - sizeof(PyObject));
        _Py_NewReference(object);
        if (PyType_IS_GC(type)) {
            ((uintptr_t *)object)[-1] = ((uintptr_t *)object)[-2] = 0;
            PyObject_GC_Track(object);
        }
        return object;
    }

    static void fastask_free(void *freed) {
        PyObject *object = (PyObject *)freed;
        fastask_pool *pool = fastask_pool_of(Py_TYPE(object));
        int is_seen = PyType_IS_GC(Py_TYPE(object));  /* by the collector */
        if (pool != NULL && pool->count < pool->most) {
            if (is_seen) PyObject_GC_UnTrack(object);
            pool->kept[pool->count++] = object;
        } else if (is_seen)
            PyObject_GC_Del(object);
        else
            PyObject_Free(object);
    }

    /* Types that derive from one that is kept inherit both functions, not the pool.
       A debug build counts objects; without a GIL, threads would meet here. */
    static void fastask_keep_memory(PyTypeObject *type, int most) {
    #if CYTHON_USE_FREELISTS && !defined(Py_GIL_DISABLED) && !defined(PYPY_VERSION)
        fastask_pool *pool = fastask_pool_of(NULL);
        pool->type = type;
        pool->most = most;
        type->tp_alloc = fastask_alloc;
        type->tp_free = fastask_free;
    #endif
    }

    static PyObject *fastask_one = NULL;
    static destructor fastask_dealloc_one = NULL;
    static int (*fastask_wipe)(PyObject *object) = NULL;

    static void fastask_free_one(PyObject *object) {
        PyObject_GC_UnTrack(object);  /* to wipe it may run code of the user */
        if (fastask_one == NULL && fastask_wipe(object) && fastask_one == NULL)
            fastask_one = object;
        else
            fastask_dealloc_one(object);
    }

    static inline PyObject *fastask_take_one(void) {
        PyObject *object = fastask_one;
        if (object == NULL) return NULL;
        fastask_one = NULL;
        _Py_NewReference(object);
        PyObject_GC_Track(object);
        return object;
    }

    static void fastask_keep_one(PyTypeObject *type, void *wipe) {
    #if CYTHON_USE_FREELISTS && !defined(Py_GIL_DISABLED) && !defined(PYPY_VERSION)
        fastask_wipe = (int (*)(PyObject *))wipe;
        fastask_dealloc_one = type->tp_dealloc;
        type->tp_dealloc = fastask_free_one;
    #endif
    }
    """
    void keep_memory "fastask_keep_memory"(PyTypeObject *type, int most)
    void keep_one "fastask_keep_one"(PyTypeObject *type, void *wipe)
    PyObject *take_one "fastask_take_one"() noexcept
