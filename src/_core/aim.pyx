"""Aim: a timer that dies with the process it is aimed at. Layer 3."""

cimport cython
from cpython.object cimport PyObject

from fastask._core.process cimport Process
from fastask._core.wheel cimport Node


@cython.no_gc
cdef class Aim(Node):

    cdef int let_go(self) except -1:
        """Drop what it held for the day it fires; it is not armed any more."""
        return 0


cdef int aim(Aim timer, Process target) except -1:
    """Enter an armed timer in the list of its target."""
    timer.target = target
    timer.aim_earlier = NULL
    timer.aim_later = target.timers
    if target.timers is not NULL:
        (<Aim>target.timers).aim_earlier = <PyObject *>timer
    target.timers = <PyObject *>timer
    return 0


cdef int unaim(Aim timer) except -1:
    """Remove a timer that fired or was cancelled from the list of its target."""
    cdef Process target = timer.target
    if target is None:
        return 0
    if timer.aim_earlier is NULL:
        target.timers = timer.aim_later
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
    while target.timers is not NULL:
        timer = <Aim>target.timers
        unaim(timer)
        target.hub.wheel.remove(timer)
        timer.let_go()
    return 0
