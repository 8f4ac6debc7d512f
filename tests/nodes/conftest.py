"""One head for all tests that do not kill it, and certificates."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastask._nodes.dask.security import RECIPE
from tests.nodes.cluster import Head, running_head


@pytest.fixture(scope="session")
def head() -> Iterator[Head]:
    """A head on the loopback address."""
    with running_head() as running:
        yield running


def make_certificates(folder: Path) -> dict[str, str]:
    """Make an authority and a certificate, as the error tells a user to."""
    if shutil.which("openssl") is None:
        if os.environ.get("CI"):
            pytest.fail("openssl is missing")
        pytest.skip("openssl makes the certificates, and is missing")
    folder.mkdir()
    commands = "".join(
        line for line in RECIPE.splitlines(keepends=True) if line.startswith("    ")
    )
    subprocess.run(["sh", "-ec", commands], cwd=folder, check=True, capture_output=True)
    files = {"ca": "ca.pem", "cert": "node.pem", "key": "node.key"}
    return {key: str(folder / file) for key, file in files.items()}


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The paths of certificates of the cluster's authority."""
    return make_certificates(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="session")
def strange_certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The paths of certificates of another authority."""
    return make_certificates(tmp_path_factory.mktemp("tls") / "theirs")


@pytest.fixture(scope="session")
def secure_head(certificates: dict[str, str]) -> Iterator[Head]:
    """A head that asks for certificates."""
    with running_head(certificates) as running:
        yield running
