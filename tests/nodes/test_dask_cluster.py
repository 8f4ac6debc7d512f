"""The engine on Dask below the meaning of nodes: its head, and its certificates."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import fastask
from fastask import Address, NodeDown, NodeUp, TaskSupervisor
from fastask._nodes.dask import membership
from tests.nodes import there
from tests.nodes.cluster import Head, joined, new_name, running_head, until
from tests.nodes.fleet import running_fleet
from tests.nodes.there import Counter

APP = "tests.nodes.there:app"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform == "win32", reason="a killed program takes us along"
    ),
]


def join(head: Head | str, security: Any = None) -> fastask.Node:
    """This program as a node."""
    address = head if isinstance(head, str) else head.address
    return fastask.connect("dask", new_name(), join=address, security=security, app=APP)


async def all_up(names: list[str]) -> None:
    """Wait until the others are up, and no one else."""
    await until(lambda: sorted(fastask.nodes()) == sorted(names))


class TestHead:
    async def test_may_be_killed_and_return_under_running_calls(self) -> None:
        answers = 0
        stop = False

        async def call(name: str) -> int:
            nonlocal answers
            expected = 0
            while not stop:
                expected += 1
                assert await Counter.add(Address("counter", name), 1) == expected
                answers += 1
            return expected

        async def more() -> None:
            before = answers
            await until(lambda: answers > before + 50)

        with running_head() as head, running_fleet(2, head) as fleet:
            async with join(head):
                await all_up(fleet.names)
                fastask.monitor_nodes(True)
                tasks = TaskSupervisor.ref("task_supervisor", fleet.names[0])
                waits = tasks.async_(there.reply_once)
                assert waits.process is not None
                callers = [fastask.async_(call, name) for name in fleet.names]
                await more()

                head.program.close()
                await more()
                assert sorted(fastask.nodes()) == fleet.names
                with running_head(port=head.port) as back:
                    late = new_name()
                    async with joined(back, late) as [node]:
                        # All are listed again, or it would not know them.
                        await node.meets(fastask.node(), *fleet.names)
                        await fastask.receive(lambda m: m == NodeUp(late), timeout=10)
                        await more()
                    stop = True
                    assert all(count > 0 for count in await fastask.await_many(callers))
                    fastask.send(waits.process, 7)
                    assert await waits == 7
                    # That the late one left is told when others had time to return.
                    assert fastask.receive_nowait(NodeDown, default=None) is None

    async def test_that_is_gone_hides_no_death(self) -> None:
        with running_head() as head, running_fleet(2, head) as fleet:
            async with join(head):
                await all_up(fleet.names)
                victim, other = fleet.names
                tasks = TaskSupervisor.ref("task_supervisor", victim)
                task = tasks.async_nolink(there.forever)
                await tasks.async_(there.identity, 1)
                head.program.close()

                fleet.programs[victim].close()

                assert await task.yield_(10) == fastask.Failed(fastask.NOCONNECTION)
                assert await Counter.add(Address("counter", other), 1) == 1

    async def test_that_is_none_is_an_error_that_says_so(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(membership, "CONNECT", 0.3)
        with running_head() as head:
            address = head.address
        with pytest.raises(ConnectionError, match=f"no head lets us in at {address}"):
            await join(address)
        assert fastask.node() == "nonode@nohost"
        assert fastask.whereis("counter") is None

    async def test_has_to_be_named(self) -> None:
        with pytest.raises(ValueError, match="python -m fastask scheduler"):
            await fastask.connect("dask", new_name())

    async def test_refuses_a_name_that_a_live_node_has(self, head: Head) -> None:
        name = new_name()
        async with joined(head, name):
            with pytest.raises(
                fastask.NameTakenError, match=f"a live node has '{name}"
            ):
                await fastask.connect("dask", name, join=head.address)

    def test_starts_no_workers(self) -> None:
        with pytest.raises(ValueError, match="workers must be None for engine='dask'"):
            fastask.connect("dask", workers=2)


class TestCertificates:
    async def test_of_the_authority_let_tasks_run(
        self, secure_head: Head, certificates: dict[str, str]
    ) -> None:
        with running_fleet(1, secure_head) as fleet:
            async with join(secure_head, certificates):
                await all_up(fleet.names)
                tasks = TaskSupervisor.ref("task_supervisor", *fleet.names)

                assert await tasks.async_(there.where) == (0, *fleet.names)
                big = bytes(10_000_000)
                assert await tasks.async_(there.identity, big) == big

    async def test_of_another_authority_are_refused(
        self, secure_head: Head, strange_certificates: dict[str, str]
    ) -> None:
        with pytest.raises(ConnectionError) as caught:
            await join(secure_head, strange_certificates)

        assert f"no head lets us in at {secure_head.address}" in str(caught.value)
        assert "TLS certificate does not match" in str(caught.value)
        assert fastask.node() == "nonode@nohost"
        assert fastask.whereis("counter") is None

    async def test_signed_by_another_authority_are_refused_by_the_head(
        self,
        secure_head: Head,
        certificates: dict[str, str],
        strange_certificates: dict[str, str],
    ) -> None:
        mixed = {**strange_certificates, "ca": certificates["ca"]}

        with pytest.raises(ConnectionError, match="no head lets us in at tls://"):
            await join(secure_head, mixed)

    async def test_are_asked_for(self, secure_head: Head) -> None:
        with pytest.raises(ValueError, match="when the node has no security="):
            await join(secure_head)

    async def test_that_are_not_shown_let_nobody_in(self, secure_head: Head) -> None:
        with pytest.raises(ConnectionError, match="no head lets us in at tcp://"):
            await join(f"127.0.0.1:{secure_head.port}")
