"""The pytest plugin, seen from a project of a user."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

Check = Callable[..., pytest.RunResult]

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]

HEAD = """
import asyncio
import contextlib
import pytest
import fastask
from fastask import exit, receive, send, self_, sleep, spawn, spawn_monitor
"""


@pytest.fixture
def check(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Run a test file as a user would, in `auto` mode unless told otherwise."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(source: str, *options: str, mode: str = "auto") -> pytest.RunResult:
        pytester.makepyfile(HEAD + source)
        pytester.makeini(f"[pytest]\nfastask_mode = {mode}\n")
        return pytester.runpytest(
            "-p", "fastask.pytest_plugin", "-p", "no:cacheprovider", *options
        )

    return run


def told(result: pytest.RunResult, *lines: str) -> None:
    """Expect lines of the output, in order."""
    result.stdout.fnmatch_lines([f"*{line}*" for line in lines])


class TestEntryPoint:
    def test_is_named_fastask(self) -> None:
        points = {point.name: point.value for point in entry_points(group="pytest11")}

        assert points.get("fastask", "fastask.pytest_plugin") == "fastask.pytest_plugin"


class TestPages:
    @pytest.mark.parametrize(
        ("page", "tests"), [("README.md", 2), ("docs/howto/testing.md", 3)]
    )
    def test_their_tests_pass(self, check: Check, page: str, tests: int) -> None:
        text = (ROOT / page).read_text(encoding="utf-8")
        block = text.split("<!-- pytest runs this example -->\n```python\n")[1]

        result = check(block.split("```")[0], mode="strict")

        result.assert_outcomes(passed=tests)


class TestRunning:
    def test_an_async_test_is_a_root_process(self, check: Check) -> None:
        result = check("""
async def test_one():
    me = self_()
    assert fastask.processes() == [me]
    async def child():
        send(me, "hello")
    spawn(child)
    assert await receive(str) == "hello"

async def test_two():
    assert False, "it ran"
""")

        result.assert_outcomes(passed=1, failed=1)
        told(result, "AssertionError: it ran")

    def test_a_method_is_one_too(self, check: Check) -> None:
        result = check("""
class TestOne:
    async def test_method(self):
        assert isinstance(self, TestOne)
        await sleep(0)
""")

        result.assert_outcomes(passed=1)

    def test_a_plain_test_is_left_alone(self, check: Check) -> None:
        result = check("""
def test_plain():
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
""")

        result.assert_outcomes(passed=1)

    def test_fixtures_and_parameters_are_given(self, check: Check) -> None:
        result = check("""
@pytest.fixture
def one():
    return 1

@pytest.mark.parametrize("two", [2, 2.0])
async def test_sum(one, two, tmp_path):
    assert one + two == 3 and tmp_path.exists()
""")

        result.assert_outcomes(passed=2)

    def test_strict_mode_runs_what_is_marked(self, check: Check) -> None:
        result = check(
            """
@pytest.mark.fastask
async def test_marked():
    assert self_().alive

async def test_unmarked():
    raise AssertionError("nobody runs it")
""",
            "-p",
            "no:anyio",
            mode="strict",
        )

        result.assert_outcomes(passed=1, failed=1)
        assert "nobody runs it" not in "".join(
            line for line in result.outlines if line.startswith("E ")
        )

    def test_a_mode_that_is_none_is_refused(self, check: Check) -> None:
        result = check("", mode="sometimes")

        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            ["*fastask_mode must be 'auto' or 'strict', got 'sometimes'*"]
        )

    def test_a_fixture_or_the_marker_chooses_the_loop(self, check: Check) -> None:
        result = check("""
class Loop(asyncio.SelectorEventLoop):
    pass

@pytest.fixture
def loop_factory():
    return Loop

async def test_fixture(loop_factory):
    assert type(asyncio.get_running_loop()) is Loop

@pytest.mark.fastask(loop_factory=Loop)
async def test_marker():
    assert type(asyncio.get_running_loop()) is Loop
""")

        result.assert_outcomes(passed=2)

    @pytest.mark.parametrize("traps", [False, True])
    def test_an_outcome_in_a_callback_ends_a_test(
        self, check: Check, traps: bool
    ) -> None:
        """uvloop calls the handlers of signals there, so that of pytest-timeout."""
        result = check(f"""
async def test_one():
    fastask.trap_exit({traps})
    asyncio.get_running_loop().call_soon(pytest.fail, "it took too long")
    try:
        await receive("never".__eq__)
    finally:
        print("unwound")

async def test_two():
    asyncio.get_running_loop().call_soon(pytest.skip, "no wish to")
    await receive("never".__eq__)

async def test_three():
    pass
""")

        result.assert_outcomes(failed=1, skipped=1, passed=1)
        told(result, "Failed: it took too long", "unwound")

    def test_other_errors_in_a_callback_are_logged(self, check: Check) -> None:
        result = check("""
async def test_one(caplog):
    loop, passed = asyncio.get_running_loop(), asyncio.Event()
    loop.call_soon([].pop)
    loop.call_soon(passed.set)
    await passed.wait()
    assert "pop from empty list" in caplog.text
""")

        result.assert_outcomes(passed=1)

    def test_an_option_that_the_marker_has_not_is_refused(self, check: Check) -> None:
        result = check("""
@pytest.mark.fastask(loop="uvloop")
async def test_one():
    pass
""")

        assert result.ret != 0
        assert "the marker fastask takes grace, loop_factory, seed by name" in (
            result.stdout.str() + result.stderr.str()
        )

    def test_hypothesis_gives_examples(self, check: Check) -> None:
        result = check("""
from hypothesis import given, settings, strategies as st
seen = []

@settings(max_examples=5, database=None)
@given(number=st.integers())
async def test_number(number):
    assert self_().alive
    seen.append(number)

def test_many_were_seen():
    assert len(seen) >= 5
""")

        result.assert_outcomes(passed=2)


class TestNeighbours:
    def test_tests_of_other_plugins_are_left_to_them(self, check: Check) -> None:
        result = check(
            """
@pytest.mark.asyncio
async def test_of_pytest_asyncio():
    assert type(asyncio.current_task()) is asyncio.Task

@pytest.mark.anyio
async def test_of_anyio():
    import anyio
    await anyio.sleep(0)

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.fastask
async def test_of_ours():
    assert asyncio.current_task() is self_()
""",
            "-p",
            "anyio.pytest_plugin",
            "-p",
            "pytest_asyncio.plugin",
            "-o",
            "asyncio_default_fixture_loop_scope=function",
            mode="auto",
        )

        result.assert_outcomes(passed=3)

    def test_a_marked_test_is_ours_where_pytest_asyncio_takes_all(
        self, check: Check
    ) -> None:
        result = check(
            """
@pytest.mark.fastask
async def test_of_ours():
    assert asyncio.current_task() is self_()

async def test_of_pytest_asyncio():
    assert type(asyncio.current_task()) is asyncio.Task
""",
            "-p",
            "pytest_asyncio.plugin",
            "-o",
            "asyncio_default_fixture_loop_scope=function",
            "-o",
            "asyncio_mode=auto",
            mode="strict",
        )

        result.assert_outcomes(passed=2)


class TestLeaks:
    def test_a_process_is_named_with_where_it_was_spawned(self, check: Check) -> None:
        result = check("""
def start():
    spawn(sleep, None, name="forgotten")

async def test_leak():
    start()
""")

        result.assert_outcomes(failed=1)
        told(
            result,
            "the test left something behind:",
            "process <Process #* name='forgotten' *>, spawned at *.py:8",
        )

    def test_a_process_that_ends_of_itself_is_none(self, check: Check) -> None:
        result = check("""
async def test_ending():
    async def child():
        await asyncio.sleep(0)
        await sleep(0)
    spawn(child)
    process = spawn(sleep, None)
    exit(process, fastask.SHUTDOWN)
""")

        result.assert_outcomes(passed=1)

    def test_the_child_of_a_server_is_told_with_its_parent(self, check: Check) -> None:
        result = check("""
class Server(fastask.GenServer):
    def init(self):
        spawn(sleep, None)

async def test_leak():
    server = await Server.start_link()
    await Server.stop(server)
""")

        result.assert_outcomes(failed=1)
        told(result, "process <Process #* sleep>, spawned at *.py:9")

    def test_an_asyncio_task_is_one(self, check: Check) -> None:
        result = check("""
async def test_leak():
    asyncio.create_task(asyncio.sleep(100), name="forgotten")
""")

        result.assert_outcomes(failed=1)
        told(result, "asyncio task <Task pending name='forgotten'*")

    def test_a_timer_is_one(self, check: Check) -> None:
        result = check("""
async def test_leak():
    fastask.send_after("somebody", "tick", 100)

async def test_no_leak():
    fastask.send_after("somebody", "tick", 100).cancel()
    fastask.send_after("somebody", "tick", 0.001)
    await sleep(0.01)
""")

        result.assert_outcomes(failed=1, passed=1)
        told(result, "timer <Timer for 'somebody', * s left>")

    def test_a_name_is_one(self, check: Check) -> None:
        result = check("""
async def test_leak():
    fastask.register("me")

async def test_no_leak():
    fastask.register("me")
    fastask.unregister("me")
""")

        result.assert_outcomes(failed=1, passed=1)
        told(result, "name 'me' of the test itself")

    def test_a_crash_that_nobody_observed_is_one(self, check: Check) -> None:
        result = check("""
async def crash():
    raise ValueError("unseen")

async def test_leak():
    spawn(crash)
    await asyncio.sleep(0)

async def test_read(crashes):
    spawn(crash)
    await asyncio.sleep(0)
    assert [str(record.exit_reason) for record in crashes] == ["unseen"]

async def test_observed():
    process, ref = spawn_monitor(crash)
    assert str((await receive(ref)).reason) == "unseen"
""")

        result.assert_outcomes(failed=1, passed=2)
        told(
            result,
            "crash that nobody observed: *ValueError: unseen, spawned at *.py:11",
        )

    def test_a_test_that_fails_tells_its_own_failure(self, check: Check) -> None:
        result = check("""
async def test_failing():
    spawn(sleep, None)
    raise LookupError("the first cause")
""")

        result.assert_outcomes(failed=1)
        told(result, "LookupError: the first cause")
        assert "left something behind" not in result.stdout.str()


class TestSupervised:
    SERVER = """
log = []

class Server(fastask.GenServer):
    def init(self, name):
        fastask.trap_exit(True)
        self.name = name
        log.append(("start", name))

    @fastask.call
    def get(self):
        return self.name

    @fastask.cast
    def crash(self):
        raise ValueError("on purpose")

    def terminate(self, reason):
        log.append(("stop", self.name))
"""

    def test_starts_a_child_and_stops_it_at_the_end(self, check: Check) -> None:
        result = check(
            self.SERVER
            + """
async def test_children(supervised):
    one = await supervised(Server.child_spec("one", id=1))
    await supervised(Server.child_spec("two", id=2))
    assert await Server.get(one) == "one"

def test_order():
    assert log == [("start", "one"), ("start", "two"), ("stop", "two"), ("stop", "one")]
"""
        )

        result.assert_outcomes(passed=2)

    def test_stops_one_before_the_end(self, check: Check) -> None:
        result = check(
            self.SERVER
            + """
async def test_child(supervised):
    process = await supervised(Server.child_spec("one", id=1))
    await supervised.stop(1)
    assert not process.alive
    with pytest.raises(fastask.ChildNotFoundError):
        await supervised.stop(1)
"""
        )

        result.assert_outcomes(passed=1)

    def test_restarts_a_child_that_crashes(self, check: Check) -> None:
        result = check(
            self.SERVER
            + """
async def test_child(supervised, crashes):
    process = await supervised(Server.child_spec("one", name="server"))
    Server.crash(process)
    while fastask.whereis("server") in (None, process):
        await asyncio.sleep(0)
    assert await Server.get("server") == "one"
    assert len(crashes) == 1
"""
        )

        result.assert_outcomes(passed=1)

    def test_children_are_stopped_when_the_test_fails(self, check: Check) -> None:
        result = check(
            self.SERVER
            + """
async def test_failing(supervised):
    await supervised(Server.child_spec("one"))
    raise LookupError("no")

def test_order():
    assert log == [("start", "one"), ("stop", "one")]
"""
        )

        result.assert_outcomes(passed=1, failed=1)


class TestVirtualTime:
    def test_jumps(self, check: Check) -> None:
        result = check("""
async def test_hours(virtual_time):
    begin = virtual_time.time()
    await sleep(3600)
    await asyncio.sleep(3600)
    assert virtual_time.time() - begin == 7200
""")

        result.assert_outcomes(passed=1)

    ORDERED = """
async def order():
    me = self_()
    async def child(number):
        send(me, number)
    for number in range(9):
        spawn(child, number)
    return [await receive(int) for _ in range(9)]
"""

    def test_the_marker_gives_the_seed(self, check: Check) -> None:
        result = check(
            self.ORDERED
            + """
import fastask.testing

@pytest.mark.fastask(seed=7)
async def test_order(virtual_time):
    assert virtual_time.seed == 7
    raise LookupError("to see the seed")
"""
        )

        result.assert_outcomes(failed=1)
        told(result, "LookupError: to see the seed", "*failed with seed=7*")

    def test_the_option_gives_the_seed(self, check: Check) -> None:
        result = check(
            """
async def test_seed(virtual_time):
    assert virtual_time.seed == 12
""",
            "--fastask-seed=12",
        )

        result.assert_outcomes(passed=1)

    def test_a_seed_without_it_is_refused(self, check: Check) -> None:
        result = check("""
@pytest.mark.fastask(seed=7)
async def test_order():
    pass
""")

        assert result.ret != 0
        assert "a seed needs the fixture virtual_time" in (
            result.stdout.str() + result.stderr.str()
        )

    def test_a_leak_tells_the_seed(self, check: Check) -> None:
        result = check("""
@pytest.mark.fastask(seed=31)
async def test_leak(virtual_time):
    spawn(sleep, None)
""")

        result.assert_outcomes(failed=1)
        told(result, "the test left something behind (seed=31):")


class TestAsyncFixtures:
    def test_run_in_the_process_of_the_test(self, check: Check) -> None:
        result = check("""
log = []

@pytest.fixture
async def number():
    log.append(self_().alive)
    return 5

@pytest.fixture
async def twice(number):
    await sleep(0)
    yield 2 * number, self_()
    await sleep(0)
    log.append("over")

async def test_value(twice, number):
    assert twice == (10, self_()) and number == 5
    assert log == [True]

def test_end():
    assert log == [True, "over"]
""")

        result.assert_outcomes(passed=2)

    def test_of_a_class_have_its_instance(self, check: Check) -> None:
        result = check("""
class TestOne:
    @pytest.fixture
    async def mine(self):
        return self

    async def test_instance(self, mine):
        assert mine is self
""")

        result.assert_outcomes(passed=1)

    def test_cannot_be_used_by_plain_ones(self, check: Check) -> None:
        result = check("""
@pytest.fixture
async def number():
    return 5

@pytest.fixture
def twice(number):
    return 2 * number

async def test_value(twice):
    pass
""")

        result.assert_outcomes(errors=1)
        told(
            result,
            "the fixture 'twice' must be async to use the async fixture 'number'",
        )
