"""A Ray cluster with certificates; run by scripts/test-ray, and nowhere else.

There is room for one cluster of Ray in a network, so these tests have a run of their
own.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nodes import ray_cluster
from tests.nodes.cluster import Ear, echoed, new_name
from tests.nodes.ray_cluster import RayHead, RayNode, joined, running_ray

REFUSAL = ray_cluster.why_not()
if REFUSAL is None and os.environ.get("FASTASK_RAY_TLS") != "1":
    REFUSAL = "the cluster of the other tests is in its place: run scripts/test-ray"
if REFUSAL is not None:
    pytest.skip(REFUSAL, allow_module_level=True)

pytestmark = pytest.mark.slow


RECIPE = """
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=authority -keyout ca.key -out ca.pem
openssl req -newkey rsa:2048 -nodes -subj /CN=node -keyout node.key -out node.csr \\
    -addext subjectAltName=IP:127.0.0.1
openssl x509 -req -in node.csr -CA ca.pem -CAkey ca.key -CAcreateserial \\
    -copy_extensions copy -out node.pem
"""
"""Ray looks for the address of a node in its certificate."""


def make_certificates(folder: Path) -> dict[str, str]:
    """Make an authority and the certificate of a node at 127.0.0.1."""
    subprocess.run(["sh", "-ec", RECIPE], cwd=folder, check=True, capture_output=True)
    files = {"ca": "ca.pem", "cert": "node.pem", "key": "node.key"}
    return {key: str(folder / file) for key, file in files.items()}


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayHead]:
    """A head that asks for a token and a certificate."""
    folder = tmp_path_factory.mktemp("ray")
    with running_ray(folder, make_certificates(folder)) as running:
        yield running


async def test_nodes_that_show_their_certificate_talk(head: RayHead) -> None:
    first, second = new_name(), new_name()
    async with joined(head, first, second) as [one, _]:
        ear = Ear()
        link = await one.engine.connect(second, ear)

        assert await echoed(link, ear, [b"there"]) == [b"there"]


async def test_who_shows_none_is_not_let_in(head: RayHead) -> None:
    bare = RayHead(head.process, {"token": head.security["token"]}, head.address)

    with pytest.raises(ConnectionError):
        await RayNode().start(bare, new_name())


async def test_who_shows_that_of_another_authority_is_not_let_in(
    head: RayHead, strange_certificates: dict[str, str]
) -> None:
    strange = RayHead(head.process, head.security | strange_certificates, head.address)

    with pytest.raises(ConnectionError):
        await RayNode().start(strange, new_name())
