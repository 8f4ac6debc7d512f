"""Selective receive, aliases, monitors of others and replies of tasks, against a model.

One process, the box, receives by ref, type, predicate or several of them, with and
without limits, while others send to it, to its name and to its aliases, and while what
it monitors ends. The model is a list, and two dictionaries that say which refs are
aliases and which are monitors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import fastask
from fastask import KILL, KILLED, NOPROC, NORMAL, Down, Process, Ref, Reply, Timeout
from tests.models.play import mix, play, programs, settle

Token = Any  # a Ref, or a Task, whose ref is made when it is asked for
ERROR = ValueError("boom")
PEERS = 3


def ref_of(token: Token) -> Ref:
    return token if isinstance(token, Ref) else token.ref


@dataclass(frozen=True)
class Letter:
    """A message that is to be in the mailbox, with what it is tagged with."""

    tag: Token
    make: Callable[[], Any]


@dataclass
class Waiting:
    """A receive that has tried the first so many messages."""

    patterns: list[Any]
    tried: int = 0


class Model:
    """The mailbox is a list; of all that matches, the oldest is taken."""

    def __init__(self, tried: list[Any]) -> None:
        self.letters: list[Letter] = []
        self.aliases: dict[Token, str] = {}
        self.monitors: dict[Token, Process[Any]] = {}
        self.waiting: Waiting | None = None
        self.tried = tried

    def put(self, tag: Token, make: Callable[[], Any]) -> None:
        self.letters.append(Letter(tag, make))

    def send_to_alias(self, alias: Token, letter: Letter) -> None:
        mode = self.aliases.get(alias)
        if mode is None:
            return
        if mode in ("reply", "reply_demonitor"):
            del self.aliases[alias]
            self.monitors.pop(alias, None)
        self.letters.append(letter)

    def matches(self, patterns: list[Any], letter: Letter) -> bool:
        for kind, pattern in patterns:
            if kind == "ref":
                found = letter.tag is pattern
            elif kind == "type":
                found = isinstance(letter.make(), pattern)
            elif kind == "never":
                self.tried.append(letter.make())
                found = False
            else:
                found = pattern(letter.make())
            if found:
                return True
        return not patterns

    def take(self, wait: Waiting) -> Letter | None:
        for letter in self.letters[wait.tried :]:
            if self.matches(wait.patterns, letter):
                self.letters.remove(letter)
                return letter
            wait.tried += 1
        return None

    def monitor(self, ref: Ref, target: Process[Any], mode: str | None) -> None:
        if mode is not None:
            self.aliases[ref] = mode
        if target.alive:
            self.monitors[ref] = target
        else:
            self.down(ref, target, NOPROC)

    def down(self, token: Token, target: Process[Any], reason: object) -> None:
        self.monitors.pop(token, None)
        self.alias_ends_with_monitor(token)
        self.put(token, lambda: Down(ref_of(token), target, reason))

    def alias_ends_with_monitor(self, token: Token) -> None:
        if self.aliases.get(token) in ("demonitor", "reply_demonitor"):
            del self.aliases[token]

    def ends(self, target: Process[Any], reason: object) -> None:
        """A process ended, all of whose monitors are told."""
        for token in [t for t, p in self.monitors.items() if p is target]:
            self.down(token, target, reason)

    def returns(self, task: fastask.Task[Any], value: object) -> None:
        """A task returned: there is a reply, if its owner still wants one."""
        if task in self.monitors:
            self.put(task, lambda: Reply(task.ref, value))
        assert task.process is not None
        self.ends(task.process, NORMAL)

    def demonitor(self, token: Token, flush: bool) -> bool:
        removed = self.monitors.pop(token, None) is not None
        self.alias_ends_with_monitor(token)
        if flush:
            self.letters = [
                letter
                for letter in self.letters
                if letter.tag is not token or not isinstance(letter.make(), Down)
            ]
        return removed


class Game:
    """The box, those whom it monitors, and the model beside them."""

    def __init__(self) -> None:
        self.orders = fastask.make_ref()
        self.got: list[object] = []
        self.expected: list[object] = []
        self.tried: list[Any] = []
        self.tried_by_model: list[Any] = []
        self.model = Model(self.tried_by_model)
        self.tokens: list[Token] = [fastask.make_ref() for _ in range(2)]
        self.tasks: list[fastask.Task[Any]] = []
        self.serial = 0
        self.box = fastask.spawn(self.obey, name="box")
        self.peers = [fastask.spawn(fastask.sleep, 3600) for _ in range(PEERS)]

    # In the box.

    async def obey(self) -> None:
        while True:
            _, act = await fastask.receive(self.orders)
            try:
                result = act()
                if asyncio.iscoroutine(result):
                    result = await result
            except (TimeoutError, LookupError, asyncio.CancelledError) as error:
                result = type(error)
            self.got.append(result)

    async def order(self, act: Callable[[], Any]) -> Any:
        """Have the box do something that does not wait, and return what came of it."""
        fastask.send(self.box, (self.orders, act))
        await settle()
        return self.got[-1]

    def real(self, pattern: tuple[str, Any]) -> Any:
        kind, what = pattern
        if kind == "ref":
            return ref_of(what)
        if kind == "never":
            return self.never
        return what

    def never(self, message: object) -> bool:
        self.tried.append(message)
        return False

    # The commands.

    def token(self, number: int) -> Token:
        return self.tokens[-1 - number % len(self.tokens)]

    def message(self, kind: str, number: int) -> Letter:
        """Make a message, no two of which are equal."""
        self.serial += 1
        serial = self.serial
        token = self.token(number)
        if kind in PLAIN:
            message = PLAIN[kind](serial)
            return Letter(None, lambda: message)
        tagged = TAGGED[kind](ref_of(token), serial)
        return Letter(token, lambda: tagged)

    async def send(self, kind: str, number: int, dest: Any) -> None:
        letter = self.message(kind, number)
        if dest == "dead":
            fastask.send(self.peers[0], letter.make())
        elif isinstance(dest, int):
            alias = self.token(dest)
            fastask.send(ref_of(alias), letter.make())
            self.model.send_to_alias(alias, letter)
        else:
            fastask.send(self.box if dest == "box" else "box", letter.make())
            self.model.letters.append(letter)

    async def receive(self, drawn: list[Any], limit: float | None) -> None:
        patterns = [self.chosen(pattern) for pattern in drawn]
        act = fastask.receive
        fastask.send(
            self.box,
            (self.orders, lambda: wait_for(act, map(self.real, patterns), limit)),
        )
        self.model.waiting = Waiting(patterns)
        self.poll_model()
        if self.model.waiting and limit == 0:
            self.model.waiting = None
            self.expected.append(TimeoutError)

    async def nowait(self, drawn: list[Any]) -> None:
        patterns = [self.chosen(pattern) for pattern in drawn]
        await self.order(lambda: fastask.receive_nowait(*map(self.real, patterns)))
        self.model.waiting = Waiting(patterns)
        self.poll_model()
        if self.model.waiting:
            self.model.waiting = None
            self.expected.append(LookupError)

    def chosen(self, pattern: Any) -> tuple[str, Any]:
        kind, what = pattern
        return (kind, self.token(what)) if kind == "ref" else (kind, what)

    def poll_model(self) -> None:
        """Let the receive that goes on in the model take what it can."""
        if self.model.waiting is None:
            return
        try:
            letter = self.model.take(self.model.waiting)
        except KeyError as error:
            self.expected.append(type(error))
            self.model.waiting = None
            return
        if letter is not None:
            self.expected.append(letter.make())
            self.model.waiting = None

    async def cancel(self) -> None:
        self.box.cancel()
        self.model.waiting = None
        self.expected.append(asyncio.CancelledError)

    async def alias(self, mode: Any) -> None:
        ref = await self.order(lambda: fastask.alias(mode))
        self.model.aliases[ref] = mode
        self.tokens.append(ref)
        self.expected.append(ref)

    async def unalias(self, number: int) -> None:
        token = self.token(number)
        self.expected.append(self.model.aliases.pop(token, None) is not None)
        await self.order(lambda: fastask.unalias(ref_of(token)))

    async def monitor(self, peer: int, mode: Any) -> None:
        target = self.peers[peer]
        ref = await self.order(lambda: fastask.monitor(target, alias=mode))
        self.model.monitor(ref, target, mode)
        self.tokens.append(ref)
        self.expected.append(ref)

    async def demonitor(self, number: int, flush: bool) -> None:
        token = self.token(number)
        self.expected.append(self.model.demonitor(token, flush))
        await self.order(lambda: fastask.demonitor(ref_of(token), flush=flush))

    async def foreign(self, number: int) -> None:
        """Somebody else cannot remove a monitor or an alias of the box."""
        token = self.token(number)
        assert fastask.demonitor(ref_of(token), flush=True) is False
        assert fastask.unalias(ref_of(token)) is False

    async def task(self, ask: bool) -> None:
        task = await self.order(lambda: fastask.async_nolink(work))
        assert not ask or task.ref
        self.model.aliases[task] = "demonitor"
        self.model.monitors[task] = task.process
        self.tokens.append(task)
        self.tasks.append(task)
        self.expected.append(task)

    async def finish_task(self, number: int, fails: bool) -> None:
        if not self.tasks:
            return
        task = self.tasks.pop(number % len(self.tasks))
        assert task.process is not None
        self.serial += 1
        fastask.send(task.process, ERROR if fails else self.serial)
        if fails:
            self.model.ends(task.process, ERROR)
        else:
            self.model.returns(task, self.serial)

    async def kill(self, peer: int, fresh: bool) -> None:
        """Kill one that may be monitored; another takes its place, or nobody."""
        if self.peers[peer].alive:
            fastask.exit(self.peers[peer], KILL)
            self.model.ends(self.peers[peer], KILLED)
        if fresh:
            self.peers[peer] = fastask.spawn(fastask.sleep, 3600)

    async def look(self) -> None:
        """Look into the mailbox, which changes nothing."""
        info = fastask.process_info(self.box)
        assert info is not None
        expected = [letter.make() for letter in self.model.letters]
        assert same(info.messages) == same(expected)
        assert {ref for ref, _ in info.monitors} == set(
            map(ref_of, self.model.monitors)
        )

    async def turn(self, name: str, *args: Any) -> None:
        if name in BUSY if self.model.waiting else name == "cancel":
            return
        await getattr(self, name)(*args)
        await settle()
        self.poll_model()
        assert same(self.got) == same(self.expected)
        assert same(self.tried) == same(self.tried_by_model)
        self.got.clear()
        self.expected.clear()
        self.tried.clear()
        self.tried_by_model.clear()

    async def finish(self) -> None:
        await self.look()
        for process in fastask.processes():
            if process is not fastask.self_():
                fastask.exit(process, KILL)


async def wait_for(receive: Any, patterns: Any, limit: float | None) -> Any:
    return await receive(*patterns, timeout=limit)


async def work() -> object:
    match await fastask.receive():
        case Exception() as error:
            raise error
        case value:
            return value


def same(messages: list[Any]) -> list[tuple[type, Any]]:
    """Make `1` and `True` differ."""
    return [(type(message), message) for message in messages]


def is_angry(message: object) -> bool:
    """A predicate that cannot stand strings."""
    if isinstance(message, str):
        raise KeyError(message)
    return False


BUSY = (  # what cannot be done while the box waits: the rest can
    "receive", "nowait", "alias", "unalias", "monitor", "demonitor", "task",
)  # fmt: skip
PLAIN: dict[str, Callable[[int], Any]] = {
    "int": lambda n: n,
    "bool": lambda n: n % 2 == 0,
    "float": float,
    "str": str,
    "tuple": lambda n: ("no tag", n),
    "empty": lambda n: (),
    "nested": lambda n: ((n,), n),
}
TAGGED: dict[str, Callable[[Ref, int], Any]] = {
    "tagged": lambda ref, n: (ref, n),
    "alone": lambda ref, n: (ref,),
    "Reply": lambda ref, n: Reply(ref, n),
    "Down": lambda ref, n: Down(ref, "nobody", n),
    "Timeout": lambda ref, n: Timeout(ref, n),
}
numbers = st.integers(0, 3)
modes = st.sampled_from([None, "explicit", "demonitor", *["reply_demonitor"] * 2])
pattern = mix(
    st.tuples(st.just("ref"), numbers),
    st.tuples(st.just("ref"), numbers),
    st.tuples(
        st.just("type"),
        st.sampled_from([int, str, bool, tuple, Reply, Down, Timeout, int | str]),
    ),
    st.tuples(
        st.just("predicate"),
        st.sampled_from([is_angry, lambda m: m == 1, lambda m: isinstance(m, float)]),
    ),
    st.tuples(st.just("never"), st.none()),
)
patterns = st.lists(pattern, max_size=3)
commands = mix(
    *[
        st.tuples(
            st.just("send"),
            st.sampled_from([*PLAIN, *TAGGED]),
            numbers,
            st.one_of(numbers, st.sampled_from(["box", "name", "dead"])),
        )
    ]
    * 3,
    *[st.tuples(st.just("receive"), patterns, st.sampled_from([None, 0, 60]))] * 2,
    st.tuples(st.just("nowait"), patterns),
    st.tuples(st.just("cancel")),
    st.tuples(st.just("alias"), st.sampled_from(["explicit", "reply"])),
    st.tuples(st.just("unalias"), numbers),
    *[st.tuples(st.just("monitor"), st.integers(0, PEERS - 1), modes)] * 2,
    st.tuples(st.just("demonitor"), numbers, st.booleans()),
    st.tuples(st.just("kill"), st.integers(0, PEERS - 1), st.booleans()),
    st.tuples(st.just("task"), st.booleans()),
    st.tuples(st.just("finish_task"), numbers, st.booleans()),
    st.tuples(st.just("foreign"), numbers),
    st.tuples(st.just("look")),
)


@given(programs(commands))
def test_a_mailbox_is_a_list_and_the_oldest_that_matches_is_taken(
    program: list[tuple[Any, ...]],
) -> None:
    async def main() -> None:
        game = Game()
        await settle()
        for name, *args in program:
            await game.turn(name, *args)
        await game.finish()

    play(main)
