"""Server: the loop of a process that answers calls. Layer 11.

It stands in the place of the process's coroutine (I17). Plain callbacks run inside its
step, without a frame of their own; an `async` one is driven until it is done, and no
message is taken meanwhile.
"""

import logging
from asyncio import CancelledError
from collections.abc import Coroutine
from types import CoroutineType

cimport cython
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF

from fastask._core.answer cimport (
    Answer, Continue, Hibernate, IdleTimeout, Ignore, NoReply, Stop,
)
from fastask._core.bond cimport Bond
from fastask._core.call cimport CallMethod, CastMethod
from fastask._core.hub cimport PYGEN_ERROR, PYGEN_NEXT, Hub, PySendResult, fastask_send
from fastask._core.mailbox cimport Letter, take_out
from fastask._core.message cimport Exited
from fastask._core.process cimport FREE, UNWINDING, Process
from fastask._core.request cimport (
    CALL, GenCall, GenCast, Method, Request, answer_call, request_of,
)
from fastask._core.signal cimport unpack
from fastask._core.starting cimport Starting, StartWait, new_start
from fastask._core.step cimport silence
from fastask._core.wait cimport FRESH, PARKED, Wait
from fastask._core.wheel cimport time_of

from fastask._core.errors import Exit, ExitSignal
from fastask._core.reason import NORMAL, SHUTDOWN, TIMEOUT

cdef extern from "Python.h":
    PyObject *_PyType_Lookup(PyTypeObject *type, object name)
    object PyObject_Vectorcall(
        object function, PyObject **stack, Py_ssize_t count, PyObject *names
    )

cdef extern from *:
    """
    /* Whether `await` takes the object: a question to its type only. */
    static int fastask_is_awaitable(PyObject *object) {
        PyAsyncMethods *methods = Py_TYPE(object)->tp_as_async;
        return methods != NULL && methods->am_await != NULL;
    }
    """
    bint fastask_is_awaitable(object value)

cdef extern from *:
    """
    static int fastask_raise_what_is_set(void) { return -1; }
    """
    int raise_what_is_set "fastask_raise_what_is_set"() except -1

cdef object _NORMAL = NORMAL
cdef object _SHUTDOWN = SHUTDOWN
cdef object _TIMEOUT = TIMEOUT
cdef object _CoroutineType = CoroutineType
cdef tuple _FATAL = (KeyboardInterrupt, SystemExit, GeneratorExit)

cdef enum:
    LONGEST_TURN = 250_000      # ns that messages may be handled before others run
    MOST_HANDLED = 128          # messages, likewise
    LONGEST_STRIDE = 32

_LOGGER = logging.getLogger("fastask")


@cython.final
cdef class Server(Wait):
    """Runs the callbacks of what is served, one message at a time."""

    # Being driven, as a coroutine is.

    cdef int _step(self, PyObject **out) except -1:
        if self.inner is not None:
            if not self._drive(out):
                return 0
        elif self.stage == PARKED:
            self._unlisten()
        return self._go(out)

    def throw(self, kind, value=None, traceback=None):
        """Raise in the callback that runs, or in the place of the next message."""
        cdef object inner = self.inner
        if value is None:
            value = kind() if isinstance(kind, type) else kind
        if inner is None:
            self._unlisten()
            self._raised(value)
            return self.send(None)
        try:
            return inner.throw(value)
        except StopIteration as stop:
            self.inner = None
            outcome = stop.value
        except BaseException as error:  # its crash
            self.inner = None
            self._raised(error)
            return self.send(None)
        self._returned(outcome)
        return self.send(None)

    def close(self):
        """Close the callback that runs; `terminate` does not run."""
        cdef object inner = self.inner
        self._unlisten()
        self.inner = None
        if inner is not None:
            try:
                inner.close()
            finally:
                silence(inner)

    @property
    def cr_await(self):
        """The coroutine of the callback that runs, or None."""
        return self.inner

    @property
    def cr_code(self):
        return getattr(self.kind.init, "__code__", None)

    @property
    def cr_running(self):
        return False

    cdef bint wants(self, Letter letter) except -1:
        return True

    cdef int _listen(self, PyObject **out) except -1:
        cdef Process process = self.process
        if self.idle >= 0:
            self.set_alarm(self.idle)
            self.alarm.wait = self
            process.hub.wheel.add(self.alarm, time_of(process.hub.wheel) + self.idle)
        self.stage = PARKED
        process.parked = self
        out[0] = <PyObject *>self
        Py_INCREF(self)  # given to the caller
        return 0

    cdef int _unlisten(self) except -1:
        if self.stage == PARKED:
            self.stage = FRESH
            self.drop_alarm()
            if self.process.parked is self:
                self.process.parked = None
        return 0

    cdef int leave(self) except -1:
        return self._unlisten()

    # The loop.

    cdef int _drive(self, PyObject **out) except -1:
        """Step the coroutine of a callback; return 0 when it waits."""
        cdef PySendResult status
        cdef object outcome
        try:
            status = fastask_send(self.inner, out)
            if status == PYGEN_NEXT:
                return 0
            if status == PYGEN_ERROR:
                raise_what_is_set()
        except BaseException as error:  # its crash
            self.inner = None
            self._raised(error)
            return 1
        outcome = <object>out[0]
        Py_DECREF(outcome)  # the reference that the coroutine gave
        self.inner = None
        self._returned(outcome)
        return 1

    cdef int _go(self, PyObject **out) except -1:
        """Handle messages until there are none, a callback waits, or it is over."""
        cdef Process process = self.process
        cdef Letter letter
        cdef int handled = 0
        while True:
            if self.inner is not None:
                if not self._drive(out):
                    return 0
            if process.fate != FREE:
                if process.fate < UNWINDING:
                    process.fate = UNWINDING
                raise ExitSignal(process.reason)
            if self.inner is not None:
                continue
            if self.over:
                return self._end(out)
            if self.phase == FIRST:
                self._init()
                continue
            if handled >= self.stride and self._is_turn_over(handled):
                out[0] = <PyObject *>process.hub
                Py_INCREF(process.hub)  # given to the caller
                return 0
            handled += 1
            if self.continues:
                argument = self.argument
                self.continues = False
                self.argument = None
                self._handle(self.served.handle_continue, argument)
                continue
            letter = self._next_letter()
            if letter is None:
                if self.expired and not self.suspended:
                    self.expired = False
                    self.idle = -1
                    self._handle(self.served.handle_info, _TIMEOUT)
                    continue
                self.expired = False
                return self._listen(out)
            self._take(letter)

    cdef bint _is_turn_over(self, int handled) except -1:
        """Tell whether others are to run before the next callback does.

        Slow callbacks are looked at one by one, quick ones many at a time.
        """
        cdef Hub hub = self.process.hub
        if hub.chooser is not None:
            return handled >= MOST_HANDLED or hub.interrupts()
        if time_of(hub.wheel) - hub.clock > LONGEST_TURN:
            self.stride = 1
            return True
        if self.stride < LONGEST_STRIDE:
            self.stride *= 2
        return handled >= MOST_HANDLED

    cdef Letter _next_letter(self):
        cdef PyObject *cursor = self.process.mailbox.head
        cdef Letter letter
        cdef object message
        if cursor is NULL:
            return None
        if not self.suspended:
            return <Letter>cursor
        while cursor is not NULL:
            letter = <Letter>cursor
            message = letter.message
            if type(message) is GenCall:
                if (<GenCall>message).kind != CALL:
                    return letter
            elif type(message) is Exited and self._is_order(<Exited>message):
                return letter
            cursor = letter.newer
        return None

    cdef bint _is_order(self, Exited message) except -1:
        """Tell whether a trapped signal is the parent's, or of the end of the loop."""
        return message.process is None or message.process is self.parent

    cdef int _take(self, Letter letter) except -1:
        cdef Process process = self.process
        cdef object message, kind
        if letter.packed:
            unpack(process, letter)
        message = letter.message
        take_out(&process.mailbox, letter)
        kind = type(message)
        if kind is GenCall and (<GenCall>message).kind != CALL:
            return self._serve_system(<GenCall>message)
        self.received += 1
        self.idle = -1
        self.expired = False
        if self.hooks is not None:
            self._note(("in", message))
        if kind is GenCall:
            return self._call(<GenCall>message)
        if kind is GenCast:
            return self._dispatch(
                (<GenCast>message).method, (<GenCast>message).asked,
                (<GenCast>message).single, (<GenCast>message).kwargs, None,
            )
        if kind is Exited and self._is_order(<Exited>message):
            return self._begin_end((<Exited>message).reason)
        return self._handle(self.served.handle_info, message)

    cdef int _call(self, GenCall call) except -1:
        cdef Method method = call.method
        cdef object asked = call.asked
        cdef dict kwargs = call.kwargs
        call.method = None
        call.asked = call.kwargs = None
        self.call = call
        return self._dispatch(method, asked, call.single, kwargs, call)

    cdef int _dispatch(
        self, Method method, object asked, bint single, dict kwargs, GenCall call
    ) except -1:
        """Run the method that is meant, or handle_call or handle_cast."""
        cdef object result
        cdef Method found = None
        self.phase = HANDLING if call is None else CALLING
        try:
            if method is not None:
                found = self._find(method.name, call)
                if found is None:
                    asked = request_of(method, asked, single, kwargs)
            elif type(asked) is Request:
                found = self._find((<Request>asked).name, call)
                if found is not None:
                    kwargs = (<Request>asked).kwargs
                    asked = (<Request>asked).args
            if found is not None:
                result = self._invoke(found.function, asked, single, kwargs)
            elif call is not None:
                result = self.served.handle_call(asked, call)
            else:
                result = self.served.handle_cast(asked)
        except BaseException as error:  # its crash
            return self._raised(error)
        return self._called(result)

    cdef Method _find(self, str name, GenCall call):
        """Return the method of what is served that clients may call so, or None."""
        cdef PyTypeObject *kind = <PyTypeObject *>self.kind
        cdef PyObject *method = _PyType_Lookup(kind, name)  # without a descriptor
        if method is NULL:
            return None
        if type(<object>method) is (CastMethod if call is None else CallMethod):
            return <Method>method
        return None

    cdef object _invoke(self, object function, object asked, bint single, dict kwargs):
        cdef PyObject *stack[2]
        if not single:
            return function(self.served, *asked, **(kwargs or {}))
        if kwargs is not None:
            return function(self.served, asked, **kwargs)
        stack[0] = <PyObject *>self.served
        stack[1] = <PyObject *>asked
        return PyObject_Vectorcall(function, stack, 2, NULL)

    cdef int _handle(self, object callback, object message) except -1:
        cdef object result
        self.phase = HANDLING
        try:
            result = callback(message)
        except BaseException as error:  # its crash
            return self._raised(error)
        return self._called(result)

    # What a callback comes to.

    cdef int _called(self, object result) except -1:
        """A callback returned its value, or the coroutine that will."""
        if type(result) is _CoroutineType:
            self.inner = result
            return 0
        if fastask_is_awaitable(result) and isinstance(result, Coroutine):
            self.inner = result.__await__()  # a wait of ours, or of compiled code
            return 0
        return self._returned(result)

    cdef int _returned(self, object result) except -1:
        if self.process.fate != FREE:
            return 0  # a callback that swallowed its end: nothing comes of it
        if self.phase == HANDLING:
            if result is None:
                if self.hooks is not None:
                    self._note(("noreply",))
                return 0
            return self._then(result, result)
        if self.phase == CALLING:
            return self._reply(result)
        if self.phase == INIT:
            return self._begun(result)
        self.over = True
        return 0

    cdef int _reply(self, object value) except -1:
        cdef GenCall call = self.call
        cdef object kind = type(value)
        self.call = None
        if kind is NoReply:
            if self.hooks is not None:
                self._note(("noreply",))
            return self._then((<NoReply>value).then, value)
        if kind is Stop:
            if (<Stop>value).has_reply:
                self.last_call = call
                self.last_answer = (<Stop>value)._reply
            return self._begin_end((<Stop>value).reason)
        if kind is Answer:
            if not _follows((<Answer>value).then):
                return self._begin_end(("bad_return_value", value))  # and no reply
            if self.hooks is not None:
                self._note(("out", (<Answer>value).value, call.watcher))
            self.answered += 1
            answer_call(call, (<Answer>value).value)
            return self._then((<Answer>value).then, value)
        self.answered += 1
        if self.hooks is not None:
            self._note(("out", value, call.watcher))
        return answer_call(call, value)

    cdef int _then(self, object then, object result) except -1:
        """Do what a callback asked for; `result` is all that it returned."""
        cdef object kind
        if then is None:
            return 0
        kind = type(then)
        if kind is Continue:
            self.continues = True
            self.argument = (<Continue>then).argument
        elif kind is IdleTimeout:
            self.idle = (<IdleTimeout>then).nanoseconds
        elif kind is Stop and then is result and not (<Stop>then).has_reply:
            return self._begin_end((<Stop>then).reason)
        elif kind is not Hibernate:
            return self._begin_end(("bad_return_value", result))
        return 0

    # Beginning.

    cdef int _init(self) except -1:
        cdef object result
        cdef tuple args = self.args
        self.phase = INIT
        self.args = None
        self.process.supervises = self.supervises
        try:
            self.served = self.kind()
            result = self.served.init(*args)
        except BaseException as error:  # its crash
            return self._raised(error)
        return self._called(result)

    cdef Starting _starting(self):
        """Return the bond to the starter, or None when that has given up."""
        cdef PyObject *cursor = self.process.bonds_in
        while cursor is not NULL:
            if type(<Bond>cursor) is Starting:
                return <Starting>cursor
            cursor = (<Bond>cursor).in_later
        return None

    cdef int _begun(self, object result) except -1:
        """`init` returned."""
        cdef Starting starting = self._starting()
        cdef object kind = type(result)
        self.phase = HANDLING
        if result is None or kind is Hibernate:
            pass
        elif kind is Continue or kind is IdleTimeout:
            self._then(result, result)
        else:
            self.over = True
            self.process.reported = True  # the starter is told
            if kind is Ignore:
                self.reason = _NORMAL
                return 0 if starting is None else starting.ignore()
            if kind is Stop and not (<Stop>result).has_reply:
                self.reason = (<Stop>result).reason
            else:
                self.reason = ("bad_return_value", result)
            return 0
        self.process.serves = True
        return 0 if starting is None else starting.acknowledge()

    # Ending.

    cdef int _raised(self, object error) except -1:
        """A callback raised, or something was thrown where it waited."""
        if isinstance(error, _FATAL):
            raise error
        if self.process.fate != FREE:
            if self.process.fate < UNWINDING:
                self.process.fate = UNWINDING
            if isinstance(error, ExitSignal):
                raise error
            raise ExitSignal(self.process.reason)
        if isinstance(error, CancelledError):
            self.cancelled = True
            reason = _SHUTDOWN
        elif isinstance(error, Exit):
            reason = error.reason
        else:
            reason = error
        if self.phase == INIT:
            self.process.reported = True  # the starter is told
        elif self.phase != ENDING:
            return self._begin_end(reason)
        self.reason = reason
        self.over = True
        return 0

    cdef int _begin_end(self, object reason) except -1:
        """Run `terminate`."""
        self.phase = ENDING
        self.reason = reason
        self.idle = -1
        self.continues = False
        self.argument = None
        try:
            result = self.served.terminate(reason)
        except BaseException as error:  # its crash
            return self._raised(error)
        return self._called(result)

    cdef int _end(self, PyObject **out) except -1:
        """End the process: `terminate` has run."""
        cdef object reason = self.reason
        cdef GenCall call = self.last_call
        if call is not None:
            self.last_call = None
            if self.hooks is not None:
                self._note(("out", self.last_answer, call.watcher))
            answer_call(call, self.last_answer)
        self.last_answer = self.reason = self.call = None
        # An error is returned, not raised: its traceback is the callback's alone.
        self.process.fails = reason is not _NORMAL
        if reason is _NORMAL:
            reason = None
        elif self.cancelled and reason is _SHUTDOWN:
            reason = CancelledError()
        elif not isinstance(reason, BaseException):
            reason = Exit(reason)
        out[0] = <PyObject *>reason
        Py_INCREF(reason)  # given to the caller
        return 1

    # Requests of `fastask.sys`.

    cdef int _serve_system(self, GenCall call) except -1:
        cdef tuple request = <tuple>call.asked
        call.asked = None
        if request[0] == "terminate":
            return self._begin_end(request[1])
        try:
            outcome = (True, getattr(self, "_on_" + request[0])(*request[1:]))
        except Exception as error:
            outcome = (False, error)
        return answer_call(call, outcome)

    def _on_get_state(self):
        return self.served._get_state()

    def _on_replace_state(self, function):
        self.served = self.served._replace_state(function)
        return self.served._get_state()

    def _on_suspend(self):
        self.suspended = True

    def _on_resume(self):
        self.suspended = False

    def _on_get_status(self):
        return {
            "process": self.process,
            "module": self.kind,
            "status": "suspended" if self.suspended else "running",
            "parent": self.parent,
            "state": self.served._get_state(),
        }

    def _on_statistics(self, reset):
        if reset:
            self.received = self.answered = 0
            return None
        return {
            "age": (time_of(self.process.hub.wheel) - self.process.born) / 1e9,
            "messages_in": self.received,
            "messages_out": self.answered,
        }

    def _on_install(self, name, function, state):
        if self.hooks is None:
            self.hooks = []
        if all(hook[0] != name for hook in self.hooks):
            self.hooks.append([name, function, state])

    def _on_remove(self, name):
        self.hooks = [hook for hook in self.hooks or () if hook[0] != name] or None

    def _on_hook(self, name):
        """Return the state of a hook, or None."""
        for hook in self.hooks or ():
            if hook[0] == name:
                return hook[2]
        return None

    cdef int _note(self, tuple event) except -1:
        """Show an event to the debug hooks; one that raises is removed."""
        for hook in list(self.hooks):
            try:
                hook[2] = hook[1](hook[2], event, self.process)
            except Exception:
                _LOGGER.exception("a debug hook of %r raised, and is removed", self.process)
                self._on_remove(hook[0])
                if self.hooks is None:
                    return 0
        return 0


cdef bint _follows(object then) noexcept:
    """Tell whether it is what a server may be asked to do after a reply."""
    cdef object kind = type(then)
    return then is None or kind is Continue or kind is IdleTimeout or kind is Hibernate


def start_server(kind, args, name, timeout, links, supervises=False, shown=None):
    """Start a process that serves an instance of `kind`; return the wait for it.

    The instance is made in the new process, by a call without arguments; `init(*args)`,
    the `handle_` methods and `terminate` are called in it, and `_get_state` and
    `_replace_state` on behalf of `fastask.sys`. `shown` is what people are told it runs.
    """
    cdef Server server = Server.__new__(Server)
    cdef StartWait wait = new_start(
        server, kind if shown is None else shown, name, timeout, links
    )
    server.kind = kind
    server.args = args
    server.idle = -1
    server.stride = 1
    if links:
        server.parent = wait.process
    server.supervises = supervises
    return wait


def is_server(process):
    """Tell whether a process serves, or will when it has started."""
    return isinstance(process, Process) and type((<Process>process).body) is Server


def served_by(process):
    """Return what a process serves, or None when it is no server, starts, or is dead."""
    if is_server(process):
        return (<Server>(<Process>process).body).served
    return None
