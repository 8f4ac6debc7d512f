"""Signals: messages, exits, links, monitors and the end of a process. Layer 4.

Delivery only changes tables and queues and runs no code of a user (I11), so no
order of calls can recurse through a chain of links.
"""

from cpython.object cimport PyObject

from fastask._core.aim cimport disarm_all
from fastask._core.bond cimport (
    ATTACHED, KEPT, LINK, MONITOR, REPLY, Bond, attach, bonds_of, detach, link_between,
)
from fastask._core.mailbox cimport (
    Letter, empty, insert_after, letters_with, put, tag_of, take_out,
)
from fastask._core.message cimport Down, new_down, new_exited, new_reply
from fastask._core.process cimport (
    DEAD, DOOMED, EXIT, FREE, KILL_NOW, LINK_EXIT, LINK_TO, MESSAGE, REMOTE, UNLINK_FROM, WATCH,
    Extra, Process,
)
from fastask._core.reason cimport is_expected
from fastask._core.ref cimport DEMONITOR, NO_ALIAS, AliasMode, Ref, new_ref
from fastask._core.report cimport crash_record, release_frames, report_crash
from fastask._core.wait cimport Wait

from fastask._core.reason import KILL, KILLED, NOCONNECTION, NOPROC, NORMAL

cdef object _KILL = KILL
cdef object _KILLED = KILLED
cdef object _NOCONNECTION = NOCONNECTION
cdef object _NOPROC = NOPROC
cdef object _NORMAL = NORMAL


cdef class Tie(Bond):
    """What `link` and `monitor` make."""

    cdef int exited(self, Process dead, Process survivor, object reason) except -1:
        return exit_by_link(survivor, dead, reason)

    cdef int down(self, object reason) except -1:
        if self.ref.mode >= DEMONITOR:
            self.ref.mode = NO_ALIAS
        self.ref.bond = None
        what = self.target if self.monitored is None else self.monitored
        return deliver(self.watcher, new_down(self.ref, what, reason))


# Messages.

cdef int deliver(Process process, object message) except -1:
    """Put a message in a mailbox; the dead get none."""
    if process.life >= DEAD:
        return process.carry(MESSAGE, None, message) if process.life == REMOTE else 0
    return arrived(process, put(&process.mailbox, message, tag_of(message)))


cdef int arrived(Process process, Letter letter) except -1:
    """Rouse the waits that a new letter may end."""
    cdef Wait wait
    if process.parked is not None:
        wait = <Wait>process.parked
        if wait.wants(letter):
            wait.rouse()
    if process.extra is not None and process.extra.guests:
        for wait in process.extra.guests:  # rousing changes no list
            if wait.wants(letter):
                wait.rouse()
    return 0


cdef int unpack(Process process, Letter letter) except -1:
    """Turn a packed letter into the two messages that it stands for (I5)."""
    cdef Bond bond = <Bond>letter.message
    cdef Ref ref = bond.reference()
    cdef object reply = new_reply(ref, bond.target.outcome)
    insert_after(
        &process.mailbox, letter, new_down(ref, bond.target, _NORMAL), ref
    )
    letter.packed = False
    process.mailbox.packed -= 1
    bond.letter = None
    letter.message = reply
    return 0


# Exit signals.

cdef int exit_by_link(Process target, object source, object reason) except -1:
    """Deliver the exit signal of a link."""
    if target.life >= DEAD:
        return target.carry(LINK_EXIT, source, reason) if target.life == REMOTE else 0
    if target.traps and target.fate == FREE:
        return deliver(target, new_exited(source, reason))
    if reason is _NORMAL:
        return 0
    if target.fate == FREE and isinstance(source, Process):
        target.reported = (<Process>source).reported
    return doom(target, reason)


cdef int exit_by_call(Process target, Process source, object reason) except -1:
    """Deliver the exit signal of `exit(target, reason)`, called by `source`."""
    if target.life >= DEAD:
        return target.carry(EXIT, source, reason) if target.life == REMOTE else 0
    if reason is _KILL:
        return target.hub.kill(target, _KILLED)
    if target.traps and target.fate == FREE:
        return deliver(target, new_exited(source, reason))
    if reason is _NORMAL and target is not source:
        return 0
    return doom(target, reason)


cdef int doom(Process target, object reason) except -1:
    """Fix the fate of a process; the first fatal reason stays."""
    if target.fate != FREE or target.life >= DEAD:
        return target.carry(EXIT, None, reason) if target.life == REMOTE else 0
    target.fate = DOOMED
    target.reason = reason
    if target.adopted:
        return target.hub.begin_exit(target)
    return target.wake()


cdef int give_time(Process target, double seconds) except -1:
    """Let a process unwind as long as the one waits who is about to end it.

    Unless it was given a grace of its own; and never for less than that of the loop.
    """
    if target.life >= DEAD or seconds <= target.hub.grace:
        return 0
    if target.extra is None or target.extra.grace < 0.0:
        target.extras().grace = seconds
    return 0


cdef int kill_later(Process target) except -1:
    """Have a process killed at its next turn, where running its code is in order."""
    if target.life >= DEAD:
        return target.carry(KILL_NOW, None, None) if target.life == REMOTE else 0
    if target.adopted:
        return doom(target, _KILLED)
    if target.fate == FREE:
        target.fate = DOOMED
        target.reason = _KILLED
    target.killing = True
    return target.wake()


cdef int not_told(Process process, object error) except -1:
    """End a process that a message of the runtime did not reach, for want of memory.

    It would wait for that message for ever.
    """
    return doom(process, error)


# The end.

cdef int finish(Process process, object reason) except -1:
    """End a process: release what it has, then tell those who watch.

    Its name is free and it is out of the table before anyone is told (I12). Replies
    go first, then exits over links, then downs.
    """
    cdef object failure = None
    cdef bint crashed, observed
    if process.life == DEAD:
        return 0
    if process.fate == FREE:
        process.reason = reason
    if not process.reported and not is_expected(process.reason):
        if not process.adopted or process.fate != FREE:
            # A server tells of its own crash, as whoever it is linked to may not know why.
            observed = _is_observed(process)
            if not observed or (process.serves and process.fate == FREE):
                failure = _record(process, observed)
                process.reported = True
    crashed = process.fate == FREE and isinstance(reason, BaseException)
    if crashed:
        crashed = not _is_awaited(process)
    process.life = DEAD
    # Whatever goes wrong on the way, everybody is told.
    try:
        _release(process)
    finally:
        try:
            if process.bonds_in is not NULL or process.bonds_out is not NULL:
                _tell(process)
        finally:
            if process.mailbox.head is not NULL:
                empty(&process.mailbox)
            if not process.as_task:
                process.context = None
            process.settle()
            process.ancestors = process.callers = None
    if failure is not None:
        if isinstance(failure, BaseException):
            raise failure
        report_crash(<dict>failure)
    if crashed:
        release_frames(process.reason)
    return 0


cdef object _record(Process process, bint observed):
    """Return what the report of a crash says, or why it cannot be told."""
    try:
        return crash_record(process, observed)
    except BaseException as error:  # raised when all is done
        return error


cdef int _release(Process process) except -1:
    process.leave_table()
    process.body = process.function = process.awaited = None
    try:
        if process.extra is not None:
            _release_extras(process)
    finally:
        if process.parked is not None:
            _let_go(process)
    return 0


cdef bint _is_observed(Process process) except -1:
    """Tell whether somebody will learn how the process ended."""
    cdef PyObject *cursor = process.bonds_in
    cdef Bond bond
    if process.extra is not None and process.extra.callbacks:
        return True
    while cursor is not NULL:
        bond = <Bond>cursor
        if bond.flags & (MONITOR | REPLY):
            return True
        if bond.flags & LINK and not bond.watcher.supervises:
            return True  # a supervisor heals, it does not tell
        cursor = bond.in_later
    cursor = process.bonds_out
    while cursor is not NULL:
        bond = <Bond>cursor
        if bond.flags & LINK and type(bond) is Tie and not bond.target.supervises:
            return True  # not so a task of its own: it only dies with it
        cursor = bond.out_later
    return False


cdef bint _is_awaited(Process process) except -1:
    """Tell whether somebody waits to be given the exception, with its frames."""
    cdef PyObject *cursor = process.bonds_in
    if process.adopted or process.as_task or process.hub.keeps_frames:
        return True
    if process.extra is not None and process.extra.callbacks:
        return True
    while cursor is not NULL:
        if (<Bond>cursor).flags & REPLY:
            return True
        cursor = (<Bond>cursor).in_later
    return False


cdef int _release_extras(Process process) except -1:
    cdef Extra extra = process.extra
    disarm_all(process)
    if extra.name is not None:
        del process.hub.names[extra.key]
        extra.name = extra.key = None
    if extra.abroad is not None:
        process.hub.exported.pop(extra.abroad, None)  # its name stays, for the last words
        process.hub.exported.pop(process.id, None)  # the aliases that it lent
    if extra.deadline is not None:
        process.hub.wheel.remove(extra.deadline)
        extra.deadline = None
    if extra.guests:
        for wait in extra.guests:
            (<Wait>wait).rouse()  # it raises where it is awaited
    return 0


cdef int _let_go(Process process) except -1:
    """Leave the wait that the process was parked in; an adopted task may still be."""
    cdef Wait wait = <Wait>process.parked
    wait.rouse()
    process.parked = None
    return 0


cdef int _tell_one(Bond bond, object reason) except -1:
    """The usual end of a task: one bond, to its owner."""
    cdef Process process = bond.target
    detach(bond)
    try:
        if bond.flags & REPLY:
            bond.replied()
        if bond.flags & LINK:
            bond.exited(process, bond.watcher, reason)
        if bond.flags & MONITOR:
            bond.down(reason)
    except MemoryError as error:
        not_told(bond.watcher, error)
    return 0


cdef int _tell_two(Bond bond, Bond other, object reason) except -1:
    """The usual end of a supervised task: its owner, and its supervisor."""
    detach(bond)
    detach(other)
    _tell_reply(bond)
    _tell_reply(other)
    _tell_exit(bond, bond.target, bond.watcher, reason)
    _tell_exit(other, other.target, other.watcher, reason)
    _tell_down(bond, reason)
    _tell_down(other, reason)
    return 0


cdef int _tell(Process process) except -1:
    cdef object reason = process.reason
    cdef Bond bond
    if process.bonds_out is NULL:
        if process.bonds == 1:
            return _tell_one(<Bond>process.bonds_in, reason)
        if process.bonds == 2:
            bond = <Bond>process.bonds_in
            return _tell_two(bond, <Bond>bond.in_later, reason)
    try:
        incoming = bonds_of(process, True)
        outgoing = bonds_of(process, False)
    except MemoryError:
        return _tell_in_turn(process)
    return _tell_all(process, incoming, outgoing)


cdef int _tell_in_turn(Process process) except -1:
    """Tell one after the other, without the memory that the right order needs."""
    cdef Bond bond
    while process.bonds_in is not NULL:
        _tell_one(<Bond>process.bonds_in, process.reason)
    while process.bonds_out is not NULL:
        bond = <Bond>process.bonds_out
        detach(bond)
        if bond.ref is not None:
            bond.ref.bond = None
        _tell_exit(bond, process, bond.target, process.reason)
    return 0


cdef int _tell_all(Process process, list incoming, list outgoing) except -1:
    cdef object reason = process.reason
    cdef Bond bond
    for bond in incoming:
        detach(bond)
        _tell_reply(bond)
    for bond in outgoing:
        detach(bond)
        if bond.ref is not None:
            bond.ref.bond = None
    for bond in incoming:
        _tell_exit(bond, process, bond.watcher, reason)
    for bond in outgoing:
        _tell_exit(bond, process, bond.target, reason)
    for bond in incoming:
        _tell_down(bond, reason)
    return 0


cdef int _tell_reply(Bond bond) except -1:
    if bond.flags & REPLY:
        try:
            bond.replied()
        except MemoryError as error:
            not_told(bond.watcher, error)
    return 0


cdef int _tell_exit(Bond bond, Process dead, Process survivor, object reason) except -1:
    if bond.flags & LINK:
        try:
            bond.exited(dead, survivor, reason)
        except MemoryError as error:
            not_told(survivor, error)
    return 0


cdef int _tell_down(Bond bond, object reason) except -1:
    if bond.flags & MONITOR:
        try:
            bond.down(reason)
        except MemoryError as error:
            not_told(bond.watcher, error)
    return 0


cdef int end_foreign(Process process, object reason) except -1:
    """A process of another node has ended, or is lost; tell those who watch (I27)."""
    if process.life == DEAD:
        return 0
    process.reason = reason
    process.life = DEAD
    try:
        disarm_all(process)
        if process.bonds_in is not NULL or process.bonds_out is not NULL:
            _tell(process)
    finally:
        process.settle()
    return 0


cdef int lose(Process process) except -1:
    """Tell those who were just tied to a process that its node was out of reach."""
    process.life = REMOTE
    return end_foreign(process, _NOCONNECTION)


# Links and monitors.

cdef int link_processes(Process one, Process other) except -1:
    """Link two processes of which neither is dead; at most one link a pair."""
    cdef Bond bond
    if one is other or link_between(one, other) is not None:
        return 0
    bond = Tie.__new__(Tie)
    bond.watcher = one
    bond.target = other
    bond.flags = LINK
    attach(bond)
    return other.carry(LINK_TO, one, None) if other.life == REMOTE else 0


cdef int unlink_processes(Process one, Process other) except -1:
    """Remove the link, if any; what it had delivered stays."""
    cdef Bond bond = link_between(one, other)
    if bond is None or bond.flags & KEPT:
        return 0
    bond.flags &= ~LINK
    if not bond.flags & (MONITOR | REPLY):
        detach(bond)
    if other.life == REMOTE:
        return other.carry(UNLINK_FROM, one, None)
    return 0


cdef object absence_of(Process dead):
    """Return the reason why a dead process is not there."""
    if dead.foreign and dead.reason is _NOCONNECTION:
        return _NOCONNECTION
    return _NOPROC


cdef Ref monitor_process(Process watcher, Process target, object monitored, int mode):
    """Monitor a process; a dead one answers with NOPROC at once."""
    cdef Ref ref = new_ref()
    cdef Bond bond
    if mode != NO_ALIAS:
        ref.mode = <AliasMode>mode
        ref.process = watcher
    if target is watcher:
        return ref
    if target.life == DEAD:
        if ref.mode >= DEMONITOR:
            ref.mode = NO_ALIAS
        what = target if monitored is None else monitored
        deliver(watcher, new_down(ref, what, absence_of(target)))
        return ref
    bond = Tie.__new__(Tie)
    bond.watcher = watcher
    bond.target = target
    bond.flags = MONITOR
    bond.monitored = monitored
    bond.ref = ref
    ref.bond = bond
    attach(bond)
    if target.life == REMOTE:
        target.carry(WATCH, None, None)
    return ref


cdef bint demonitor_ref(Process watcher, Ref ref) except -1:
    """Remove the monitor that `ref` names; tell whether there was one."""
    cdef Bond bond = <Bond>ref.bond
    if ref.mode >= DEMONITOR and ref.process is watcher:
        ref.mode = NO_ALIAS
    if bond is None or not bond.flags & MONITOR or bond.watcher is not watcher:
        return False
    ref.bond = None
    bond.flags &= ~(MONITOR | REPLY)
    if not bond.flags & LINK:
        return detach(bond)
    return bond.flags & ATTACHED != 0


cdef int flush_down(Process process, Ref ref) except -1:
    """Take a Down of `ref` that has arrived out of the mailbox."""
    cdef Letter letter
    for letter in letters_with(&process.mailbox, ref):
        if letter.packed:
            unpack(process, letter)
    for letter in letters_with(&process.mailbox, ref):
        if type(letter.message) is Down:
            take_out(&process.mailbox, letter)
    return 0
