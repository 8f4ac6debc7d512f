"""Current: which process and which scheduler run in this thread. Layer 8."""

from asyncio import _get_running_loop

from cpython.object cimport PyObject

from fastask._core.hub cimport current_of, running_hub
from fastask._core.process cimport Process
from fastask._core.scheduler cimport Scheduler, scheduler_of
from fastask._core.slot cimport peek


cdef Process current_or_none():
    """Return the process that is running, or None in a callback of the loop."""
    cdef PyObject *running = running_hub()
    cdef PyObject *task
    cdef Scheduler scheduler
    if running is not NULL:
        task = current_of(<Scheduler>running)
        if task is not NULL and isinstance(<object>task, Process):
            return <Process>task
    scheduler = current_scheduler()
    task = current_of(scheduler)
    if task is NULL:
        return None
    if isinstance(<object>task, Process):
        return <Process>task
    return scheduler.adopt(<object>task)


cdef PyObject *quick_process() noexcept:
    """Return the process that runs (borrowed), or NULL, where one has to look closer."""
    cdef PyObject *running = running_hub()
    cdef PyObject *task
    if running is NULL or (<Scheduler>running).current_tasks is None:
        return NULL
    task = peek(
        <PyObject *>(<Scheduler>running).current_tasks, <PyObject *>(<Scheduler>running).loop
    )
    return task if task is not NULL and isinstance(<object>task, Process) else NULL


cdef Process current_process():
    """Return the process that is running.

    Raises:
        RuntimeError: If no loop is running, or no coroutine of it.
    """
    cdef Process process = current_or_none()
    if process is None:
        raise RuntimeError("no process is running: this is a callback of the loop")
    return process


cdef bint runs_here(Process process) except -1:
    """Tell whether a process is the one that runs, in a drain of this thread.

    It is the quick answer: False does not say that it is another.
    """
    if running_hub() is not <PyObject *>process.hub:
        return False
    return current_of(process.hub) == <PyObject *>process


cdef object stranger():
    """Return the running asyncio task when it is no process (yet), else None."""
    cdef PyObject *task
    cdef Scheduler scheduler
    if running_hub() is NULL and _get_running_loop() is None:
        return None
    scheduler = current_scheduler()
    task = current_of(scheduler)
    if task is NULL or isinstance(<object>task, Process):
        return None
    return None if <object>task in scheduler.adopted else <object>task


cdef Scheduler current_scheduler():
    """Return the scheduler of the running loop."""
    cdef PyObject *running = running_hub()
    if running is not NULL:
        return <Scheduler>running
    loop = _get_running_loop()
    if loop is None:
        raise RuntimeError("no running event loop: fastask needs one, see fastask.run")
    return scheduler_of(loop)
