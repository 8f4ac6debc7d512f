"""Call: asking a server, and waiting for its reply. Layer 10.

The reply goes straight to whoever waits; the mailbox of the caller sees nothing of it.
"""

from reprlib import Repr

cimport cython
from cpython.object cimport PyTypeObject

from fastask._core.bond cimport MONITOR, PRIVATE, attach, detach
from fastask._core.current cimport current_process, current_scheduler
from fastask._core.hub cimport is_here
from fastask._core.mailbox cimport put
from fastask._core.names cimport deliver_by_ref, lookup, unreachable
from fastask._core.pool cimport keep_memory
from fastask._core.process cimport CALL_TO, DEAD, REMOTE, Process
from fastask._core.process cimport GIVE_UP as CALL_GIVEN_UP
from fastask._core.ref cimport Ref
from fastask._core.request cimport (
    ANSWERED, CALL, GIVEN_UP, PENDING, STOP, SYSTEM, CallKind, GenCall, GenCast, Method,
    answer_call, call_by_entry, new_cast, request_of,
)
from fastask._core.scheduler cimport Scheduler
from fastask._core.signal cimport absence_of, arrived, deliver
from fastask._core.wait cimport Wait
from fastask._core.wheel cimport limit_of

from fastask._core.errors import CallError, CallTimeoutError
from fastask._core.reason import NOCONNECTION, NOPROC, TIMEOUT

cdef object _NOCONNECTION = NOCONNECTION
cdef object _NOPROC = NOPROC
cdef object _TIMEOUT = TIMEOUT
cdef object _missing = object()

# What a message shows of a request is enough to know it by, and no more.
_SHORT = Repr()
_SHORT.maxother = _SHORT.maxstring = 100
cdef object short = _SHORT.repr


# The methods of a server that clients call.

@cython.final
cdef class CallMethod(Method):
    # What `@call` makes of a method: `await Class.method(dest, ...)` from a client.

    __fastask_wait__ = True  # it can be the function of a process

    @property
    def __doc__(self):
        return self.function.__doc__

    def __init__(self, function, timeout=5.0):
        Method.__init__(self, function)
        self.timeout = timeout

    cdef object send(self, object dest, object asked, bint single, dict kwargs):
        cdef CallWait wait = new_call(dest, asked, self.timeout, CALL)
        wait.method = self
        wait.single = single
        wait.kwargs = kwargs
        return wait


@cython.final
cdef class CastMethod(Method):
    # What `@cast` makes of a method: `Class.method(dest, ...)` from a client.

    @property
    def __doc__(self):
        return self.function.__doc__

    cdef object send(self, object dest, object asked, bint single, dict kwargs):
        _cast(dest, new_cast(self, asked, single, kwargs))
        return None


for _kind in (CallMethod, CastMethod):
    call_by_entry(_kind)


def call(function=_missing, /, *, timeout=5.0):
    """Make a method of a `GenServer` one that clients call and that replies.

    In the server, `Class.method(dest, ...)` awaited by a client runs the method with
    these arguments; what it returns is the reply, or `Answer`, `NoReply` or `Stop`. It
    may be `def` or `async def`. See `GenServer.call` for what is raised.

    Args:
        function: The method.
        timeout: Seconds that a client waits, or None for no limit.

    Raises:
        TypeError: If what is decorated is no method.
        ValueError: If `timeout` is negative.

    Example:
        ```python
        import fastask

        class Counter(fastask.GenServer):
            def init(self) -> None:
                self.total = 0

            @fastask.call
            def add(self, n: int) -> int:
                self.total += n
                return self.total

        async def main() -> None:
            counter = await Counter.start_link()
            assert await Counter.add(counter, 2) == 2
            await fastask.GenServer.stop(counter)

        fastask.run(main)
        ```

    Elixir: a client function around `GenServer.call/3`, and its `handle_call/3`.
    """
    check_timeout(timeout)
    if function is _missing:
        return lambda decorated: CallMethod(decorated, timeout)
    return CallMethod(function, timeout)


def cast(function, /):
    """Make a method of a `GenServer` one that clients cast to: it never replies.

    `Class.method(dest, ...)` returns None at once, whether or not anybody is there. In
    the server the method returns None, `Continue`, `IdleTimeout` or `Stop`.

    Raises:
        TypeError: If what is decorated is no method.

    Example:
        ```python
        import fastask

        class Log(fastask.GenServer):
            def init(self) -> None:
                self.lines: list[str] = []

            @fastask.cast
            def write(self, line: str) -> None:
                self.lines.append(line)

        async def main() -> None:
            log = await Log.start_link()
            Log.write(log, "hello")
            assert (await fastask.sys.get_state(log)).lines == ["hello"]
            await fastask.GenServer.stop(log)

        fastask.run(main)
        ```

    Elixir: a client function around `GenServer.cast/2`, and its `handle_cast/2`.
    """
    return CastMethod(function)


# Calling.

cdef int check_timeout(object timeout) except -1:
    limit_of("timeout", timeout)
    return 0


cdef CallWait new_call(object dest, object request, object timeout, CallKind kind):
    cdef CallWait wait = CallWait.__new__(CallWait)
    wait.limit_to(timeout)
    if isinstance(dest, Ref):
        raise TypeError(f"dest must be a process, a name, an address or a via, got {dest!r}")
    wait.process = current_process()
    wait.dest = dest
    wait.asked = request
    wait.kind = kind
    wait.unawaited = True
    return wait


@cython.final
cdef class CallWait(Wait):
    """Sends a request at its first poll, and waits for the reply."""

    cdef str verb(self):
        return "call"

    cdef bint poll(self) except -1:
        cdef GenCall call
        if not self.sent:
            self.sent = True
            self._send()
        call = self.call
        if call.state == PENDING:
            return False
        if call.state == ANSWERED:
            self.value = call.answer
            call.answer = None
            return True
        reason = call.answer
        call.answer = None
        if self.kind == STOP and _same_reason(reason, self.asked[1]):
            return True
        self.leave()
        raise self._failure(reason)

    cdef object _request(self):
        return request_of(self.method, self.asked, self.single, self.kwargs)

    cdef int _send(self) except -1:
        cdef Process me = self.process
        cdef Process target = None
        cdef GenCall call
        reason = _NOPROC
        if isinstance(self.dest, Process):
            target = <Process>self.dest
        elif self.dest is not None:
            target = lookup(<Scheduler>me.hub, self.dest, "dest")
            if target is None:
                reason = unreachable(self.dest)
        if target is None or target.life == DEAD:
            self.leave()
            raise self._failure(reason if target is None else absence_of(target))
        if target is me:
            self.leave()
            raise self._failure("calling_self")
        if target.hub is not me.hub:
            self.leave()
            raise ValueError(f"cannot call {target!r}: it is of another event loop")
        if me.hub.keeps_frames:
            self._check_cycle(target)
        call = GenCall.__new__(GenCall)
        call.watcher = me
        call.target = target
        call.flags = MONITOR | PRIVATE
        call.method = self.method
        call.asked = self.asked
        call.kwargs = self.kwargs
        call.single = self.single
        call.kind = self.kind
        call.waiting = self
        self.call = call
        if target.life == REMOTE:
            return self._carry(target, call)
        attach(call)
        return arrived(target, put(&target.mailbox, call, None))

    cdef int _carry(self, Process target, GenCall call) except -1:
        """Send the request to another node, which tells what becomes of it (I27)."""
        try:
            return target.carry(CALL_TO, call, None)
        except BaseException:  # raised again
            call.state = GIVEN_UP
            call.waiting = None
            self.call = None
            self.leave()
            raise

    cdef int _check_cycle(self, Process target) except -1:
        """In debug mode: raise when the callee waits, over others, for the caller."""
        cdef list chain = [self.process]
        cdef Process process = target
        cdef CallWait wait
        while process not in chain:
            chain.append(process)
            if type(process.parked) is not CallWait:
                return 0
            wait = <CallWait>process.parked
            if wait.call is None or wait.call.state != PENDING:
                return 0
            process = wait.call.target
        if process is not self.process:
            return 0
        self.leave()
        chain.append(process)
        path = " waits for ".join([repr(member) for member in chain])
        raise CallError(
            f"this call would wait for itself: {path}",
            reason="calling_cycle", dest=self.dest, request=self._request(),
        )

    cdef object _failure(self, object reason):
        """Return the error that the caller gets."""
        cdef object error
        cdef object request = self._request()
        if self.kind == STOP:
            doing = f"stopping {short(self.dest)}"
        else:
            doing = f"calling {short(self.dest)} with {short(request)}"
        if reason is _NOPROC:
            text = f"{doing}: nobody is there"
        elif reason is _NOCONNECTION:
            text = f"{doing}: its node is out of reach"
        elif reason == "calling_self":
            text = f"{doing}: a process cannot call itself, it would wait for ever"
        else:
            text = f"{doing}: it ended with {short(reason)}"
        error = CallError(text, reason=reason, dest=self.dest, request=request)
        if isinstance(reason, BaseException):
            error.__cause__ = reason
        return error

    cdef int expire(self) except -1:
        seconds = self.limit()
        if self.kind == STOP:
            text = f"{short(self.dest)} did not stop within {seconds:g} s"
        else:
            text = (
                f"{short(self.dest)} did not answer {short(self._request())} "
                f"within {seconds:g} s"
            )
        raise CallTimeoutError(
            text, reason=_TIMEOUT, dest=self.dest, request=self._request()
        )

    cdef int leave(self) except -1:
        cdef GenCall call = self.call
        if call is not None:
            call.waiting = None
            if call.state == PENDING:
                call.state = GIVEN_UP  # a late reply is dropped
                detach(call)
                if call.target.life == REMOTE:
                    call.target.carry(CALL_GIVEN_UP, call, None)
        return Wait.leave(self)


cdef bint _same_reason(object reason, object wanted) except -1:
    return reason is wanted or (type(reason) is type(wanted) and reason == wanted)


def call_server(dest, request, timeout):
    """See `GenServer.call`."""
    return new_call(dest, request, timeout, CALL)


def call_system(dest, request, timeout):
    """Send a request that is served even while the server is suspended."""
    return new_call(dest, request, timeout, SYSTEM)


def stop_server(dest, reason, timeout):
    """See `GenServer.stop`."""
    return new_call(dest, ("terminate", reason), timeout, STOP)


def stop_soon(Process process, reason):
    """Have a server stop; nobody waits for that."""
    cdef GenCall call = GenCall.__new__(GenCall)
    call.watcher = call.target = process
    call.asked = ("terminate", reason)
    call.kind = STOP
    call.state = GIVEN_UP
    if process.life != DEAD:
        arrived(process, put(&process.mailbox, call, None))


# Casting and replying.

def cast_request(dest, request):
    """See `GenServer.cast`."""
    _cast(dest, new_cast(None, request, False, None))


cdef int _cast(object dest, GenCast message) except -1:
    cdef Process target
    if isinstance(dest, Process):
        target = <Process>dest
        if is_here(target.hub):
            deliver(target, message)
        elif target.life != DEAD:
            (<Scheduler>target.hub).post((_deliver, target, message))
        return 0
    if type(dest) is Ref:
        target = <Process>(<Ref>dest).process
        if target is None:
            return 0
        if is_here(target.hub):
            deliver_by_ref(<Ref>dest, message)
        else:
            (<Scheduler>target.hub).post((_deliver_by_ref, dest, message))
        return 0
    if dest is None:
        return 0
    scheduler = current_scheduler()
    try:
        target = lookup(scheduler, dest, "dest")
    except LookupError:
        return 0
    if target is not None:
        deliver(target, message)
    return 0


def _deliver(Process process, message):
    deliver(process, message)


def _deliver_by_ref(Ref ref, message):
    deliver_by_ref(ref, message)


def reply_to(from_, value):
    """See `GenServer.reply`."""
    cdef GenCall call
    if type(from_) is not GenCall:
        raise TypeError(f"from_ must be what handle_call was given, got {from_!r}")
    call = <GenCall>from_
    if is_here(call.watcher.hub):
        answer_call(call, value)
    else:
        (<Scheduler>call.watcher.hub).post((_reply_from_afar, call, value))


def _reply_from_afar(GenCall call, value):
    answer_call(call, value)


for _verb in (call_server, call_system, stop_server):
    _verb.__fastask_wait__ = True  # it can be the function of a process


keep_memory(<PyTypeObject *>CallWait, 64)
