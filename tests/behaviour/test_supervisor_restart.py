"""What a supervisor restarts, with whom, in which order, and how often."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    ChildNotFoundError,
    ChildSpec,
    Exited,
    GenServer,
    NoProcessError,
    Process,
    Stop,
    Supervisor,
    monitor,
    processes,
    receive,
    receive_nowait,
    self_,
    send,
    trap_exit,
    whereis,
)

STRATEGIES = ["one_for_one", "one_for_all", "rest_for_one"]
ENDS = [NORMAL, SHUTDOWN, (SHUTDOWN, 1), "custom", ValueError("boom")]


class Worker(GenServer):
    """Tells its teller when it starts and is told to stop."""

    def init(
        self,
        teller: Process[Any],
        name: str,
        on_init: Callable[[], Any] | None = None,
        on_terminate: Callable[[], Any] | None = None,
    ) -> Any:
        trap_exit(True)
        self.teller, self.name, self.on_terminate = teller, name, on_terminate
        send(teller, ("start", name))
        return on_init() if on_init else None

    def handle_cast(self, request: Any) -> Any:
        return request

    def terminate(self, reason: Any) -> None:
        send(self.teller, ("stop", self.name, reason))
        if self.on_terminate:
            self.on_terminate()


def worker(
    name: str, on_init: Any = None, on_terminate: Any = None, **options: Any
) -> ChildSpec:
    return Worker.child_spec(
        self_(), name, on_init, on_terminate, id=name, name=name, **options
    )


def failing(*times: int) -> Callable[[], Any]:
    """An `init` that fails the given times it runs; the first is number 1."""
    runs = [0]

    def init() -> Any:
        runs[0] += 1
        return Stop(f"no {runs[0]}") if runs[0] in times else None

    return init


def told() -> list[Any]:
    """What workers have told the calling process."""
    found = []
    while (message := receive_nowait(tuple, default=None)) is not None:
        found.append(message)
    return found


def at(name: str) -> Process[Any]:
    """The process that has the name."""
    process = whereis(name)
    assert process is not None
    return process


async def settled(supervisor: Supervisor) -> None:
    """Wait until a supervisor has handled what it was sent before."""
    with contextlib.suppress(ChildNotFoundError, NoProcessError):
        await supervisor.terminate_child("nobody")


async def end(supervisor: Supervisor, name: str, reason: Any = "crash") -> None:
    """End a worker, and wait until its supervisor has reacted."""
    ref = monitor(at(name))
    GenServer.cast(name, Stop(reason))
    await receive(ref)
    await settled(supervisor)


async def given_up(supervisor: Supervisor) -> Any:
    """Wait for the end of a supervisor; the caller traps exits."""
    message = await receive(Exited)
    assert message.process is supervisor.process
    return message.reason


def ids(supervisor: Supervisor) -> list[Any]:
    return [info.id for info in reversed(supervisor.which_children())]


class TestRestartType:
    @pytest.mark.parametrize("reason", ENDS)
    async def test_permanent_is_restarted_always(self, reason: Any) -> None:
        async with Supervisor([worker("a")]) as supervisor:
            before = at("a")
            await end(supervisor, "a", reason)

            assert at("a") is not before
            assert told() == [("start", "a"), ("stop", "a", reason), ("start", "a")]
            assert supervisor.which_children()[0].process is at("a")

    @pytest.mark.parametrize("reason", ENDS)
    async def test_transient_is_restarted_after_a_crash(self, reason: Any) -> None:
        is_crash = reason in ENDS[3:]
        async with Supervisor([worker("a", restart="transient")]) as supervisor:
            await end(supervisor, "a", reason)

            assert (whereis("a") is not None) is is_crash
            assert ids(supervisor) == ["a"]
            assert supervisor.count_children().active == is_crash

    @pytest.mark.parametrize("reason", ENDS)
    async def test_temporary_is_never_restarted(self, reason: Any) -> None:
        async with Supervisor([worker("a", restart="temporary")]) as supervisor:
            await end(supervisor, "a", reason)

            assert whereis("a") is None
            assert supervisor.which_children() == []

    @pytest.mark.parametrize("restart", ["permanent", "transient"])
    async def test_a_killed_child_is_restarted(self, restart: Any) -> None:
        async with Supervisor([worker("a", restart=restart)]) as supervisor:
            before = at("a")
            ref = monitor(before)
            fastask.exit(before, KILL)
            assert (await receive(ref)).reason == KILLED
            await settled(supervisor)

            assert at("a") is not before

    @pytest.mark.usefixtures("crashes")
    async def test_a_name_is_free_for_the_restart_at_once(self) -> None:
        async with Supervisor([worker("a")]):
            told()
            for _ in range(3):
                before = at("a")
                GenServer.cast("a", Stop("crash"))
                assert await receive(tuple) == ("stop", "a", "crash")
                assert await receive(tuple) == ("start", "a")
                assert at("a") is not before

    async def test_a_function_that_returns_is_restarted(self) -> None:
        parent = self_()
        runs = [0]

        async def run() -> None:
            runs[0] += 1
            if runs[0] == 3:
                send(parent, ("third",))
                await receive(lambda message: False)

        async with Supervisor([run]):
            assert await receive(tuple) == ("third",)

    async def test_a_child_that_is_restarted_and_ignores_stays_known(self) -> None:
        answers = [None, fastask.Ignore()]
        async with Supervisor([worker("a", lambda: answers.pop(0))]) as supervisor:
            await end(supervisor, "a")

            [info] = supervisor.which_children()
            assert (info.id, info.process) == ("a", None)


class TestStrategy:
    @pytest.mark.parametrize(
        ("strategy", "others", "again"),
        [
            ("one_for_one", "", "b"),
            ("one_for_all", "dca", "abcd"),
            ("rest_for_one", "dc", "bcd"),
        ],
    )
    async def test_who_stops_and_starts_in_which_order(
        self, strategy: Any, others: str, again: str
    ) -> None:
        children = [worker(name) for name in "abcd"]
        async with Supervisor(children, strategy=strategy) as supervisor:
            told()
            await end(supervisor, "b")

            assert told() == [
                ("stop", "b", "crash"),
                *(("stop", name, SHUTDOWN) for name in others),
                *(("start", name) for name in again),
            ]
            assert ids(supervisor) == list("abcd")
            assert supervisor.count_children().active == 4

    @pytest.mark.parametrize("strategy", STRATEGIES)
    async def test_a_restart_counts_once(self, strategy: Any) -> None:
        children = [worker(name) for name in "abcd"]
        async with Supervisor(children, strategy=strategy, max_restarts=2) as sup:
            for _ in range(2):
                await end(sup, "a")

            assert sup.count_children().active == 4

    @pytest.mark.parametrize("strategy", STRATEGIES)
    async def test_an_end_without_restart_touches_nobody(self, strategy: Any) -> None:
        children = [
            worker("a", restart="transient"),
            worker("b", restart="temporary"),
            worker("c"),
        ]
        async with Supervisor(children, strategy=strategy) as supervisor:
            told()
            await end(supervisor, "a", NORMAL)
            await end(supervisor, "b", "crash")

            assert told() == [("stop", "a", NORMAL), ("stop", "b", "crash")]
            assert ids(supervisor) == ["a", "c"]

    @pytest.mark.parametrize("strategy", STRATEGIES[1:])
    async def test_drops_temporary_siblings(self, strategy: Any) -> None:
        children = [worker("a"), worker("b", restart="temporary"), worker("c")]
        async with Supervisor(children, strategy=strategy) as supervisor:
            told()
            await end(supervisor, "a")

            assert told() == [
                ("stop", "a", "crash"),
                ("stop", "c", SHUTDOWN),
                ("stop", "b", SHUTDOWN),
                ("start", "a"),
                ("start", "c"),
            ]
            assert ids(supervisor) == ["a", "c"]

    @pytest.mark.parametrize("strategy", STRATEGIES[1:])
    async def test_revives_a_transient_sibling_that_has_ended(
        self, strategy: Any
    ) -> None:
        children = [worker("a"), worker("b", restart="transient")]
        async with Supervisor(children, strategy=strategy) as supervisor:
            await end(supervisor, "b", NORMAL)
            assert whereis("b") is None
            await end(supervisor, "a")

            assert whereis("b") is not None

    @pytest.mark.parametrize("strategy", STRATEGIES[1:])
    async def test_an_end_meanwhile_causes_no_second_round(self, strategy: Any) -> None:
        """The sibling crashes while it is stopped."""

        def crash() -> None:
            raise ValueError("boom")

        children = [worker("a"), worker("b", None, crash), worker("c")]
        async with Supervisor(
            children, strategy=strategy, max_restarts=1
        ) as supervisor:
            told()
            await end(supervisor, "a")
            await settled(supervisor)

            assert [name for what, name, *_ in told() if what == "start"] == list("abc")
            assert supervisor.count_children().active == 3

    @pytest.mark.parametrize("strategy", STRATEGIES[1:])
    async def test_siblings_that_crash_together_are_one_round_each_at_most(
        self, strategy: Any
    ) -> None:
        """The second is stopped with the first, whose news came earlier."""
        children = [worker("a"), worker("b")]
        async with Supervisor(
            children, strategy=strategy, max_restarts=1
        ) as supervisor:
            refs = [monitor(at(name)) for name in "ab"]
            told()
            for name in "ab":
                fastask.exit(at(name), KILL)
            for ref in refs:
                await receive(ref)
            for _ in range(3):
                await settled(supervisor)

            assert told() == [("start", "a"), ("start", "b")]
            assert supervisor.count_children().active == 2

    @pytest.mark.parametrize("strategy", STRATEGIES)
    async def test_a_child_that_is_stopped_by_hand_causes_nothing(
        self, strategy: Any
    ) -> None:
        children = [worker(name) for name in "abc"]
        async with Supervisor(children, strategy=strategy) as supervisor:
            told()
            await supervisor.terminate_child("b")
            await settled(supervisor)

            assert told() == [("stop", "b", SHUTDOWN)]
            assert ids(supervisor) == list("abc")

    async def test_a_child_that_is_added_belongs_to_the_rest(self) -> None:
        async with Supervisor([worker("a")], strategy="rest_for_one") as supervisor:
            await supervisor.start_child(worker("b"))
            before = at("b")
            await end(supervisor, "a")

            assert at("b") is not before


class TestIntensity:
    async def test_the_fourth_restart_in_five_seconds_is_too_many(self) -> None:
        trap_exit(True)
        supervisor = await Supervisor.start_link([worker("a"), worker("b")])
        for _ in range(3):
            await end(supervisor, "a")
        assert supervisor.count_children().active == 2
        told()
        await end(supervisor, "a")

        assert await given_up(supervisor) == SHUTDOWN
        assert told() == [("stop", "a", "crash"), ("stop", "b", SHUTDOWN)]
        assert processes() == [self_()]

    async def test_of_zero_gives_up_at_once(self) -> None:
        trap_exit(True)
        supervisor = await Supervisor.start_link([worker("a")], max_restarts=0)
        await end(supervisor, "a")

        assert await given_up(supervisor) == SHUTDOWN
        assert told() == [("start", "a"), ("stop", "a", "crash")]

    async def test_counts_the_restarts_of_all_children(self) -> None:
        trap_exit(True)
        children = [worker(name) for name in "abc"]
        supervisor = await Supervisor.start_link(children, max_restarts=2)
        for name in "abc":
            await end(supervisor, name)

        assert await given_up(supervisor) == SHUTDOWN
        told()

    async def test_forgets_restarts_that_are_older(self) -> None:
        async with Supervisor(
            [worker("a")], max_restarts=1, max_seconds=1e-9
        ) as supervisor:
            for _ in range(5):
                await end(supervisor, "a")
            assert whereis("a") is not None

    async def test_does_not_count_ends_without_restart(self) -> None:
        spec = worker("a", restart="temporary")
        async with Supervisor([], max_restarts=0) as supervisor:
            for _ in range(3):
                await supervisor.start_child(spec)
                await end(supervisor, "a")
            assert supervisor.which_children() == []

    @pytest.mark.usefixtures("crashes")
    async def test_giving_up_ends_a_caller_that_does_not_trap(self) -> None:
        spec = worker("a")

        async def start() -> None:
            supervisor = await Supervisor.start_link([spec], max_restarts=0)
            GenServer.cast("a", Stop("crash"))
            await receive(lambda message: message is supervisor)

        caller, ref = fastask.spawn_monitor(start)
        assert (await receive(ref)).reason == SHUTDOWN
        assert not caller.alive


class TestFailingRestart:
    @pytest.mark.parametrize("strategy", STRATEGIES)
    async def test_is_tried_again_until_it_succeeds(self, strategy: Any) -> None:
        children = [worker("a"), worker("b", failing(2, 3)), worker("c")]
        async with Supervisor(children, strategy=strategy) as supervisor:
            await end(supervisor, "b")
            for _ in range(3):
                await settled(supervisor)

            assert ids(supervisor) == list("abc")
            assert supervisor.count_children().active == 3
            assert told().count(("start", "b")) == 4

    async def test_gives_up_when_it_fails_too_often(self) -> None:
        trap_exit(True)
        children = [worker("a", failing(2, 3, 4, 5)), worker("b")]
        supervisor = await Supervisor.start_link(children)
        await end(supervisor, "a")

        assert await given_up(supervisor) == SHUTDOWN
        assert told().count(("start", "a")) == 4  # the first, and three restarts
        assert processes() == [self_()]

    async def test_is_shown_as_restarting(self) -> None:
        """Requests are handled between the tries."""
        seen: list[Any] = []
        supervisor = Supervisor([])
        fail = failing(2, 3)

        def init() -> Any:
            seen.extend(i.process for i in supervisor.which_children())
            return fail()

        async with supervisor:
            await supervisor.start_child(worker("a", init))
            seen.clear()
            await end(supervisor, "a")
            for _ in range(3):
                await settled(supervisor)
            assert seen == [None, "restarting", "restarting"]

    async def test_ends_when_the_child_is_terminated(self) -> None:
        async with Supervisor([worker("a", failing(2))]) as supervisor:
            ref = monitor(at("a"))
            GenServer.cast("a", Stop("crash"))
            await receive(ref)
            await supervisor.terminate_child("a")  # comes before the second try
            for _ in range(2):
                await settled(supervisor)

            [info] = supervisor.which_children()
            assert info.process is None
            assert told().count(("start", "a")) == 2

    async def test_of_a_sibling_restarts_what_the_strategy_says(self) -> None:
        children = [worker("a"), worker("b", failing(2)), worker("c")]
        async with Supervisor(children, strategy="rest_for_one") as supervisor:
            told()
            await end(supervisor, "a")
            for _ in range(2):
                await settled(supervisor)

            assert told()[3:] == [
                ("start", "a"),
                ("start", "b"),  # fails
                ("start", "b"),
                ("start", "c"),
            ]


class TestNested:
    async def test_the_outer_restarts_an_inner_that_gave_up(self) -> None:
        inner = Supervisor([worker("a"), worker("b")], max_restarts=0, name="inner")
        async with Supervisor([inner]) as outer:
            before = at("inner")
            ref = monitor(before)
            await end(inner, "a")
            await receive(ref)
            await settled(outer)

            assert at("inner") is not before
            assert inner.process is at("inner")
            assert inner.count_children().active == 2

    @pytest.mark.usefixtures("crashes")
    async def test_both_give_up(self) -> None:
        trap_exit(True)
        inner = Supervisor([worker("a")], max_restarts=0)
        outer = await Supervisor.start_link([inner], max_restarts=0)
        GenServer.cast("a", Stop("crash"))

        assert await given_up(outer) == SHUTDOWN
        assert processes() == [self_()]

    async def test_a_killed_inner_is_restarted_with_its_children(self) -> None:
        inner = Supervisor([worker("a")], name="inner")
        async with Supervisor([inner]) as outer:
            told()
            before = at("a")
            refs = [monitor(at("inner")), monitor(before)]
            fastask.exit(at("inner"), KILL)
            for ref in refs:
                await receive(ref)
            await settled(outer)

            assert at("a") is not before
