"""Who may use the desk and under which addresses it answers, from environment variables."""

import os
import re
import secrets
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from twig_assets.guard import LOOPBACK, read_hosts
from twig_assets.settings.home import home

Role = Literal["reader", "reviewer", "approver"]
ROLES: tuple[Role, ...] = ("reader", "reviewer", "approver")


class DeskError(ValueError):
    """The desk cannot be opened with these settings; the message names the variable, file or line."""


class User(BaseModel):
    """A person with an account.

    Attributes:
        name: Written beside every decision.
        role: `reader` looks, `reviewer` also rejects, `approver` also lets through, lifts and changes thresholds.
        password_hash: argon2's; None for those whom a proxy has checked.
    """

    model_config = ConfigDict(frozen=True)

    name: str = Field(min_length=1, max_length=80)
    role: Role
    password_hash: SecretStr | None


class DeskSettings(BaseModel):
    """The desk's settings.

    Attributes:
        users: Name -> account; empty where nobody has one, and then a name is asked for and taken on trust.
        proxy_header: A request's header in which a trusted proxy on this machine names the person; None without one.
        hosts: The host names under which the desk answers, without a port.
        secret: Signs sessions.
        metrics_token: What `/metrics` asks for; None asks for nothing, and refuses where people have accounts.
    """

    model_config = ConfigDict(frozen=True)

    users: dict[str, User] = {}
    proxy_header: str | None = None
    hosts: tuple[str, ...] = LOOPBACK
    secret: SecretStr
    metrics_token: SecretStr | None = None

    @property
    def has_accounts(self) -> bool:
        """Whether people have to show who they are."""
        return bool(self.users)


def read_settings() -> DeskSettings:
    """Settings from TWIG_DESK_USERS (a file), TWIG_DESK_PROXY_HEADER, TWIG_DESK_HOSTS and TWIG_METRICS_TOKEN.

    Raises:
        DeskError: If one of them cannot be used.
    """
    users = _read_users(os.environ.get("TWIG_DESK_USERS"))
    header = os.environ.get("TWIG_DESK_PROXY_HEADER") or None
    if header and not re.fullmatch(r"[A-Za-z0-9-]+", header):
        raise DeskError(f"TWIG_DESK_PROXY_HEADER: {header!r} is not the name of a header, such as X-Forwarded-User")
    if header and not users:
        raise DeskError("TWIG_DESK_PROXY_HEADER: says who somebody is, but not what they may do; name TWIG_DESK_USERS")
    token = os.environ.get("TWIG_METRICS_TOKEN", "").strip()
    return DeskSettings(
        users=users,
        proxy_header=header,
        hosts=read_hosts("TWIG_DESK_HOSTS"),
        secret=SecretStr(_secret()),
        metrics_token=SecretStr(token) if token else None,
    )


def _read_users(file: str | None) -> dict[str, User]:
    """A line for each: name, role and hash with colons between; `-` for those whom a proxy checks."""
    if not file:
        return {}
    try:
        lines = Path(file).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DeskError(f"TWIG_DESK_USERS: {file}: cannot be read ({error}); name a text file") from error
    users: dict[str, User] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, rest = (part.strip() for part in line.partition(":"))
        role, _, hashed = (part.strip() for part in rest.partition(":"))
        place = f"{file}:{number}"
        if not name or role not in ROLES or not (hashed == "-" or hashed.startswith("$argon2")):
            hint = f"write NAME:ROLE:HASH with a role of {', '.join(ROLES)}; `twig desk --add-user` writes such a line"
            raise DeskError(f"{place}: is no account; {hint}")
        if name in users:
            raise DeskError(f"{place}: {name!r} is there twice; keep one line")
        users[name] = User(name=name, role=role, password_hash=None if hashed == "-" else SecretStr(hashed))
    if not users:
        raise DeskError(f"TWIG_DESK_USERS: {file}: has no account; `twig desk --add-user` writes a line")
    return users


def _secret() -> str:
    """The secret of this installation, made on first use and readable by its owner only."""
    path = home() / "desk-secret"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    except FileExistsError:
        pass
    return path.read_text(encoding="ascii").strip()
