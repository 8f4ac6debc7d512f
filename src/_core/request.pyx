"""Request: what a server is asked, and the methods that ask it. Layer 4.

A request is one record in the mailbox of the server. That of a call is the monitor that
tells of the server's end, too, and the address of the reply (I15). One argument of a
method travels without a tuple.
"""

import inspect
from types import FunctionType, MethodType

cimport cython
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF

from fastask._core.bond cimport Bond, detach
from fastask._core.pool cimport keep_memory
from fastask._core.process cimport DEAD

from fastask._core.process import function_name


# What lies in the mailbox of a server.

@cython.final
cdef class GenCall(Bond):
    """A call in the mailbox of a server, and the `from_` with which it is answered.

    A process that is no `GenServer` receives it as a message too, and may answer with
    `GenServer.reply`. Elixir: `{:"$gen_call", from, request}`.

    Attributes:
        request: What was asked; None once a server handles it.
        process: The process that called.
        pending: Whether the caller still waits.
    """

    __match_args__ = ("process", "request")

    @property
    def request(self):
        return request_of(self.method, self.asked, self.single, self.kwargs)

    @property
    def process(self):
        return self.watcher

    @property
    def pending(self):
        return self.state == PENDING and self.watcher.life != DEAD

    def __repr__(self):
        return f"<GenCall from {self.watcher!r}>"

    cdef int down(self, object reason) except -1:
        if self.state == PENDING:
            self.state = ENDED
            self.answer = reason
            if self.waiting is not None:
                self.waiting.rouse()
        return 0


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class GenCast:
    """A cast in the mailbox of a server. Elixir: `{:"$gen_cast", request}`."""

    __match_args__ = ("request",)

    def __init__(self, request):
        self.asked = request

    @property
    def request(self):
        return request_of(self.method, self.asked, self.single, self.kwargs)

    def __reduce__(self):
        return GenCast, (self.request,)

    def __repr__(self):
        return f"GenCast({self.request!r})"


cdef GenCast new_cast(Method method, object asked, bint single, dict kwargs):
    cdef GenCast message = GenCast.__new__(GenCast)
    message.method = method
    message.asked = asked
    message.single = single
    message.kwargs = kwargs
    return message


@cython.final
cdef class Request:
    """What a `@call` or `@cast` method is asked, as a value.

    `Stack.push.request("a")` makes one, for `GenServer.call` and `GenServer.cast`.
    """

    def __init__(self, name, args, kwargs=None):
        self.name = name
        self.args = args
        self.kwargs = kwargs

    def __eq__(self, other):
        cdef Request request
        if type(other) is Request:
            request = <Request>other
            return (self.name, self.args, self.kwargs or {}) == (
                request.name, request.args, request.kwargs or {}
            )
        return NotImplemented

    def __hash__(self):
        return hash((self.name, self.args))

    def __repr__(self):
        cdef list parts = [repr(arg) for arg in self.args]
        if self.kwargs:
            parts += [f"{key}={value!r}" for key, value in self.kwargs.items()]
        return f"{self.name}({', '.join(parts)})"

    def __reduce__(self):
        return Request, (self.name, self.args, self.kwargs)


cdef object request_of(Method method, object asked, bint single, dict kwargs):
    """Return a request as a value."""
    if method is None:
        return asked
    return Request(method.name, (asked,) if single else asked, kwargs)


cdef int answer_call(GenCall call, object value) except -1:
    """Give the caller its reply; the first one counts."""
    if call.state != PENDING or call.watcher.life == DEAD:
        return 0
    call.state = ANSWERED
    call.answer = value
    detach(call)
    if call.waiting is not None:
        call.waiting.rouse()
    return 0


# The methods of a server that clients call.

cdef extern from *:
    """
    typedef PyObject *(*fastask_called_t)(
        PyObject *, PyObject *const *, Py_ssize_t, PyObject *
    );
    static fastask_called_t fastask_called = NULL;

    static PyObject *fastask_method_call(
        PyObject *self, PyObject *const *args, size_t count, PyObject *names
    ) {
        return fastask_called(
            self, args, PyVectorcall_NARGS(count), names == NULL ? Py_None : names
        );
    }

    /* A `def __call__` of Cython makes a tuple and a dict of the arguments, and copies
       the tuple. */
    static void fastask_set_call(PyTypeObject *type, void *called, Py_ssize_t offset) {
        fastask_called = (fastask_called_t)called;
        type->tp_vectorcall_offset = offset;
        type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
        type->tp_call = PyVectorcall_Call;
        PyType_Modified(type);
    }
    """
    void *fastask_method_call
    void fastask_set_call(PyTypeObject *type, void *called, Py_ssize_t offset)


cdef PyObject *_called(
    PyObject *self, PyObject **args, Py_ssize_t count, PyObject *names
) except NULL:
    """A client calls a method: `args` are the destination and the arguments."""
    cdef Method method = <Method>self
    cdef dict options = None
    cdef object result
    cdef object asked
    cdef Py_ssize_t i
    if count == 0:
        raise TypeError(f"{function_name(method.function)}: dest must be given first")
    if <object>names is None and method.least < count <= method.most + 1:
        if count == 2:
            asked = <object>args[1]
        else:
            asked = _tuple_of(args + 1, count - 1)
    else:
        if <object>names is not None:
            options = {}
            for i, name in enumerate(<tuple>names):
                options[name] = <object>args[count + i]
        asked = _tuple_of(args + 1, count - 1)
        method.check(<tuple>asked, options)
        if count == 2:
            asked = asked[0]
    result = method.send(<object>args[0], asked, count == 2, options)
    Py_INCREF(result)  # given to the caller
    return <PyObject *>result


cdef tuple _tuple_of(PyObject **items, Py_ssize_t count):
    return tuple([<object>items[i] for i in range(count)]) if count else ()


cdef class Method:
    """A method of a server that runs in the server, whoever calls it.

    Taken from the class it is the client's function; taken from an instance, inside
    the server, it is the plain method.
    """

    def __cinit__(self, *args, **kwargs):
        self.entry = fastask_method_call

    def __init__(self, function):
        if not isinstance(function, FunctionType):
            raise TypeError(f"a method of a class must be decorated, got {function!r}")
        self.function = function
        self.name = function.__name__
        self.least, self.most = 0, -1
        code = function.__code__
        flags = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
        if not code.co_flags & flags and not code.co_kwonlyargcount:
            self.most = code.co_argcount - 1
            self.least = self.most - len(function.__defaults__ or ())

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner):
        return self if instance is None else MethodType(self.function, instance)

    def __getattr__(self, name):
        # Its name, text and signature, for people and tools.
        if name in ("__name__", "__qualname__", "__module__", "__wrapped__"):
            return self.function if name == "__wrapped__" else getattr(self.function, name)
        raise AttributeError(f"{self!r} has no attribute {name!r}")

    def __repr__(self):
        return f"<{type(self).__name__} {function_name(self.function)}>"

    def request(self, *args, **kwargs):
        """Return the request that calling it sends.

        Raises:
            TypeError: If the method does not take these arguments.
        """
        self.check(args, kwargs)
        return Request(self.name, args, kwargs or None)

    def __call__(self, dest, /, *args, **kwargs):
        """Replaced by `_called` when the module is imported."""
        raise SystemError("a method is called through its own slot")

    cdef object send(self, object dest, object asked, bint single, dict kwargs):
        """Send what a client asks, and return what it gets at once."""
        raise SystemError("a method is sent as a call or as a cast")

    cdef int check(self, tuple args, dict kwargs) except -1:
        """Raise where the method does not take these arguments.

        Wrong arguments are the caller's mistake, and never end the server.
        """
        if self.signature is None:
            self.signature = inspect.signature(self.function)
        try:
            self.signature.bind(None, *args, **(kwargs or {}))
        except TypeError as error:
            raise TypeError(f"{function_name(self.function)}: {error}") from None
        return 0


cdef Py_ssize_t _offset_of_entry(Method method):
    return <char *>&method.entry - <char *><PyObject *>method


cdef int call_by_entry(object kind) except -1:
    """Have a class of methods called without a tuple and a dict of the arguments."""
    fastask_set_call(
        <PyTypeObject *>kind,
        <void *>_called,
        _offset_of_entry(Method.__new__(Method)),
    )
    return 0


keep_memory(<PyTypeObject *>GenCall, 64)
