cimport cython
from cpython.object cimport PyObject

from fastask._core.mailbox cimport Letter
from fastask._core.message cimport Exited
from fastask._core.process cimport Process
from fastask._core.request cimport GenCall, Method
from fastask._core.starting cimport Starting
from fastask._core.wait cimport Wait


cdef enum Phase:
    FIRST           # nothing has run
    INIT
    CALLING         # handle_call, or a method of `@call`
    HANDLING        # handle_cast, a method of `@cast`, handle_info, handle_continue
    ENDING          # terminate


@cython.final
cdef class Server(Wait):
    # The body of a process that serves (I17): it stands in the place of a coroutine, and
    # is the wait in which the process is parked between two messages.
    cdef object kind            # the class of what is served
    cdef object served          # its instance
    cdef tuple args             # of init
    cdef object inner           # the coroutine of the callback that runs
    cdef object parent          # the process that started it linked
    cdef GenCall call           # the one that is being handled
    cdef GenCall last_call      # to be answered after `terminate`
    cdef object last_answer
    cdef object reason          # of the end
    cdef object argument        # of handle_continue
    cdef object hooks           # list of debug hooks, or None
    cdef long long idle         # ns; negative: no idle timeout
    cdef unsigned long long received
    cdef unsigned long long answered
    cdef unsigned char phase
    cdef unsigned char stride   # messages until the clock is looked at
    cdef bint supervises
    cdef bint continues
    cdef bint suspended
    cdef bint over              # `terminate` has run
    cdef bint cancelled         # by asyncio

    cdef int _go(self, PyObject **out) except -1
    cdef int _drive(self, PyObject **out) except -1
    cdef int _init(self) except -1
    cdef bint _is_turn_over(self, int handled) except -1
    cdef Letter _next_letter(self)
    cdef int _take(self, Letter letter) except -1
    cdef int _call(self, GenCall call) except -1
    cdef int _dispatch(
        self, Method method, object asked, bint single, dict kwargs, GenCall call
    ) except -1
    cdef Method _find(self, str name, GenCall call)
    cdef object _invoke(self, object function, object asked, bint single, dict kwargs)
    cdef int _handle(self, object callback, object message) except -1
    cdef int _called(self, object result) except -1
    cdef int _returned(self, object result) except -1
    cdef Starting _starting(self)
    cdef bint _is_order(self, Exited message) except -1
    cdef int _begun(self, object result) except -1
    cdef int _reply(self, object value) except -1
    cdef int _then(self, object then, object result) except -1
    cdef int _raised(self, object error) except -1
    cdef int _begin_end(self, object reason) except -1
    cdef int _end(self, PyObject **out) except -1
    cdef int _listen(self, PyObject **out) except -1
    cdef int _unlisten(self) except -1
    cdef int _serve_system(self, GenCall call) except -1
    cdef int _note(self, tuple event) except -1
