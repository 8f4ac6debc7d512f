"""A PostgreSQL for all tests of the service, and a database for each."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import count

import pytest

from examples.service import cluster

NUMBERS = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[cluster.Cluster]:
    """A server of our own; without one installed the tests cannot run."""
    if sys.platform == "win32":
        pytest.skip("Windows has no SIGTERM that a program could handle")
    try:
        cluster.find_programs()
    except cluster.NoPostgres as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    with cluster.cluster() as server:
        yield server


@pytest.fixture
def dsn(postgres: cluster.Cluster) -> str:
    """An empty database."""
    return postgres.create_database(f"service_{next(NUMBERS)}")
