"""The shop of `examples/shop`: whatever is killed, no order or letter goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import fastask

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from examples import shop  # noqa: E402  # it is found from here on
from examples.shop.store import CATALOGUE  # noqa: E402

CHILDREN = {shop.Store, shop.EFFECTS, shop.QUOTES, "deliver_overdue"}
CLIENTS = 4
KILLS = 500
SEED = 20_240_607

PRICES = {name: price for name, price, _ in CATALOGUE}
AT_FIRST = {name: stock for name, _, stock in CATALOGUE}


@dataclass
class Place:
    """A shop in a directory, and what its clients were told."""

    directory: Path
    post: shop.PostOffice
    tree: fastask.Supervisor
    receipts: dict[str, shop.Receipt] = field(default_factory=dict)
    refusals: dict[str, tuple[str, int]] = field(default_factory=dict)
    kills: int = 0

    @property
    def database(self) -> Path:
        return shop.database_in(self.directory)

    def children(self) -> dict[Hashable, fastask.Process[Any]]:
        """Those of CHILDREN that are alive."""
        return {
            info.id: info.process
            for info in self.tree.which_children()
            if isinstance(info.process, fastask.Process) and info.process.alive
        }

    def tasks(self) -> list[fastask.Process[Any]]:
        """The side effects and questions that are on their way."""
        found = list[fastask.Process[Any]]()
        for name in (shop.EFFECTS, shop.QUOTES):
            # Gone, as it is being restarted.
            with contextlib.suppress(fastask.UnknownNameError, fastask.NoProcessError):
                found += fastask.TaskSupervisor.ref(name).children()
        return found

    def kill(self, process: fastask.Process[Any]) -> None:
        assert process.alive
        fastask.exit(process, fastask.KILL)
        assert not process.alive
        self.kills += 1

    async def healed(self) -> None:
        """Wait until the tree has restarted what was killed before this call."""
        # The supervisor answers after the exits that it was told of earlier.
        assert self.tree.process is not None
        await fastask.sys.get_state(self.tree.process)


@contextlib.asynccontextmanager
async def opened(directory: Path, latency: float = 0.01) -> AsyncIterator[Place]:
    """A shop that is open, with a checker in a hurry and restarts without number."""
    post = shop.PostOffice(directory / "post.db", latency)
    tree = shop.tree(
        directory, post=post, check_every=0.05, max_restarts=10 * KILLS, max_seconds=5.0
    )
    async with tree:
        yield Place(directory, post, tree)


async def buy(place: Place, product: str, quantity: int, key: str) -> None:
    """Order something and look at the answer."""
    match await shop.order(product, quantity, key):
        case shop.Receipt() as receipt:
            assert (receipt.product, receipt.quantity) == (product, quantity)
            assert receipt.total == quantity * PRICES[product]
            place.receipts[key] = receipt
        case shop.Refused(why):
            assert why.endswith(f"of {product} left")
            place.refusals[key] = (product, quantity)


async def customer(place: Place, number: int, seed: int) -> None:
    """Buy things, and ask for a report now and then, until told to stop."""
    chance = random.Random(f"{seed}-{number}")
    orders = 0
    while fastask.receive_nowait("stop".__eq__, default=None) is None:
        product = chance.choice(list(PRICES))
        key = f"{number}-{orders}"
        await buy(place, product, chance.randint(1, 3), key)
        receipt = place.receipts.get(key)
        if receipt and chance.random() < 0.1:  # as one does who has not seen it
            await buy(place, receipt.product, receipt.quantity, key)
            assert place.receipts[key] == receipt
        if chance.random() < 0.05:
            summary = await shop.summarise(place.database)
            assert all(number >= 0 for number in summary.stock.values())
        if chance.random() < 0.1:
            prices = await shop.ask(
                partial(shop.ask_carriers, 100, {"hare": hare, "turtle": turtle})
            )
            assert prices.items() <= {"hare": 200, "turtle": 100}.items()
        orders += 1
        await fastask.sleep(chance.uniform(0.0, 0.02))


async def hare(grams: int) -> int:
    return 2 * grams


async def turtle(grams: int) -> int:
    await fastask.sleep(0.01)
    return grams


async def snail(grams: int) -> int:
    await fastask.sleep(60.0)
    return grams


async def drunkard(grams: int) -> int:
    raise ValueError(grams)


async def with_customers(
    place: Place, seed: int, disturb: Callable[[], Awaitable[None]]
) -> None:
    """Run `disturb` while customers buy; a customer who is wronged fails the test."""
    customers = [
        fastask.async_(customer, place, number, seed) for number in range(CLIENTS)
    ]
    await disturb()
    for task in customers:
        assert task.process is not None
        fastask.send(task.process, "stop")
    await fastask.await_many(customers, timeout=20.0)


async def all_sent() -> None:
    """Wait until no letter is left in the outbox."""
    async with asyncio.timeout(20.0):
        while await shop.ask(partial(shop.Store.unsent, shop.STORE)):
            await fastask.sleep(0.02)


def rows(place: Place, query: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(place.database)) as database:
        return database.execute(query).fetchall()


async def check_books(place: Place) -> None:
    """Hold what the customers were told against the database and the letters."""
    await all_sent()
    orders = rows(place, "SELECT key, id, product, quantity, total FROM orders")
    outbox = rows(place, "SELECT order_id, text FROM outbox WHERE sent")
    summary = await shop.summarise(place.database)

    # Accepted is what was told to be, once; what was refused left no trace.
    assert {key: shop.Receipt(*rest) for key, *rest in orders} == place.receipts
    assert len(orders) == len(place.receipts)
    assert not place.receipts.keys() & place.refusals.keys()
    for product, quantity in place.refusals.values():
        assert summary.stock[product] < quantity  # it never grows
    # Nothing was made or lost.
    for product, first in AT_FIRST.items():
        sold = summary.sold.get(product, 0)
        assert summary.stock[product] + sold == first
        assert summary.revenue.get(product, 0) == sold * PRICES[product]
    # Each customer was told once, and what is in the books.
    letters = [(letter.order_id, letter.text) for letter in place.post.delivered()]
    assert letters == sorted(outbox)
    assert [order_id for order_id, _ in letters] == sorted(
        receipt.order_id for receipt in place.receipts.values()
    )


class TestOrder:
    async def test_is_answered_before_its_letter_is_sent(self, tmp_path: Path) -> None:
        async with opened(tmp_path, latency=60.0) as place:
            receipt = await shop.order("tea", 2)
            in_stock = await shop.Store.stock(shop.STORE, "tea")

            assert receipt == shop.Receipt(1, "tea", 2, 1800)
            assert len(place.tasks()) == 1
            assert in_stock == AT_FIRST["tea"] - 2
            assert not place.post.delivered()

    async def test_is_placed_once_with_one_key(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as place:
            answers = await fastask.await_many(
                [fastask.async_(shop.order, "cup", 1, "a key") for _ in range(5)]
            )
            await all_sent()

            assert set(answers) == {shop.Receipt(1, "cup", 1, 1200)}
            assert len(place.post.delivered()) == 1

    @pytest.mark.parametrize(
        ("product", "quantity", "why"),
        [
            ("teapot", 26, "only 25 of teapot left"),
            ("tea", 0, "quantity must be > 0, got 0"),
            ("yacht", 1, "there is no yacht"),
        ],
    )
    async def test_is_refused(
        self, tmp_path: Path, product: str, quantity: int, why: str
    ) -> None:
        async with opened(tmp_path) as place:
            answer = await shop.order(product, quantity)

            assert answer == shop.Refused(why)
            assert not rows(place, "SELECT * FROM orders")

    async def test_is_refused_with_the_key_of_another(self, tmp_path: Path) -> None:
        async with opened(tmp_path):
            await shop.order("tea", 1, "a key")

            answer = await shop.order("tea", 2, "a key")

            assert answer == shop.Refused("that key belongs to another order")

    async def test_that_the_server_crashes_on_is_not_repeated(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with opened(tmp_path) as place:
            with pytest.raises(fastask.CallError) as caught:
                await shop.order("\ud800", 1)  # no database takes it
            await place.healed()
            crashes = [r for r in caplog.records if "Store" in r.getMessage()]

            assert isinstance(caught.value.reason, UnicodeEncodeError)
            assert [r.levelname for r in crashes] == ["ERROR", "WARNING"]
            assert isinstance(await shop.order("tea", 1), shop.Receipt)


@pytest.mark.usefixtures("crashes")  # a letter is on its way while nobody is there
class TestKills:
    @pytest.mark.parametrize(
        "child",
        [shop.Store, shop.EFFECTS, shop.QUOTES, "deliver_overdue"],
        ids=["store", "effects", "quotes", "checker"],
    )
    async def test_of_a_child_harm_nobody(
        self, tmp_path: Path, child: Hashable
    ) -> None:
        async with opened(tmp_path) as place:

            async def disturb() -> None:
                for _ in range(3):
                    await fastask.sleep(0.03)  # some letters are on their way
                    place.kill(place.children()[child])
                    await place.healed()

                    assert place.children().keys() == CHILDREN

            await with_customers(place, SEED, disturb)
            await buy(place, "tea", 1, "after the last kill")
            await check_books(place)

            assert "after the last kill" in place.receipts

    async def test_after_a_delivery_make_no_second_one(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as place:
            assert isinstance(await shop.order("tea", 1), shop.Receipt)
            [letter] = await shop.Store.unsent(shop.STORE)
            for task in place.tasks():
                place.kill(task)
            await place.post.deliver(letter)  # and nobody notes it
            asked = place.post.requests()
            await all_sent()

            assert place.post.requests() > asked
            assert place.post.delivered() == [letter]

    @pytest.mark.usefixtures("crashes")
    @pytest.mark.slow
    @pytest.mark.parametrize("seed", [SEED])
    async def test_at_random_harm_nobody(self, tmp_path: Path, seed: int) -> None:
        chance = random.Random(seed)
        in_the_middle = 0
        async with opened(tmp_path) as place:

            async def disturb() -> None:
                nonlocal in_the_middle
                while place.kills < KILLS:
                    await fastask.sleep(chance.uniform(0.0, 0.015))
                    tasks = place.tasks()
                    children = list(place.children().values())
                    if tasks and chance.random() < 0.5:
                        place.kill(chance.choice(tasks))
                        in_the_middle += 1
                    elif children:  # none while all of them are being restarted
                        place.kill(chance.choice(children))

            await with_customers(place, seed, disturb)
            await place.healed()
            await buy(place, "tea", 1, "after the last kill")
            await check_books(place)

            assert place.children().keys() == CHILDREN
            assert in_the_middle > KILLS / 10
            assert len(place.receipts) > KILLS / 5


class TestReport:
    async def test_puts_three_queries_together(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as place:
            for product, quantity in (("tea", 1), ("tea", 2), ("cup", 5)):
                await shop.order(product, quantity)

            summary = await shop.summarise(place.database)

            assert summary == shop.Summary(
                sold={"tea": 3, "cup": 5},
                revenue={"tea": 2700, "cup": 6000},
                stock={"tea": 9_997, "cup": 995, "teapot": 25},
            )


class TestCarriers:
    async def test_that_are_in_time_make_a_partial_result(self, tmp_path: Path) -> None:
        carriers = {
            "snail": snail,
            "hare": hare,
            "drunkard": drunkard,
            "turtle": turtle,
        }
        async with opened(tmp_path) as place:
            begin = time.monotonic()
            prices = await shop.ask_carriers(100, carriers, 0.2)
            elapsed = time.monotonic() - begin

            assert prices == {"hare": 200, "turtle": 100}
            assert 0.2 <= elapsed < 2.0
            assert not place.tasks()
            assert fastask.receive_nowait(default=None) is None

    async def test_are_not_waited_for_when_all_have_answered(
        self, tmp_path: Path
    ) -> None:
        async with opened(tmp_path):
            prices = await shop.ask_carriers(100, {"hare": hare}, 60.0)

            assert prices == {"hare": 200}

    async def test_may_all_be_too_late(self, tmp_path: Path) -> None:
        async with opened(tmp_path):
            assert await shop.ask_carriers(100, {"snail": snail}, 0.01) == {}


PROGRAM = """\
import sys
from pathlib import Path

import fastask
from examples import shop


class Witness(fastask.GenServer):
    def init(self, name):
        fastask.trap_exit(True)
        self.name = name

    def terminate(self, reason):
        print(self.name, "stops", flush=True)


async def customer():
    await shop.order("tea", 1, "a key")
    print("ordered", flush=True)
    await fastask.sleep(None)


def tree(latency):
    here = Path()
    post = shop.PostOffice(here / "post.db", latency)
    children = [
        Witness.child_spec("first", id="first"),
        shop.tree(here, post=post, check_every=0.05),
        Witness.child_spec("last", id="last"),
        customer,
    ]
    return fastask.Supervisor(children)


def slow():
    return tree(60.0)


def quick():
    return tree(0.0)
"""


class TestProgram:
    """`python -m fastask run`, in a process of its own."""

    @contextlib.contextmanager
    def running(
        self, directory: Path, attribute: str
    ) -> Iterator[subprocess.Popen[str]]:
        """A program that has placed the order; it is killed when it still runs."""
        (directory / "program.py").write_text(PROGRAM)
        package = Path(fastask.__file__).resolve().parents[1]
        command = [sys.executable, "-m", "fastask", "run", f"program:{attribute}"]
        with subprocess.Popen(
            command,
            cwd=directory,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{package}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as program:
            try:
                assert program.stdout is not None
                assert program.stdout.readline() == "ordered\n"
                yield program
            finally:
                program.kill()

    @pytest.mark.slow
    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
    @pytest.mark.parametrize(
        ("number", "status", "last_words"),
        [
            ("SIGTERM", 0, "last stops\nfirst stops\n"),
            ("SIGKILL", -9, ""),  # a name, since Windows collects this, too
        ],
    )
    def test_sends_the_letter_of_before_its_end_when_it_runs_again(
        self, tmp_path: Path, number: str, status: int, last_words: str
    ) -> None:
        post = shop.PostOffice(tmp_path / "post.db")
        with self.running(tmp_path, "slow") as program:
            program.send_signal(signal.Signals[number])
            output, log = program.communicate(timeout=20.0)

        assert program.returncode == status, log
        assert output == last_words
        assert not post.delivered()

        with self.running(tmp_path, "quick") as program:
            deadline = time.monotonic() + 20.0
            while not post.delivered() and time.monotonic() < deadline:
                time.sleep(0.02)
            program.send_signal(signal.SIGTERM)
            _, log = program.communicate(timeout=20.0)

        assert program.returncode == 0, log
        assert post.delivered() == [shop.Letter(1, "Thank you for 1 tea: 900 cents.")]
