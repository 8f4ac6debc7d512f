"""Servers: every call is answered or raises; servers that crash come back."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import fastask
from bench.world.actor import Actor
from bench.world.book import Book
from bench.world.services import Echo
from fastask import KILL, Agent, CallError, GenServer


class Own(Echo):
    """A server without a link: it lives on if its starter is killed."""

    def init(self, book: Book) -> None:
        book.loose.append(book.began(fastask.self_()))


def _destination(actor: Actor) -> Any:
    if actor.chance(0.5):
        return "echo"
    return actor.world.services.partitions.via(actor.random.randrange(100))


async def _ask(
    actor: Actor, kind: str, ask: Callable[[object], Coroutine[Any, Any, object]]
) -> None:
    """Call a server; an answer is the right one, or the call raises."""
    promise = actor.promise(f"call {kind}")
    word = actor.random.randrange(1000)
    try:
        answer = await ask(word)
    except (CallError, fastask.UnknownNameError):
        promise.outcomes += 1
        return
    promise.outcomes += 1
    actor.expect(answer == word, "an answer is to its question", word, answer)


async def call(actor: Actor) -> None:
    dest = _destination(actor)
    await _ask(actor, "at once", lambda word: Echo.say(dest, word))


async def call_slowly(actor: Actor) -> None:
    dest = _destination(actor)
    await _ask(actor, "slowly", lambda word: Echo.say_slowly(dest, word))


async def call_elsewhere(actor: Actor) -> None:
    dest = _destination(actor)
    await _ask(actor, "elsewhere", lambda word: GenServer.call(dest, word))


async def call_too_late(actor: Actor) -> None:
    dest = _destination(actor)
    await _ask(actor, "too late", lambda word: Echo.say_too_late(dest, word))


async def call_crash(actor: Actor) -> None:
    await _ask(actor, "crash", lambda word: Echo.crash("echo", word))


async def kill_server(actor: Actor) -> None:
    """Kill a server, or the agent; the supervisor starts it again."""
    name = actor.random.choice(["echo", "sum"])
    if (process := fastask.whereis(name)) is not None:
        fastask.exit(process, KILL)
        actor.expect(fastask.whereis(name) is None, "a dead server has no name")


async def agent(actor: Actor) -> None:
    word = actor.random.randrange(1000)

    async def ask(_: object) -> object:
        return await Agent.get_and_update("sum", lambda n: (word, n + 1))

    promise = actor.promise("call of an agent")
    try:
        answer = await ask(word)
    except (CallError, fastask.UnknownNameError):
        promise.outcomes += 1
        return
    promise.outcomes += 1
    actor.expect(answer == word, "an answer is to its question", word, answer)


async def suspend(actor: Actor) -> None:
    """Hold a server and let it go on, or find it dead."""
    promise = actor.promise("call of sys")
    echo = fastask.whereis("echo")
    if echo is not None:
        try:
            await fastask.sys.suspend(echo)
            await fastask.sys.get_state(echo)
            await fastask.sys.resume(echo)
        except CallError:
            pass
    promise.outcomes += 1


async def own_server(actor: Actor) -> None:
    """Start a server, call it, stop it."""
    promise = actor.promise("call of an own server")
    server = await Own.start(actor.book)
    assert server is not None
    actor.expect(await Echo.say(server, "own") == "own", "own server")
    await GenServer.stop(server)
    promise.outcomes += 1
    actor.expect(not server.alive, "a server that was stopped is dead", server)


ACTS = (
    call,
    call_slowly,
    call_elsewhere,
    call_too_late,
    call_crash,
    kill_server,
    agent,
    suspend,
    own_server,
)
