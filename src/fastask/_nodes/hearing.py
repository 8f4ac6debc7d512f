"""Hearing: what a session does about each message of the other node.

The arguments of each function are those of a message after its kind. What goes wrong in
one is told to who asked where somebody did, and else logged; the link lives on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fastask._core.children import Children
from fastask._core.errors import NoProcessError
from fastask._core.names import whereis
from fastask._core.process import Process
from fastask._core.reason import NOPROC
from fastask._core.ref import Ref
from fastask._core.remote import (
    call_from,
    complete,
    drop_call,
    end,
    exit_from,
    exit_from_link,
    link_from,
    promise,
    settle_call,
    start_for,
    stop_watching,
    unlink_from,
    watch_for,
)
from fastask._core.server import served_by
from fastask._core.verb import send
from fastask._nodes.codec import remember
from fastask._nodes.engine import Buffer
from fastask._nodes.wire import (
    LAST,
    LINKED,
    NAME,
    OWED,
    PROCESS,
    REF,
    REPORTED,
    STREAMS,
    FrameError,
    Kind,
    parse_big,
)

if TYPE_CHECKING:
    from fastask._nodes.session import Session

_Handler = Callable[["Session", int, int, int, int, Buffer, Sequence[Buffer]], None]


def _target(
    s: Session,
    flags: int,
    number: int,
    origin: int,
    data: Buffer,
    long: Sequence[Buffer],
) -> tuple[Any, Any]:
    """Return who is meant, or None, and the rest of what was sent to him."""
    tag = flags & 15
    value = s.load(data, long)
    if tag == PROCESS:
        return s.exports.get((origin, number)), value
    if tag == REF:
        return s.cluster.own_ref(number), value
    return whereis(value[0]), value[1:]


def _reason(s: Session, data: Buffer, buffers: Sequence[Buffer]) -> Any:
    """Read an exit reason, or what made it unreadable."""
    try:
        return s.load(data, buffers)[0]
    except Exception as error:  # whatever a user's class raises
        return error


def _start_task(
    s: Session, flags: int, serial: int, data: Buffer, buffers: Sequence[Buffer]
) -> None:
    """Start a task for the other node, or tell it why there is none."""
    try:
        supervisor, executor, shutdown, owner, fn, args = s.load(data, buffers)
        process = whereis(supervisor)
        if process is None:
            s.tell_down(serial, NOPROC)
            return
        table = getattr(served_by(process), "table", None)
        if not isinstance(table, Children):
            raise NoProcessError(
                f"{supervisor!r} must be a running task supervisor, got {process!r}"
            )
        s.watched[serial] = start_for(
            table,
            owner,
            s,
            serial,
            (fn, args, executor, shutdown),
            bool(flags & LINKED),
            bool(flags & STREAMS),
            s.mark,
        )
    except Exception as error:  # the task's
        s.tell_down(serial, error)


def _on_send(
    s: Session, flags: int, _: int, number: int, origin: int, data: Buffer, long: Any
) -> None:
    if flags & 15 == PROCESS:
        process = s.exports.get((origin, number))
        if process is not None:
            send(process, s.load(data, long))
        return
    who, value = _target(s, flags, number, origin, data, long)
    if who is not None:
        send(who, value[0] if flags & 15 == NAME else value)


def _on_exit(
    s: Session, flags: int, _: int, number: int, origin: int, data: Buffer, long: Any
) -> None:
    who, (source, reason) = _target(s, flags, number, origin, data, long)
    if isinstance(who, Ref):
        who = s.cluster.behind(who)
    if who is not None:
        exit_from(who, source, reason)


def _on_link(
    s: Session, flags: int, _: int, number: int, origin: int, data: Buffer, long: Any
) -> None:
    who, (source,) = _target(s, flags, number, origin, data, long)
    if who is not None:
        link_from(source, who)


def _on_unlink(
    s: Session, flags: int, _: int, number: int, origin: int, data: Buffer, long: Any
) -> None:
    who, (source,) = _target(s, flags, number, origin, data, long)
    if who is not None:
        unlink_from(source, who)


def _on_link_exit(
    s: Session, flags: int, _: int, number: int, origin: int, data: Buffer, long: Any
) -> None:
    who, (source, reason) = _target(s, flags, number, origin, data, long)
    if who is not None:
        exit_from_link(source, who, reason, bool(flags & REPORTED))


def _on_cancel(
    s: Session, flags: int, _: int, number: int, origin: int, data: Buffer, long: Any
) -> None:
    who, _rest = _target(s, flags, number, origin, data, long)
    if isinstance(who, Process):
        who.cancel()


def _on_watch(
    s: Session,
    flags: int,
    serial: int,
    number: int,
    origin: int,
    data: Buffer,
    long: Any,
) -> None:
    who, _rest = _target(s, flags, number, origin, data, long)
    watch = s.watched.get(serial)
    if watch is None:
        if not isinstance(who, Process):
            s.tell_down(serial, NOPROC)  # that is dropped where the end was told before
            return
        watch = s.watched[serial] = watch_for(who, s.gate, s, serial)
    if flags & OWED:
        promise(watch)


def _on_unwatch(
    s: Session, _f: int, serial: int, _n: int, _o: int, _d: Buffer, _l: Any
) -> None:
    watch = s.watched.pop(serial, None)
    if watch is not None:
        stop_watching(watch)


def _on_down(
    s: Session, flags: int, serial: int, _n: int, _o: int, data: Buffer, long: Any
) -> None:
    ref = s.asked.pop(serial, None)
    remote = None if ref is None else ref()
    if remote is not None:
        end(remote, _reason(s, data, long), bool(flags & REPORTED))


def _on_done(
    s: Session, _f: int, serial: int, _n: int, _o: int, data: Buffer, long: Any
) -> None:
    ref = s.asked.pop(serial, None)
    remote = None if ref is None else ref()
    if remote is None:
        return
    try:
        value = s.load(data, long)
    except Exception as error:  # whatever a user's class raises
        end(remote, TypeError(f"the task must return what can be unpickled: {error}"))
    else:
        complete(remote, value)


def _on_start(
    s: Session, flags: int, serial: int, _n: int, _o: int, data: Buffer, long: Any
) -> None:
    _start_task(s, flags, serial, data, long)
    s.started = max(s.started, serial)
    s.cluster.release((s.mark, serial))


def _on_call(
    s: Session,
    flags: int,
    serial: int,
    number: int,
    origin: int,
    data: Buffer,
    long: Any,
) -> None:
    try:
        who, (caller, request) = _target(s, flags, number, origin, data, long)
    except Exception as error:  # whatever a user's class raises
        s.answered(serial, None, False, error)
        return
    if not isinstance(who, Process):
        s.answered(serial, None, False, NOPROC)
    else:
        s.answering[serial] = call_from(who, caller, s, serial, request, flags >> 4)


def _on_reply(
    s: Session, _f: int, serial: int, _n: int, _o: int, data: Buffer, long: Any
) -> None:
    call = s.take_call(serial)
    if call is None:
        return
    try:
        value = s.load(data, long)
    except Exception as error:  # whatever a user's class raises
        settle_call(call, False, error)
    else:
        settle_call(call, True, value)


def _on_ended(
    s: Session, _f: int, serial: int, _n: int, _o: int, data: Buffer, long: Any
) -> None:
    call = s.take_call(serial)
    if call is not None:
        settle_call(call, False, _reason(s, data, long))


def _on_give_up(
    s: Session, _f: int, serial: int, _n: int, _o: int, _d: Buffer, _l: Any
) -> None:
    call = s.answering.pop(serial, None)
    if call is not None:
        drop_call(call)


def _on_define(
    s: Session, _f: int, _s: int, _n: int, _o: int, data: Buffer, _l: Any
) -> None:
    if len(data) < 16:
        raise FrameError("code has a digest of 16 bytes")
    remember(s.codes, bytes(data[:16]), bytes(data[16:]))


def _on_credit(
    s: Session, _f: int, serial: int, _n: int, _o: int, _d: Buffer, _l: Any
) -> None:
    s.outbox.give(serial)


def _on_chunk(
    s: Session, flags: int, serial: int, _n: int, _o: int, data: Buffer, _l: Any
) -> None:
    s.chunks.setdefault(serial, []).append(data)
    if flags & LAST:
        s.heed(parse_big(bytearray().join(s.chunks.pop(serial))))


def _on_goodbye(
    s: Session, _f: int, _s: int, _n: int, _o: int, _d: Buffer, _l: Any
) -> None:
    s.close("the node has left")


TO_PROCESS = {
    Kind.SEND, Kind.EXIT, Kind.LINK, Kind.UNLINK, Kind.LINK_EXIT, Kind.WATCH, Kind.CALL,
    Kind.CANCEL,
}  # fmt: skip

HANDLERS: dict[int, _Handler] = {
    Kind.GOODBYE: _on_goodbye,
    Kind.CREDIT: _on_credit,
    Kind.CHUNK: _on_chunk,
    Kind.DEFINE: _on_define,
    Kind.SEND: _on_send,
    Kind.EXIT: _on_exit,
    Kind.LINK: _on_link,
    Kind.UNLINK: _on_unlink,
    Kind.LINK_EXIT: _on_link_exit,
    Kind.WATCH: _on_watch,
    Kind.UNWATCH: _on_unwatch,
    Kind.DOWN: _on_down,
    Kind.DONE: _on_done,
    Kind.START: _on_start,
    Kind.CALL: _on_call,
    Kind.REPLY: _on_reply,
    Kind.ENDED: _on_ended,
    Kind.GIVE_UP: _on_give_up,
    Kind.CANCEL: _on_cancel,
}
