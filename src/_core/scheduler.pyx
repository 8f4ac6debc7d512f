"""Scheduler: the processes of one event loop, from the first to the end. Layer 7.

How a process runs is told in `step`, and when it does in `dispatch`.
"""

from cpython.object cimport PyObject

from fastask._core.aim cimport disarm_all
from fastask._core.bond cimport LINK, Bond
from fastask._core.context cimport snapshot
from fastask._core.dispatch cimport Dispatcher
from fastask._core.hub cimport is_here
from fastask._core.process cimport DEAD, FREE, WAITING, Process, line_of
from fastask._core.signal cimport exit_by_call, finish
from fastask._core.wheel cimport nanoseconds, time_of

from fastask._core.errors import Exit
from fastask._core.reason import KILLED, NORMAL, SHUTDOWN

cdef object _NORMAL = NORMAL
cdef object _SHUTDOWN = SHUTDOWN
cdef object _KILLED = KILLED

cdef enum:
    TURNS_TO_UNWIND = 3         # of the loop, that an adopted task has

cdef str ATTRIBUTE = "_fastask_scheduler"


cdef class Scheduler(Dispatcher):
    """Runs the processes of one event loop; one thread at a time may touch it."""

    # Processes.

    cdef Process spawn(self, object coroutine, object function, Process parent):
        """Make a process of a coroutine and put it in the run queue."""
        cdef Process process
        try:
            process = Process.__new__(Process)
            process.context = snapshot()
            if parent is not None:
                process.ancestors = line_of(parent)
        except MemoryError:
            coroutine.close()  # or it would warn that it was never awaited
            raise
        process.hub = self
        process.body = coroutine
        process.function = function
        process.born = self.clock if self.draining else time_of(self.wheel)
        process.life = WAITING
        process.enter_table()
        process.wake()
        if self.witness is not None:
            self.witness(process)
        return process

    def processes(self):
        """Return the live processes, oldest first."""
        cdef list processes = []
        cdef PyObject *cursor = self.live_head
        while cursor is not NULL:
            processes.append(<Process>cursor)
            cursor = (<Process>cursor).live_later
        return processes

    def armed_nodes(self):
        """Return what waits for its time in the wheel: timers, waits, and others."""
        return self.wheel.nodes()

    # Tasks of asyncio that are none of ours.

    cdef Process adopt(self, object task):
        """Return the process of an asyncio task of this loop, making it if needed."""
        cdef Process process = <Process>self.adopted.get(task)
        if process is not None:
            return process
        process = Process.__new__(Process)
        process.hub = self
        process.body = task
        process.function = task.get_coro()
        process.context = snapshot()
        process.born = time_of(self.wheel)
        process.life = WAITING
        process.adopted = True
        task.add_done_callback(self._adopted_done, context=self.context)
        self.adopted[task] = process
        process.enter_table()
        return process

    def _adopted_done(self, task):
        cdef Process process = <Process>self.adopted.pop(task)
        if task.cancelled():
            process.was_cancelled = process.fate == FREE
            finish(process, _SHUTDOWN)
        elif task._exception is not None:
            # `exception()` would tell asyncio that somebody has seen it.
            error = task._exception
            finish(process, error.reason if isinstance(error, Exit) else error)
        else:
            if process.fate == FREE:
                process.outcome = task.result()
                process.returned = True
            finish(process, _NORMAL)

    cdef int begin_exit(self, object target) except -1:
        cdef Process process = <Process>target
        process.body.cancel()
        self.loop.call_soon(
            self._unwound, process, TURNS_TO_UNWIND, context=self.context
        )
        return 0

    def _unwound(self, Process process, int turns):
        """End an adopted process whose task had its turn to unwind."""
        if turns > 0 and process.life != DEAD:
            self.loop.call_soon(self._unwound, process, turns - 1, context=self.context)
            return
        finish(process, process.reason)

    # The end of the loop.

    cdef int keep(self) except -1:
        self.keeper = _keep(self)
        try:
            self.keeper.__anext__().send(None)
        except StopIteration:
            pass
        return 0

    async def end(self, grace):
        """Stop every process that is no asyncio task: SHUTDOWN, KILL after `grace`."""
        cdef long long deadline = time_of(self.wheel) + nanoseconds(grace)
        cdef set told = set()
        self.root = None  # when it ends only now, the others go on to theirs
        self.halted = False
        self.armed = 0  # an interrupt may have hit the loop where it was to call a drain
        self.arm_again()
        cdef Process process
        while True:
            left = [
                process for process in self.processes()
                if not process.adopted and not process.as_task  # asyncio ends those
            ]
            if not left:
                return
            if time_of(self.wheel) >= deadline:
                self.ended = True
                for process in left:
                    self.kill(process, _KILLED)
                continue
            for process in left:
                # A supervisor stops its children itself, in order.
                if process not in told and not _is_supervised(process):
                    told.add(process)
                    exit_by_call(process, None, _SHUTDOWN)
            self.vacated = self.loop.create_future()
            timer = self.loop.call_at(
                self.loop.time() + (deadline - time_of(self.wheel)) / 1e9 + 0.001,
                _resolve, self.vacated,
            )
            try:
                await self.vacated
            finally:
                timer.cancel()
                self.vacated = None

    def close(self):
        """Let go of the loop: nothing of ours stays scheduled in it."""
        self.ended = self.closed = True
        self.inbox.clear()  # after `closed` is set: whoever posts meanwhile does, too
        if self.armed_timer is not None:
            self.armed_timer.cancel()
            self.armed_timer = None
        for process in self.processes():
            disarm_all(process)
        self.wheel.clear()
        self.rests.clear()
        self.last_rest = None
        if self.pools is not None:
            self.pools.close()


cdef bint _is_supervised(Process process) except -1:
    """Tell whether a supervisor that lives has started the process."""
    cdef PyObject *cursor = process.bonds_in
    while cursor is not NULL:
        if (<Bond>cursor).flags & LINK and (<Bond>cursor).watcher.supervises:
            return True
        cursor = (<Bond>cursor).in_later
    return False


def _resolve(future):
    if not future.done():
        future.set_result(None)


async def _keep(scheduler):
    # The loop closes its asynchronous generators when it ends (`asyncio.run`,
    # `uvloop.run`, `Runner.close`). This one is never exhausted, so that is when the
    # processes that are left are stopped; nothing in asyncio is patched.
    try:
        yield
    finally:
        await scheduler.end(scheduler.default_grace)
        scheduler.close()


cdef Scheduler scheduler_of(object loop):
    """Return the scheduler of a loop, making it if needed."""
    cdef object scheduler = getattr(loop, ATTRIBUTE, None)
    cdef Scheduler made
    if type(scheduler) is Scheduler:
        return <Scheduler>scheduler
    made = Scheduler(loop)
    setattr(loop, ATTRIBUTE, made)
    if is_here(made):
        made.keep()  # else its first drain does
    return made


def scheduler_for(loop):
    """Return the scheduler of a running loop, making it if needed."""
    return scheduler_of(loop)
