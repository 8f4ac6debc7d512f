"""A PostgreSQL of one's own, in a directory: for the tests and the benchmark."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 60
"""What any of the programs may take."""

DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian has the servers, by version."""

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    # The machine does not crash meanwhile: what the system has is as good as on disk.
    "fsync": "off",
}


class NoPostgres(Exception):
    """There is no PostgreSQL server on this machine."""


def find_programs() -> Path:
    """Return the directory of `pg_ctl` and `initdb`: on the PATH, or Debian's newest.

    Raises:
        NoPostgres: If there is none.
    """
    found = shutil.which("pg_ctl")
    if found is not None:
        return Path(found).resolve().parent  # Debian's others ask which version
    debian = [
        directory
        for directory in DEBIAN.glob("*/bin")
        if (directory / "pg_ctl").exists() and directory.parent.name.isdigit()
    ]
    if not debian:
        raise NoPostgres(
            f"pg_ctl is neither on the PATH nor in {DEBIAN}/*/bin: install PostgreSQL"
        )
    return max(debian, key=lambda directory: int(directory.parent.name))


@dataclass(frozen=True)
class Cluster:
    """A server that is running.

    Attributes:
        directory: Its data.
        port: Where it listens, on 127.0.0.1.
    """

    directory: Path
    port: int

    def dsn(self, database: str = "postgres") -> str:
        """Return where a database is."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Make a database and return where it is."""
        run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", name)
        return self.dsn(name)

    def restart(self, mode: str = "immediate") -> None:
        """Stop and start it; `immediate` is as a crash, `fast` cuts all connections."""
        self._control("restart", "-m", mode)

    def stop(self, mode: str = "immediate") -> None:
        """Stop it."""
        self._control("stop", "-m", mode)

    def start(self) -> None:
        """Start it."""
        settings = " ".join(f"-c {k}='{v}'" for k, v in SETTINGS.items())
        log = str(self.directory / "server.log")
        self._control("start", "-l", log, "-o", f"-p {self.port} {settings}")

    def _control(self, *arguments: str) -> None:
        run("pg_ctl", "-w", "-t", str(SECONDS), "-D", str(self.directory), *arguments)


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Make a server, and remove it.

    Raises:
        NoPostgres: If there is none on this machine.
    """
    find_programs()
    parent = Path(tempfile.mkdtemp(prefix="service-"))
    try:
        if owner := owner_of_servers():
            shutil.chown(parent, owner)
        data = parent / "data"
        encoding = ("--encoding=UTF8", "--locale=C", "--no-sync")
        run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", *encoding)
        server = start_on_free_port(data)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(parent)


def start_on_free_port(data: Path) -> Cluster:
    """Start a server; somebody else may take the port that was free just before."""
    attempts = 5
    while True:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            server = Cluster(data, probe.getsockname()[1])
        attempts -= 1
        try:
            server.start()
        except RuntimeError:
            if not attempts:
                raise
        else:
            return server


def owner_of_servers() -> str | None:
    """Return the user that runs servers: PostgreSQL refuses to run as root."""
    if sys.platform != "win32" and os.getuid() == 0:
        import pwd

        users = {user.pw_name for user in pwd.getpwall()}
        return "postgres" if "postgres" in users else "nobody"
    return None


def run(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs.

    Raises:
        RuntimeError: If it fails.
    """
    options: dict[str, Any] = {}
    if owner := owner_of_servers():
        options = {"user": owner, "group": group_of(owner), "extra_groups": []}
    # Neither where we are nor what is loaded into our programs is of its business. The
    # server that it starts keeps the output open: a pipe would never end.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LD_")}
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [find_programs() / program, *arguments],
            cwd="/" if os.name != "nt" else None,
            env={**environment, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=2 * SECONDS,
            **options,
        )
        output.seek(0)
        said = output.read().decode(errors="replace")
    if done.returncode:
        raise RuntimeError(f"{program} failed with {done.returncode}: {said}")


@functools.cache
def group_of(user: str) -> int:
    """Return the group of a user."""
    if sys.platform != "win32":
        import pwd

        return pwd.getpwnam(user).pw_gid
    raise RuntimeError(f"user must not be given on Windows, got {user!r}")
