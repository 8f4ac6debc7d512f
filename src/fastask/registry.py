"""Registries: processes under keys of your own, one or many under each."""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar, get_args

from fastask._core.answer import NoReply
from fastask._core.call import call_server, cast_request, reply_to
from fastask._core.errors import (
    CallError,
    NameTakenError,
    NoProcessError,
    UnknownNameError,
)
from fastask._core.message import Down, Exited
from fastask._core.names import Via, whereis
from fastask._core.process import Process
from fastask._core.reason import SHUTDOWN
from fastask._core.ref import Ref, make_ref
from fastask._core.request import GenCall
from fastask._core.start import check_many
from fastask._core.verb import (
    demonitor,
    exit,
    monitor,
    self_,
    send,
    tie,
    trap_exit,
    untie,
)
from fastask._service import Service
from fastask._supervision import check_name
from fastask.gen_server import GenServer

__all__ = ["Registry"]

_LOGGER = logging.getLogger("fastask")

T = TypeVar("T")

Keys = Literal["unique", "duplicate"]
Entries = list[tuple[Process[Any], Any]]

_MISSING: Any = object()


class Registry(Service["RegistryServer"]):
    """Finds processes by keys: names that are made at run time, topics, properties.

    A process registers itself, and its entries vanish when it ends. Its verbs are plain
    calls that take effect at once. Registrants are linked to the registry: when that
    crashes or stops, they get its exit signal, so that no entry is lost unseen.

    Keys are any hashable; `1`, `1.0` and `True` are three keys.

    Args:
        keys: `"unique"`: one process under a key. `"duplicate"`: any number, and one
            process any number of times.
        name: A name or a `Via`.
        listeners: Names of processes that are sent `("register", name, key, process,
            value)`, and `("unregister", name, key, process)` with the last entry that a
            process had under a key. When a registrant ends nothing is sent: monitor it.
        meta: Values of `meta` at the beginning.

    Raises:
        TypeError: If an option is of a wrong type.
        ValueError: If an option has no such value.

    Example:
        ```python
        import fastask

        async def room(rooms: fastask.Registry, number: int) -> None:
            rooms.register(number, "free")
            await fastask.receive("leave".__eq__)

        async def main() -> None:
            async with fastask.Registry(name="rooms") as rooms:
                process = fastask.spawn(room, rooms, 7)
                await fastask.sleep(0)
                assert rooms.lookup(7) == [(process, "free")]
                fastask.send(rooms.via(7), "leave")
                await process
                assert rooms.lookup(7) == []

        fastask.run(main)
        ```

    Elixir: `Registry`.
    """

    _server: ClassVar[type]

    def __init__(
        self,
        keys: Keys = "unique",
        *,
        name: Hashable | None = None,
        listeners: Iterable[Hashable] = (),
        meta: Mapping[Hashable, Any] | None = None,
    ) -> None:
        """Check everything; nothing starts."""
        if keys not in get_args(Keys):
            raise ValueError(f"keys must be one of unique, duplicate, got {keys!r}")
        check_name(name)
        check_many("listeners", listeners, "names")
        self.kind = keys
        self.name = name
        self.listeners: tuple[Hashable, ...] = tuple(listeners)
        self.initial_meta: dict[Hashable, Any] = dict(meta or {})

    # Registering.

    def register(self, key: Hashable, value: Any = None) -> None:
        """Enter the calling process under a key.

        Args:
            key: The key.
            value: What `lookup` tells beside the process.

        Raises:
            NameTakenError: If a living process has the key of a unique registry, be it
                the caller itself; `.process` is the holder.
            UnknownNameError: If nobody has the name of the registry, or of a listener.
            NoProcessError: If the registry has ended.

        Elixir: `Registry.register/3`.
        """
        self._served().register(key, value, self_())

    def unregister(self, key: Hashable) -> None:
        """Remove the caller's entries under a key, if there are any.

        Elixir: `Registry.unregister/2`.
        """
        self._served().unregister(key, self_(), lambda value: True)

    def unregister_match(self, key: Hashable, predicate: Callable[[Any], Any]) -> None:
        """Remove the caller's entries under a key whose value fits.

        Elixir: `Registry.unregister_match/4`.
        """
        self._served().unregister(key, self_(), _function(predicate, "predicate"))

    def update_value(self, key: Hashable, fn: Callable[[Any], Any]) -> tuple[Any, Any]:
        """Replace the caller's value under a key by `fn(value)`.

        Returns:
            The new value and the old one.

        Raises:
            LookupError: If the caller is not registered under the key.
            ValueError: If the registry has duplicate keys.

        Elixir: `Registry.update_value/3`.
        """
        server = self._served()
        server.check_unique("update_value")
        _function(fn, "fn")
        for entry in server.living(key):
            if entry.process is self_():
                old, entry.value = entry.value, fn(entry.value)
                return entry.value, old
        raise LookupError(f"{self_()!r} is not registered under {key!r}")

    # Looking up.

    def lookup(self, key: Hashable) -> Entries:
        """Return the processes under a key with their values, oldest entry first.

        Elixir: `Registry.lookup/2`.
        """
        return [(entry.process, entry.value) for entry in self._served().living(key)]

    def keys(self, process: Process[Any] | None = None) -> list[Hashable]:
        """Return the keys of a process, None for the caller; a key as often as entered.

        Elixir: `Registry.keys/2`.
        """
        server = self._served()
        return [entry.key for entry in server.of(_process(process))]

    def values(self, key: Hashable, process: Process[Any] | None = None) -> list[Any]:
        """Return the values of a process, None for the caller, under a key.

        Elixir: `Registry.values/3`.
        """
        server = self._served()
        process = _process(process)
        return [entry.value for entry in server.living(key) if entry.process is process]

    def count(self) -> int:
        """Return the number of entries. Elixir: `Registry.count/1`."""
        return sum(1 for _ in self._served().entries())

    def match(self, key: Hashable, predicate: Callable[[Any], Any]) -> Entries:
        """Return the entries under a key whose value fits.

        Elixir: `Registry.match/4`, with a predicate in the place of a pattern.
        """
        _function(predicate, "predicate")
        return [entry for entry in self.lookup(key) if predicate(entry[1])]

    def count_match(self, key: Hashable, predicate: Callable[[Any], Any]) -> int:
        """Return how many `match` finds. Elixir: `Registry.count_match/4`."""
        return len(self.match(key, predicate))

    def select(
        self,
        predicate: Callable[[Any, Process[Any], Any], Any] = lambda key, p, value: True,
    ) -> list[tuple[Hashable, Process[Any], Any]]:
        """Return key, process and value of the entries for which the predicate holds.

        Args:
            predicate: Given the three.

        Elixir: `Registry.select/2`, with a predicate in the place of a match
        specification.
        """
        _function(predicate, "predicate")
        return [
            (entry.key, entry.process, entry.value)
            for entry in list(self._served().entries())
            if predicate(entry.key, entry.process, entry.value)
        ]

    def dispatch(self, key: Hashable, fn: Callable[[Entries], Any]) -> None:
        """Call `fn(entries)` here and now, with what `lookup` returns; not for none.

        Example:
            ```python
            import fastask

            async def main() -> None:
                async with fastask.Registry("duplicate") as topics:
                    topics.register("news")

                    def publish(entries: list) -> None:
                        for process, _ in entries:
                            fastask.send(process, "extra!")

                    topics.dispatch("news", publish)
                    assert await fastask.receive() == "extra!"
                    topics.unregister("news")

            fastask.run(main)
            ```

        Elixir: `Registry.dispatch/4`.
        """
        _function(fn, "fn")
        entries = self.lookup(key)
        if entries:
            fn(entries)

    # Further.

    def put_meta(self, key: Hashable, v: Any) -> None:
        """Store something beside the entries. Elixir: `Registry.put_meta/3`."""
        self._served().meta[strict(key)] = v

    def meta(self, key: Hashable, default: Any = _MISSING) -> Any:
        """Return what `put_meta` stored.

        Raises:
            LookupError: If there is nothing, and no default was given.

        Elixir: `Registry.meta/2`.
        """
        value = self._served().meta.get(strict(key), default)
        if value is _MISSING:
            raise LookupError(f"{self!r} has no meta {key!r}")
        return value

    def delete_meta(self, key: Hashable) -> None:
        """Forget what `put_meta` stored. Elixir: `Registry.delete_meta/2`."""
        self._served().meta.pop(strict(key), None)

    def via(self, key: Hashable, value: Any = None) -> Via:
        """Return the destination that is the process under a key at each use.

        As `name=` of a start it registers the process under the key, with the value.

        Raises:
            ValueError: If the registry has duplicate keys.
            TypeError: If `key` is not hashable.

        Elixir: `{:via, Registry, {registry, key}}`.
        """
        hash(key)
        if self._dest is None and self.kind != "unique":
            raise ValueError(f"keys must be unique for a via, got {self!r}")
        return RegistryVia(self, key, value)

    async def lock(self, key: Hashable, fn: Callable[[], Any]) -> Any:
        """Run `fn()` here while nobody else holds the lock of that key.

        First come, first served. The lock is free again when `fn` has returned or
        raised, or when the process that holds it has ended. Locks have nothing to do
        with entries.

        Args:
            key: The key.
            fn: A `def` or `async def` function.

        Returns:
            What `fn` returned.

        Raises:
            NoProcessError: If the registry has ended.

        Elixir: `Registry.lock/3`.
        """
        _function(fn, "fn")
        process = self._target()
        token = make_ref()
        try:
            await call_server(process, ("lock", strict(key), token), None)
            result = fn()
            return await result if inspect.isawaitable(result) else result
        except CallError as error:
            if error.dest is process:
                raise self._gone() from error
            raise
        finally:
            cast_request(process, ("unlock", strict(key), token))


class RegistryVia(Via):
    """The process under a key of a registry."""

    def __init__(self, registry: Registry, key: Hashable, value: Any) -> None:
        self.registry = registry
        self.key = key
        self.value = value

    def __repr__(self) -> str:
        return f"<via {self.registry!r}, key {self.key!r}>"

    def whereis(self) -> Process[Any] | None:
        """Return the process under the key, or None, also when the registry is gone."""
        try:
            server = self.registry._served()
        except (NoProcessError, UnknownNameError):
            return None
        server.check_unique("via")
        entries = server.living(self.key)
        return entries[0].process if entries else None

    def register(self, process: Process[Any]) -> None:
        """Enter a process that starts."""
        server = self.registry._served()
        server.check_unique("via")
        server.register(self.key, self.value, process)


def strict(key: Hashable) -> Hashable:
    """Return a key that tells `1`, `1.0` and `True` apart, also inside a tuple."""
    if type(key) is str:
        return key
    if type(key) is tuple:
        return (tuple, tuple(strict(part) for part in key))
    hash(key)
    return (type(key), key)


def _process(process: Process[Any] | None) -> Process[Any]:
    if process is None:
        return self_()
    if not isinstance(process, Process):
        raise TypeError(f"process must be a Process or None, got {process!r}")
    return process


def _function(value: Any, name: str) -> Any:
    if not callable(value):
        raise TypeError(f"{name} must be a function, got {value!r}")
    return value


@dataclass(slots=True, eq=False)
class Entry:
    """A process under a key."""

    key: Hashable
    process: Process[Any]
    value: Any


@dataclass(slots=True, eq=False)
class Waiting:
    """Somebody who holds a lock, or waits for it."""

    token: Ref
    call: GenCall
    monitor: Ref | None = None


class RegistryServer(GenServer):
    """The process of a `Registry`, and its tables."""

    def init(self, registry: Registry) -> None:
        """Begin with no entry."""
        trap_exit(True)
        self.registry = registry
        self.process: Process[Any] = self_()
        # The inner dicts are sets that keep the order of registration.
        self.table: dict[Hashable, dict[Entry, None]] = {}
        self.registrants: dict[Process[Any], dict[Entry, None]] = {}
        self.tied: set[Process[Any]] = set()  # those that we linked
        self.meta: dict[Hashable, Any] = {
            strict(k): v for k, v in registry.initial_meta.items()
        }
        self.locks: dict[Hashable, deque[Waiting]] = {}  # the holder first
        self.held: dict[Ref, Hashable] = {}  # by the monitor of the holder

    def check_unique(self, verb: str) -> None:
        """Raise where the registry has duplicate keys."""
        if self.registry.kind != "unique":
            raise ValueError(f"{verb}: keys must be unique, got {self.registry.kind!r}")

    # The table. An entry of a process that has just ended counts no more.

    def living(self, key: Hashable) -> list[Entry]:
        """Return the entries under a key."""
        return [e for e in self.table.get(strict(key), ()) if e.process.alive]

    def of(self, process: Process[Any]) -> list[Entry]:
        """Return the entries of a process."""
        return list(self.registrants.get(process, ())) if process.alive else []

    def entries(self) -> Iterable[Entry]:
        """Return all entries, by registrant."""
        for process, entries in self.registrants.items():
            if process.alive:
                yield from entries

    def register(self, key: Hashable, value: Any, process: Process[Any]) -> None:
        """Enter a process under a key."""
        wanted = strict(key)
        if self.registry.kind == "unique":
            for entry in self.living(key):
                raise NameTakenError(
                    f"key {key!r} is taken by {entry.process!r}", process=entry.process
                )
        listeners = self._listeners()
        entry = Entry(key, process, value)
        self.table.setdefault(wanted, {})[entry] = None
        self.registrants.setdefault(process, {})[entry] = None
        if process is not self.process and tie(process, self.process):
            self.tied.add(process)
        for listener in listeners:
            send(listener, ("register", self.registry.name, key, process, value))

    def unregister(
        self, key: Hashable, process: Process[Any], predicate: Callable[[Any], Any]
    ) -> None:
        """Remove entries of a process."""
        entries = [
            e for e in self.living(key) if e.process is process and predicate(e.value)
        ]
        if not entries:
            return
        listeners = self._listeners()
        for entry in entries:
            self._remove(entry)
        if process not in self.registrants and process in self.tied:
            self.tied.discard(process)
            untie(process, self.process)
        if any(entry.process is process for entry in self.living(key)):
            return
        for listener in listeners:
            send(listener, ("unregister", self.registry.name, key, process))

    def _remove(self, entry: Entry) -> None:
        self._remove_from_table(entry)
        entries = self.registrants.get(entry.process, {})
        entries.pop(entry, None)
        if not entries:
            self.registrants.pop(entry.process, None)

    def _remove_from_table(self, entry: Entry) -> None:
        key = strict(entry.key)
        entries = self.table.get(key, {})
        entries.pop(entry, None)
        if not entries:
            self.table.pop(key, None)

    def _listeners(self) -> list[Process[Any]]:
        listeners = []
        for name in self.registry.listeners:
            process = whereis(name)
            if process is None:
                raise UnknownNameError(f"nobody has the name {name!r} of a listener")
            listeners.append(process)
        return listeners

    def _get_state(self) -> list[tuple[Hashable, Process[Any], Any]]:
        return [(e.key, e.process, e.value) for e in self.entries()]

    def _replace_state(self, function: Any) -> Any:
        raise TypeError("the state of a registry cannot be replaced")

    # Messages.

    def terminate(self, reason: Any) -> None:
        """Take the registrants along: their entries are lost."""
        for process in list(self.registrants):
            if untie(process, self.process):
                exit(process, SHUTDOWN)

    def handle_call(self, request: Any, from_: GenCall) -> Any:
        """Give a lock, now or when it is free."""
        _, key, token = request
        queue = self.locks.setdefault(key, deque())
        queue.append(Waiting(token, from_))
        if len(queue) == 1:
            self._grant(key)
        return NoReply()

    def handle_cast(self, request: Any) -> None:
        """Take a lock back."""
        _, key, token = request
        self._leave(key, lambda waiting: waiting.token is token)

    def handle_info(self, message: Any) -> None:
        """Clean up after a registrant, or after who held a lock."""
        match message:
            case Exited(process=process):
                self._forget(process)
            case Down(ref=ref) if ref in self.held:
                self._leave(self.held[ref], lambda waiting: waiting.monitor is ref)
            case _:
                _LOGGER.error(
                    "registry %r received an unexpected message: %r", self_(), message
                )

    def _forget(self, process: Any) -> None:
        self.tied.discard(process)
        for entry in self.registrants.pop(process, ()):
            self._remove_from_table(entry)

    def _grant(self, key: Hashable) -> None:
        """Give a lock to the first who still waits."""
        queue = self.locks[key]
        while queue:
            first = queue[0]
            if first.call.pending:
                first.monitor = monitor(first.call.process)
                self.held[first.monitor] = key
                reply_to(first.call, None)
                return
            del queue[0]
        del self.locks[key]

    def _leave(self, key: Hashable, is_meant: Callable[[Waiting], bool]) -> None:
        queue = self.locks.get(key, deque())
        for index, waiting in enumerate(queue):
            if is_meant(waiting):
                del queue[index]
                if waiting.monitor is not None:
                    del self.held[waiting.monitor]
                    demonitor(waiting.monitor, flush=True)
                if index == 0:
                    self._grant(key)
                return


Registry._server = RegistryServer
