"""The book of one round: what was started, sent, promised and told."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import fastask
from fastask import NORMAL, Process, Ref


class Parcel:
    """A message that is written down; its number tells which."""

    __slots__ = ("__weakref__", "number")

    def __init__(self, number: int) -> None:
        self.number = number


@dataclass(slots=True)
class Sent:
    """A parcel on its way; `order` counts those of one sender to one receiver."""

    sender: Hashable
    to: Process
    order: int | None
    taken: int = 0
    timer: fastask.Timer | None = None
    cancelled: bool = False


@dataclass(slots=True)
class Watch:
    """A monitor."""

    watcher: Process
    target: Process
    downs: int = 0
    removed: bool = False


@dataclass(slots=True)
class Promise:
    """Something that an owner waits for: a task, a call, a stream."""

    kind: str
    owner: Process
    outcomes: int = 0


@dataclass(slots=True)
class Signal:
    """An exit signal that was sent by `exit`, and how often it came as a message."""

    to: Process
    traps: bool
    told: int = 0


@dataclass(slots=True)
class Child:
    """A supervised child: each start of it, oldest first."""

    restart: str
    group: str | None = None
    starts: list[Process] = field(default_factory=list)
    moments: list[int] = field(default_factory=list)


@dataclass
class Book:
    """Everything that a round writes down; `faults` are what laws have found."""

    operations: Counter[str] = field(default_factory=Counter)
    sums: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    ends: dict[Process, int] = field(default_factory=dict)
    loose: list[Process] = field(default_factory=list)
    names: dict[Hashable, Process] = field(default_factory=dict)
    sent: dict[int, Sent] = field(default_factory=dict)
    parcels: weakref.WeakSet[Parcel] = field(default_factory=weakref.WeakSet)
    orders: Counter[tuple[Hashable, Process]] = field(default_factory=Counter)
    taken_orders: Counter[tuple[Hashable, Process]] = field(default_factory=Counter)
    watches: dict[Ref, Watch] = field(default_factory=dict)
    ties: set[frozenset[Process]] = field(default_factory=set)
    due: Counter[tuple[Process, Process]] = field(default_factory=Counter)
    told: Counter[tuple[Process, Process]] = field(default_factory=Counter)
    trapping: set[Process] = field(default_factory=set)
    signals: dict[int, Signal] = field(default_factory=dict)
    promises: list[Promise] = field(default_factory=list)
    children: dict[Hashable, Child] = field(default_factory=dict)
    moment: int = 0

    def fault(self, law: str, *found: object) -> None:
        self.faults.append(": ".join([law, " ".join(map(str, found))]))

    def began(self, process: Process, traps: bool = False) -> Process:
        """Count the ends of a process from now on."""
        self.ends[process] = 0
        if traps:
            self.trapping.add(process)
        process.add_done_callback(self._ended)
        return process

    def _ended(self, process: Process) -> None:
        self.ends[process] += 1

    def parcel(
        self, sender: Hashable, to: Process, timer: bool = False
    ) -> tuple[Parcel, Sent]:
        """Make a parcel that is going to be sent now."""
        order = None
        if not timer:
            order = self.orders[sender, to]
            self.orders[sender, to] += 1
        parcel = Parcel(len(self.sent))
        self.parcels.add(parcel)
        sent = self.sent[parcel.number] = Sent(sender, to, order)
        return parcel, sent

    def take(self, parcel: Parcel, me: Process) -> None:
        """Write down that a parcel has come, and whether its order was kept."""
        sent = self.sent[parcel.number]
        sent.taken += 1
        if sent.to is not me:
            self.fault("a message comes to its receiver", sent.to, me)
        if sent.order is None:
            return
        key = (sent.sender, me)
        if sent.order != self.taken_orders[key]:
            self.fault("messages of one sender keep their order", key, sent.order)
        self.taken_orders[key] += 1

    def promise(self, kind: str, owner: Process) -> Promise:
        promise = Promise(kind, owner)
        self.promises.append(promise)
        return promise

    def started(self, child: Child) -> None:
        """Write down that the running process is the newest one of a child."""
        child.starts.append(self.began(fastask.self_()))
        self.moment += 1
        child.moments.append(self.moment)


def reason_of(process: Process) -> Any:
    """Return why a process has ended."""
    error = process.exception() if not process.cancelled() else None
    if error is None:
        return NORMAL
    return error.reason if isinstance(error, fastask.Exit) else error


def word_of(reason: Any) -> str:
    """Return the kind of a reason, for a table."""
    match reason:
        case BaseException():
            return type(reason).__name__
        case (str(first), *_):
            return f"({first}, ...)"
        case _:
            return str(reason)


def signal_number(reason: Any) -> int | None:
    """Return the number of a signal that `exit` sent, if the reason is one."""
    match reason:
        case ("signal", int(number)) | (fastask.SHUTDOWN, ("signal", int(number))):
            return number
        case _:
            return None
