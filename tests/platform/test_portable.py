"""Nothing that one system alone has is used without a question whether it is there."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastask

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(fastask.__file__).resolve().parent  # installed, or a checkout

SPECIAL = {
    "os": {
        *("chown", "chroot", "ctermid", "fchmod", "fchown", "fork", "forkpty"),
        *("get_blocking", "getegid", "geteuid", "getgid", "getgroups", "getloadavg"),
        *("getpgid", "getpgrp", "getpriority", "getsid", "getuid", "killpg", "lchown"),
        *("login_tty", "mkfifo", "mknod", "nice", "openpty", "pipe2", "pidfd_open"),
        *("posix_spawn", "pread", "pwrite", "register_at_fork", "sched_getaffinity"),
        *("sched_setaffinity", "sched_yield", "sendfile", "set_blocking", "setpgid"),
        *("setsid", "setuid", "startfile", "statvfs", "sync", "sysconf", "tcgetpgrp"),
        *("ttyname", "uname", "wait", "wait3", "wait4", "waitid"),
    },
    "signal": {
        *("CTRL_BREAK_EVENT", "CTRL_C_EVENT", "ITIMER_REAL", "SIGALRM", "SIGBREAK"),
        *("SIGBUS", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGPROF"),
        *("SIGQUIT", "SIGSTOP", "SIGTSTP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "alarm"),
        *("getitimer", "pause", "pthread_kill", "pthread_sigmask", "setitimer"),
        *("siginterrupt", "sigpending", "sigtimedwait", "sigwait", "sigwaitinfo"),
    },
    "select": {"devpoll", "epoll", "kevent", "kqueue", "poll"},
    "socket": {"AF_UNIX", "SO_REUSEPORT", "CMSG_LEN", "recv_fds", "send_fds"},
    "time": {"clock_gettime", "clock_gettime_ns", "pthread_getcpuclockid", "tzset"},
    "asyncio": {
        *("FastChildWatcher", "IocpProactor", "ProactorEventLoop", "SafeChildWatcher"),
        *("ThreadedChildWatcher", "WindowsProactorEventLoopPolicy"),
        *("WindowsSelectorEventLoopPolicy", "open_unix_connection"),
        "start_unix_server",
    },
}
METHODS = {
    *("add_reader", "add_signal_handler", "add_writer", "connect_read_pipe"),
    *("connect_write_pipe", "create_unix_connection", "create_unix_server"),
    *("remove_reader", "remove_signal_handler", "remove_writer"),
}
MODULES = {
    *("_posixsubprocess", "_winapi", "crypt", "fcntl", "grp", "msvcrt", "nt", "posix"),
    *("pty", "pwd", "resource", "syslog", "termios", "tty", "uvloop", "winloop"),
    *("winreg", "winsound"),
}
QUESTION = re.compile(r"sys\.platform|os\.name|hasattr|uvloop is not None")
DOUBTS = {"ImportError", "AttributeError", "NotImplementedError", "OSError"}


def special(node: ast.AST) -> Iterator[str]:
    """The names at a node that some system lacks."""
    if isinstance(node, ast.Import):
        roots = {name.name.partition(".")[0] for name in node.names}
        yield from roots & MODULES
    elif isinstance(node, ast.ImportFrom) and node.module:
        root = node.module.partition(".")[0]
        names = {name.name for name in node.names}
        yield from {root} & MODULES
        yield from (f"{root}.{name}" for name in names & SPECIAL.get(root, set()))
    elif isinstance(node, ast.Attribute):
        if node.attr in METHODS:
            yield node.attr
        owner = node.value.id if isinstance(node.value, ast.Name) else ""
        if node.attr in SPECIAL.get(owner, set()):
            yield f"{owner}.{node.attr}"


def is_guard(node: ast.AST) -> bool:
    """Tell whether what lies in a node is done only where it is possible."""
    if isinstance(node, ast.If | ast.IfExp):
        return bool(QUESTION.search(ast.unparse(node.test)))
    if isinstance(node, ast.Try):
        handled = " ".join(ast.unparse(h.type) for h in node.handlers if h.type)
        return bool(DOUBTS & set(re.findall(r"\w+", handled)))
    if isinstance(node, ast.With):
        used = " ".join(ast.unparse(item) for item in node.items)
        return "suppress" in used and bool(DOUBTS & set(re.findall(r"\w+", used)))
    return False


def unguarded(node: ast.AST) -> Iterator[str]:
    """Say which special names are used without a guard, and where."""
    if is_guard(node):
        return
    for name in special(node):
        yield f"{name} in line {getattr(node, 'lineno', 0)}"
    for child in ast.iter_child_nodes(node):
        yield from unguarded(child)


FILES = {
    str(file.relative_to(folder.parent)): file
    for folder in (PACKAGE, ROOT / "examples")
    for file in sorted(folder.rglob("*.py"))
}


@pytest.mark.parametrize("file", FILES.values(), ids=FILES.keys())
def test_a_module_asks_before_it_uses_what_a_system_may_lack(file: Path) -> None:
    assert not list(unguarded(ast.parse(file.read_text(encoding="utf-8"))))


def test_the_core_asks_before_it_uses_what_a_system_may_lack() -> None:
    names = {name for kind in ("os", "signal", "select") for name in SPECIAL[kind]}
    used = re.compile(rf"\b(?:os|signal|select)\.({'|'.join(names)})\b")
    for file in (ROOT / "src" / "_core").glob("*.pyx"):
        lines = file.read_text(encoding="utf-8").splitlines()
        for before, line in zip(["", *lines], lines, strict=False):
            for name in used.findall(line):
                assert f'hasattr(os, "{name}")' in before, f"{file.name}: {name}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("os.fork()", ["os.fork in line 1"]),
        ("import resource", ["resource in line 1"]),
        ("from signal import SIGKILL", ["signal.SIGKILL in line 1"]),
        ("loop.add_signal_handler(2, f)", ["add_signal_handler in line 1"]),
        ("def f():\n    os.kill(1, signal.SIGHUP)", ["signal.SIGHUP in line 2"]),
        ("if fast:\n    import uvloop", ["uvloop in line 2"]),
        ("try:\n    os.fork()\nexcept ValueError:\n    pass", ["os.fork in line 2"]),
        ("if hasattr(os, 'fork'):\n    os.fork()", []),
        ("n = signal.SIGHUP if sys.platform != 'win32' else 0", []),
        ("try:\n    import uvloop\nexcept ImportError:\n    pass", []),
        ("with contextlib.suppress(ImportError):\n    import uvloop", []),
        ("os.kill(1, signal.SIGTERM)", []),
    ],
)
def test_what_is_looked_for_is_found(text: str, found: list[str]) -> None:
    assert list(unguarded(ast.parse(textwrap.dedent(text)))) == found
