"""The database of `examples/service`: what means "ask again", and what does not."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from examples.service import cluster
from examples.service.database import Database, Unavailable
from tests.service.world import connections


@contextlib.asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[Database]:
    database = Database(dsn)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


class TestConnection:
    async def test_that_takes_too_long_is_unavailable(self, dsn: str) -> None:
        async with opened(dsn) as database:
            with pytest.raises(Unavailable):
                async with database.connection() as connection:
                    await connection.execute("SELECT pg_sleep(60)", timeout=0.01)
            async with database.connection() as connection:
                assert await connection.fetchval("SELECT 1") == 1

    async def test_that_is_cut_is_unavailable(self, dsn: str) -> None:
        async with opened(dsn) as database:
            with pytest.raises(Unavailable):
                async with database.connection() as connection:
                    await connection.execute(
                        "SELECT pg_terminate_backend(pg_backend_pid())"
                    )
            async with database.connection() as connection:
                assert await connection.fetchval("SELECT 1") == 1

    async def test_that_is_asked_nonsense_says_so(self, dsn: str) -> None:
        async with opened(dsn) as database:
            with pytest.raises(asyncpg.PostgresSyntaxError):
                async with database.connection() as connection:
                    await connection.execute("SELECT FROM WHERE")

    async def test_does_not_hide_what_the_block_raises(self, dsn: str) -> None:
        async with opened(dsn) as database:
            with pytest.raises(ZeroDivisionError):
                async with database.connection():
                    raise ZeroDivisionError

    async def test_is_unavailable_before_the_opening_and_after_the_end(
        self, dsn: str
    ) -> None:
        database = Database(dsn)
        with pytest.raises(Unavailable):
            async with database.connection():
                pass
        async with opened(dsn) as database:
            pass
        with pytest.raises(Unavailable):
            async with database.connection():
                pass


class TestOpen:
    async def test_tells_that_there_is_no_server(self) -> None:
        with pytest.raises(Unavailable):
            await Database("postgresql://postgres@127.0.0.1:1/nothing").open()

    async def test_anew_closes_what_was_open(self, dsn: str) -> None:
        async with opened(dsn) as database:
            await database.open()
            async with database.connection():
                pass

            assert await connections(dsn) == 1


class TestCluster:
    def test_that_is_missing_is_told(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(cluster, "DEBIAN", tmp_path)

        with pytest.raises(cluster.NoPostgres, match="install PostgreSQL"):
            cluster.find_programs()

    def test_is_the_newest_of_debian(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        for version in ("9", "15", "17"):
            programs = tmp_path / version / "bin"
            programs.mkdir(parents=True)
            (programs / "pg_ctl").touch()
        monkeypatch.setenv("PATH", "")
        monkeypatch.setattr(cluster, "DEBIAN", tmp_path)

        assert cluster.find_programs() == tmp_path / "17" / "bin"
