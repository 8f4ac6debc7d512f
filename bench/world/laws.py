"""The laws: each looks into the book of a round, and faults what breaks it.

They hold at rest: nobody acts any more, and whoever lives has taken its messages.
"""

from __future__ import annotations

from collections.abc import Callable

import fastask
from bench.world.book import Book, Child, Sent, reason_of
from fastask import NORMAL, SHUTDOWN, Process


def every_message_is_received_or_its_receiver_is_dead(book: Book) -> None:
    for number, sent in book.sent.items():
        if sent.taken > 1:
            book.fault("no message comes twice", number, sent)
        elif sent.timer is None and sent.to.alive and not sent.taken:
            book.fault("no message is lost", number, sent)
        book.sums[_fate_of_message(sent)] += 1


def _fate_of_message(sent: Sent) -> str:
    kind = "messages" if sent.timer is None else "timers"
    if sent.taken:
        return f"{kind}: came"
    return f"{kind}: cancelled" if sent.cancelled else f"{kind}: receiver dead"


def a_timer_fires_once_or_is_cancelled_once(book: Book) -> None:
    for number, sent in book.sent.items():
        if sent.timer is None:
            continue
        if sent.timer.remaining() is not None:
            book.fault("a timer is over in time", number, sent)
        elif sent.cancelled and sent.taken:
            book.fault("a cancelled timer does not fire", number, sent)
        elif not sent.cancelled and sent.to.alive and not sent.taken:
            book.fault("a timer fires", number, sent)


def a_process_ends_once_or_lives(book: Book) -> None:
    for process, ends in book.ends.items():
        if ends != (not process.alive):
            book.fault("a process ends once", process, ends)
        book.sums["processes: live" if process.alive else "processes: ended"] += 1


def a_monitor_tells_of_the_end_once(book: Book) -> None:
    for ref, watch in book.watches.items():
        if watch.watcher.alive:
            due = not watch.removed and not watch.target.alive
            if watch.downs != due:
                book.fault("a monitor tells once", ref, watch)
        book.sums[_fate_of_watch(watch.downs, watch.removed, watch.watcher)] += 1


def _fate_of_watch(downs: int, removed: bool, watcher: Process) -> str:
    if downs:
        return "monitors: told"
    if removed:
        return "monitors: removed"
    return "monitors: live" if watcher.alive else "monitors: watcher dead"


def a_link_tells_a_survivor_that_traps_once(book: Book) -> None:
    due = book.due.copy()
    for pair in book.ties:
        if len(pair) == 2:
            for survivor, other in (tuple(pair), tuple(pair)[::-1]):
                if survivor in book.trapping and not other.alive:
                    due[survivor, other] += 1
    for key in due.keys() | book.told.keys():
        survivor, other = key
        if survivor.alive and due[key] != book.told[key]:
            book.fault("a link tells once", key, book.told[key], "not", due[key])
        book.sums["links: told" if survivor.alive else "links: survivor dead"] += 1


def a_link_takes_one_that_does_not_trap_along(book: Book) -> None:
    for pair in book.ties:
        for process in pair:
            if process.alive or reason_of(process) == NORMAL:
                continue
            for other in pair - {process} - book.trapping:
                if other.alive:
                    book.fault("a link takes along", process, other)
                book.sums["links: taken along"] += 1


def an_exit_signal_ends_a_process_or_is_told_once(book: Book) -> None:
    for number, signal in book.signals.items():
        if signal.told > 1 or (signal.to.alive and signal.told != signal.traps):
            book.fault("a signal ends or is told once", number, signal)
        book.sums["signals: told" if signal.told else "signals: to an end"] += 1


def who_waits_gets_one_outcome(book: Book) -> None:
    for promise in book.promises:
        kind = promise.kind.partition(" ")[0]
        if promise.outcomes > 1 or (promise.owner.alive and not promise.outcomes):
            book.fault("one outcome for each that waits", promise)
        fate = "one outcome" if promise.outcomes else "owner dead"
        book.sums[f"{kind}: {fate}"] += 1


def a_child_comes_back_as_its_type_says(book: Book) -> None:
    for name, child in book.children.items():
        if child.group is not None:
            continue
        due = 1 + sum(_is_due(child.restart, p) for p in child.starts if not p.alive)
        if len(child.starts) != due:
            ends = [reason_of(p) for p in child.starts if not p.alive]
            book.fault("a child comes back", name, len(child.starts), "not", due, ends)
        book.sums[f"children: starts, {child.restart}"] += len(child.starts)


def _is_due(restart: str, process: Process) -> bool:
    reason = reason_of(process)
    expected = reason in (NORMAL, SHUTDOWN) or (
        isinstance(reason, tuple) and reason[:1] == (SHUTDOWN,)
    )
    return restart == "permanent" or (restart == "transient" and not expected)


def a_group_comes_back_together(book: Book) -> None:
    groups: dict[str, list[Child]] = {}
    for child in book.children.values():
        if child.group is not None:
            groups.setdefault(child.group, []).append(child)
    for strategy, group in groups.items():
        if not all(child.starts[-1].alive for child in group):
            book.fault("a group comes back", strategy, group)
        newest = [child.moments[-1] for child in group]
        if newest != sorted(newest):
            book.fault("a group starts in order", strategy, newest)
        if strategy == "one_for_all" and len({len(c.starts) for c in group}) != 1:
            book.fault("a group starts as one", group)
        book.sums[f"children: starts, {strategy}"] += sum(len(c.starts) for c in group)


def a_supervisor_comes_back_with_its_children(book: Book) -> None:
    for name in ("nest", "nested"):
        process = fastask.whereis(name)
        if process is None or not process.alive:
            book.fault("a supervisor comes back with its children", name, process)


def a_name_is_free_when_its_process_is_dead(book: Book) -> None:
    for name, process in book.names.items():
        found = fastask.whereis(name)
        if found is not (process if process.alive else None):
            book.fault("a name is free after death", name, process, found)
        book.sums["names: held" if process.alive else "names: free"] += 1


AT_REST: tuple[Callable[[Book], None], ...] = (
    every_message_is_received_or_its_receiver_is_dead,
    a_timer_fires_once_or_is_cancelled_once,
    a_process_ends_once_or_lives,
    a_monitor_tells_of_the_end_once,
    a_link_tells_a_survivor_that_traps_once,
    a_link_takes_one_that_does_not_trap_along,
    an_exit_signal_ends_a_process_or_is_told_once,
    who_waits_gets_one_outcome,
    a_child_comes_back_as_its_type_says,
    a_group_comes_back_together,
    a_supervisor_comes_back_with_its_children,
    a_name_is_free_when_its_process_is_dead,
)


def no_process_is_left(book: Book) -> None:
    me = fastask.self_()
    left = [process for process in fastask.processes() if process is not me]
    if left:
        book.fault("no process is left", left)
    for process, ends in book.ends.items():
        if ends != 1:
            book.fault("every process has ended once", process, ends)


def no_name_is_left(book: Book) -> None:
    if fastask.registered():
        book.fault("no name is left", fastask.registered())


def no_timer_is_left(book: Book) -> None:
    for sent in book.sent.values():
        if sent.timer is not None and sent.timer.remaining() is not None:
            book.fault("no timer is left", sent)


def no_message_is_kept(book: Book) -> None:
    book.sent.clear()  # a timer that is held keeps its message
    if len(book.parcels):
        book.fault("no message is kept", len(book.parcels))


AT_THE_END: tuple[Callable[[Book], None], ...] = (
    no_process_is_left,
    no_name_is_left,
    no_timer_is_left,
    no_message_is_kept,
)
