"""Names and destinations: from what a user writes to a process. Layer 12."""

from fastask._core.errors import NameTakenError, NoProcessError, UnknownNameError
from fastask._core.reason import NOCONNECTION, NOPROC

from fastask._core.bond cimport LINK, MONITOR, Bond, detach
from fastask._core.bond cimport REPLY as BOND_REPLY
from fastask._core.current cimport current_or_none, current_process, current_scheduler
from fastask._core.process cimport DEAD, REMOTE, Process
from fastask._core.ref cimport NO_ALIAS, REPLY_DEMONITOR, Ref
from fastask._core.ref cimport REPLY as ONE_REPLY
from fastask._core.scheduler cimport Scheduler
from fastask._core.signal cimport deliver

cdef object _NOCONNECTION = NOCONNECTION
cdef object _NOPROC = NOPROC

LOCAL_NODE = "nonode@nohost"


class Located:
    """Anything that stands for a process, and can say for which one."""

    def whereis(self):
        """Return the process that is meant now, or None."""
        raise TypeError(f"{type(self).__name__} must define whereis()")


class Via(Located):
    """A destination that is looked up anew at every use; the base of your own.

    `send`, `monitor`, `exit`, `GenServer.call` and their kin take one, and so does
    `name=` of a `start_link`. `Registry.via(key)` and `PartitionSupervisor.via(key)`
    make two kinds of it. The methods run where the destination is used and must not
    wait.

    Elixir: `{:via, module, name}`.
    """

    __module__ = "fastask"

    def register(self, process):
        """Give the name to a process; raise `NameTakenError` where it is taken."""
        raise ValueError(f"name must be one that can be given, got {self!r}")


class Address:
    """A registered name on a node: a destination, as a name is on this node.

    Args:
        name: The registered name.
        node: The node, as `node()` tells it there.

    Elixir: `{name, node}`.
    """

    __module__ = "fastask"
    __slots__ = __match_args__ = ("name", "node")

    def __init__(self, name, node):
        name_key(name, "name")
        if not isinstance(node, str):
            raise TypeError(f"node must be a string, got {node!r}")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "node", node)

    def __setattr__(self, name, value):
        from dataclasses import FrozenInstanceError  # few need it, and it takes long

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name):
        from dataclasses import FrozenInstanceError  # as above

        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other):
        if type(other) is not Address:
            return NotImplemented
        return (self.name, self.node) == (other.name, other.node)

    def __hash__(self):
        return hash((self.name, self.node))

    def __reduce__(self):
        return Address, (self.name, self.node)

    def __repr__(self):
        return f"Address(name={self.name!r}, node={self.node!r})"


cdef object _Located = Located
cdef object _Address = Address


cdef object node_of(Scheduler scheduler):
    """Return the name of the node that the processes of a scheduler are of."""
    return LOCAL_NODE if scheduler.cluster is None else scheduler.cluster.name


cdef Process lookup(Scheduler scheduler, object dest, str argument):
    """Return the process that a name, an address or a via means now, or None."""
    cdef object process
    if type(dest) is _Address:
        if dest.node == node_of(scheduler):
            return named(scheduler, dest.name, argument)
        name_key(dest.name, argument)
        return None if scheduler.cluster is None else <Process>scheduler.cluster.find(dest)
    if isinstance(dest, _Located):
        process = dest.whereis()
        if process is not None and not isinstance(process, Process):
            raise TypeError(f"{dest!r} must stand for a process, got {process!r}")
        return <Process>process
    return named(scheduler, dest, argument)


cdef object unreachable(object dest):
    """Return why `lookup` found nobody: NOCONNECTION or NOPROC."""
    if type(dest) is _Address and dest.node != node_of(current_scheduler()):
        return _NOCONNECTION
    return _NOPROC


cdef int check_dest(object dest, str argument) except -1:
    """Raise what is wrong with a destination that is no process and no ref."""
    if type(dest) is not _Address and not isinstance(dest, _Located):
        name_key(dest, argument)
    return 0


cdef object name_key(object name, str argument):
    """Return a key that tells `1`, `1.0` and `True` apart, also inside a tuple."""
    cdef object kind = type(name)
    if kind is str:
        return name
    if name is None:
        raise ValueError(f"{argument} must not be None, got None")
    if isinstance(name, (Process, Ref, _Located, _Address)):
        raise ValueError(
            f"{argument} must not be a process, a ref, an address or a via, got {name!r}"
        )
    if kind is tuple:
        parts = [None if part is None else name_key(part, argument) for part in name]
        return (tuple, tuple(parts))
    try:
        hash(name)
    except TypeError:
        raise TypeError(f"{argument} must be hashable, got {name!r}") from None
    return (kind, name)


cdef Process named(Scheduler scheduler, object name, str argument):
    """Return the process that has a name, or None."""
    return <Process>scheduler.names.get(name_key(name, argument))


cdef int check_free(Scheduler scheduler, object name) except -1:
    cdef object key = name_key(name, "name")
    holder = scheduler.names.get(key)
    if holder is not None:
        raise NameTakenError(
            f"name {name!r} is taken by {holder!r}", process=holder
        )
    return 0


cdef int register_process(Process process, object name) except -1:
    """Give a process a name, or raise why it can't have it."""
    cdef object key = name_key(name, "name")
    check_free(<Scheduler>process.hub, name)
    if process.name is not None:
        raise NameTakenError(
            f"{process!r} already has the name {process.name!r}", process=process
        )
    process.extras().name = name
    process.extra.key = key
    process.hub.names[key] = process
    return 0


cdef int switch_off(Ref ref) except -1:
    """Make a ref an alias no more; it is kept for other nodes no longer (`lend`)."""
    cdef Process owner = <Process>ref.process
    ref.mode = NO_ALIAS
    if owner.extra is not None and owner.extra.abroad is not None:
        lent = owner.hub.exported.get(owner.id)
        if lent is not None:
            lent.discard(ref)
    return 0


cdef int deliver_by_ref(Ref ref, object message) except -1:
    """Deliver to the process behind an alias; an inactive one drops the message."""
    cdef Bond bond
    cdef Process process = <Process>ref.process
    if ref.mode == NO_ALIAS:
        return 0
    if ref.mode == ONE_REPLY or ref.mode == REPLY_DEMONITOR:
        switch_off(ref)
        bond = <Bond>ref.bond
        if bond is not None:
            ref.bond = None
            bond.flags &= ~(MONITOR | BOND_REPLY)
            if not bond.flags & LINK:
                detach(bond)
    return deliver(process, message)


def register(name, p=None):
    """Give a process a name, under which `send` and others find it.

    The name is free again when the process ends, before anybody is told of its end.

    Args:
        name: Anything hashable except None; `1`, `1.0` and `True` are three names.
        p: The process; the caller when None. It has at most one name.

    Raises:
        NameTakenError: If the name is taken or the process has one.
        NoProcessError: If the process has ended.
        ValueError: If the name is None.
        TypeError: If the name is not hashable.

    Example:
        ```python
        import fastask

        async def main() -> None:
            fastask.register("main")
            fastask.send("main", "hello")
            assert await fastask.receive() == "hello"

        fastask.run(main)
        ```

    Elixir: `Process.register/2`.
    """
    if p is None:
        p = current_process()
    elif not isinstance(p, Process):
        raise TypeError(f"p must be a Process, got {p!r}")
    name_key(name, "name")
    if (<Process>p).life == DEAD:
        raise NoProcessError(f"p must be alive, got {p!r}")
    if (<Process>p).foreign:
        raise ValueError(f"p must be a process of this node, got {p!r}")
    if (<Process>p).hub is not current_scheduler():
        raise ValueError(f"{p!r} belongs to another event loop")
    register_process(<Process>p, name)


def unregister(name):
    """Take a name away from the process that has it.

    Raises:
        UnknownNameError: If nobody has the name.

    Elixir: `Process.unregister/1`.
    """
    cdef Scheduler scheduler = current_scheduler()
    cdef Process process = named(scheduler, name, "name")
    if process is None:
        raise UnknownNameError(f"nobody has the name {name!r}")
    del scheduler.names[process.extra.key]
    process.extra.name = process.extra.key = None


def whereis(name):
    """Return the process that has a name, or None. Elixir: `Process.whereis/1`.

    Args:
        name: A name, a `Via` or an `Address`; nobody is found on another node, which
            looks the name up when something arrives.
    """
    cdef Process process
    current_or_none()
    process = lookup(current_scheduler(), name, "name")
    return None if process is not None and process.life == REMOTE else process


def registered():
    """Return the names that processes have. Elixir: `Process.registered/0`."""
    cdef Process process
    current_or_none()
    return [process.extra.name for process in current_scheduler().names.values()]
