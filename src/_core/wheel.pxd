from cpython.object cimport PyObject

cimport fastask._core.refcount

cdef extern from *:
    """
    #if defined(_WIN32)
    #ifndef WIN32_LEAN_AND_MEAN
    #define WIN32_LEAN_AND_MEAN
    #endif
    #include <windows.h>
    /* The remainder apart: the count times 1e9 exceeds 64 bits, and a double is coarse. */
    static inline long long fastask_now_ns(void) {
        static LARGE_INTEGER frequency;
        LARGE_INTEGER count;
        if (frequency.QuadPart == 0) QueryPerformanceFrequency(&frequency);
        QueryPerformanceCounter(&count);
        return count.QuadPart / frequency.QuadPart * 1000000000LL
            + count.QuadPart % frequency.QuadPart * 1000000000LL / frequency.QuadPart;
    }
    static inline int fastask_lowest_bit(unsigned long long bits) {
        unsigned long index;
    #if defined(_WIN64)
        _BitScanForward64(&index, bits);
    #else
        if (!_BitScanForward(&index, (unsigned long)bits)) {
            _BitScanForward(&index, (unsigned long)(bits >> 32));
            index += 32;
        }
    #endif
        return (int)index;
    }
    #else
    #include <time.h>
    static inline long long fastask_now_ns(void) {
        struct timespec spec;
        clock_gettime(CLOCK_MONOTONIC, &spec);
        return (long long)spec.tv_sec * 1000000000LL + spec.tv_nsec;
    }
    static inline int fastask_lowest_bit(unsigned long long bits) {
        return __builtin_ctzll(bits);
    }
    #endif
    """
    long long now_ns "fastask_now_ns"() noexcept nogil
    int lowest_bit "fastask_lowest_bit"(unsigned long long bits) noexcept nogil


cdef enum:
    LEVELS = 7
    SLOTS = 64
    TICK_SHIFT = 20     # a tick is 2**20 ns, about a millisecond
    IDLE = 0            # `slot` of a node that is not armed
    DUE = -1            # `slot` of a node in the sorted list of the current tick

cdef long long FOREVER


cdef class Node:
    # I7: a node is armed in at most one wheel; the wheel owns one reference to it
    # from `add` until `remove` or `fire`.
    cdef PyObject *earlier
    cdef PyObject *later
    cdef long long deadline             # monotonic ns
    cdef unsigned long long order       # breaks ties between equal deadlines
    cdef short slot                     # IDLE, DUE, or 1 + its place in the table
    cdef int fire(self) except -1
    cdef int let_go(self) except -1


cdef struct Slot:
    PyObject *head
    PyObject *tail


cdef class Wheel:
    cdef Slot slots[LEVELS * SLOTS]
    cdef unsigned long long occupied[LEVELS]
    cdef Slot due                       # deadline order, ticks <= `tick`
    cdef unsigned long long tick        # the last tick whose slot was emptied
    cdef unsigned long long orders
    cdef Py_ssize_t armed
    cdef long long stands               # ns: where its clock stands; -1: it goes

    cdef int add(self, Node node, long long deadline) except -1
    cdef bint remove(self, Node node) noexcept
    cdef int advance(self, long long now) except -1
    cdef long long next_deadline(self) noexcept
    cdef int clear(self) except -1
    cdef int _drop(self, Node node) except -1
    cdef list nodes(self)
    cdef int stand(self, long long now) except -1

    cdef void _place(self, Node node) noexcept
    cdef void _append(self, int index, Node node) noexcept
    cdef void _insert_due(self, Node node) noexcept
    cdef long long _first_slot(self) noexcept
    cdef int _turn(self, unsigned long long tick) except -1
    cdef int _open(self, int index) except -1


cdef inline long long time_of(Wheel wheel) noexcept:
    """Return the time by the clock of a wheel: the system's, unless that stands."""
    return now_ns() if wheel.stands < 0 else wheel.stands


cdef long long nanoseconds(double seconds) noexcept
cdef long long limit_of(str argument, object seconds) except? -2
cdef double duration_of(str argument, object seconds) except? -1.0
