"""What of the engine on Ray needs no Ray: its links, what they say, who may join."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fastask
from fastask._nodes.engine import Buffer, Frame, Peer
from fastask._nodes.ray import RayEngine, wire
from fastask._nodes.ray import engine as engine_module
from fastask._nodes.ray.link import WINDOW, RayLink
from fastask._nodes.ray.security import (
    cluster_address,
    environment_for,
    is_protected,
)
from fastask._nodes.ticking import FULL
from tests.nodes.cluster import Ear, until

PEER = Peer("a@here", "0" * 32, "127.0.0.1/1", {"zone": "north"})


class Pair:
    """Two ends of a link, and what is between them."""

    def __init__(self) -> None:
        self.ears = Ear(), Ear()
        self.closed: list[RayLink] = []
        self.said: list[tuple[int, bytes]] = []  # to whom
        self.links = tuple(
            RayLink(PEER, 7, bool(1 - end), self.post_from(end), self.closed.append)
            for end in (0, 1)
        )
        for link, ear in zip(self.links, self.ears, strict=True):
            link.start(ear)

    def post_from(self, end: int) -> Callable[[Peer, bytes], None]:
        return lambda peer, said: self.said.append((1 - end, said))

    def carry(self) -> None:
        """Bring to the ends what was said, until nothing is."""
        while self.said:
            end, said = self.said.pop(0)
            self.bring(end, said)

    def bring(self, end: int, said: bytes) -> None:
        for kind, _, _, place, body in wire.messages(said):
            if self.links[end].follows(place):
                self.links[end].hear(kind, body)


class TestLink:
    async def test_brings_frames_of_all_sizes_in_order(self) -> None:
        pair = Pair()
        sizes = [0, 1, 70_000, 300_000, 2**18 - 12, 2**18, 3_000_000]
        for size in sizes:
            pair.links[0].send([bytes(size)])
            pair.carry()

        assert [len(frame[0]) for frame in pair.ears[1].frames] == sizes

    @pytest.mark.parametrize("change", ["gap", "repeat", "swap"])
    async def test_is_closed_by_what_is_not_the_next(self, change: str) -> None:
        pair = Pair()
        for text in (b"one", b"two", b"three"):
            pair.links[0].send([text])
        if change == "gap":
            del pair.said[1]
        elif change == "repeat":
            pair.said.insert(1, pair.said[0])
        else:
            pair.said[1:3] = reversed(pair.said[1:3])
        pair.carry()
        await until(lambda: all(ear.reasons for ear in pair.ears))

        assert pair.ears[1].frames == [[b"one"]]
        assert "message 1 was next" in str(pair.ears[1].reasons[0])
        assert isinstance(pair.ears[0].reasons[0], ConnectionError)
        assert len(pair.closed) == 2

    async def test_lets_no_more_leave_than_its_window(self) -> None:
        pair = Pair()
        body = bytes(1_000_000)
        for _ in range(20):
            pair.links[0].send([body])
        away = sum(len(said) for _, said in pair.said)
        assert WINDOW < away < WINDOW + 2 * len(body)
        waiting = asyncio.ensure_future(pair.links[0].drain())
        await asyncio.sleep(0)
        assert not waiting.done()

        pair.carry()
        await waiting
        assert len(pair.ears[1].frames) == 20

    async def test_drains_at_once_when_there_is_room(self) -> None:
        pair = Pair()
        pair.links[0].send([bytes(FULL - 100)])
        async with asyncio.timeout(0):
            await pair.links[0].drain()

    async def test_is_closed_by_more_credit_than_was_used(self) -> None:
        pair = Pair()
        pair.links[0].say(wire.CREDIT, (1).to_bytes(8, "little"))
        pair.carry()
        await until(lambda: pair.ears[1].reasons)

        assert "1 bytes were taken of 0" in str(pair.ears[1].reasons[0])

    async def test_that_is_silent_for_the_time_of_four_ticks_is_closed(self) -> None:
        pair = Pair()
        quiet, other = pair.links
        for _ in range(20):
            quiet.tick()
            other.tick()
            pair.carry()
        assert pair.closed == []

        for _ in range(6):
            quiet.tick()
        await until(lambda: pair.ears[0].reasons)
        assert str(pair.ears[0].reasons[0]) == "net_tick_timeout"

    async def test_is_closed_by_an_exception_of_its_receiver(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Choosy(Ear):
            def received(self, frame: list[Buffer]) -> None:
                raise LookupError(frame)

        pair, ear = Pair(), Choosy()
        pair.links[1].start(ear)
        pair.links[0].send([b"what is this"])
        pair.carry()
        await until(lambda: ear.reasons)

        assert isinstance(ear.reasons[0], LookupError)
        assert "is closed by a frame" in caplog.text

    async def test_is_closed_by_a_frame_that_is_none(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        pair = Pair()
        wrong: Any = ["text"]
        pair.links[0].send(wrong)
        await until(lambda: pair.ears[0].reasons)

        assert isinstance(pair.ears[0].reasons[0], TypeError)
        assert "cannot send a frame" in caplog.text

    async def test_keeps_what_comes_before_there_is_a_receiver(self) -> None:
        pair, ear = Pair(), Ear()
        late = RayLink(PEER, 7, False, pair.post_from(1), pair.closed.append)
        pair.links = pair.links[0], late
        pair.links[0].send([b"early"])
        pair.links[0].close("done")
        pair.carry()
        late.start(ear)
        await until(lambda: ear.reasons)

        assert ear.frames == [[b"early"]]


class TestWire:
    @pytest.mark.parametrize(
        "frame", [[], [b""], [b"a", bytearray(b"b"), memoryview(b"abc")[1:], b""]]
    )
    def test_frames_come_out_as_they_went_in(self, frame: Frame) -> None:
        assert [bytes(each) for each in wire.unpacked(wire.packed(frame))] == [
            bytes(each) for each in frame
        ]

    def test_records_are_put_together_from_any_pieces(self) -> None:
        sent = [(wire.DATA, n, bytes(n * 1000)) for n in range(40)]
        stream = b"".join(wire.record(*each) for each in sent)
        records, found, chance = wire.Records(), [], random.Random(3)
        while stream:
            size = chance.choice((1, 5, 100, 5000))
            found += records.feed(stream[:size])
            stream = stream[size:]

        assert found == sent

    def test_what_is_no_message_is_told(self) -> None:
        chance = random.Random(5)
        good = wire.message(wire.FRAME, True, 1, 0, wire.packed([b"abc", bytes(50)]))
        told = 0
        for _ in range(20_000):
            body = bytearray(good * chance.randint(1, 2))
            for _ in range(chance.randint(1, 8)):
                body[chance.randrange(len(body))] = chance.randrange(256)
            cut = bytes(body[: chance.randint(0, len(body))])
            try:
                for *_, part in wire.messages(cut):
                    wire.unpacked(part)
            except wire.Malformed:
                told += 1
        assert told > 10_000

    def test_nodes_are_read_as_they_are_described(self) -> None:
        assert wire.peer_from(wire.described(PEER)) == PEER

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            '{"protocol": 2}',
            '{"protocol": 1, "name": ""}',
            '{"protocol": 1, "name": "a", "incarnation": "b", "address": "c"}',
            '{"protocol": 1, "name": "a", "incarnation": "b", "address": "c",'
            ' "labels": {}}',
            "\x00",
        ],
    )
    def test_what_describes_no_node_is_told(self, text: str) -> None:
        with pytest.raises(wire.Malformed, match="must be"):
            wire.peer_from(text.encode())


class TestJoin:
    @pytest.mark.parametrize("join", ["auto", "10.0.0.1:6379", "[::1]:6379"])
    def test_is_the_address_of_a_cluster(self, join: str) -> None:
        assert cluster_address(join) == join

    def test_of_no_cluster_is_refused(self) -> None:
        with pytest.raises(ValueError, match="would listen on all interfaces"):
            cluster_address(None)

    @pytest.mark.parametrize("join", ["local", "ray://head:10001", "head", ":1", ""])
    def test_of_another_kind_is_refused(self, join: str) -> None:
        with pytest.raises(ValueError, match=r"join must be 'auto' or HOST:PORT"):
            cluster_address(join)

    def test_is_a_text(self) -> None:
        with pytest.raises(TypeError, match="join must be a string, got 6379"):
            cluster_address(6379)


class TestSecurity:
    @pytest.fixture
    def paths(self, tmp_path: Path) -> dict[str, str]:
        """Files for everything."""
        found = {}
        for key in ("token", "ca", "cert", "key"):
            (tmp_path / key).write_text(key)
            found[key] = str(tmp_path / key)
        return found

    def test_of_a_user_goes_to_ray_by_its_environment(
        self, paths: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("RAY_AUTH_TOKEN", "another one")
        environment = environment_for(paths)

        assert "RAY_AUTH_TOKEN" not in environment
        assert environment["RAY_AUTH_MODE"] == "token"
        assert environment["RAY_AUTH_TOKEN_PATH"] == paths["token"]
        assert environment["RAY_USE_TLS"] == "1"
        assert environment["RAY_TLS_CA_CERT"] == paths["ca"]
        assert environment["RAY_TLS_SERVER_CERT"] == paths["cert"]
        assert environment["RAY_TLS_SERVER_KEY"] == paths["key"]

    def test_that_lacks_something_is_refused(self, paths: dict[str, str]) -> None:
        del paths["key"]
        with pytest.raises(ValueError, match="security must have the key token, or ca"):
            environment_for(paths)

    def test_of_a_file_that_is_not_there_is_refused(self) -> None:
        with pytest.raises(FileNotFoundError, match=r"security\['token'\] must be"):
            environment_for({"token": "/nowhere/at/all"})

    def test_is_none_or_a_mapping(self) -> None:
        with pytest.raises(TypeError, match="security must be None or a mapping"):
            environment_for("secret")

    @pytest.mark.parametrize(
        ("environment", "expected"),
        [
            ({}, False),
            ({"RAY_AUTH_MODE": "token"}, True),
            ({"RAY_AUTH_MODE": "disabled"}, False),
            ({"RAY_USE_TLS": "1"}, True),
            ({"RAY_USE_TLS": "0"}, False),
        ],
    )
    def test_is_there_or_not(self, environment: dict[str, str], expected: bool) -> None:
        assert is_protected(environment) is expected


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Ray be found, which nothing here loads."""
    monkeypatch.setattr(engine_module, "find_spec", lambda name: name)


class TestConnect:
    def test_without_ray_names_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engine_module, "find_spec", lambda name: None)
        with pytest.raises(ModuleNotFoundError, match=r"pip install .fastask-otp\[ray"):
            fastask.connect("ray", join="auto")

    def test_starts_no_workers(self) -> None:
        with pytest.raises(ValueError, match="workers must be None for engine='ray'"):
            fastask.connect("ray", join="auto", workers=2)

    @pytest.mark.usefixtures("installed")
    async def test_starts_no_cluster(self) -> None:
        with pytest.raises(ValueError, match="fastask starts none"):
            await fastask.connect("ray")

    @pytest.mark.usefixtures("installed")
    def test_has_a_shortest_time(self) -> None:
        with pytest.raises(ValueError, match=r"net_ticktime must be .* >= 1 for"):
            fastask.connect("ray", join="auto", net_ticktime=0.9)


@pytest.mark.usefixtures("installed")
class TestEngine:
    @pytest.mark.parametrize("net_ticktime", [0.9, 0.0, float("nan")])
    async def test_refuses_a_time_that_it_cannot_keep(
        self, net_ticktime: float
    ) -> None:
        listener: Any = None
        with pytest.raises(ValueError, match="net_ticktime must be >= 1 s"):
            await RayEngine().start(
                "a@b",
                join="auto",
                security=None,
                net_ticktime=net_ticktime,
                listener=listener,
            )
