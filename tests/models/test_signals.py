"""Links, monitors, exit signals, trapped exits, kills and names, against a model.

Up to six processes do to each other what a program of commands says. After every
command all that can be seen of each is compared with the model: whether it lives, why
it ended, its links, its monitors, its name, its mailbox and what its verbs returned.

A command is a list of verbs that one process carries out in one turn. At most one of
them is fatal, so all that dies of a command dies of one reason, in whatever order.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import fastask
from fastask import KILL, KILLED, NOPROC, NORMAL, SHUTDOWN, Down, Exit, Exited
from tests.models.play import play, programs, settle

ERROR = ValueError("boom")
MOST = 6
NAMES = ("ann", 1, True, 1.0)

Verb = tuple[Any, ...]

FATAL = ("exit", "exit_twice", "exit_name", "fail", "leave")
STARTS = ("spawn", "spawn_link", "spawn_monitor")
AIMED = ("link", "unlink", "monitor", "exit", "exit_twice", "send", "register")


class Ended(Exception):
    """The process that carries out the verbs is at its end."""


class Model:
    """What the processes are, know and have got."""

    def __init__(self) -> None:
        self.alive: list[bool] = []
        self.reasons: dict[int, object] = {}
        self.traps: list[bool] = []
        self.links: set[frozenset[int]] = set()
        self.monitors: dict[int, tuple[int, int]] = {}  # ref: watcher, target
        self.shown: dict[int, tuple[int, object]] = {}  # ref: target, what Down shows
        self.refs = 0
        self.names: dict[tuple[type, object], int] = {}
        self.mailboxes: list[list[Any]] = []
        self.doomed: dict[int, object] = {}

    # How processes end.

    def signal(self, source: int, target: int, reason: object) -> None:
        """Deliver an exit signal that is not ignored and no kill."""
        if target in self.doomed:
            return
        if self.traps[target]:
            self.mailboxes[target].append(("exited", source, reason))
        else:
            self.doomed[target] = reason

    def end(self, me: int, reason: object) -> None:
        """A process is dead: its name is free, and those who watch it are told."""
        reason = self.doomed.pop(me, reason)
        self.alive[me] = False
        self.reasons[me] = reason
        self.names = {key: who for key, who in self.names.items() if who != me}
        mine = [pair for pair in self.links if me in pair]
        self.links -= set(mine)
        for pair in mine:
            (peer,) = pair - {me}
            if reason is not NORMAL or self.traps[peer]:
                self.signal(me, peer, reason)
        for ref, (watcher, target) in list(self.monitors.items()):
            if me in (watcher, target):
                del self.monitors[ref]
            if me == target:
                self.tell(watcher, ref, reason)
        self.mailboxes[me] = []

    def tell(self, watcher: int, ref: int, reason: object) -> None:
        target, shown = self.shown[ref]
        self.mailboxes[watcher].append(("down", target, ref, shown, reason))

    def settle(self) -> None:
        while self.doomed:
            self.end(next(iter(self.doomed)), None)

    # The verbs. Each returns what the one of fastask returns.

    def spawn(self, me: int | None, how: str, traps: bool) -> None:
        child = len(self.alive)
        self.alive.append(True)
        self.traps.append(traps)
        self.mailboxes.append([])
        if me is not None and how == "spawn_link":
            self.links.add(frozenset((me, child)))
        if me is not None and how == "spawn_monitor":
            self.watch(me, child, child)

    def watch(self, me: int, target: int, shown: object) -> None:
        ref = self.refs
        self.refs += 1
        self.shown[ref] = target, shown
        if target == -1 or not self.alive[target]:
            self.tell(me, ref, NOPROC)
        elif target != me:
            self.monitors[ref] = me, target

    def link(self, me: int, target: int) -> object:
        if self.alive[target]:
            if target != me:
                self.links.add(frozenset((me, target)))
        elif self.traps[me]:
            self.mailboxes[me].append(("exited", target, NOPROC))
        else:
            return fastask.NoProcessError
        return None

    def unlink(self, me: int, target: int) -> None:
        self.links.discard(frozenset((me, target)))

    def monitor(self, me: int, target: int) -> None:
        self.watch(me, target, target)

    def monitor_name(self, me: int, name: object) -> None:
        self.watch(me, self.names.get((type(name), name), -1), (type(name), name))

    def demonitor(self, me: int, ref: int, flush: bool) -> bool:
        removed = self.monitors.get(ref, (-1, -1))[0] == me
        if removed:
            del self.monitors[ref]
        if flush:
            self.mailboxes[me] = [
                message
                for message in self.mailboxes[me]
                if message[0] != "down" or message[2] != ref
            ]
        return removed

    def trap(self, me: int, flag: bool) -> bool:
        before = self.traps[me]
        self.traps[me] = flag
        return before

    def exit(self, me: int, target: int, reason: object) -> None:
        if not self.alive[target]:
            return
        if reason is KILL and target != me:
            self.end(target, KILLED)
        elif reason is KILL:
            self.doomed.setdefault(me, KILLED)
        elif reason is not NORMAL or target == me or self.traps[target]:
            self.signal(me, target, reason)
        if target == me and me in self.doomed:
            raise Ended

    def exit_twice(self, me: int, target: int, one: object, other: object) -> None:
        self.exit(me, target, one)
        self.exit(me, target, other)

    def exit_name(self, me: int, name: object, reason: object) -> object:
        target = self.names.get((type(name), name))
        if target is None:
            return fastask.UnknownNameError
        self.exit(me, target, reason)
        return None

    def fail(self, me: int, reason: object) -> None:
        self.end(me, reason)
        raise Ended

    def leave(self, me: int) -> None:
        self.fail(me, NORMAL)

    def send(self, me: int, target: int, note: int) -> None:
        if self.alive[target]:
            self.mailboxes[target].append(("note", me, note))

    def send_name(self, me: int, name: object, note: int) -> object:
        target = self.names.get((type(name), name))
        if target is None:
            return fastask.UnknownNameError
        self.send(me, target, note)
        return None

    def register(self, me: int, target: int, name: object) -> object:
        if not self.alive[target]:
            return fastask.NoProcessError
        if (type(name), name) in self.names or target in self.names.values():
            return fastask.NameTakenError
        self.names[type(name), name] = target
        return None

    def unregister(self, me: int, name: object) -> object:
        if self.names.pop((type(name), name), None) is None:
            return fastask.UnknownNameError
        return None


class World:
    """The same with real processes."""

    def __init__(self) -> None:
        self.orders = fastask.make_ref()
        self.processes: list[fastask.Process[Any]] = []
        self.refs: list[fastask.Ref] = []
        self.results: list[object] = []

    async def worker(self, manner: str) -> None:
        """Do what one is told; how one takes an exit signal is a matter of manner."""
        try:
            while True:
                _, verbs = await fastask.receive(self.orders)
                for verb in verbs:
                    self.carry_out(verb)
        except Ended:
            return
        except asyncio.CancelledError:
            if manner == "raises":
                raise KeyError("not the reason") from None
            if manner == "waits":
                await fastask.receive()
            if manner != "returns":
                raise
        finally:
            if manner == "slow":
                await asyncio.sleep(0)
                await asyncio.sleep(0)

    def carry_out(self, verb: Verb) -> None:
        name, *args = verb
        try:
            self.results.append(getattr(self, name)(*args))
        except (LookupError, fastask.NameTakenError) as error:
            self.results.append(type(error))

    def spawn(self, how: str, traps: bool, manner: str) -> None:
        process = getattr(fastask, how)(self.worker, manner, trap_exit=traps)
        if how == "spawn_monitor":
            process, ref = process
            self.refs.append(ref)
        self.processes.append(process)

    def link(self, target: int) -> None:
        fastask.link(self.processes[target])

    def unlink(self, target: int) -> None:
        fastask.unlink(self.processes[target])

    def monitor(self, target: int) -> None:
        self.refs.append(fastask.monitor(self.processes[target]))

    def monitor_name(self, name: object) -> None:
        self.refs.append(fastask.monitor(name))

    def demonitor(self, ref: int, flush: bool) -> bool:
        return fastask.demonitor(self.refs[ref], flush=flush)

    def trap(self, flag: bool) -> bool:
        return fastask.trap_exit(flag)

    def exit(self, target: int, reason: object) -> None:
        fastask.exit(self.processes[target], reason)

    def exit_twice(self, target: int, one: object, other: object) -> None:
        self.exit(target, one)
        self.exit(target, other)

    def exit_name(self, name: object, reason: object) -> None:
        fastask.exit(name, reason)

    def fail(self, reason: object) -> None:
        raise reason if isinstance(reason, ValueError) else Exit(reason)

    def leave(self) -> None:
        raise Ended

    def send(self, target: int, note: int) -> None:
        fastask.send(self.processes[target], self.note(note))

    def send_name(self, name: object, note: int) -> None:
        fastask.send(name, self.note(note))

    def note(self, note: int) -> Any:
        return "note", self.processes.index(fastask.self_()), note

    def register(self, target: int, name: object) -> None:
        fastask.register(name, self.processes[target])

    def unregister(self, name: object) -> None:
        fastask.unregister(name)

    # What can be seen.

    def message(self, message: Any) -> Any:
        """Return a message in the words of the model, without the target of a Down."""
        if isinstance(message, Exited):
            assert message.process is not None
            return "exited", self.processes.index(message.process), message.reason
        if isinstance(message, Down):
            shown: object = message.process
            if isinstance(shown, fastask.Process):
                shown = self.processes.index(shown)
            else:
                shown = type(shown), shown
            return "down", self.refs.index(message.ref), shown, message.reason
        return message

    def names(self) -> dict[tuple[type, object], int]:
        return {
            (type(name), name): self.processes.index(process)
            for name in fastask.registered()
            if (process := fastask.whereis(name)) is not None
        }


def by_sender(mailbox: list[Any]) -> dict[int, list[Any]]:
    """Sort messages by who caused them: nothing is promised of different senders."""
    sorted_: dict[int, list[Any]] = defaultdict(list)
    for message in mailbox:
        sorted_[message[1]].append(message)
    return sorted_


class Game:
    """A world beside its model."""

    def __init__(self) -> None:
        self.model = Model()
        self.world = World()
        self.notes = 0

    def start(self, how: str, traps: bool, manner: str) -> None:
        self.world.spawn("spawn", traps, manner)
        self.model.spawn(None, how, traps)

    def pick(self, number: int) -> int:
        """Choose a process: one that lives, or one of the last two that do not."""
        living = [i for i, alive in enumerate(self.model.alive) if alive]
        dead = [i for i, alive in enumerate(self.model.alive) if not alive]
        among = living + dead[-2:]
        return among[number % len(among)]

    def resolve(self, verb: Verb) -> Verb:
        """Turn the numbers that were drawn into processes and refs that exist."""
        name, *args = verb
        if name in AIMED:
            args[0] = self.pick(args[0])
        if name in ("send", "send_name"):
            self.notes += 1
            args.append(self.notes)
        if name == "demonitor":
            args[0] = max(self.model.refs - 1 - args[0], 0)
        return name, *args

    def is_possible(self, verb: Verb) -> bool:
        if verb[0] == "spawn":
            return sum(self.model.alive) < MOST
        return verb[0] != "demonitor" or self.model.refs > 0

    def ask_model(self, me: int, verbs: list[Verb]) -> tuple[list[Verb], list[object]]:
        """Return the verbs that get their turn, and what they return."""
        asked: list[Verb] = []
        results: list[object] = []
        for drawn in verbs:
            if not self.is_possible(drawn):
                continue
            name, *args = verb = self.resolve(drawn)
            asked.append(verb)
            try:
                results.append(
                    getattr(self.model, name)(
                        me, *(args[:2] if name == "spawn" else args)
                    )
                )
            except Ended:
                break
        return asked, results

    async def turn(self, number: int, verbs: list[Verb]) -> None:
        living = [i for i, alive in enumerate(self.model.alive) if alive]
        if not living:
            self.start("spawn", False, "plain")
            living = [len(self.model.alive) - 1]
        me = living[number % len(living)]
        asked, results = self.ask_model(me, verbs)
        self.model.settle()
        self.world.results = []
        fastask.send(self.world.processes[me], (self.world.orders, asked))
        await settle()
        assert self.world.results == results
        self.compare()

    def compare(self) -> None:
        assert self.world.names() == self.model.names
        assert [p.alive for p in self.world.processes] == self.model.alive
        for me, process in enumerate(self.world.processes):
            self.compare_one(me, process)

    def compare_one(self, me: int, process: fastask.Process[Any]) -> None:
        info = fastask.process_info(process)
        if info is None:
            assert not self.model.alive[me]
            return
        index = self.world.processes.index
        model = self.model
        assert info.trap_exit == model.traps[me]
        pairs = [frozenset((me, index(peer))) for peer in info.links]
        assert sorted(map(sorted, pairs)) == sorted(
            sorted(pair) for pair in model.links if me in pair
        )
        assert [self.world.refs.index(ref) for ref, _ in info.monitors] == [
            ref for ref, (watcher, _) in model.monitors.items() if watcher == me
        ]
        got = [self.world.message(message) for message in info.messages]
        expected = by_sender(model.mailboxes[me])
        for messages in expected.values():
            said = [m[:1] + m[2:] if m[0] == "down" else m for m in messages]
            assert [m for m in got if m in said] == said
        assert len(got) == sum(map(len, expected.values()))

    async def finish(self) -> None:
        """All are ended, and each ended for the reason that the model says."""
        for process in self.world.processes:
            fastask.exit(process, KILL)
        for me, process in enumerate(self.world.processes):
            assert await reason_of(process) == self.model.reasons.get(me, KILLED)


async def reason_of(process: fastask.Process[Any]) -> object:
    try:
        await process
    except Exit as error:
        return error.reason
    except ValueError as error:
        return error
    return NORMAL


reasons = st.sampled_from(
    [NORMAL, SHUTDOWN, (SHUTDOWN, "why"), "boom", KILL, KILLED, ERROR, NOPROC]
)
numbers = st.integers(0, 7)
names = st.sampled_from(NAMES)
manners = st.sampled_from(["plain", "returns", "raises", "waits", "slow"])


def verb(name: str, *args: st.SearchStrategy[Any]) -> st.SearchStrategy[Verb]:
    return st.tuples(st.just(name), *args)


verbs = st.one_of(
    verb("link", numbers),
    verb("unlink", numbers),
    verb("monitor", numbers),
    verb("monitor_name", names),
    verb("demonitor", numbers, st.booleans()),
    verb("trap", st.booleans()),
    verb("exit", numbers, reasons),
    verb("exit_twice", numbers, reasons, reasons),
    verb("exit_name", names, reasons),
    verb("fail", reasons),
    verb("leave"),
    verb("send", numbers),
    verb("send_name", names),
    verb("register", numbers, names),
    verb("unregister", names),
    verb("spawn", st.sampled_from(STARTS), st.booleans(), manners),
)


def with_one_fatal(verbs: list[Verb]) -> list[Verb]:
    fatal = [i for i, verb in enumerate(verbs) if verb[0] in FATAL]
    return [verb for i, verb in enumerate(verbs) if i not in fatal[1:]]


commands = st.tuples(
    numbers,
    st.lists(verbs, min_size=1, max_size=4).map(with_one_fatal),
)


@given(programs(commands))
def test_processes_tell_each_other_of_their_ends_as_the_model_says(
    program: list[tuple[int, list[Verb]]],
) -> None:
    async def main() -> None:
        game = Game()
        for manner in ("plain", "returns", "raises", "waits", "slow"):
            game.start("spawn", False, manner)
        for number, verbs in program:
            await game.turn(number, verbs)
        await game.finish()

    play(main)
