"""Census: how many objects of each kind were made and freed. Layer 0.

For tests, in debug builds only: there the core is compiled without free lists, so that
every object passes through the two slots of its type that are replaced here.
"""

from cpython.object cimport PyObject

cdef extern from *:
    """
    #define FASTASK_KINDS 80

    #if defined(CYTHON_USE_FREELISTS) && !CYTHON_USE_FREELISTS
    #define FASTASK_COUNTS 1
    #else
    #define FASTASK_COUNTS 0
    #endif

    typedef struct {
        PyTypeObject *type;
        allocfunc alloc;
        destructor dealloc;
        Py_ssize_t made;
        Py_ssize_t freed;
    } fastask_kind;

    static fastask_kind fastask_kinds[FASTASK_KINDS];
    static int fastask_kind_count = 0;

    /* Cython runs __del__ from a slot that it finds in place only. */
    static int fastask_is_revived(PyObject *object) {
        PyTypeObject *type = Py_TYPE(object);
        if (type->tp_finalize == NULL) return 0;
        if (PyObject_IS_GC(object) && PyObject_GC_IsFinalized(object)) return 0;
        return PyObject_CallFinalizerFromDealloc(object) != 0;
    }

    /* A type calls the slots of its base, with an object that is not of the base: each
       kind needs functions of its own to know whose turn it is. */
    #define KIND(n) \\
        static PyObject *fastask_alloc_##n(PyTypeObject *type, Py_ssize_t size) { \\
            PyObject *made = fastask_kinds[n].alloc(type, size); \\
            if (made != NULL && type == fastask_kinds[n].type) fastask_kinds[n].made++; \\
            return made; \\
        } \\
        static void fastask_dealloc_##n(PyObject *object) { \\
            if (Py_TYPE(object) == fastask_kinds[n].type) { \\
                if (fastask_is_revived(object)) return; \\
                fastask_kinds[n].freed++; \\
            } \\
            fastask_kinds[n].dealloc(object); \\
        }
    #define SLOTS(n) {fastask_alloc_##n, fastask_dealloc_##n}
    #define EIGHT(what, sep, n) \\
        what(n##0) sep what(n##1) sep what(n##2) sep what(n##3) sep \\
        what(n##4) sep what(n##5) sep what(n##6) sep what(n##7)
    #define NONE
    #define COMMA ,

    EIGHT(KIND, NONE, 0) EIGHT(KIND, NONE, 01) EIGHT(KIND, NONE, 02)
    EIGHT(KIND, NONE, 03) EIGHT(KIND, NONE, 04) EIGHT(KIND, NONE, 05)
    EIGHT(KIND, NONE, 06) EIGHT(KIND, NONE, 07) EIGHT(KIND, NONE, 010)
    EIGHT(KIND, NONE, 011)

    typedef struct { allocfunc alloc; destructor dealloc; } fastask_slots;

    static fastask_slots fastask_slots_of[FASTASK_KINDS] = {
        EIGHT(SLOTS, COMMA, 0), EIGHT(SLOTS, COMMA, 01), EIGHT(SLOTS, COMMA, 02),
        EIGHT(SLOTS, COMMA, 03), EIGHT(SLOTS, COMMA, 04), EIGHT(SLOTS, COMMA, 05),
        EIGHT(SLOTS, COMMA, 06), EIGHT(SLOTS, COMMA, 07), EIGHT(SLOTS, COMMA, 010),
        EIGHT(SLOTS, COMMA, 011),
    };

    static int fastask_begin_count(PyObject *kind) {
        fastask_kind *entry = &fastask_kinds[fastask_kind_count];
        PyTypeObject *type = (PyTypeObject *)kind;
        if (fastask_kind_count == FASTASK_KINDS) {
            PyErr_SetString(PyExc_OverflowError, "there are more kinds than counters");
            return -1;
        }
        entry->type = type;
        entry->alloc = type->tp_alloc;
        entry->dealloc = type->tp_dealloc;
        type->tp_alloc = fastask_slots_of[fastask_kind_count].alloc;
        type->tp_dealloc = fastask_slots_of[fastask_kind_count].dealloc;
        fastask_kind_count++;
        return 0;
    }
    """
    ctypedef struct fastask_kind:
        PyObject *type
        Py_ssize_t made
        Py_ssize_t freed
    bint FASTASK_COUNTS
    int fastask_kind_count
    fastask_kind *fastask_kinds
    int fastask_begin_count(object kind) except -1

COUNTS = bool(FASTASK_COUNTS)


def count(kinds):
    """Begin to count the objects of some extension types; those alive are not counted.

    Raises:
        RuntimeError: If this is no debug build.
    """
    if not FASTASK_COUNTS:
        raise RuntimeError("objects are counted in debug builds only: FASTASK_DEBUG=1")
    for kind in kinds:
        fastask_begin_count(<type?>kind)


def counts():
    """Return how many objects were made and freed, by the name of their type."""
    cdef int index
    return {
        (<type>fastask_kinds[index].type).__name__: (
            fastask_kinds[index].made, fastask_kinds[index].freed
        )
        for index in range(fastask_kind_count)
    }
