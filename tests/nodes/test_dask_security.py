"""Security: loopback unless told otherwise, and certificates on both sides."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import psutil  # type: ignore[import-untyped,unused-ignore]  # where no stubs are
import pytest
from distributed import Security
from distributed.comm.core import connect

from fastask._nodes.dask.engine import DaskEngine
from fastask._nodes.dask.head import Head as DaskHead
from fastask._nodes.dask.security import is_loopback, security_of
from tests.nodes.cluster import (
    Ear,
    Head,
    Node,
    echo_nodes,
    echoed,
    joined,
    new_name,
    running_head,
)


def listening(process: psutil.Process) -> list[str]:
    """The addresses at which a process can be called."""
    return [
        connection.laddr.ip
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]


async def start(join: str, security: object = None, host: str | None = None) -> None:
    """Join, and leave again."""
    engine = DaskEngine(host=host)
    await engine.start(
        new_name(), join=join, security=security, net_ticktime=60, listener=Node()
    )
    await engine.stop()


class TestPorts:
    async def test_are_all_on_the_loopback_address(self, head: Head) -> None:
        first, second = new_name(), new_name()
        with echo_nodes(head, second) as [program]:
            async with joined(head, first):
                here = listening(psutil.Process())
                node = listening(psutil.Process(program.process.pid))
                scheduler = listening(psutil.Process(head.program.process.pid))

        assert set(here) == set(node) == set(scheduler) == {"127.0.0.1"}
        assert len(here) == len(node) == 3  # links, worker, http
        assert len(scheduler) == 2

    async def test_stay_there_with_certificates(self, secure_head: Head) -> None:
        async with joined(secure_head, new_name()):
            assert set(listening(psutil.Process())) == {"127.0.0.1"}

    async def test_for_http_stay_there_when_the_others_are_opened(
        self, secure_head: Head
    ) -> None:
        async with joined(secure_head, new_name(), host="0.0.0.0"):
            assert sorted(listening(psutil.Process())) == [
                "0.0.0.0",
                "0.0.0.0",
                "127.0.0.1",
            ]

    def test_of_a_head_for_http_stays_there_when_the_other_is_opened(
        self, certificates: dict[str, str]
    ) -> None:
        with running_head(certificates, host="0.0.0.0") as head:
            ports = listening(psutil.Process(head.program.process.pid))

        assert sorted(ports) == ["0.0.0.0", "127.0.0.1"]


class TestWithoutCertificates:
    @pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::", "node.example"])
    async def test_a_wider_address_is_refused(self, head: Head, host: str) -> None:
        with pytest.raises(ValueError, match="openssl req -x509") as caught:
            await start(head.address, host=host)
        assert f"host must be a loopback address without security=, got {host!r}" in (
            str(caught.value)
        )

    @pytest.mark.parametrize("join", ["10.0.0.1:8786", "tcp://head.example:8786"])
    async def test_a_head_elsewhere_is_refused(self, join: str) -> None:
        with pytest.raises(ValueError, match="join must be a loopback address"):
            await start(join)

    async def test_a_head_does_not_listen_wider(self) -> None:
        with pytest.raises(ValueError, match="openssl req -x509"):
            await DaskHead(host="0.0.0.0", port=0).serve(lambda _: None)

    async def test_a_secure_head_is_not_asked(self, secure_head: Head) -> None:
        with pytest.raises(ValueError, match="join must be tcp://HOST:PORT when the"):
            await start(secure_head.address)

    async def test_a_secure_head_lets_nobody_in(self, secure_head: Head) -> None:
        with pytest.raises(ConnectionError, match="no head lets us in"):
            await start(f"127.0.0.1:{secure_head.port}")

    async def test_a_node_answers_no_plain_call(self, secure_head: Head) -> None:
        async with joined(secure_head, new_name()) as [node]:
            address = node.peer.address.replace("tls://", "tcp://")
            with pytest.raises(OSError, match=r"."):
                async with asyncio.timeout(5):
                    await connect(address, timeout=1)
            assert node.links == []


class TestCertificates:
    async def test_of_one_authority_let_nodes_talk(self, secure_head: Head) -> None:
        first, second = new_name(), new_name()
        async with joined(secure_head, first, second) as [one, other]:
            ear = Ear()
            link = await one.engine.connect(second, ear)

            assert await echoed(link, ear, [b"x" * 3_000_000]) == [b"x" * 3_000_000]
            assert other.peer.address.startswith("tls://")

    async def test_of_another_authority_are_refused_by_the_head(
        self, secure_head: Head, strange_certificates: dict[str, str]
    ) -> None:
        with pytest.raises(ConnectionError, match="no head lets us in"):
            await start(secure_head.address, strange_certificates)

    @pytest.mark.parametrize("known", [True, False], ids=["wrong", "none"])
    async def test_must_be_shown_to_a_node(
        self, secure_head: Head, strange_certificates: dict[str, str], known: bool
    ) -> None:
        context = ssl.create_default_context(cafile=strange_certificates["ca"])
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if known:
            context.load_cert_chain(
                strange_certificates["cert"], strange_certificates["key"]
            )
        async with joined(secure_head, new_name()) as [node]:
            host, port = node.peer.address.removeprefix("tls://").split(":")
            with pytest.raises(OSError, match=r"."):
                reader, writer = await asyncio.open_connection(
                    host, int(port), ssl=context
                )
                try:
                    if not await reader.read(1):
                        raise ConnectionError("closed")
                finally:
                    writer.close()
            assert node.links == []

    async def test_of_the_head_are_checked_by_a_node(
        self, strange_certificates: dict[str, str], secure_head: Head
    ) -> None:
        mixed = {**strange_certificates, "ca": strange_certificates["ca"]}
        with pytest.raises(ConnectionError, match="no head lets us in"):
            await Node().start(replace(secure_head, security=mixed), new_name())

    async def test_are_taken_as_a_security_of_distributed(
        self, secure_head: Head, certificates: dict[str, str]
    ) -> None:
        await start(secure_head.address, security_of(certificates))


BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "a text": ("ca.pem", TypeError, "security must be None, a distributed.Security"),
    "a part": ({"ca": "x"}, ValueError, r"keys ca, cert and key, got \['ca'\]"),
    "no file": (
        {"ca": "/nowhere", "cert": "/nowhere", "key": "/nowhere"},
        FileNotFoundError,
        r"security\['ca'\] must be a file, got '/nowhere'",
    ),
    "no encryption": (Security(), ValueError, "must have require_encryption=True"),
    "no certificate": (
        Security(require_encryption=True),
        ValueError,
        "must have tls_ca_file",
    ),
}


class TestBadInput:
    @pytest.mark.parametrize(("given", "error", "text"), BAD.values(), ids=BAD.keys())
    def test_is_named(
        self, given: Mapping[str, str], error: type[Exception], text: str
    ) -> None:
        with pytest.raises(error, match=text):
            security_of(given)

    @pytest.mark.parametrize(
        ("host", "expected"),
        [
            ("127.0.0.1", True),
            ("127.1.2.3", True),
            ("::1", True),
            ("[::1]", True),
            ("localhost", True),
            ("0.0.0.0", False),
            ("", False),
            ("192.168.0.1", False),
            ("localhost.example", False),
        ],
    )
    def test_loopback_is_known(self, host: str, expected: bool) -> None:
        assert is_loopback(host) is expected
