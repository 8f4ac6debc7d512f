"""Security: which clusters a node joins, and what it shows them."""

from __future__ import annotations

import os
from collections.abc import Mapping

TLS = {
    "ca": "RAY_TLS_CA_CERT",
    "cert": "RAY_TLS_SERVER_CERT",
    "key": "RAY_TLS_SERVER_KEY",
}

SWITCHES = ("1", "true", "yes")


def cluster_address(join: object) -> str:
    """Return the address of a cluster as Ray takes it.

    Raises:
        TypeError: If it is no text.
        ValueError: If it is none of a cluster that runs already.
    """
    if join is None:
        raise ValueError(
            "join must be 'auto' or HOST:PORT of a Ray cluster that runs, got None: "
            "fastask starts none, as it would listen on all interfaces"
        )
    if not isinstance(join, str):
        raise TypeError(f"join must be a string, got {join!r}")
    if join == "auto":
        return join
    host, _, port = join.rpartition(":")
    if "://" in join or not (host and port.isdigit()):
        raise ValueError(
            "join must be 'auto' or HOST:PORT of a Ray cluster that has a node on "
            f"this machine, got {join!r}"
        )
    return join


def environment_for(security: object) -> dict[str, str]:
    """Return the environment in which Ray shows what a user gave.

    Args:
        security: None for what the environment says, or paths as a mapping with the key
            `token`, the keys `ca`, `cert` and `key`, or all four.

    Raises:
        TypeError: If it is none of these.
        ValueError: If it has other keys.
        FileNotFoundError: If there is no such file.
    """
    environment = dict(os.environ)
    if security is None:
        return environment
    if not isinstance(security, Mapping):
        raise TypeError(f"security must be None or a mapping, got {security!r}")
    if set(security) not in ({"token"}, set(TLS), {"token", *TLS}):
        raise ValueError(
            "security must have the key token, or ca, cert and key, or all four, "
            f"got {sorted(map(str, security))!r}"
        )
    paths = {key: os.path.abspath(str(path)) for key, path in security.items()}
    for key, path in paths.items():
        if not os.path.isfile(path):
            raise FileNotFoundError(f"security[{key!r}] must be a file, got {path!r}")
    token = paths.pop("token", None)
    if token is not None:
        environment.pop("RAY_AUTH_TOKEN", None)  # it would win
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": token}
    if paths:
        environment["RAY_USE_TLS"] = "1"
        environment |= {TLS[key]: path for key, path in paths.items()}
    return environment


def is_protected(environment: Mapping[str, str]) -> bool:
    """Whether Ray asks for a token or a certificate, as far as one can tell here."""
    uses_tls = environment.get("RAY_USE_TLS", "").lower() in SWITCHES
    return uses_tls or environment.get("RAY_AUTH_MODE", "").lower() == "token"
