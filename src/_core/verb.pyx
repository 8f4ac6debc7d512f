"""Verbs: what a process does to others and to itself. Layer 10."""

from fastask._core.errors import ExitSignal, NoProcessError, UnknownNameError
from fastask._core.reason import NOPROC

from fastask._core.bond cimport LINK, MONITOR, PRIVATE, Bond, bonds_of, link_between
from fastask._core.current cimport current_or_none, current_process, current_scheduler
from fastask._core.hub cimport is_here
from fastask._core.mailbox cimport Letter
from fastask._core.message cimport new_down, new_exited
from fastask._core.names cimport deliver_by_ref, lookup, switch_off, unreachable
from fastask._core.process cimport (
    DEAD, FREE, RUNNABLE, RUNNING, UNWINDING, Process, line_members,
)
from fastask._core.ref cimport (
    DEMONITOR, EXPLICIT, NO_ALIAS, REPLY_DEMONITOR, Ref, new_ref,
)
from fastask._core.ref cimport REPLY as ONE_REPLY
from fastask._core.scheduler cimport Scheduler
from fastask._core.signal cimport (
    absence_of, deliver, demonitor_ref, exit_by_call, flush_down, give_time,
    link_processes, monitor_process, unlink_processes, unpack,
)
from fastask._core.process import function_name
from fastask._core.reason cimport normalise

cdef object _NOPROC = NOPROC
cdef dict _ALIASES = {"explicit": EXPLICIT, "reply": ONE_REPLY}
cdef dict _MONITOR_ALIASES = {
    None: NO_ALIAS,
    "explicit": EXPLICIT,
    "explicit_unalias": EXPLICIT,  # what Elixir calls it
    "demonitor": DEMONITOR,
    "reply_demonitor": REPLY_DEMONITOR,
}


def self_():
    """Return the process that is running.

    Called from a plain asyncio task, it makes that task a process.

    Raises:
        RuntimeError: If no event loop is running, or no coroutine of it.

    Elixir: `self/0`.
    """
    return current_process()


def send(dest, message):
    """Send a message; it is in the mailbox of `dest` when `send` returns.

    Never waits, and never runs code of the receiver. A dead process and an alias that
    was switched off drop the message silently. A process or a ref may be sent to from
    any thread and from any event loop; the loop of the receiver is woken.

    Args:
        dest: A process, a ref that is an alias, a registered name, an address or a via.
        message: Anything; it is shared, not copied.

    Raises:
        UnknownNameError: If nobody has the name `dest`.
        RuntimeError: If `dest` is a name and no event loop is running.

    Example:
        ```python
        import fastask

        async def main() -> None:
            fastask.send(fastask.self_(), "note to self")
            assert await fastask.receive() == "note to self"

        fastask.run(main)
        ```

    Elixir: `send/2`.
    """
    cdef Process process
    if isinstance(dest, Process):
        process = <Process>dest
        if is_here(process.hub):
            deliver(process, message)
        elif process.life != DEAD:
            (<Scheduler>process.hub).post((_deliver, process, message))
        return
    if type(dest) is Ref:
        process = <Process>(<Ref>dest).process
        if process is None:
            return
        if is_here(process.hub):
            deliver_by_ref(<Ref>dest, message)
        else:
            (<Scheduler>process.hub).post((_deliver_by_ref, dest, message))
        return
    process = _named(dest)
    if process is not None:
        deliver(process, message)


def _deliver(Process process, message):
    deliver(process, message)


def _deliver_by_ref(Ref ref, message):
    deliver_by_ref(ref, message)


def _exit_from_afar(Process process, reason):
    exit_by_call(process, None, reason)


cdef Process _named(object dest):
    """Return the process that is meant; None for a node that is out of reach."""
    cdef Process process = lookup(current_scheduler(), dest, "dest")
    if process is None and unreachable(dest) is _NOPROC:
        raise UnknownNameError(f"nobody has the name {dest!r}")
    return process


def exit(dest, reason):
    """Send an exit signal.

    `NORMAL` is ignored by a process that does not trap exits, unless it is oneself.
    `KILL` ends it at once, with the reason `KILLED`, whatever it does. Any other reason
    ends it at its next turn; its coroutine is unwound, so `finally` blocks run, but
    nothing that it does changes its fate. A process that traps exits gets the message
    `Exited(sender, reason)` instead, except for `KILL`. The dead get nothing.

    Args:
        dest: A process, a ref that is an alias, a registered name, an address or a
            via. To oneself, the call does not return unless the signal is trapped.
        reason: Anything.

    Raises:
        UnknownNameError: If nobody has the name `dest`.

    Example:
        ```python
        import asyncio
        import fastask

        async def main() -> None:
            process, ref = fastask.spawn_monitor(asyncio.sleep, 60)
            fastask.exit(process, "enough")
            assert (await fastask.receive(ref)).reason == "enough"

        fastask.run(main)
        ```

    Elixir: `Process.exit/2`.
    """
    cdef Process target, me
    reason = normalise(reason)
    if isinstance(dest, Process):
        target = <Process>dest
    elif type(dest) is Ref:
        if (<Ref>dest).mode == NO_ALIAS:
            return
        target = <Process>(<Ref>dest).process
    else:
        target = _named(dest)
        if target is None:
            return
    if not is_here(target.hub):
        current_scheduler()
        if target.life != DEAD:
            (<Scheduler>target.hub).post((_exit_from_afar, target, reason))
        return
    me = current_or_none()
    exit_by_call(target, me, reason)
    if target is me and me.fate != FREE:
        if me.fate < UNWINDING:
            me.fate = UNWINDING
        raise ExitSignal(me.reason)


cdef Process _living():
    """Return the running process; an adopted one that is dead does nothing more."""
    cdef Process me = current_process()
    if me.life == DEAD:
        raise ExitSignal(me.reason)
    return me


cdef Process _kin(object process, str verb):
    """Return a process of the running loop, or raise why it is none."""
    if not isinstance(process, Process):
        raise TypeError(f"p must be a Process, got {process!r}")
    if not is_here((<Process>process).hub):
        raise ValueError(f"cannot {verb} {process!r}: it is of another event loop")
    return <Process>process


def link(p):
    """Link the caller to a process: when one ends, the other gets an exit signal.

    There is at most one link between two processes. A dead process cannot be linked
    to: a caller that traps exits gets `Exited(process, NOPROC)`.

    Raises:
        NoProcessError: If the process is dead and the caller does not trap exits.

    Elixir: `Process.link/1`.
    """
    cdef Process me = _living()
    cdef Process other = _kin(p, "link to")
    if other.life == DEAD:
        if not me.traps:
            raise NoProcessError(f"process must be alive, got {other!r}")
        deliver(me, new_exited(other, absence_of(other)))
        return
    link_processes(me, other)


def unlink(p):
    """Remove the link to a process, if there is one.

    What the link delivered before stays in the mailbox. Elixir: `Process.unlink/1`.
    """
    unlink_processes(current_process(), _kin(p, "unlink"))


def monitor(dest, *, alias=None):
    """Ask for the message `Down(ref, dest, reason)` when a process ends.

    Each call makes a monitor of its own. A process that is dead, and a name that nobody
    has, answer at once with the reason `NOPROC`. Monitoring oneself does nothing.

    Args:
        dest: A process, a registered name, an address or a via.
        alias: Whether the ref is an alias for the caller too: `"explicit"` (until
            `unalias`; Elixir calls it `"explicit_unalias"`, which is taken, too),
            `"demonitor"` (also until `demonitor` or the Down), or `"reply_demonitor"`
            (also until the first message, which demonitors).

    Returns:
        The ref of the monitor.

    Elixir: `Process.monitor/2`.
    """
    cdef Process me = _living()
    cdef Process target
    cdef Ref ref
    if alias not in _MONITOR_ALIASES:
        raise ValueError(
            "alias must be None, 'explicit', 'demonitor' or 'reply_demonitor', "
            f"got {alias!r}"
        )
    if isinstance(dest, Process):
        return monitor_process(
            me, _kin(dest, "monitor"), None, _MONITOR_ALIASES[alias]
        )
    if type(dest) is Ref:
        raise TypeError(f"dest must be a process or a name, got {dest!r}")
    target = lookup(current_scheduler(), dest, "dest")
    if target is not None:
        return monitor_process(me, target, dest, _MONITOR_ALIASES[alias])
    ref = new_ref()
    if _MONITOR_ALIASES[alias] == EXPLICIT:
        ref.mode = EXPLICIT
        ref.process = me
    deliver(me, new_down(ref, dest, unreachable(dest)))
    return ref


def demonitor(ref, *, flush=False):
    """Remove a monitor; no Down of it arrives after that.

    Args:
        ref: What `monitor`, `spawn_monitor` or `task.ref` returned.
        flush: Whether to take a Down that arrived before out of the mailbox.

    Returns:
        Whether a monitor was removed.

    Elixir: `Process.demonitor/2`.
    """
    cdef Process me = current_process()
    cdef bint removed
    if type(ref) is not Ref:
        raise TypeError(f"ref must be a Ref, got {ref!r}")
    removed = demonitor_ref(me, <Ref>ref)
    if flush:
        flush_down(me, <Ref>ref)
    return removed


def trap_exit(flag):
    """Set whether exit signals reach the caller as `Exited` messages.

    Returns:
        The setting before.

    Elixir: `Process.flag(:trap_exit, flag)`.
    """
    cdef Process me = current_process()
    cdef bint before = me.traps != 0
    if not isinstance(flag, bool):
        raise TypeError(f"flag must be True or False, got {flag!r}")
    me.traps = flag
    return before


def alias(mode="explicit"):
    """Make a ref under which messages reach the caller until it is switched off.

    Args:
        mode: `"explicit"`: until `unalias`. `"reply"`: also until the first message.

    Returns:
        The ref, a destination for `send`.

    Elixir: `Process.alias/1`.
    """
    cdef Process me = current_process()
    cdef Ref ref
    if mode not in _ALIASES:
        raise ValueError(f"mode must be 'explicit' or 'reply', got {mode!r}")
    ref = new_ref()
    ref.mode = _ALIASES[mode]
    ref.process = me
    return ref


def unalias(ref):
    """Switch an alias of the caller off; what is sent to it is dropped from then on.

    Returns:
        Whether it was an active alias of the caller.

    Elixir: `Process.unalias/1`.
    """
    cdef Process me = current_process()
    if type(ref) is not Ref:
        raise TypeError(f"ref must be a Ref, got {ref!r}")
    if (<Ref>ref).mode == NO_ALIAS or (<Ref>ref).process is not me:
        return False
    switch_off(<Ref>ref)
    return True


def processes():
    """Return the live processes of the event loop, oldest first.

    Elixir: `Process.list/0`.
    """
    current_or_none()
    return current_scheduler().processes()


def set_label(label):
    """Give the caller a label, for logs and listings only. Elixir: `set_label/1`."""
    current_process().extras().label = label


def hush(process):
    """Keep the end of a process out of the log: whoever stops it reports."""
    (<Process?>process).reported = True


def extend_grace(process, double seconds):
    """Let a process unwind as long as the one waits who is about to end it."""
    give_time(<Process?>process, seconds)


cdef str _status(Process process):
    if process.life == RUNNING:
        return "exiting" if process.fate >= UNWINDING else "running"
    if process.fate != FREE:
        return "exiting"
    return "runnable" if process.life == RUNNABLE else "waiting"


def describe(process):
    """Return the fields of `ProcessInfo` for a process, or None when it is dead."""
    cdef Process self
    cdef Bond bond
    cdef Letter letter
    cdef list incoming, outgoing, messages = []
    if not isinstance(process, Process):
        raise TypeError(f"process must be a Process, got {process!r}")
    self = <Process>process
    if self.foreign:
        raise ValueError(f"process must be one of this node, got {process!r}")
    if self.life == DEAD:
        return None
    incoming = bonds_of(self, True)
    outgoing = bonds_of(self, False)
    cursor = self.mailbox.head
    while cursor is not NULL:
        letter = <Letter>cursor
        if letter.packed:
            unpack(self, letter)
        messages.append(letter.message)
        cursor = letter.newer
    return {
        "registered_name": self.name,
        "links": [bond.target for bond in outgoing if bond.flags & LINK]
        + [bond.watcher for bond in incoming if bond.flags & LINK],
        "monitors": [
            (bond.reference(), bond.target if bond.monitored is None else bond.monitored)
            for bond in outgoing
            if bond.flags & (MONITOR | PRIVATE) == MONITOR
        ],
        "monitored_by": [
            (bond.reference(), bond.watcher)
            for bond in incoming
            if bond.flags & (MONITOR | PRIVATE) == MONITOR
        ],
        "message_queue_len": len(messages),
        "messages": messages,
        "trap_exit": self.traps != 0,
        "status": _status(self),
        "label": self.label,
        "ancestors": line_members(self.ancestors, False),
        "callers": line_members(self.callers, True),
        "function": None if self.function is None else function_name(self.function),
    }


def tie(Process one, Process other):
    """Link two processes of which neither need be the caller; tell whether that is new."""
    if link_between(one, other) is not None:
        return False
    link_processes(one, other)
    return True


def untie(Process one, Process other):
    """Remove the link of two processes; tell whether there was one."""
    if link_between(one, other) is None:
        return False
    unlink_processes(one, other)
    return True
