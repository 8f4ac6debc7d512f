"""Timer: a message that is sent later. Layer 10."""

cimport cython
from cpython.object cimport PyTypeObject

from fastask._core.aim cimport Aim, aim, unaim
from fastask._core.current cimport current_scheduler
from fastask._core.message cimport new_timeout
from fastask._core.names cimport check_dest, deliver_by_ref, lookup
from fastask._core.pool cimport keep_memory
from fastask._core.process cimport DEAD, REMOTE, Process
from fastask._core.ref cimport Ref, new_ref
from fastask._core.scheduler cimport Scheduler
from fastask._core.signal cimport deliver, not_told
from fastask._core.wheel cimport FOREVER, IDLE, duration_of, nanoseconds, time_of


@cython.final
@cython.no_gc  # I20: when it is not armed it holds nothing, so it is in no cycle
cdef class Timer(Aim):
    """A message on its way; made by `send_after` and `start_timer`.

    It dies with the process that it is meant for. Elixir: a timer reference.
    """

    def __init__(self):
        raise TypeError("a timer is made by send_after() or start_timer()")

    @property
    def ref(self):
        """The ref of the timer; `start_timer` tags its message with it."""
        if self._ref is None:
            self._ref = new_ref()
        return self._ref

    def cancel(self):
        """Stop the timer; its message is not sent.

        Returns:
            The seconds that were left, or None when it has fired (its message may be in
            the mailbox), was cancelled before, or its process ended.

        Elixir: `Process.cancel_timer/1`.
        """
        cdef long long left
        if self.slot == IDLE:
            return None
        left = self.deadline - time_of(self.scheduler.wheel)
        unaim(self)
        self.scheduler.wheel.remove(self)
        self.let_go()
        return left / 1e9 if left > 0 else 0.0

    def remaining(self):
        """Return the seconds that are left, or None when it does not run any more.

        Elixir: `Process.read_timer/1`.
        """
        if self.slot == IDLE:
            return None
        return max(0, self.deadline - time_of(self.scheduler.wheel)) / 1e9

    def __repr__(self):
        left = self.remaining()
        if left is None:
            return "<Timer, idle>"
        return f"<Timer for {self.dest!r}, {left:.3f} s left>"

    cdef int let_go(self) except -1:
        self.dest = None
        self.message = None
        return 0

    cdef int fire(self) except -1:
        cdef object dest = self.dest
        cdef object message = self.message
        cdef Process process
        unaim(self)
        self.let_go()
        if isinstance(dest, Process):
            process = <Process>dest
            if process.hub is not self.scheduler:
                return (<Scheduler>process.hub).post((_deliver, process, message))
            return _deliver_late(process, message)
        if type(dest) is Ref:
            process = <Process>(<Ref>dest).process
            if process is None:
                return 0
            if process.hub is not self.scheduler:
                return (<Scheduler>process.hub).post((_deliver_by_ref, dest, message))
            return deliver_by_ref(<Ref>dest, message)
        try:
            process = lookup(self.scheduler, dest, "dest")
        except Exception as error:  # of a via: nobody else is there to be told
            self.scheduler.loop.call_exception_handler(
                {"message": f"cannot look up {dest!r}", "exception": error}
            )
            return 0
        return 0 if process is None else _deliver_late(process, message)


cdef int _deliver_late(Process process, object message) except -1:
    try:
        return deliver(process, message)
    except MemoryError as error:  # nobody else is there to be told
        return not_told(process, error)
    except Exception as error:  # what cannot be sent to another node
        if process.life != REMOTE:
            raise
        process.hub.loop.call_exception_handler(
            {"message": f"cannot send to {process!r}", "exception": error}
        )
        return 0


def _deliver(Process process, message):
    deliver(process, message)


def _deliver_by_ref(Ref ref, message):
    deliver_by_ref(ref, message)


cdef Timer _timer(object dest, object seconds, bint absolute):
    cdef Timer timer = Timer.__new__(Timer)
    cdef Scheduler scheduler = current_scheduler()
    cdef long long deadline
    cdef long long now
    if type(seconds) is float and 0.0 <= <double>seconds < 1e9:
        deadline = <long long>(<double>seconds * 1e9) + 1  # never early
    else:
        deadline = nanoseconds(duration_of("seconds", seconds))
    if not absolute:
        now = time_of(scheduler.wheel)
        deadline = now + (deadline if deadline < FOREVER - now else FOREVER - now)
    timer.scheduler = scheduler
    if isinstance(dest, Process):
        if (<Process>dest).life == DEAD:
            return timer
        if (<Process>dest).hub is scheduler:
            aim(timer, <Process>dest)
    elif type(dest) is not Ref:
        check_dest(dest, "dest")
    timer.dest = dest
    scheduler.wheel.add(timer, deadline)
    if not scheduler.draining:
        scheduler.arm()
    return timer


def monotonic_time():
    """Return the time in seconds by the clock that the timers of the loop go by."""
    return time_of(current_scheduler().wheel) / 1e9


def send_after(dest, message, seconds, *, absolute=False):
    """Send a message later.

    Timers fire never early, in the order of their deadlines, and in the order of their
    making where those are equal. A timer dies with the process it is meant for. A name
    is looked up when the time has come; nothing happens when nobody has it then.

    Args:
        dest: A process, a ref that is an alias, or a name.
        message: Anything.
        seconds: From now, >= 0; or, with `absolute`, on the clock `time.monotonic`.
        absolute: Whether `seconds` is a point in time.

    Returns:
        The timer: `.cancel()`, `.remaining()`, `.ref`.

    Raises:
        ValueError: If `seconds` is negative.

    Example:
        ```python
        import fastask

        async def main() -> None:
            fastask.send_after(fastask.self_(), "tick", 0.01)
            assert await fastask.receive(timeout=1.0) == "tick"

        fastask.run(main)
        ```

    Elixir: `Process.send_after/4`, in seconds.
    """
    cdef Timer timer = _timer(dest, seconds, absolute)
    if timer.slot != IDLE:
        timer.message = message
    return timer


def start_timer(seconds, dest, message):
    """Send `Timeout(timer.ref, message)` later.

    Args:
        seconds: From now, >= 0.
        dest: A process, a ref that is an alias, or a name.
        message: Anything.

    Returns:
        The timer.

    Raises:
        ValueError: If `seconds` is negative.

    Example:
        ```python
        import fastask

        async def main() -> None:
            timer = fastask.start_timer(0.01, fastask.self_(), "late")
            message = await fastask.receive(timer.ref)
            assert message == fastask.Timeout(timer.ref, "late")

        fastask.run(main)
        ```

    Elixir: `:erlang.start_timer/3`.
    """
    cdef Timer timer = _timer(dest, seconds, False)
    if timer.slot != IDLE:
        timer.message = new_timeout(timer.ref, message)
    return timer


keep_memory(<PyTypeObject *>Timer, 64)
