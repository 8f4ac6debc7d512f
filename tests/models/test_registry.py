"""Registries with unique and with duplicate keys, against a list of entries.

Processes register, unregister and end; whatever a registry can be asked is compared
with the model, for keys that Python takes for equal too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastask
from fastask import KILL, NORMAL, SHUTDOWN, Exit, NameTakenError, Process, Registry
from tests.models.play import mix, play, programs, settle

KEYS = ["a", 1, True, 1.0, ("a", 1), ("a", True)]
KINDS = ["unique", "duplicate"]
ACTORS = 4


@dataclass(frozen=True)
class Entry:
    kind: str
    number: int  # of the key among KEYS
    process: Process[Any]
    value: int


class Model:
    """All entries of both registries, oldest first."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.meta: dict[tuple[str, int], object] = {}
        self.heard: list[Any] = []

    def under(self, kind: str, number: int) -> list[Entry]:
        return [e for e in self.entries if (e.kind, e.number) == (kind, number)]

    def own(self, me: Process[Any], kind: str, number: int) -> list[Entry]:
        return [e for e in self.under(kind, number) if e.process is me]

    def register(self, me: Process[Any], kind: str, number: int, value: int) -> object:
        if kind == "unique" and self.under(kind, number):
            return NameTakenError
        self.entries.append(Entry(kind, number, me, value))
        self.heard.append(("register", kind, KEYS[number], me, value))
        return None

    def unregister(self, me: Process[Any], kind: str, number: int) -> None:
        self.remove(self.own(me, kind, number))

    def unregister_even(self, me: Process[Any], kind: str, number: int) -> None:
        self.remove([e for e in self.own(me, kind, number) if e.value % 2 == 0])

    def remove(self, entries: list[Entry]) -> None:
        """Listeners hear of the last entry that a process had under the key."""
        for entry in entries:
            self.entries.remove(entry)
        if entries and not self.own(entry.process, entry.kind, entry.number):
            self.heard.append(
                ("unregister", entry.kind, KEYS[entry.number], entry.process)
            )

    def update(self, me: Process[Any], kind: str, number: int, value: int) -> object:
        if kind == "duplicate":
            return ValueError
        for entry in self.own(me, kind, number):
            new = Entry(kind, number, me, value)
            self.entries[self.entries.index(entry)] = new
            return value, entry.value
        return LookupError

    def end(self, me: Process[Any]) -> None:
        """Its entries are gone, and no listener hears of it."""
        self.entries = [entry for entry in self.entries if entry.process is not me]


class Game:
    """Two registries, the processes that use them, and the model."""

    def __init__(self, registries: dict[str, Registry]) -> None:
        self.registries = registries
        self.model = Model()
        self.orders = fastask.make_ref()
        self.results: list[object] = []
        self.actors = [fastask.spawn(self.obey) for _ in range(ACTORS)]
        self.serial = 0

    # In the actors.

    async def obey(self) -> None:
        while True:
            _, verb, kind, *args = await fastask.receive(self.orders)
            try:
                result = getattr(self, f"do_{verb}")(self.registries[kind], *args)
            except (LookupError, ValueError) as error:
                result = next(
                    t for t in (NameTakenError, LookupError, ValueError)
                    if isinstance(error, t)
                )  # fmt: skip
            self.results.append(result)

    def do_register(self, registry: Registry, number: int, value: int) -> None:
        registry.register(KEYS[number], value)

    def do_unregister(self, registry: Registry, number: int) -> None:
        registry.unregister(KEYS[number])

    def do_unregister_even(self, registry: Registry, number: int) -> None:
        registry.unregister_match(KEYS[number], lambda value: value % 2 == 0)

    def do_update(self, registry: Registry, number: int, value: int) -> object:
        return registry.update_value(KEYS[number], lambda old: value)

    def do_fail(self, registry: Registry, reason: object) -> None:
        raise Exit(reason)

    # The commands.

    async def verb(self, actor: int, verb: str, kind: str, number: int) -> None:
        me = self.actors[actor]
        args: list[Any] = [kind, number]
        if verb in ("register", "update"):
            self.serial += 1
            args.append(self.serial)
        self.results.clear()
        fastask.send(me, (self.orders, verb, *args))
        await settle()
        assert self.results == [getattr(self.model, verb)(me, *args)]

    async def end(self, actor: int, reason: object, by_signal: bool) -> None:
        """A process ends, and is out of the registries when that is known."""
        me = self.actors[actor]
        if by_signal and reason is not NORMAL:
            fastask.exit(me, reason)
        else:
            fastask.send(me, (self.orders, "fail", "unique", reason))
        ref = fastask.monitor(me)
        await fastask.receive(ref)
        self.model.end(me)
        self.actors[actor] = fastask.spawn(self.obey)

    async def put_meta(self, kind: str, number: int) -> None:
        self.serial += 1
        self.registries[kind].put_meta(KEYS[number], self.serial)
        self.model.meta[kind, number] = self.serial

    async def delete_meta(self, kind: str, number: int) -> None:
        self.registries[kind].delete_meta(KEYS[number])
        self.model.meta.pop((kind, number), None)

    async def send_via(self, number: int) -> None:
        """A via is whoever has the key now."""
        via = self.registries["unique"].via(KEYS[number])
        holders = [e.process for e in self.model.under("unique", number)]
        assert fastask.whereis(via) is next(iter(holders), None)
        if holders:
            fastask.send(via, "to the holder")
            info = fastask.process_info(holders[0])
            assert info is not None
            assert info.messages[-1] == "to the holder"
        else:
            with pytest.raises(fastask.UnknownNameError):
                fastask.send(via, "to nobody")

    # What can be seen.

    def compare(self) -> None:
        for kind, registry in self.registries.items():
            for number in range(len(KEYS)):
                self.compare_key(kind, registry, number)
            entries = [e for e in self.model.entries if e.kind == kind]
            assert registry.count() == len(entries)
            for me in self.actors:
                keys = [KEYS[e.number] for e in entries if e.process is me]
                assert list(map(repr, registry.keys(me))) == list(map(repr, keys))
        heard = []
        while message := fastask.receive_nowait(tuple, default=None):
            heard.append(message)
        assert repr(heard) == repr(self.model.heard)
        self.model.heard.clear()

    def compare_key(self, kind: str, registry: Registry, number: int) -> None:
        key = KEYS[number]
        pairs = [(e.process, e.value) for e in self.model.under(kind, number)]
        even = [pair for pair in pairs if pair[1] % 2 == 0]
        dispatched: list[Any] = []
        registry.dispatch(key, dispatched.append)
        assert registry.lookup(key) == pairs
        assert registry.match(key, lambda value: value % 2 == 0) == even
        assert dispatched == ([pairs] if pairs else [])
        assert registry.meta(key, None) == self.model.meta.get((kind, number))

    def compare_links(self) -> None:
        """A registrant is linked to each registry where it has an entry."""
        for me in self.actors:
            info = fastask.process_info(me)
            assert info is not None
            assert set(info.links) == {
                self.registries[e.kind].process
                for e in self.model.entries
                if e.process is me
            }

    async def finish(self) -> None:
        """A registry that stops takes its registrants along, and nobody else."""
        taken = {e.process for e in self.model.entries if e.kind == "unique"}
        await self.registries["unique"].stop()
        await settle()
        assert [me for me in self.actors if not me.alive] == [
            me for me in self.actors if me in taken
        ]
        for me in self.actors:
            fastask.exit(me, KILL)
        await self.registries["duplicate"].stop()


actors = st.integers(0, ACTORS - 1)
numbers = st.integers(0, len(KEYS) - 1)
kinds = st.sampled_from(KINDS)
verbs = ["register", "register", "unregister", "unregister_even", "update"]
commands = mix(
    *[st.tuples(st.just("verb"), actors, st.sampled_from(verbs), kinds, numbers)] * 3,
    st.tuples(
        st.just("end"),
        actors,
        st.sampled_from([NORMAL, SHUTDOWN, KILL, "odd"]),
        st.booleans(),
    ),
    st.tuples(st.just("put_meta"), kinds, numbers),
    st.tuples(st.just("delete_meta"), kinds, numbers),
    st.tuples(st.just("send_via"), numbers),
)


@given(programs(commands))
def test_a_registry_is_a_list_of_entries_of_processes_that_live(
    program: list[tuple[Any, ...]],
) -> None:
    async def main() -> None:
        fastask.register("listener")
        fastask.trap_exit(True)
        registries = {
            kind: await Registry.start_link(kind, name=kind, listeners=["listener"])
            for kind in KINDS
        }
        game = Game(registries)
        for name, *args in program:
            await getattr(game, name)(*args)
            game.compare()
            await settle()
            game.compare_links()
        await game.finish()

    play(main)
