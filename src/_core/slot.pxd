# Layer 0. Where the value of a key stands in a dict, when the key is the one that was
# entered last: to read and to replace the value there takes no search. It is for asyncio's
# dict of current tasks, which holds one loop a thread. C code.

from cpython.object cimport PyObject

cdef extern from *:
    """
    #ifndef FASTASK_SLOT
    #define FASTASK_SLOT

    /* Python as it was looked into; its dicts are laid out alike from 3.11 to 3.13. */
    #if PY_VERSION_HEX < 0x030e0000 && !defined(Py_GIL_DISABLED) && \\
        !defined(PYPY_VERSION)
    typedef struct {
        Py_ssize_t references;
        uint8_t log2_size;
        uint8_t log2_index_bytes;
        uint8_t kind;               /* 0: keys of any type */
        uint32_t version;
        Py_ssize_t usable;
        Py_ssize_t entries;         /* that are in use, those that were deleted too */
        char indices[];             /* the entries are behind them */
    } fastask_keys;

    typedef struct {
        Py_hash_t hash;
        PyObject *key;              /* NULL: deleted */
        PyObject *value;
    } fastask_entry;

    static inline PyObject **fastask_slot(PyObject *dict, PyObject *key) {
        fastask_keys *keys = (fastask_keys *)((PyDictObject *)dict)->ma_keys;
        fastask_entry *entry;
        if (keys->kind != 0 || keys->entries == 0) return NULL;
        entry = (fastask_entry *)(keys->indices + ((size_t)1 << keys->log2_index_bytes));
        entry += keys->entries - 1;
        return entry->key == key ? &entry->value : NULL;
    }
    #else
    static inline PyObject **fastask_slot(
        PyObject *Py_UNUSED(dict), PyObject *Py_UNUSED(key)
    ) {
        return NULL;
    }
    #endif

    /* The value (borrowed), or NULL, where a search is needed to know. */
    static inline PyObject *fastask_peek(PyObject *dict, PyObject *key) {
        PyObject **slot = fastask_slot(dict, key);
        return slot != NULL ? *slot : NULL;
    }

    /* Replace the value; 0: a search is needed. */
    static inline int fastask_replace(PyObject *dict, PyObject *key, PyObject *value) {
        PyObject **slot = fastask_slot(dict, key);
        PyObject *last;
        if (slot == NULL) return 0;
        last = *slot;
        Py_INCREF(value);
        *slot = value;
        Py_DECREF(last);
        return 1;
    }
    #endif
    """
    PyObject *peek "fastask_peek"(PyObject *dict, PyObject *key) noexcept
    bint replace "fastask_replace"(PyObject *dict, PyObject *key, PyObject *value)
