"""Aim: a timer that dies with the process it is aimed at. Layer 3."""

cimport cython
from cpython.object cimport PyObject

from fastask._core.process cimport Extra, Process
from fastask._core.wheel cimport Node


@cython.no_gc
cdef class Aim(Node):
    pass


cdef int aim(Aim timer, Process target) except -1:
    """Enter an armed timer in the list of its target."""
    cdef Extra extra = target.extras()  # first of all: there may be no memory
    timer.target = target
    timer.aim_earlier = NULL
    timer.aim_later = extra.timers
    if extra.timers is not NULL:
        (<Aim>extra.timers).aim_earlier = <PyObject *>timer
    extra.timers = <PyObject *>timer
    return 0


cdef int unaim(Aim timer) except -1:
    """Remove a timer that fired or was cancelled from the list of its target."""
    cdef Process target = timer.target
    if target is None:
        return 0
    if timer.aim_earlier is NULL:
        target.extra.timers = timer.aim_later
    else:
        (<Aim>timer.aim_earlier).aim_later = timer.aim_later
    if timer.aim_later is not NULL:
        (<Aim>timer.aim_later).aim_earlier = timer.aim_earlier
    timer.aim_earlier = timer.aim_later = NULL
    timer.target = None
    return 0


cdef int disarm_all(Process target) except -1:
    """Disarm every timer that aims at a process: it died."""
    cdef Aim timer
    while target.extra is not None and target.extra.timers is not NULL:
        timer = <Aim>target.extra.timers
        unaim(timer)
        target.hub.wheel.remove(timer)
        timer.let_go()
    return 0
