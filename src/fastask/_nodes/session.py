"""Session: one link's life, and what the two nodes know of each other through it.

Each message is told twice: a method here says it (`message`, `exit`, `call`, ...), and
a function of `hearing` hears it on the other side.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastask._core.process import Process
from fastask._core.reason import NOCONNECTION
from fastask._core.ref import Ref
from fastask._core.remote import (
    Remote,
    Watch,
    drop_call,
    end,
    home_of,
    is_remembered,
    parts_of,
    settle_call,
    source_here,
    stand_in,
    stand_in_ref,
    start_here,
    stop_watching,
    was_reported,
    wire_name,
)
from fastask._core.request import GenCall
from fastask._core.traffic import Traffic
from fastask._nodes import codec
from fastask._nodes.engine import Buffer, Link
from fastask._nodes.hearing import HANDLERS, TO_PROCESS
from fastask._nodes.outbox import Outbox
from fastask._nodes.wire import (
    CONTROL,
    NAME,
    OWED,
    PROCESS,
    REF,
    REPORTED,
    FrameError,
    Kind,
    Message,
    parse,
)

if TYPE_CHECKING:
    from fastask._nodes.cluster import Cluster

_LOGGER = logging.getLogger("fastask")


class Session(Traffic):
    """What goes between this node and another one while their link lives.

    It begins before there is a link: what is said meanwhile waits for it. It ends once,
    and everything that it had ends with it, for `NOCONNECTION` (rule 5 of the README).
    """

    def __init__(self, cluster: Cluster, name: str, incarnation: str) -> None:
        super().__init__(
            cluster.loop,
            cluster.mark,
            cluster.mark_of(incarnation),
            codec.THEIRS,
            codec.OURS,
            Outbox(cluster.loop, cluster.mark),
        )
        self.cluster = cluster
        self.name = name
        self.incarnation = incarnation
        self.loop = cluster.loop
        self.outbox: Outbox
        self.shares_main = False
        self.link: Link | None = None
        self.greeted_as = 0  # by this node, with that number, if it opened the link
        self.awaits = False  # the link that the other side opened at the same time
        self._thread = threading.get_ident()
        self._serial = 0
        self.started = 0  # the serial of the last task that the other node started
        self.gate = self._stand_in(0, 0)
        # What this node asked for, by serial.
        self.asked: dict[int, weakref.ref[Remote]] = {}
        self._calls: dict[int, GenCall] = {}
        self._serials: dict[GenCall, int] = {}
        # What the other node asked for, by its serials.
        self.watched: dict[int, Watch] = {}
        self.answering: dict[int, GenCall] = {}
        # Stand-ins of processes and refs of the other node.
        self._known: weakref.WeakValueDictionary[tuple[int, int], Remote]
        self._known = weakref.WeakValueDictionary()
        self._refs: weakref.WeakValueDictionary[int, Ref]
        self._refs = weakref.WeakValueDictionary()
        # Code by digest, on either side.
        self._sent: dict[bytes, None] = {}
        self.codes: dict[bytes, bytes] = {}
        self.chunks: dict[int, list[Buffer]] = {}

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else "open" if self.link else "opening"
        return f"<link to {self.name}, {state}>"

    # Its life.

    def establish(self, link: Link, shares_main: bool) -> None:
        """Begin to use a link on which both sides have greeted each other."""
        self.link = link
        self.shares_main = shares_main
        self.outbox.open(link)

    def close(self, reason: object = NOCONNECTION) -> None:
        """End all that went through the link; `reason` is for the engine."""
        if self.is_closed:
            return
        self.is_closed = True
        link, self.link = self.link, None
        self.outbox.close()
        self.cluster.forget(self)
        if link is not None:
            link.close(reason)
        calls, self._calls = self._calls, {}
        self._serials.clear()
        for call in self.answering.values():
            drop_call(call)
        self.answering.clear()
        remotes = [ref() for ref in self.asked.values()]
        remotes += list(self._known.values())
        remotes += [home_of(ref) for ref in list(self._refs.values())]
        self.asked.clear()
        for remote in (*remotes, self.gate):
            if remote is not None:
                end(remote, NOCONNECTION)
        for watch in self.watched.values():
            stop_watching(watch)
        self.watched.clear()
        for call in calls.values():
            settle_call(call, False, NOCONNECTION)

    def say_goodbye(self) -> None:
        """Send what is left, and that this node leaves."""
        if not self.is_closed:
            self.outbox.flush()
            self.outbox.control(Kind.GOODBYE)
            self.close("this node leaves")

    def expire(self) -> None:
        """The link that the other side was to open has not come."""
        if self.link is None:
            self.close("no link was opened in time")

    def fail(self, error: object) -> None:
        """Close the link because of what came by it."""
        if not self.is_closed:
            _LOGGER.error(
                "the link to %s is closed, as it brought no message of fastask: %s",
                self.name,
                error,
            )
            self.close(error)

    # What comes in.

    def take(self, frame: list[Buffer]) -> None:
        """Take a frame that is not simple; a wrong one closes the link."""
        try:
            flags, mark, seq, messages = parse(frame)
            if mark != self.mark:
                return  # of an incarnation that is no more
            if seq != self.expected:
                raise FrameError(f"frame {self.expected} is next, got {seq}")
        except FrameError as error:
            self.fail(error)
            return
        self.expected += 1
        for message in messages:
            self.heed(message)
        if not flags & CONTROL:
            self.count_taken(sum(map(len, frame)))

    def heed(self, message: Message) -> None:
        """Do what a message says, unless it is for somebody who has yet to come."""
        if self.is_closed:
            return
        kind, _, _, number, origin, _, _ = message
        if origin and self._is_early(kind, origin, number):
            self.cluster.hold((origin, number), self, message)
            return
        try:
            self.hear(message)
        except FrameError as error:
            self.fail(error)

    def give_back(self, credit: int) -> None:
        """Tell the other side that so many bytes were taken."""
        self.outbox.control(Kind.CREDIT, serial=credit)

    def _is_early(self, kind: int, origin: int, number: int) -> bool:
        """Tell whether a third node was faster than the one that starts a process."""
        return (
            kind in TO_PROCESS
            and (origin, number) not in self.exports
            and self.cluster.is_to_come(origin, number)
        )

    def hear(self, message: Message) -> None:
        """Do what a message says."""
        kind, flags, serial, number, origin, data, buffers = message
        handler = HANDLERS.get(kind)
        if handler is None:
            raise FrameError(f"a message of kind {kind} is for greetings only")
        if self.is_closed:
            return
        try:
            handler(self, flags, serial, number, origin, data, buffers)
        except FrameError:
            raise
        except Exception:  # whatever reading the value, or telling somebody, raised
            self.was_not_delivered()

    def was_not_delivered(self) -> None:
        """Log the error that is handled."""
        _LOGGER.exception("a message from %s cannot be delivered", self.name)

    # Stand-ins.

    def _stand_in(
        self, origin: int, number: int, tag: int = PROCESS, meant: object = None
    ) -> Remote:
        return stand_in(
            self.loop,
            None if self.is_closed else self,
            self.name,
            self.incarnation,
            origin,
            number,
            tag,
            meant,
        )

    def named(self, name: object) -> Remote:
        """Return what stands for whoever has a name there when something arrives."""
        return self._stand_in(0, 0, NAME, name)

    def find_process(self, origin: int, number: int) -> Remote:
        """Return what stands for a process of the other node."""
        if origin == self.cluster.mark:
            ref = self.asked.get(number)
            started = None if ref is None else ref()
            if started is not None:
                return started
        key = origin, number
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._stand_in(origin, number)
        return known

    def find_ref(self, number: int) -> Ref:
        """Return what stands for a ref of the other node."""
        ref = self._refs.get(number)
        if ref is None:
            ref = self._refs[number] = stand_in_ref(self._stand_in(0, number, REF))
        return ref

    def own_process(self, origin: int, number: int) -> Process[Any]:
        """Return a process of this node that has come home."""
        process = self.exports.get((origin, number))
        return self.cluster.dead(origin, number) if process is None else process

    def own_ref(self, number: int) -> Ref:
        """Return a ref of this node that has come home."""
        return self.cluster.own_ref(number)

    def third_process(
        self, node: str, incarnation: str, origin: int, number: int
    ) -> Process[Any]:
        """Return what stands for a process of a third node."""
        return self.cluster.third(node, incarnation, origin, number)

    def third_ref(self, node: str, incarnation: str, number: int) -> Ref:
        """Return what stands for a ref of a third node."""
        return self.cluster.third_ref(node, incarnation, number)

    def code(self, digest: bytes) -> bytes:
        """Return the code of a function that was sent before."""
        return self.codes[digest]

    # Naming what is written.

    def takes(self, loop: object) -> bool:
        """Tell whether the processes of a loop are of this node."""
        return loop is self.loop

    def process(self, process: Process[Any]) -> tuple[Any, ...]:
        """Return what a process is written as."""
        if isinstance(process, Remote):
            if process.session is self:
                return codec.ours, (process.origin, process.number)
            return codec.of_third, (
                process.node,
                process.incarnation,
                process.origin,
                process.number,
            )
        name = wire_name(process)
        self.cluster.remember(process, name)
        is_remembered(process, self.cluster.mark)
        return codec.theirs, name

    def ref(self, ref: Ref) -> tuple[Any, ...]:
        """Return what a ref is written as."""
        home = home_of(ref)
        if home is None:
            return codec.their_ref, (self.cluster.number_of(ref),)
        if home.session is self:
            return codec.our_ref, (home.number,)
        return codec.ref_of_third, (home.node, home.incarnation, home.number)

    def define(self, digest: bytes, code: bytes) -> None:
        """Send the code of a function, unless the other node has it."""
        if digest in self._sent:
            return
        codec.remember(self._sent, digest, None)
        self.outbox.put(Kind.DEFINE, 0, 0, 0, 0, digest + code)

    # What this node says.

    def _next(self) -> int:
        self._serial += 1
        return self._serial

    def _to(
        self, kind: int, remote: Remote, *what: object, serial: int = 0, flags: int = 0
    ) -> None:
        """Send a message to whom a stand-in means."""
        if remote.tag == NAME:
            what = (remote.meant, *what)
        data, buffers = self.dumps(what, "message")
        self.outbox.put(
            kind, remote.tag | flags, serial, remote.number, remote.origin, data,
            buffers, source_here(),
        )  # fmt: skip

    def exit(self, remote: Remote, source: Process[Any] | None, reason: object) -> None:
        """Send the exit signal of a call."""
        self._signal(Kind.EXIT, remote, source, reason)

    def exit_by_link(
        self, remote: Remote, source: Process[Any], reason: object
    ) -> None:
        """Send the exit signal of a link, which is no more then."""
        flags = REPORTED if was_reported(source) else 0
        self._signal(Kind.LINK_EXIT, remote, source, reason, flags)

    def _signal(
        self,
        kind: int,
        remote: Remote,
        source: Process[Any] | None,
        reason: object,
        flags: int = 0,
    ) -> None:
        head: tuple[Any, ...] = (source,)
        if remote.tag == NAME:
            head = (remote.meant, source)
        data, buffers = codec.dumps_reason(self, head, reason)
        self.outbox.put(
            kind,
            remote.tag | flags,
            0,
            remote.number,
            remote.origin,
            data,
            buffers,
            source,
        )

    def link_to(self, remote: Remote, process: Process[Any]) -> None:
        """Link a process of this node to one of the other."""
        self._to(Kind.LINK, remote, process)

    def unlink(self, remote: Remote, process: Process[Any]) -> None:
        """Remove such a link, whoever made it."""
        self._to(Kind.UNLINK, remote, process)

    def cancel(self, remote: Remote) -> None:
        """Cancel a process as asyncio does."""
        self._to(Kind.CANCEL, remote)

    def watch(self, remote: Remote, owed: bool = False) -> int:
        """Ask to be told of the end of whom a stand-in means; return the serial.

        `owed`: with what it returns, as somebody awaits it; it may be watched already.
        """
        serial = remote.serial or self._next()
        self.asked[serial] = weakref.ref(remote)
        self._to(Kind.WATCH, remote, serial=serial, flags=OWED if owed else 0)
        return serial

    def forget(self, serial: int) -> None:
        """Nobody here wants to hear of it any more: the stand-in is gone."""
        if threading.get_ident() != self._thread:  # the collector runs anywhere
            if not self.loop.is_closed():
                self.loop.call_soon_threadsafe(self.forget, serial)
            return
        if self.asked.pop(serial, None) is not None and not self.is_closed:
            self.outbox.put(Kind.UNWATCH, 0, serial, 0, 0, b"")

    def call(self, remote: Remote, call: GenCall) -> None:
        """Send a request to a server."""
        request, kind = parts_of(call)
        serial = self._next()
        self._to(
            Kind.CALL, remote, call.process, request, serial=serial, flags=kind << 4
        )
        self._calls[serial] = call
        self._serials[call] = serial

    def give_up(self, remote: Remote, call: GenCall) -> None:
        """Nobody waits for an answer any more."""
        serial = self._serials.pop(call, None)
        if serial is not None:
            del self._calls[serial]
            self.outbox.put(Kind.GIVE_UP, 0, serial, 0, 0, b"")

    def take_call(self, serial: int) -> GenCall | None:
        """Return the call of that serial, which is over, or None."""
        call = self._calls.pop(serial, None)
        if call is not None:
            del self._serials[call]
        return call

    def start(
        self,
        owner: Process[Any],
        supervisor: object,
        fn: object,
        args: tuple[Any, ...],
        executor: object,
        shutdown: object,
        flags: int,
    ) -> Remote:
        """Start a task under a supervisor of the other node; return what stands for it.

        Raises:
            TypeError: If the function or an argument cannot be pickled.
        """
        head = (supervisor, executor, shutdown, owner)
        data, buffers = codec.dumps_call(self, head, fn, args)
        serial = self._next()
        remote = self._stand_in(self.cluster.mark, serial)
        start_here(remote)
        remote.serial = serial
        self.asked[serial] = weakref.ref(remote)
        self.outbox.put(Kind.START, flags, serial, 0, 0, data, buffers, owner)
        return remote

    # What this node answers.

    def done(self, watch: Watch, value: object) -> None:
        """A task for the other node has returned."""
        self.watched.pop(watch.serial, None)
        try:
            data, buffers = self.dumps(value, "what the task returns")
        except TypeError as error:
            self.tell_down(watch.serial, error, watch.process)
            return
        self.outbox.put(Kind.DONE, 0, watch.serial, 0, 0, data, buffers, watch.process)

    def down(self, watch: Watch, reason: object) -> None:
        """A process that the other node watches has ended."""
        self.watched.pop(watch.serial, None)
        self.tell_down(watch.serial, reason, watch.process)

    def tell_down(
        self, serial: int, reason: object, sender: Process[Any] | None = None
    ) -> None:
        """Tell of an end, or that there is nobody."""
        data, buffers = codec.dumps_reason(self, (), reason)
        flags = REPORTED if sender is not None and was_reported(sender) else 0
        self.outbox.put(Kind.DOWN, flags, serial, 0, 0, data, buffers, sender)

    def answered(
        self, serial: int, server: Process[Any] | None, is_answer: bool, value: object
    ) -> None:
        """Tell what became of a call."""
        self.answering.pop(serial, None)
        if is_answer:
            try:
                data, buffers = self.dumps(value, "reply")
            except TypeError as error:
                is_answer, value = False, error
            else:
                self.outbox.put(Kind.REPLY, 0, serial, 0, 0, data, buffers, server)
                return
        data, buffers = codec.dumps_reason(self, (), value)
        self.outbox.put(Kind.ENDED, 0, serial, 0, 0, data, buffers, server)

    # What the other node says is heard in `hearing`.

    def dumps(self, value: object, what: str) -> codec.Encoded:
        """Write a value, which is `what`; raises TypeError if that cannot be done."""
        data = self.write(value)
        return self.pickle(value, what) if data is None else (data, [])

    def pickle(self, value: object, what: str) -> codec.Encoded:
        """Write a value that takes pickle."""
        return codec.dumps(self, value, what)

    def unpickle(self, data: Buffer, buffers: Sequence[Buffer]) -> Any:
        """Read a value that takes pickle."""
        return codec.loads(self, data, buffers)
