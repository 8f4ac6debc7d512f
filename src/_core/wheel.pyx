"""Wheel: a hierarchical timer wheel with intrusive nodes. Layer 0.

Seven levels of 64 slots; a slot of level n spans 64**n ticks of about a millisecond.
Setting and cancelling touch one list; a node moves down at most six times before it
fires. Nodes of the current tick wait in one list sorted by deadline and then by the
order in which they were set, so a node never fires early and equal deadlines fire in
creation order (I8).
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdlib cimport free, malloc

cdef extern from "stdlib.h":
    ctypedef int (*compare_t)(const void *, const void *) noexcept
    void qsort(void *base, size_t count, size_t size, compare_t compare)

cdef long long FOREVER = 0x3FFFFFFFFFFFFFFF  # 146 years: never, in practice


cdef long long nanoseconds(double seconds) noexcept:
    """Return seconds as whole nanoseconds, rounded up, at most FOREVER."""
    cdef double scaled = seconds * 1e9
    cdef long long whole
    if scaled >= 4.6e18:
        return FOREVER
    whole = <long long>scaled
    return whole + 1 if whole < scaled else whole


cdef class Node:
    cdef int fire(self) except -1:
        """Run when the deadline has passed; the node is no longer armed."""
        return 0

    cdef int let_go(self) except -1:
        """Drop what the node held for the day it fires; it is not armed any more."""
        return 0


cdef inline bint _before(Node one, Node other) noexcept:
    if one.deadline != other.deadline:
        return one.deadline < other.deadline
    return one.order < other.order


cdef int _compare(const void *left, const void *right) noexcept:
    cdef PyObject *one = (<PyObject **>left)[0]
    cdef PyObject *other = (<PyObject **>right)[0]
    return -1 if _before(<Node>one, <Node>other) else 1


cdef class Wheel:
    def __cinit__(self):
        self.stands = -1
        self.tick = <unsigned long long>now_ns() >> TICK_SHIFT

    cdef int add(self, Node node, long long deadline) except -1:
        """Arm `node`, which must be idle, for `deadline`."""
        assert node.slot == IDLE
        if deadline > FOREVER:
            deadline = FOREVER
        node.deadline = deadline
        node.order = self.orders
        self.orders += 1
        Py_INCREF(node)  # released in remove, or after fire in advance
        self.armed += 1
        self._place(node)
        return 0

    cdef bint remove(self, Node node) noexcept:
        """Disarm `node` and tell whether it was armed."""
        cdef Slot *slot
        cdef int index = node.slot
        if index == IDLE:
            return False
        slot = &self.due if index == DUE else &self.slots[index - 1]
        if node.earlier is NULL:
            slot.head = node.later
        else:
            (<Node>node.earlier).later = node.later
        if node.later is NULL:
            slot.tail = node.earlier
        else:
            (<Node>node.later).earlier = node.earlier
        if slot.head is NULL and index != DUE:
            self.occupied[(index - 1) // SLOTS] &= ~(1ULL << ((index - 1) % SLOTS))
        node.earlier = node.later = NULL
        node.slot = IDLE
        self.armed -= 1
        Py_DECREF(node)  # taken in add
        return True

    cdef int advance(self, long long now) except -1:
        """Fire every node whose deadline is not after `now`, in order."""
        cdef unsigned long long tick = <unsigned long long>now >> TICK_SHIFT
        cdef Node node
        cdef unsigned long long limit
        if tick > self.tick:
            self._turn(tick)
        limit = self.orders  # what a firing node arms for now waits its turn
        while self.due.head is not NULL:
            node = <Node>self.due.head
            if node.deadline > now or node.order >= limit:
                break
            self.remove(node)
            node.fire()
        return 0

    cdef long long next_deadline(self) noexcept:
        """Return a time at which to advance next, or -1 when nothing is armed.

        It is the earliest deadline when that lies in the current tick, else the
        start of the first occupied slot.
        """
        cdef long long tick
        if self.due.head is not NULL:
            return (<Node>self.due.head).deadline
        tick = self._first_slot()
        return tick << TICK_SHIFT if tick >= 0 else -1

    cdef int clear(self) except -1:
        """Disarm every node without firing it."""
        cdef int index
        while self.due.head is not NULL:
            self._drop(<Node>self.due.head)
        for index in range(LEVELS * SLOTS):
            while self.slots[index].head is not NULL:
                self._drop(<Node>self.slots[index].head)
        return 0

    cdef int _drop(self, Node node) except -1:
        self.remove(node)
        return node.let_go()

    cdef list nodes(self):
        """Return every armed node."""
        cdef list nodes = []
        cdef PyObject *cursor = self.due.head
        cdef int index
        while cursor is not NULL:
            nodes.append(<Node>cursor)
            cursor = (<Node>cursor).later
        for index in range(LEVELS * SLOTS):
            cursor = self.slots[index].head
            while cursor is not NULL:
                nodes.append(<Node>cursor)
                cursor = (<Node>cursor).later
        return nodes

    cdef int stand(self, long long now) except -1:
        """Let the clock stand at `now` until it is told otherwise; see fastask.testing."""
        if self.stands < 0:
            if self.armed:
                raise ValueError("a clock stands from the beginning or never")
            self.tick = <unsigned long long>now >> TICK_SHIFT
        self.stands = now
        return 0

    cdef void _place(self, Node node) noexcept:
        cdef unsigned long long tick = <unsigned long long>node.deadline >> TICK_SHIFT
        cdef unsigned long long distance
        cdef int level
        if tick <= self.tick:
            self._insert_due(node)
            return
        # The level is that of the highest group of six bits in which the two differ,
        # so that a slot is opened exactly when the wheel reaches its first tick.
        distance = tick ^ self.tick
        level = 0
        while distance >= SLOTS and level < LEVELS - 1:
            distance >>= 6
            level += 1
        self._append(level * SLOTS + ((tick >> (6 * level)) & (SLOTS - 1)), node)

    cdef void _append(self, int index, Node node) noexcept:
        cdef Slot *slot = &self.slots[index]
        node.slot = index + 1
        node.later = NULL
        node.earlier = slot.tail
        if slot.tail is NULL:
            slot.head = <PyObject *>node
            self.occupied[index // SLOTS] |= 1ULL << (index % SLOTS)
        else:
            (<Node>slot.tail).later = <PyObject *>node
        slot.tail = <PyObject *>node

    cdef void _insert_due(self, Node node) noexcept:
        cdef PyObject *after = self.due.tail
        while after is not NULL and _before(node, <Node>after):
            after = (<Node>after).earlier
        node.slot = DUE
        node.earlier = after
        if after is NULL:
            node.later = self.due.head
            self.due.head = <PyObject *>node
        else:
            node.later = (<Node>after).later
            (<Node>after).later = <PyObject *>node
        if node.later is NULL:
            self.due.tail = <PyObject *>node
        else:
            (<Node>node.later).earlier = <PyObject *>node

    cdef int _turn(self, unsigned long long tick) except -1:
        """Move to `tick`, opening every slot on the way that holds something."""
        cdef long long reached
        cdef unsigned long long stop
        cdef int level
        while self.tick < tick:
            # Jump over empty ticks: to the first occupied slot or to the end.
            stop = tick
            reached = self._first_slot()
            if reached >= 0 and <unsigned long long>reached < stop:
                stop = <unsigned long long>reached
            self.tick = stop
            level = LEVELS - 1
            while level >= 0:
                if level == 0 or stop & ((1ULL << (6 * level)) - 1) == 0:
                    self._open(level * SLOTS + ((stop >> (6 * level)) & (SLOTS - 1)))
                level -= 1
        return 0

    cdef long long _first_slot(self) noexcept:
        """Return the tick at which the first occupied slot opens, or -1."""
        # Occupied slots lie ahead of `tick` in its own turn of their level (I8), so
        # the first level that has one has the earliest.
        cdef int level, shift
        cdef unsigned long long turn
        for level in range(LEVELS):
            if self.occupied[level]:
                shift = 6 * level
                turn = (self.tick >> shift) & ~<unsigned long long>(SLOTS - 1)
                return (turn + lowest_bit(self.occupied[level])) << shift
        return -1

    cdef int _open(self, int index) except -1:
        """Place the nodes of a slot anew: one level down, or in the due list."""
        cdef Slot slot = self.slots[index]
        cdef PyObject *cursor = slot.head
        cdef PyObject *following
        cdef PyObject **nodes
        cdef Py_ssize_t count = 0, i
        if cursor is NULL:
            return 0
        self.slots[index].head = self.slots[index].tail = NULL
        self.occupied[index // SLOTS] &= ~(1ULL << (index % SLOTS))
        if index >= SLOTS:
            while cursor is not NULL:
                following = (<Node>cursor).later
                self._place(<Node>cursor)
                cursor = following
            return 0
        while cursor is not NULL:
            count += 1
            cursor = (<Node>cursor).later
        nodes = <PyObject **>malloc(count * sizeof(PyObject *))
        cursor = slot.head
        for i in range(count):
            following = (<Node>cursor).later
            if nodes is NULL:
                self._insert_due(<Node>cursor)  # slower, but it needs no memory
            else:
                nodes[i] = cursor
            cursor = following
        if nodes is not NULL:
            qsort(nodes, count, sizeof(PyObject *), _compare)
            for i in range(count):
                self._insert_due(<Node>nodes[i])
            free(nodes)
        return 0


cdef double duration_of(str argument, object seconds) except? -1.0:
    """Return a number of seconds >= 0, or raise what is wrong with it."""
    cdef double value
    if type(seconds) is float:
        value = <double>seconds
    elif isinstance(seconds, (int, float)) and not isinstance(seconds, bool):
        try:
            value = seconds
        except OverflowError:
            raise ValueError(
                f"{argument} must be a number of seconds that a float can be, "
                f"got {_shown(seconds)}"
            ) from None
    else:
        raise TypeError(f"{argument} must be a number of seconds, got {seconds!r}")
    if not value >= 0.0:  # NaN too
        raise ValueError(f"{argument} must be a number of seconds >= 0, got {seconds!r}")
    return value


cdef str _shown(object number):
    try:
        return repr(number)
    except ValueError:  # it has more digits than Python writes
        return f"an integer of {number.bit_length()} bits"


cdef long long limit_of(str argument, object seconds) except? -2:
    """Return a time limit in nanoseconds, -1 for None, or raise what is wrong."""
    if seconds is None:
        return -1
    return nanoseconds(duration_of(argument, seconds))
