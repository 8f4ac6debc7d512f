"""`python -m fastask scheduler` and `python -m fastask node`."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

import fastask
from fastask.__main__ import main
from fastask._nodes.dask import DaskEngine
from tests.nodes.cluster import Head, Program, running_head

WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
from fastask.__main__ import main
sys.exit(main(sys.argv[2:]))
"""


class TestImport:
    def test_of_fastask_imports_no_engine(self) -> None:
        code = "import sys, fastask, fastask.__main__; print(*sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )

        unwanted = {"dask", "distributed", "tornado", "ray"}
        assert not unwanted & set(done.stdout.split())

    @pytest.mark.parametrize(
        ("module", "extra", "command"),
        [
            ("distributed", "dask", ["scheduler"]),
            ("ray", "ray", ["node", "--name=a@h", "--join=auto", "--engine=ray"]),
        ],
    )
    def test_without_what_an_engine_needs_names_the_extra(
        self, module: str, extra: str, command: list[str]
    ) -> None:
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT, module, *command],
            capture_output=True,
            text=True,
        )

        assert done.returncode == 2
        assert f'pip install "fastask-otp[{extra}]"' in done.stderr


class TestScheduler:
    @pytest.mark.skipif(sys.platform == "win32", reason="it has no such signals")
    @pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
    def test_prints_its_address_and_stops_in_order(self, stop: signal.Signals) -> None:
        with running_head() as head:
            assert head.address == f"tcp://127.0.0.1:{head.port}"
            head.program.process.send_signal(stop)
            assert head.program.process.wait(10) == 0

    def test_on_a_port_that_is_taken_fails(self, head: Head) -> None:
        program = Program("-m", "fastask", "scheduler", f"--port={head.port}")
        assert program.process.wait(20) == 1
        program.close()

    def test_does_not_listen_wider_without_certificates(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["scheduler", "--host=0.0.0.0", "--port=0"]) == 2
        assert "host must be a loopback address" in capsys.readouterr().err

    def test_needs_all_of_the_certificate(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["scheduler", "--tls-ca=ca.pem"]) == 2
        assert "--tls-cert and --tls-key must be given, too" in capsys.readouterr().err

    @pytest.mark.parametrize(
        "option", ["--port=x", "--port=70000", "--net-ticktime=10", "--net-ticktime=x"]
    )
    def test_refuses_what_is_out_of_range(
        self, option: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            main(["scheduler", option])
        assert "must be" in capsys.readouterr().err


class TestNode:
    @pytest.fixture
    def connected(self, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
        """Stand in for the room above: note how the cluster is joined, and leave."""
        calls: list[dict[str, Any]] = []

        @contextlib.asynccontextmanager
        async def connect(**options: Any) -> AsyncIterator[None]:
            calls.append(options)
            raise ConnectionError("there is no head")
            yield

        monkeypatch.setattr(fastask, "connect", connect, raising=False)
        return calls

    def test_joins_with_what_it_is_given(
        self, connected: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
    ) -> None:
        arguments = ["--name=a@h", "--join=10.0.0.1:8786", "--app=shop:children"]
        tls = ["--tls-ca=1", "--tls-cert=2", "--tls-key=3"]

        assert main(["node", *arguments, *tls, "--net-ticktime=20"]) == 1
        assert "fastask node: there is no head" in capsys.readouterr().err
        [options] = connected
        assert isinstance(options.pop("engine"), DaskEngine)
        assert options == {
            "name": "a@h",
            "join": "10.0.0.1:8786",
            "app": "shop:children",
            "security": {"ca": "1", "cert": "2", "key": "3"},
            "net_ticktime": 20.0,
        }

    def test_on_ray_joins_with_what_it_is_given(
        self, connected: list[dict[str, Any]]
    ) -> None:
        arguments = ["--engine=ray", "--name=a@h", "--join=auto", "--token=secret"]
        tls = ["--tls-ca=1", "--tls-cert=2", "--tls-key=3"]

        assert main(["node", *arguments, *tls, "--net-ticktime=1"]) == 1
        assert connected == [
            {
                "engine": "ray",
                "name": "a@h",
                "join": "auto",
                "app": None,
                "security": {"token": "secret", "ca": "1", "cert": "2", "key": "3"},
                "net_ticktime": 1.0,
            }
        ]

    def test_on_ray_leaves_security_to_the_environment(
        self, connected: list[dict[str, Any]]
    ) -> None:
        assert main(["node", "--engine=ray", "--name=a@h", "--join=auto"]) == 1
        assert connected[0]["security"] is None

    @pytest.mark.parametrize(
        ("option", "error"),
        [
            (["--engine=ray", "--host=127.0.0.1"], "a node on Ray has none"),
            (["--engine=ray", "--port=9000"], "a node on Ray has none"),
            (["--engine=dask", "--token=secret"], "--token is for --engine=ray"),
        ],
    )
    def test_refuses_what_is_of_another_engine(
        self,
        option: list[str],
        error: str,
        connected: list[dict[str, Any]],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        assert main(["node", "--name=a@h", "--join=10.0.0.1:1", *option]) == 2
        assert error in capsys.readouterr().err
        assert connected == []

    def test_needs_a_name(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            main(["node"])
        assert "--name" in capsys.readouterr().err
