"""Security: who may listen where, and the certificates that it takes."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping

from distributed import Security
from distributed.comm.addressing import get_address_host
from distributed.utils import get_ip

LOOPBACK = "127.0.0.1"

RECIPE = """\
Whoever reaches a port without certificates can run code as you. Make an authority and
a certificate for the nodes, and give each node ca.pem, node.pem and node.key:

    openssl req -x509 -newkey rsa:3072 -nodes -days 365 -subj /CN=authority \\
        -keyout ca.key -out ca.pem
    openssl req -newkey rsa:3072 -nodes -subj /CN=node -keyout node.key -out node.csr
    openssl x509 -req -in node.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 \\
        -out node.pem

Then pass security={"ca": "ca.pem", "cert": "node.pem", "key": "node.key"}, or
--tls-ca, --tls-cert and --tls-key on the command line."""

ROLES = ("scheduler", "worker", "client")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def security_of(given: object) -> Security | None:
    """Return distributed's `Security` for what a user gave.

    Args:
        given: None for none, a `distributed.Security` that requires encryption, or the
            paths of PEM files as a mapping with the keys `ca`, `cert` and `key`.

    Raises:
        TypeError: If it is none of these.
        ValueError: If it lacks something.
        FileNotFoundError: If there is no such file.
    """
    if given is None:
        return None
    if isinstance(given, Mapping):
        return _from_paths(given)
    if not isinstance(given, Security):
        raise TypeError(
            "security must be None, a distributed.Security or a mapping with the keys "
            f"ca, cert and key, got {given!r}"
        )
    if not given.require_encryption:
        raise ValueError(f"security must have require_encryption=True, got {given!r}")
    for field in ("tls_ca_file", "tls_worker_cert", "tls_client_cert"):
        if not getattr(given, field):
            raise ValueError(f"security must have {field}, got {given!r}")
    return given


def _from_paths(given: Mapping[str, object]) -> Security:
    if set(given) != {"ca", "cert", "key"}:
        raise ValueError(
            f"security must have the keys ca, cert and key, got {sorted(given)!r}"
        )
    paths = {key: os.fspath(str(path)) for key, path in given.items()}
    for key, path in paths.items():
        if not os.path.isfile(path):
            raise FileNotFoundError(f"security[{key!r}] must be a file, got {path!r}")
    fields = {"tls_ca_file": paths["ca"]}
    for role in ROLES:
        fields |= {f"tls_{role}_cert": paths["cert"], f"tls_{role}_key": paths["key"]}
    return Security(require_encryption=True, **fields)


def check_host(host: str, security: Security | None) -> None:
    """Refuse to listen beyond this machine without certificates.

    Raises:
        ValueError: That says how to make them.
    """
    if security is None and not is_loopback(host):
        raise ValueError(
            f"host must be a loopback address without security=, got {host!r}.\n"
            f"{RECIPE}"
        )


def head_address(join: str, security: Security | None) -> str:
    """Return the head's address with the scheme that the security asks for.

    Raises:
        ValueError: If the address is none, or asks for other security than was given.
    """
    scheme, slashes, rest = join.rpartition("://")
    wanted = "tcp" if security is None else "tls"
    host, colon, port = rest.rpartition(":")
    if not (host and colon and port.isdigit()):
        raise ValueError(f"join must be HOST:PORT of the head, got {join!r}")
    if slashes and scheme != wanted:
        lacks = "has no security=" if security is None else "was given security="
        raise ValueError(
            f"join must be {wanted}://HOST:PORT when the node {lacks}, got {join!r}"
        )
    if security is None and not is_loopback(host):
        raise ValueError(
            f"join must be a loopback address without security=, got {join!r}.\n"
            f"{RECIPE}"
        )
    return f"{wanted}://{rest}"


def host_towards(head: str) -> str:
    """Return the address to listen at: the one that the way to the head starts from."""
    host = get_address_host(head)
    return LOOPBACK if is_loopback(host) else str(get_ip(host))
