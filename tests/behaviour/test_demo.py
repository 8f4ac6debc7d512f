"""`python -m fastask demo`: the tree, its digest, the articles, the exit status."""

from __future__ import annotations

import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fastask.__main__ import main
from fastask.demo import articles, checksum, command, report, supervised

TREE = {
    "a.txt": b"one\ntwo\n",
    "b/c.bin": bytes(range(256)) * 2000,
    "b/empty": b"",
    "b/d/last": b"no line end",
    "b.txt": b"\n\n\n",
    "caf\N{LATIN SMALL LETTER E WITH ACUTE} x.txt": b"\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, content in TREE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def demo(*arguments: object) -> int:
    return main(["demo", "--skip-articles", *map(str, arguments)])


def field(output: str, name: str) -> str:
    lines = [line for line in output.splitlines() if line.startswith(name)]
    assert len(lines) == 1, output
    return lines[0].removeprefix(name).strip()


def digest_of(lines: Sequence[tuple[str, bytes | None]]) -> str:
    total = hashlib.sha256()
    for path, content in lines:
        failed = content is None
        result = "failed" if failed else hashlib.sha256(content or b"").hexdigest()
        total.update(os.fsencode(path) + b"\0" + result.encode() + b"\n")
    return total.hexdigest()


def vanish(monkeypatch: pytest.MonkeyPatch, names: Sequence[str]) -> None:
    """Let the walk name files that are gone when they are read."""
    walk = checksum.walk

    def walk_and_more(root: str) -> Iterator[str]:
        yield from walk(root)
        yield from names

    monkeypatch.setattr(checksum, "walk", walk_and_more)


class TestWalk:
    def test_yields_relative_paths_in_sorted_order(self, tree: Path) -> None:
        assert list(checksum.walk(str(tree))) == sorted_tree()

    def test_follows_no_symbolic_link(self, tree: Path) -> None:
        (tree / "link").symlink_to(tree / "a.txt")
        (tree / "loop").symlink_to(tree, target_is_directory=True)

        assert list(checksum.walk(str(tree))) == sorted_tree()

    def test_passes_over_what_is_no_regular_file(self, tree: Path) -> None:
        if sys.platform == "win32":
            pytest.skip("no named pipes here")
        os.mkfifo(tree / "pipe")

        assert list(checksum.walk(str(tree))) == sorted_tree()

    def test_lists_a_directory_only_when_it_comes_to_it(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listed: list[str] = []
        scandir = os.scandir

        def note(path: str) -> object:
            listed.append(path)
            return scandir(path)

        monkeypatch.setattr(os, "scandir", note)

        paths = checksum.walk(str(tree))
        assert not listed
        assert next(paths) == "a.txt"
        assert len(listed) == 1

    def test_yields_a_directory_that_cannot_be_listed(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scandir = os.scandir

        def refuse(path: str) -> object:
            if path.endswith("d"):
                raise PermissionError(13, "Permission denied", path)
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)

        assert "b/d" in list(checksum.walk(str(tree)))


class TestReadFile:
    def test_gives_digest_size_and_line_ends(self, tree: Path) -> None:
        found = checksum.read_file("a.txt", str(tree))

        digest = hashlib.sha256(b"one\ntwo\n").hexdigest()
        assert found == checksum.FileSum("a.txt", digest, size=8, lines=2)

    def test_gives_up_once_it_is_stopped(self, tree: Path) -> None:
        stopped = threading.Event()
        stopped.set()

        with pytest.raises(checksum.AbandonedError):
            checksum.read_file("a.txt", str(tree), None, stopped)

    def test_gives_up_when_its_time_is_over(self, tree: Path) -> None:
        with pytest.raises(checksum.AbandonedError):
            checksum.read_file("a.txt", str(tree), -1.0)


class TestTree:
    @pytest.mark.parametrize("concurrency", [1, 2, 16])
    def test_counts_and_digests_every_file(
        self, tree: Path, concurrency: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        status = demo(tree, "--concurrency", concurrency)

        output = capsys.readouterr().out
        assert status == 0
        assert field(output, "files") == "6"
        assert field(output, "bytes") == "512,023"
        assert field(output, "lines") == f"{5 + 1 + 2000:,}"
        assert field(output, "failures") == "0"
        assert field(output, "digest") == digest_of(contents())

    def test_checks_against_the_sequential_computation(
        self, tree: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert demo(tree, "--check") == 0
        assert field(capsys.readouterr().out, "check").startswith("the same")

    def test_fails_when_the_sequential_computation_differs(
        self,
        tree: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        other = checksum.Total()
        monkeypatch.setattr(checksum, "read_tree_one_by_one", lambda root: other)

        assert demo(tree, "--check") == 1
        assert field(capsys.readouterr().out, "check").startswith("DIFFERENT")

    def test_digests_many_files_in_order(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        chance = random.Random(1)
        for number in range(300):
            content = chance.randbytes(chance.choice([0, 10, 1000, 400_000]))
            (tmp_path / f"{number}").write_bytes(content)

        assert demo(tmp_path, "--check", "--concurrency", 8) == 0
        assert field(capsys.readouterr().out, "files") == "300"

    def test_accepts_an_empty_directory(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert demo(tmp_path, "--check") == 0
        assert field(capsys.readouterr().out, "digest") == digest_of([])

    @pytest.mark.skipif(sys.platform != "linux", reason="names here are text")
    def test_shows_a_name_that_cannot_be_printed(
        self,
        tree: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        vanish(monkeypatch, [os.fsdecode(b"not\xffutf8"), "two\nlines"])

        assert demo(tree, "--check") == 0
        output = capsys.readouterr().out
        assert "  not\\udcffutf8: " in output
        assert "  two\\nlines: " in output


class TestFailures:
    def test_stop_nothing_and_are_listed(
        self,
        tree: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        vanish(monkeypatch, ["gone"])

        status = demo(tree, "--check")

        output = capsys.readouterr().out
        assert status == 0
        assert field(output, "files") == "6"
        assert field(output, "failures") == "1"
        assert "  gone: No such file or directory" in output
        assert field(output, "digest") == digest_of([*contents(), ("gone", None)])
        assert field(output, "check").startswith("the same")

    def test_are_listed_up_to_the_twentieth(
        self,
        tree: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        vanish(monkeypatch, [f"gone{number:02}" for number in range(25)])

        assert demo(tree) == 0
        output = capsys.readouterr().out
        assert "gone19: " in output
        assert "gone20: " not in output
        assert "... and 5 more" in output

    def test_of_the_time_limit_make_the_check_impossible(
        self,
        tree: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        read_file = checksum.read_file

        def read_slowly(
            path: str, root: str, seconds: float, stopped: threading.Event
        ) -> checksum.FileSum:
            if path == "b.txt":
                stopped.wait(30.0)
            return read_file(path, root, None, stopped)

        monkeypatch.setattr(checksum, "read_file", read_slowly)

        status = demo(tree, "--check", "--timeout", 0.2, "--concurrency", 2)

        output = capsys.readouterr().out
        assert status == 1
        assert field(output, "files") == "5"
        assert "  b.txt: over the time limit" in output
        assert field(output, "check").startswith("not possible")
        missed = [(path, None if path == "b.txt" else c) for path, c in contents()]
        assert field(output, "digest") == digest_of(missed)


class TestArticles:
    @pytest.mark.slow
    def test_keep_their_bounds(
        self, tree: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        status = main(["demo", str(tree), "--seed", "1"])

        output = capsys.readouterr().out
        assert status == 0, output
        assert "seed 1" in output
        programs = [*articles.make_programs(1), *supervised.make_programs()]
        assert output.count("  ok\n") == len(programs)

    def test_missing_a_bound_is_a_failure(
        self,
        tree: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        make_program(monkeypatch, [articles.Program("quick", quick, 1, 1000.0)])

        assert main(["demo", str(tree)]) == 1
        assert "too early" in capsys.readouterr().out

    def test_raising_is_a_failure(
        self,
        tree: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        make_program(monkeypatch, [articles.Program("crash", crash, 1, 0.0)])

        assert main(["demo", str(tree)]) == 1
        assert "raised ValueError('on purpose')" in capsys.readouterr().out

    def test_one_that_is_too_late_may_try_again(self) -> None:
        seen: list[int] = []

        async def slow_at_first() -> int:
            seen.append(1)
            if len(seen) == 1:
                await articles.compute(2000)
            return 1

        outcome = articles.run_program(
            articles.Program("slow at first", slow_at_first, 1, 0.0)
        )

        assert outcome.is_good
        assert len(seen) == 2

    @pytest.mark.parametrize(
        ("seconds", "value", "left", "verdict"),
        [
            (0.1, 7, None, "ok"),
            (0.198, 7, None, "ok"),
            (0.09, 7, None, "too early"),
            (0.21, 7, None, "too late"),
            (0.1, 8, None, "wrong value: 8 instead of 7"),
            (0.1, 7, "x", "left in the mailbox: 'x'"),
        ],
    )
    def test_are_judged(
        self, seconds: float, value: int, left: str | None, verdict: str
    ) -> None:
        program = articles.Program("any", quick, 7, 1000.0)

        assert articles.judge(program, seconds, value, left) == verdict

    def test_expect_the_values_of_the_article(self) -> None:
        assert articles.time_on_arrival(articles.SLOW_FIRST) == 550
        assert articles.time_on_arrival([]) == 0

    def test_have_the_same_inputs_for_the_same_seed(self) -> None:
        first, again = articles.make_programs(5), articles.make_programs(5)

        assert [(p.value, p.lower) for p in first] == [
            (p.value, p.lower) for p in again
        ]


class TestProgress:
    def test_draws_one_line_over_and_over_on_a_terminal(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(report, "REDRAW_SECONDS", 0.0)
        terminal = Terminal()
        progress = report.Progress(terminal)
        total = checksum.Total()
        total.add(checksum.FileSum("x", "0", 2_000_000, 1))
        progress.update(total)
        progress.clear()

        _, drawn, *_ = terminal.getvalue().split("\r")
        assert drawn.startswith("1 files  2.0 MB  0 failures")
        assert terminal.getvalue().endswith("\r")
        assert "\n" not in terminal.getvalue()

    @pytest.mark.slow
    def test_is_shown_on_a_terminal(self, tree: Path) -> None:
        if sys.platform == "win32":
            pytest.skip("needs a pty")
        import pty

        leader, follower = pty.openpty()
        try:
            finished = start(tree, "--skip-articles", stderr=follower)
            output, _ = finished.communicate(timeout=30)
            shown = os.read(leader, 10_000).decode()
        finally:
            os.close(leader)
            os.close(follower)

        assert finished.returncode == 0
        assert "files/s" in shown
        assert shown.startswith("\r")
        assert "files/s" not in output

    @pytest.mark.slow
    def test_is_not_shown_elsewhere(self, tree: Path) -> None:
        finished = start(tree, "--skip-articles")
        output, errors = finished.communicate(timeout=30)

        assert finished.returncode == 0
        assert errors == ""
        assert "\r" not in output


class TestCommandLine:
    def test_prints_help_without_a_command(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([]) == 0
        assert "demo" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--no-such-option"], "--no-such-option"),
            (["/no/such/directory"], "not a directory: '/no/such/directory'"),
            (["--timeout", "-1"], "--timeout: must be a number > 0, got '-1'"),
            (["--timeout", "nan"], "--timeout: must be a number > 0, got 'nan'"),
            (["--concurrency", "0"], "--concurrency: must be an integer >= 1, got '0'"),
            (["--concurrency", "x"], "--concurrency: must be an integer >= 1, got 'x'"),
            (["--seed", "x"], "--seed"),
        ],
    )
    def test_refuses_what_it_cannot_use(
        self,
        arguments: list[str],
        message: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        with pytest.raises(SystemExit) as refused:
            main(["demo", *arguments])

        assert refused.value.code == 2
        assert message in capsys.readouterr().err

    def test_ends_with_130_after_an_interrupt(
        self,
        tree: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        def interrupt(seed: int | None) -> bool:
            raise KeyboardInterrupt

        monkeypatch.setattr(command, "_run_articles", interrupt)

        assert main(["demo", str(tree)]) == 130
        assert capsys.readouterr().err == "interrupted\n"

    @pytest.mark.slow
    @pytest.mark.skipif(sys.platform == "win32", reason="SIGINT reaches the group")
    def test_ends_cleanly_at_a_signal(self, tree: Path) -> None:
        process = start(tree)
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("The articles"):
                break
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)

        assert process.returncode == 130
        assert errors == "interrupted\n"


class Terminal(io.StringIO):
    """A text stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def sorted_tree() -> list[str]:
    names = ["a.txt", "b/c.bin", "b/d/last", "b/empty", "b.txt"]
    return [*names, "caf\N{LATIN SMALL LETTER E WITH ACUTE} x.txt"]


def contents() -> list[tuple[str, bytes | None]]:
    return [(name, TREE[name]) for name in sorted_tree()]


def make_program(
    monkeypatch: pytest.MonkeyPatch, programs: list[articles.Program]
) -> None:
    monkeypatch.setattr(articles, "make_programs", lambda seed: programs)
    monkeypatch.setattr(supervised, "make_programs", list)


async def quick() -> int:
    return 1


async def crash() -> int:
    raise ValueError("on purpose")


def start(
    tree: Path, *arguments: str, stderr: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "fastask", "demo", str(tree), *arguments],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


class TestNodes:
    def test_run_the_program_of_a_cluster(
        self, bare_main: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["demo", "--nodes", "2", "--seed", "1"]) == 0

        output = capsys.readouterr().out
        assert output.count("100 of 100 right") == 2
        local, dask = output.split("dask  ")
        for part in (local, dask):
            ran = [line.split() for line in part.splitlines() if "@" in line]
            assert sum(int(count) for _, count in ran) == 100
            assert len(ran) == 3

    def test_name_the_extra_where_there_is_no_dask(
        self,
        bare_main: None,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(command, "find_spec", lambda name: None)

        assert main(["demo", "--nodes", "1", "--seed", "1"]) == 0

        output = capsys.readouterr().out
        assert output.count("100 of 100 right") == 1
        assert 'dask      left out: pip install "fastask-otp[dask]"' in output
