"""Remote: what stands on one node for a process of another. Layer 12.

A stand-in is a process without a body. What ties it to processes of this node are the
bonds that tie any two, so tasks, monitors, links and calls do not know the difference;
what reaches it goes out by the session, the object that has the link to its node (I27).
"""

from threading import Lock
from weakref import ref as weak

cimport cython

from fastask._core.bond cimport LINK, MONITOR, PRIVATE, REPLY, Bond, attach, detach, link_between
from fastask._core.children cimport Children
from fastask._core.current cimport current_or_none, current_scheduler
from fastask._core.hub cimport Hub  # no-cython-lint: for its Py_DECREF
from fastask._core.mailbox cimport put
from fastask._core.process cimport (
    CALL_TO, DEAD, EXIT, GIVE_UP, KILL_NOW, LINK_EXIT, LINK_TO, MESSAGE, REMOTE, UNLINK_FROM,
    WATCH, Extra, Process, line_of,
)
from fastask._core.ref cimport EXPLICIT, NO_ALIAS, Ref, new_ref
from fastask._core.ref cimport REPLY as ONE_REPLY
from fastask._core.request cimport ENDED, GIVEN_UP, GenCall, answer_call
from fastask._core.scheduler cimport Scheduler, scheduler_of
from fastask._core.signal cimport (
    arrived, end_foreign, exit_by_call, exit_by_link, kill_later, lose,
)
from fastask._core.start cimport start_process
from fastask._core.task cimport Task

from fastask._core.reason import KILL, KILLED, NOCONNECTION, NORMAL, SHUTDOWN

cdef object _KILL = KILL
cdef object _KILLED = KILLED
cdef object _NOCONNECTION = NOCONNECTION
cdef object _NORMAL = NORMAL
cdef object _SHUTDOWN = SHUTDOWN


@cython.final
cdef class Remote(Process):
    """The handle of a process of another node.

    It can be sent to, monitored, linked, called and exited as one of this node. It is
    equal to every other handle of the same process, and dead for good once its node is
    lost.

    Attributes:
        node: The name of the node.
        incarnation: Which one of that name.
    """

    def __eq__(self, other):
        cdef Remote one = self
        cdef Remote two
        if self is other:
            return True
        if type(other) is not Remote:
            return False
        two = <Remote>other
        return (
            one.tag == PROCESS and two.tag == PROCESS
            and one.number == two.number and one.origin == two.origin
            and one.incarnation == two.incarnation
        )

    def __hash__(self):
        if self.tag != PROCESS:
            return object.__hash__(self)
        return hash((self.incarnation, self.origin, self.number))

    def __repr__(self):
        cdef str what
        if self.tag == REF:
            what = f"behind ref {self.number}"
        elif self.tag == NAME:
            what = repr(self.meant)
        elif self.origin:
            what = f"#{self.number} started from {self.origin:x}"
        else:
            what = f"#{self.number}"
        end = f" dead reason={self.reason!r}" if self.life == DEAD else ""
        return f"<Process {what} of {self.node}{end}>"

    def cancel(self, msg=None):
        """Cancel the process as asyncio cancels a task, where it runs."""
        if self.life == DEAD:
            return False
        self.cancelling = True
        self.session.cancel(self)
        return True

    cdef int carry(self, int what, object subject, object value) except -1:
        if what == MESSAGE:
            self.session.message(self, value)
        elif what == EXIT:
            self.session.exit(self, subject, value)
            if subject is None:
                self.doomed = value
            if value is _KILL and self.started:
                end_foreign(self, _KILLED)
        elif what == LINK_EXIT:
            self.session.exit_by_link(self, subject, value)
        elif what == KILL_NOW:
            self.session.exit(self, None, _KILL)
            end_foreign(self, _KILLED if self.doomed is None else self.doomed)
        elif what == LINK_TO:
            self.carry(WATCH, None, None)  # the link breaks when its end is told
            self.session.link_to(self, subject)
        elif what == UNLINK_FROM:
            self.session.unlink(self, subject)
        elif what == WATCH:
            if value is True and not self.owed and not self.started:
                # Its value, too: who only monitors is sent none.
                self.serial = self.session.watch(self, True)
                self.owed = True
            elif self.serial == 0:
                self.serial = self.session.watch(self)
        elif what == CALL_TO:
            self.session.call(self, subject)
        elif what == GIVE_UP:
            self.session.give_up(self, subject)
        return 0

    cdef int join_by(self, Process waiter) except -1:
        if self.life == REMOTE:
            self.carry(WATCH, None, True)
        return Process.join_by(self, waiter)

    def __del__(self):
        # Its node need not watch for us any longer.
        if self.life == REMOTE and self.serial:
            self.session.forget(self.serial)


@cython.final
cdef class Watch(Bond):
    """Tells another node what becomes of a process of this one."""

    @property
    def process(self):
        return self.target

    cdef int exited(self, Process dead, Process survivor, object reason) except -1:
        if dead is self.target:
            return 0  # the other node learns it with the end, and has the link
        if reason is _NOCONNECTION:
            dead.reported = True  # the loss of a node is no crash of what it takes along
        if not self.streams:
            return exit_by_link(survivor, dead, reason)
        if reason is not _NORMAL and not survivor.traps:
            return exit_by_link(survivor, dead, reason)
        return kill_later(survivor)

    cdef int down(self, object reason) except -1:
        if self.flags & REPLY and self.target.returned:
            self.session.done(self, self.target.outcome)
        else:
            self.session.down(self, reason)
        return 0


@cython.final
cdef class Asked(Wait):
    """Sends what becomes of a call to the node of the caller."""

    cdef int rouse(self) except -1:
        cdef GenCall call = self.call
        cdef object session = self.session
        cdef object serial = self.serial
        if call is None:
            return 0
        self.call = None
        call.waiting = None  # which frees `self`
        value, call.answer = call.answer, None
        session.answered(serial, call.target, call.state != ENDED, value)
        return 0


# Stand-ins.

def stand_in(loop, session, node, incarnation, origin, number, tag=PROCESS, meant=None):
    """Return a new handle of a process of another node; without a session it is lost."""
    cdef Remote remote = Remote.__new__(Remote)
    cdef Scheduler scheduler = scheduler_of(loop)
    remote.hub = scheduler
    scheduler.spawned += 1
    remote.id = scheduler.spawned
    remote.foreign = True
    remote.session = session
    remote.node = node
    remote.incarnation = incarnation
    remote.origin = origin
    remote.number = number
    remote.tag = tag
    remote.meant = meant
    if session is None:
        remote.life = DEAD
        remote.reason = _NOCONNECTION
    else:
        remote.life = REMOTE
    return remote


def stand_in_ref(Remote remote):
    """Return a ref under which messages reach the ref of another node."""
    cdef Ref ref = new_ref()
    ref.mode = EXPLICIT
    ref.process = remote
    return ref


def home_of(Ref ref):
    """Return the stand-in that a ref of another node is reached by, or None."""
    return ref.process if isinstance(ref.process, Remote) else None


def ref_target(Ref ref):
    """Return the process that a ref is an alias of, or None."""
    return None if ref.mode == NO_ALIAS else ref.process


def lend(Ref ref):
    """Keep an alias that other nodes know until it is switched off, or its owner ends.

    Its owner may have no reference to it any more. One of a monitor is kept by that.
    """
    cdef Process owner
    if ref.mode != EXPLICIT and ref.mode != ONE_REPLY:
        return
    owner = ref.process
    if owner.life == DEAD or owner.foreign:
        return
    wire_name(owner)  # so its end clears the table
    owner.hub.exported.setdefault(owner.id, set()).add(ref)


def was_reported(Process process):
    """Tell whether the crash of a process is in the log, or its cause is."""
    return process.reported != 0


def end(Remote remote, reason, bint reported=False):
    """The process of a stand-in has ended for `reason`, or is lost.

    `reported`: its crash is in the log of its node, so those that it takes along are not
    reported once more.
    """
    if remote.life != REMOTE:
        return  # it was told before, maybe with the value
    remote.reported = reported
    if remote.cancelling and reason is _SHUTDOWN:
        remote.was_cancelled = True
    end_foreign(remote, reason)


def complete(Remote remote, value):
    """The task of a stand-in has returned `value`."""
    if remote.life == REMOTE:
        remote.outcome = value
        remote.returned = True
        end_foreign(remote, _NORMAL)


# Names on the wire.

def wire_name(Process process):
    """Return what other nodes call a process of this one: an origin and a number."""
    cdef Extra extra = process.extras()
    if extra.abroad is None:
        extra.abroad = (0, process.id)
        if process.life != DEAD:
            process.hub.exported[extra.abroad] = process
    return extra.abroad


def is_remembered(Process process, mark):
    """The node of that mark knows the process by its name, and finds it when it is dead."""
    process.extras().abroad_of = mark


# What a process of this node asks for.

def owe(Remote remote, Process owner, bint linked):
    """Return the task of which `remote` runs the function, for `owner` on this node."""
    cdef Task task = Task.__new__(Task)
    remote.started = True
    task.watcher = owner
    task.target = remote
    task.flags = MONITOR | REPLY | (LINK if linked else 0)
    attach(task)
    if remote.life == DEAD:
        lose(remote)
    return task


def start_here(Remote remote):
    """The process of a stand-in is being started by us: a kill ends it at once."""
    remote.started = True


# What another node asks for.

cdef Watch _watch(Process process, Remote watcher, object session, object serial, int flags):
    cdef Watch watch = Watch.__new__(Watch)
    watch.watcher = watcher
    watch.target = process
    watch.session = session
    watch.serial = serial
    watch.flags = flags
    attach(watch)
    return watch


def watch_for(Process process, Remote watcher, session, serial):
    """Tell a session of the end of a process."""
    return _watch(process, watcher, session, serial, MONITOR | PRIVATE)


def promise(Watch watch):
    """Tell with the end of a process what it returned: somebody there awaits it."""
    watch.flags |= REPLY


def start_for(
    Children table, Remote owner, session, serial, call, bint linked, bint streams, origin
):
    """Start a task under a supervisor for a process of another node.

    `call` is the function, its arguments, its executor and the time it has to stop.
    """
    cdef Process process
    cdef Watch watch
    fn, args, executor, shutdown = call
    table.check()
    process = start_process(
        <Scheduler>table.supervisor.hub, fn, args, executor, table.supervisor
    )
    process.callers = line_of(owner)
    process.extras().abroad = (origin, serial)
    process.hub.exported[process.extra.abroad] = process
    watch = _watch(
        process, owner, session, serial, MONITOR | REPLY | PRIVATE | (LINK if linked else 0)
    )
    watch.streams = streams
    table.enter(process, shutdown)
    return watch


def stop_watching(Watch watch):
    """Nobody on the other node wants to hear of the process any longer."""
    watch.flags &= ~(MONITOR | REPLY)
    if not watch.flags & LINK:
        detach(watch)


def link_from(Remote remote, Process process):
    """Link a process of this node as one of another node asked for."""
    cdef Bond bond
    if link_between(remote, process) is None:
        bond = _new_tie(remote, process)
        attach(bond)


cdef Bond _new_tie(Remote remote, Process process):
    cdef Watch watch = Watch.__new__(Watch)
    watch.watcher = remote
    watch.target = process
    watch.flags = LINK
    return watch


def unlink_from(Remote remote, Process process):
    """Remove the link that a process of another node had."""
    cdef Bond bond = link_between(remote, process)
    if bond is not None:
        bond.flags &= ~LINK
        if not bond.flags & (MONITOR | REPLY):
            detach(bond)


def exit_from_link(Remote remote, Process process, reason, bint reported):
    """A process of another node has ended, to which one of this node is linked."""
    cdef Bond bond = link_between(remote, process)
    if bond is None:
        return False
    remote.reported = reported
    detach(bond)
    if bond.ref is not None:
        bond.ref.bond = None
    bond.exited(remote, process, reason)
    return True


def exit_from(process, source, reason):
    """Deliver the exit signal of a call on another node."""
    exit_by_call(<Process?>process, source, reason)


def call_from(Process process, Remote caller, session, serial, request, kind):
    """Put the call of a process of another node into a mailbox; return its record."""
    cdef GenCall call = GenCall.__new__(GenCall)
    cdef Asked asked = Asked.__new__(Asked)
    asked.session = session
    asked.serial = serial
    asked.call = call
    call.watcher = caller
    call.target = process
    call.flags = MONITOR | PRIVATE
    call.asked = request
    call.kind = kind
    call.waiting = asked
    attach(call)
    arrived(process, put(&process.mailbox, call, None))
    return call


def drop_call(GenCall call):
    """The caller on another node waits no longer."""
    call.waiting = None
    call.state = GIVEN_UP
    detach(call)


def parts_of(GenCall call):
    """Return what is asked, and of which kind the call is."""
    return call.request, call.kind


def settle_call(GenCall call, bint is_answer, value):
    """Tell a caller of this node what became of its call on another one."""
    if is_answer:
        answer_call(call, value)
    elif call.watcher.life != DEAD:
        call.down(value)


# This node.

cdef tuple _joined = ()         # weak references to the clusters that loops here are in
cdef object _joining = Lock()   # loops may run in threads


def join_cluster(loop, cluster):
    """Make the processes of a loop those of a node in a cluster; None: of none."""
    global _joined
    with _joining:
        others = [each for each in _joined if each() is not None and each().loop is not loop]
        if cluster is not None:
            others.append(weak(cluster))
        _joined = tuple(others)
    scheduler_of(loop).cluster = cluster


def cluster_of_program():
    """Return the one cluster that this program is in, or None where it is not one."""
    clusters = [each() for each in _joined]
    clusters = [each for each in clusters if each is not None and not each.loop.is_closed()]
    return clusters[0] if len(clusters) == 1 else None


def cluster_here():
    """Return the part that the running loop's node has in a cluster, or None."""
    return current_scheduler().cluster


def source_here():
    """Return the process that runs, or None in a callback of the loop."""
    return current_or_none()
