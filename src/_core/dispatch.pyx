"""Dispatch: gives processes their turns in the callbacks of a loop. Layer 6.

Runnable processes stand in a queue of ours; the loop sees one callback, the drain,
for all of them. A drain hands the loop back after BUDGET so that sockets and the
loop's own timers are served.
"""

from collections import deque
from gc import get_referents

from cpython.object cimport PyObject, PyTypeObject, inquiry, traverseproc, visitproc
from cpython.ref cimport Py_DECREF

from fastask._core.hub cimport call_soon, holders, swap_running_hub
from fastask._core.process cimport RUNNABLE, WAITING, Process
from fastask._core.step cimport Stepper
from fastask._core.wheel cimport now_ns, time_of

cdef enum:
    BUDGET = 100_000            # ns that a drain may take before the loop has a turn
    STEPS_BETWEEN_LOOKS = 32    # at the clock
    MOST_CHOSEN = 32            # steps of a drain that a chooser directs


cdef inline Process _take(Dispatcher self, PyObject *before):
    """Take a process out of the run queue: the one after `before`, or the first."""
    cdef Process process
    if before is NULL:
        process = <Process>self.run_head
        self.run_head = process.run_next
    else:
        process = <Process>(<Process>before).run_next
        (<Process>before).run_next = process.run_next
    if self.run_tail is <PyObject *>process:
        self.run_tail = before
    if process.opens:
        process.opens = False
        self.opened -= 1
    process.queued = False
    Py_DECREF(process)  # taken in Process.queue; the variable holds it
    return process


cdef class Dispatcher(Stepper):
    """The part of a scheduler that is called by the loop."""

    def __init__(self, loop):
        Stepper.__init__(self, loop)
        self.drain_callback = self._drain
        self.look_callback = self._look
        self.inbox = deque()
        self.last_calls = []
        self.stride = 1
        self.ready = ready_of(loop)

    cdef int keep(self) except -1:
        """Have the running loop end the processes when it ends itself."""
        raise SystemError("a dispatcher is kept by its scheduler")

    # Turns.

    cdef int arm(self) except -1:
        if self.draining or self.is_armed():
            return 0
        return self.arm_again()

    cdef int arm_again(self) except -1:
        cdef int number = self.number + 1 if self.armed else 0
        try:
            self.handle = call_soon(self, self.drain_callback, number or None)
        except RuntimeError:
            if not self.loop.is_closed():
                raise
            return 0
        self.number = number
        self.armed += 1
        return 0

    def _drain(self, int number=0):
        """Step runnable processes until there are none or the budget is spent."""
        if number == self.number:
            self.armed = 0  # it is the last one, so those before it were made, or lost
        elif self.armed:
            self.armed -= 1
        if self.draining:
            return
        if self.keeper is None:
            self.keep()
        self._turn(None, None, None)

    def _look(self):
        """See to the timers and the other threads, unless an armed drain does."""
        if not self.draining and not self.is_armed():
            self._turn(None, None, None)

    cdef int resume(self, object target) except -1:
        cdef Process process = <Process>target
        if self.draining or self.chooser is not None or self.halted:
            return process.wake()
        if process.life != WAITING or process.adopted:
            return 0
        process.life = RUNNABLE
        return self._turn(process, None, None)

    cdef int call_in_turn(self, object call, object argument) except -1:
        if (
            self.draining or self.chooser is not None or self.halted
            or self.is_armed()  # that drain has its place, and steps whom the call wakes
        ):
            call(argument)
            return 0
        if self.keeper is None:
            self.keep()
        return self._turn(None, call, argument)

    cdef int call_last(self, object call) except -1:
        self.last_calls.append(call)
        return self.arm()

    cdef int _make_last_calls(self) except -1:
        while self.last_calls:
            self.last_calls.pop()()
        return 0

    cdef int _turn(self, Process process, object call, object argument) except -1:
        """Have one process step, or all that can, in a callback of the loop.

        `call`: what is called before that, in the same turn.
        """
        cdef PyObject *outer
        cdef object task
        if self.rests:
            self.find_lost_rest()
        task = self._enter(None)
        self.draining = True
        outer = swap_running_hub(<PyObject *>self)
        try:
            self._run(process, call, argument)
            if self.last_calls:
                self._make_last_calls()
        finally:
            swap_running_hub(outer)
            self.draining = self.stepping = False
            self.running = None
            try:
                if (
                    (self.run_head is not NULL or self.inbox or self.last_calls)
                    and not self.halted
                ):
                    self.arm()
                self._arm_timer()
            finally:
                self._enter(task)

    cdef int _run(self, Process process, object call, object argument) except -1:
        try:
            if process is not None:
                self.clock = now_ns()
                self.stepped = process
                return self.step(process)
            if self.chooser is not None:
                return self._step_chosen()
            if call is not None:
                return self._step_after(call, argument)
            return self._step_in_order()
        except BaseException as error:  # raised again
            if self.stepped is not None:
                self._rescue(self.stepped, error)
            raise
        finally:
            self.stepped = None

    cdef int _step_after(self, object call, object argument) except -1:
        """Make a call of the loop, and step whom it woke."""
        cdef long long now = now_ns()
        self.clock = now
        if self.wheel.armed:
            self.wheel.advance(now)
        self.stepping = True  # so who takes asyncio's turns finds his place (I24)
        call(argument)
        return self._step_until(now + BUDGET)

    cdef int _step_in_order(self) except -1:
        cdef long long now = now_ns()
        self.clock = now
        self._take_inbox()
        self.wheel.advance(now)
        self.stepping = True
        if self.run_head is not NULL and (<Process>self.run_head).opens:
            (<Process>self.run_head).opens = False  # the batch is ours
            self.opened -= 1
        return self._step_until(now + BUDGET)

    cdef int _step_until(self, long long end) except -1:
        """Step the run queue to its end, or to that of its first batch or of the time."""
        cdef Process process
        cdef long long now
        cdef int steps = 0
        while True:
            if self.run_head is NULL:
                # Time has passed: what is due may make a process runnable.
                if self.wheel.armed:
                    self.wheel.advance(now_ns())
                if self.run_head is NULL:
                    return 0
            if (<Process>self.run_head).opens:
                return 0  # a drain of its own is armed for it
            if not self.stepping and not (<Process>self.run_head).as_task:
                return 0  # a task has its place before what the loop calls next
            process = _take(self, NULL)
            if process.life == RUNNABLE:
                self.stepped = process
                self.step(process)
                self.stepped = None
                if self.halted:
                    return 0
            elif process.as_task:
                self._call_back(process)
            steps += 1
            if steps >= self.stride:
                steps = 0
                now = now_ns()
                # Slow steps are looked at one by one, quick ones many at a time.
                if now - self.clock > BUDGET // 4:
                    self.stride = 1
                elif self.stride < STEPS_BETWEEN_LOOKS:
                    self.stride *= 2
                self.clock = now
                if self.inbox:
                    self._take_inbox()
                if self.wheel.armed:
                    self.wheel.advance(now)
                if now > end:
                    self.stepping = False

    cdef int _call_back(self, Process process) except -1:
        if self.entered is not NULL:
            self._enter(None)  # a callback is called in no task
        return process.call_back()

    # Turns as a chooser wants them.

    def choose_by(self, chooser):
        """Have what is left open decided: `choose(n)` returns a number below n."""
        self.chooser = chooser
        self.patience = 0

    cdef int _step_chosen(self) except -1:
        """Step runnable processes in an order that the chooser decides (I19).

        What is open is which of them goes first, and whether the loop has its turn
        before all of them have had theirs; nothing is that depends on how fast this
        machine is.
        """
        cdef Process process
        cdef int steps = 0
        self.clock = time_of(self.wheel)
        self._take_inbox()
        self.wheel.advance(self.clock)
        while self.run_head is not NULL and steps < MOST_CHOSEN:
            process = self._take_chosen()
            if process.life == RUNNABLE:
                self.chooser.chosen(process)
                self.stepped = process
                self.step(process)
                self.stepped = None
                if self.halted:
                    return 0
                steps += 1
            self._take_inbox()
            if self.wheel.stands < 0:
                self.wheel.advance(time_of(self.wheel))
            if self.run_head is not NULL and self.chooser.loop_is_ready():
                if self.chooser.choose(2) == 1:
                    return 0
        return 0

    cdef Process _take_chosen(self):
        cdef PyObject *before = NULL
        cdef PyObject *cursor = self.run_head
        cdef Py_ssize_t count = 0
        while cursor is not NULL:
            count += 1
            cursor = (<Process>cursor).run_next
        if count > 1:
            count = self.chooser.choose(count)
            while count > 0:
                before = self.run_head if before is NULL else (<Process>before).run_next
                count -= 1
        return _take(self, before)

    # Time.

    def next_deadline(self):
        """Return the time at which the wheel wants to be advanced, or -1."""
        return self.wheel.next_deadline()

    def set_clock(self, long long now):
        """Let the clock stand at a time, which never lies before the last one."""
        self.wheel.stand(now)

    cdef int _arm_timer(self) except -1:
        """Have the loop call when the first timer of the wheel is due."""
        cdef long long deadline = self.wheel.next_deadline()
        cdef long long delay
        if deadline < 0:
            return 0
        if self.armed_timer is not None:
            if self.armed_for <= deadline and not self._timer_is_lost():
                return 0
            self.armed_timer.cancel()
        delay = deadline - time_of(self.wheel)
        if delay < 0:
            delay = 0
        if self.wheel.stands < 0:
            # Whole milliseconds, rounded up: uvloop rounds to the nearest.
            delay = (delay + 999_999) // 1_000_000 * 1_000_000
        self.armed_timer = None
        try:
            self._arm_timer_in(delay / 1e9)
        except MemoryError:  # without the call, everybody would wait for ever
            self._arm_timer_in(delay / 1e9)
        self.armed_for = deadline
        return 0

    cdef bint _timer_is_lost(self) except -1:
        """Tell whether the loop seems to have dropped the call (I26)."""
        return holders(<PyObject *>self.armed_timer) != self.timer_holders

    cdef int _arm_timer_in(self, double seconds) except -1:
        self.armed_timer = self.loop.call_later(
            seconds, self._timer_due, context=self.context
        )
        self.timer_holders = holders(<PyObject *>self.armed_timer)
        return 0

    def _timer_due(self):
        self.armed_timer = None
        self._look()

    # Other threads.

    cdef int post(self, tuple call) except -1:
        """Have a call made in the thread of the loop; safe from every thread."""
        if self.closed or self.loop.is_closed():
            return 0  # its processes are gone, and the dead get no messages
        self.inbox.append(call)
        try:
            self._signal_inbox()
        finally:
            if self.closed or self.loop.is_closed():  # meanwhile: nobody will take it
                self.inbox.clear()
        return 0

    cdef int _signal_inbox(self) except -1:
        """Have the loop look into the inbox, unless it is going to."""
        if self.inbox_signalled and (
            self.ready is None or holders(<PyObject *>self.inbox_handle) == 2
        ):
            return 0  # else that call goes on, or is lost (I26): one more does no harm
        self.inbox_signalled = True
        try:
            self.inbox_handle = self.loop.call_soon_threadsafe(
                self.look_callback, context=self.context
            )
        except RuntimeError:
            self.inbox_signalled = False
            self.inbox.clear()
            if not self.loop.is_closed():
                raise
        return 0

    cdef int _take_inbox(self) except -1:
        self.inbox_signalled = False
        for _ in range(len(self.inbox)):  # no more: who sends without end must wait
            call = self.inbox.popleft()
            call[0](*call[1:])
        return 0


# The run queue is linked in C, so the collector has to be shown what it owns. Else a loop
# that is closed and dropped while tasks of asyncio could go on would never be freed.

cdef traverseproc _traverse_fields = (<PyTypeObject *>Dispatcher).tp_traverse
cdef inquiry _clear_fields = (<PyTypeObject *>Dispatcher).tp_clear


cdef int _traverse(PyObject *self, visitproc visit, void *argument) except -1:
    cdef PyObject *cursor = (<Dispatcher>self).run_head
    cdef int status
    while cursor is not NULL:
        status = visit(cursor, argument)
        if status != 0:
            return status
        cursor = (<Process>cursor).run_next
    return _traverse_fields(self, visit, argument)


cdef int _clear(object self) except -1:
    while (<Dispatcher>self).run_head is not NULL:
        _take(<Dispatcher>self, NULL)
    return _clear_fields(self)


(<PyTypeObject *>Dispatcher).tp_traverse = _traverse
(<PyTypeObject *>Dispatcher).tp_clear = _clear


def _nothing():
    """Be called, in order to be seen in the loop's queue."""


cdef object ready_of(object loop):
    """Return the deque of what a loop calls next, or None when it cannot be found.

    It is only ever looked at. asyncio's loops show it; uvloop's do to the collector.
    """
    cdef object handle
    ready = getattr(loop, "_ready", None)
    if type(ready) is deque:
        return ready
    found = [thing for thing in get_referents(loop) if type(thing) is deque]
    if not found or loop.is_closed():
        return None
    handle = loop.call_soon(_nothing)
    handle.cancel()
    for ready in found:
        if ready and ready[-1] is handle:
            return ready
    return None
