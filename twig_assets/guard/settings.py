"""Under which names the guarded servers answer and whether they ask for a token, from environment variables."""

import os

from pydantic import BaseModel, ConfigDict, SecretStr

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_SHORTEST_TOKEN = 16


class GuardError(ValueError):
    """The servers cannot be guarded with these settings; the message names the variable."""


class GuardSettings(BaseModel):
    """The guard's settings.

    Attributes:
        hosts: The host names under which a server answers, in lower case and without a port.
        token: What a browser or a program has to show; None where everybody who reaches the port may pass.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hosts: tuple[str, ...] = LOOPBACK
    token: SecretStr | None = None


def read_settings() -> GuardSettings:
    """Settings from TWIG_UI_HOSTS and TWIG_UI_TOKEN.

    Raises:
        GuardError: If the token is one that can be guessed.
    """
    token = os.environ.get("TWIG_UI_TOKEN") or None
    if token is not None and (len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable()):
        raise GuardError(
            f"TWIG_UI_TOKEN: needs at least {_SHORTEST_TOKEN} printable ASCII characters; "
            "`python -c 'import secrets; print(secrets.token_urlsafe())'` makes one"
        )
    return GuardSettings(hosts=read_hosts("TWIG_UI_HOSTS"), token=SecretStr(token) if token else None)


def read_hosts(variable: str) -> tuple[str, ...]:
    """The names of this machine's loopback, and those that an environment variable adds, separated by commas."""
    named = (host.strip().lower() for host in os.environ.get(variable, "").split(","))
    return LOOPBACK + tuple(host for host in named if host)
