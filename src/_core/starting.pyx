"""Starting: a start that returns when the process says that it has begun. Layer 13.

The starter waits for the acknowledgement, and learns of a failure as an error instead
of an exit signal. A starter that ends meanwhile takes the process with it.
"""

cimport cython

from fastask._core.bond cimport LINK, MONITOR, PRIVATE, Bond, attach, detach
from fastask._core.current cimport current_process
from fastask._core.names cimport lookup, name_key, register_process
from fastask._core.process cimport DEAD, FREE, Process
from fastask._core.scheduler cimport Scheduler
from fastask._core.signal cimport exit_by_call, exit_by_link, kill_later
from fastask._core.wait cimport Wait, hide

from fastask._core.errors import AlreadyStartedError, NameTakenError, StartError
from fastask._core.names import Via
from fastask._core.process import function_name
from fastask._core.reason import KILL, NORMAL, SHUTDOWN, TIMEOUT

cdef object _KILL = KILL
cdef object _NORMAL = NORMAL
cdef object _SHUTDOWN = SHUTDOWN
cdef object _TIMEOUT = TIMEOUT
cdef object _Via = Via


@cython.final
cdef class Starting(Bond):
    """Ties a process that starts to its starter."""

    cdef int exited(self, Process dead, Process survivor, object reason) except -1:
        if self.state != STARTED:
            if dead is self.target:
                return 0  # the starter gets an error, and no signal
            if survivor.supervises and survivor.traps:
                exit_by_link(survivor, dead, reason)
                return _give_up_start(survivor)
            if survivor.traps or reason is _NORMAL:
                return kill_later(survivor)  # nobody would ever use it
        return exit_by_link(survivor, dead, reason)

    cdef int down(self, object reason) except -1:
        if self.state == STARTING:
            self.state = FAILED
            self.failure = reason
        if self.waiting is not None:
            self.waiting.rouse()
        return 0

    cdef int acknowledge(self) except -1:
        """The process has begun: what remains is the link."""
        if self.state != STARTING:
            return 0
        self.state = STARTED
        self.flags &= ~(MONITOR | PRIVATE)
        if not self.flags & LINK:
            detach(self)
        if self.waiting is not None:
            self.waiting.rouse()
        return 0

    cdef int ignore(self) except -1:
        """The process does not want to begin; the starter hears of it when it is gone."""
        if self.state == STARTING:
            self.state = IGNORED
        return 0


@cython.final
cdef class StartWait(Wait):
    """Starts a process at its first poll, and waits until it has begun."""

    cdef str verb(self):
        return "start"

    cdef bint poll(self) except -1:
        cdef Starting starting
        if self.body is not None:
            self._begin()
        starting = self.starting
        if starting.state == STARTED:
            self.value = starting.target
            return True
        if starting.target.life != DEAD:
            return False
        if starting.state == IGNORED:
            self.value = None
            return True
        self.leave()
        raise start_error(self.function, starting.failure)

    cdef int _begin(self) except -1:
        cdef Process me = self.process
        cdef Process process
        cdef Scheduler scheduler = <Scheduler>me.hub
        cdef Starting starting
        cdef Wait body = self.body
        if scheduler.ended:
            self.leave()
            raise RuntimeError("the event loop is ending: it starts no process any more")
        if self.name is not None:
            process = lookup(scheduler, self.name, "name")
            if process is not None and process.life != DEAD:
                self.leave()
                raise _already_started(self.name, process)
        process = scheduler.spawn(body, self.function, me)
        self.body = None
        body.process = process
        hide(body)
        starting = Starting.__new__(Starting)
        starting.watcher = me
        starting.target = process
        starting.flags = MONITOR | PRIVATE | (LINK if self.links else 0)
        starting.waiting = self
        self.starting = starting
        attach(starting)
        if self.name is not None:
            self._register(process)
        return 0

    def _register(self, Process process):
        try:
            if isinstance(self.name, _Via):
                self.name.register(process)
            else:
                register_process(process, self.name)
        except BaseException as error:  # raised again
            self.starting.waiting = None
            process.reported = True
            exit_by_call(process, self.process, _KILL)
            self.leave()
            if isinstance(error, NameTakenError) and error.process is not None:
                raise _already_started(self.name, error.process) from None
            raise

    cdef int expire(self) except -1:
        cdef Process process = self.starting.target
        process.reported = True  # the caller learns it
        exit_by_call(process, self.process, _KILL)
        raise StartError(
            f"{function_name(self.function)} did not start within {self.limit():g} s",
            reason=_TIMEOUT,
        )

    cdef int leave(self) except -1:
        cdef Starting starting = self.starting
        cdef Process me = self.process
        cdef Process process
        cdef bint late = self.expired or (self.alarm is not None and self.alarm.limit == 0)
        if starting is not None:
            starting.waiting = None
            if starting.state == STARTING and starting.target.life != DEAD:
                if late:
                    starting.flags &= ~LINK  # the kill must not come back to the starter
                elif me.fate == FREE and me.life != DEAD:
                    # The wait was cancelled: nobody will have a use for the process.
                    detach(starting)
                    process = starting.target
                    process.reported = True
                    if process.supervises:
                        exit_by_call(process, me, _SHUTDOWN)
                        _give_up_start(process)
                    else:
                        exit_by_call(process, me, _KILL if process.traps else _SHUTDOWN)
        return Wait.leave(self)


cdef int _give_up_start(Process supervisor) except -1:
    """End what a supervisor is starting, so that it sees to its own end at once.

    It has been told to end, and stops what it has started, in order, when no start goes
    on any more. A supervisor that is being started itself does the same.
    """
    cdef Starting starting = None
    cdef Process process
    parked = supervisor.parked
    if type(parked) is StartWait:
        starting = (<StartWait>parked).starting
    if starting is None or starting.state != STARTING or starting.target.life >= DEAD:
        supervisor.cancel()
        return 0
    process = starting.target
    process.reported = True  # the supervisor learns it
    if process.traps and not process.supervises:
        return kill_later(process)
    exit_by_call(process, supervisor, _SHUTDOWN)
    return _give_up_start(process) if process.supervises else 0


cdef object _already_started(object name, Process process):
    return AlreadyStartedError(
        f"name {name!r} is taken by {process!r}", process=process
    )


def start_error(function, reason):
    """Return the error of a start that failed for `reason`."""
    error = StartError(f"{function_name(function)} did not start: {reason!r}", reason=reason)
    if isinstance(reason, BaseException):
        error.__cause__ = reason
    return error


cdef StartWait new_start(
    Wait body, object function, object name, object timeout, bint links
):
    """Return the wait that starts a process which runs `body`."""
    cdef StartWait wait = StartWait.__new__(StartWait)
    wait.limit_to(timeout)
    if name is not None and not isinstance(name, _Via):
        name_key(name, "name")
    wait.process = current_process()
    wait.body = body
    wait.function = function
    wait.name = name
    wait.links = links
    wait.unawaited = True
    return wait
