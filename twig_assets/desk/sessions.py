"""Who is at the desk: accounts, signed sessions, and tokens against forged requests."""

import hashlib
import hmac
import secrets
import time
from collections import defaultdict
from dataclasses import dataclass, field

import argon2
from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import Request

from twig_assets.desk.settings import DeskSettings, Role

COOKIE = "twig-desk"
_HOURS = 12
_FREE_TRIES = 5
# Behind a proxy all people are one peer, and one of them must not keep the others out so easily.
_FREE_TRIES_OF_PEER = 30
_LONGEST_WAIT_S = 300.0


@dataclass(frozen=True)
class Person:
    """Somebody at the desk.

    Attributes:
        name: Who they are.
        role: What they may do.
        proven: Whether a password or a proxy has shown it.
        session: What their forms' tokens are bound to.
    """

    name: str
    role: Role
    proven: bool
    session: str

    def may(self, decision: str) -> bool:
        """Whether the person may make a decision, ask for a `redraw`, `allow` elements, or change `thresholds`."""
        return self.role == "approver" or (self.role == "reviewer" and decision in ("reject", "redraw"))


@dataclass
class Door:
    """Lets people in."""

    settings: DeskSettings
    _failures: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def person(self, request: Request) -> Person | None:
        """Who sends a request; None for somebody who has not said so yet."""
        if self.settings.proxy_header is not None:
            return self._from_proxy(request)
        try:
            kept = self._serializer.loads(request.cookies.get(COOKIE, ""), max_age=_HOURS * 3600)
        except BadSignature:
            return None
        name, session = str(kept["name"]), str(kept["session"])
        if not self.settings.has_accounts:
            return Person(name, "approver", False, session)
        user = self.settings.users.get(name)
        if user is None or kept.get("account") != self._account(name):
            return None
        return Person(user.name, user.role, True, session)

    def cookie(self, name: str) -> str:
        """The value of the cookie of a new session."""
        kept = {"name": name, "session": secrets.token_urlsafe(16), "account": self._account(name)}
        return self._serializer.dumps(kept)

    def wait_s(self, name: str, peer: str) -> float:
        """How long somebody has to wait before the next try, in seconds; 0 for most."""
        return max(self._wait_s(f"name {name}", _FREE_TRIES), self._wait_s(f"peer {peer}", _FREE_TRIES_OF_PEER))

    def password_fits(self, name: str, password: str, peer: str) -> bool:
        """Whether a password is that of an account; wrong ones make the next tries wait."""
        user = self.settings.users.get(name)
        # An unknown name takes as long as a known one, so that nobody learns which names there are.
        hashed = user.password_hash if user and user.password_hash else None
        try:
            argon2.PasswordHasher().verify(hashed.get_secret_value() if hashed else _NOBODY, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            for key in (f"name {name}", f"peer {peer}"):
                self._failures[key].append(time.monotonic())
            return False
        self._failures.pop(f"name {name}", None)
        return hashed is not None

    def token(self, person: Person) -> str:
        """The token that the person's forms carry."""
        secret = self.settings.secret.get_secret_value().encode()
        return hmac.new(secret, f"form:{person.name}:{person.session}".encode(), hashlib.sha256).hexdigest()

    def token_fits(self, person: Person, token: str) -> bool:
        """Whether a form came from a page that this desk gave this person."""
        return hmac.compare_digest(self.token(person).encode(), token.encode())

    def _from_proxy(self, request: Request) -> Person | None:
        peer = request.client.host if request.client else ""
        name = request.headers.get(str(self.settings.proxy_header), "")
        user = self.settings.users.get(name)
        if peer not in ("127.0.0.1", "::1") or user is None:
            return None
        return Person(user.name, user.role, True, f"proxy:{name}")

    def _account(self, name: str) -> str:
        """Changes with an account's password, so that a new one ends all sessions; empty without an account."""
        user = self.settings.users.get(name)
        if user is None or user.password_hash is None:
            return ""
        secret = self.settings.secret.get_secret_value().encode()
        return hmac.new(secret, f"account:{user.password_hash.get_secret_value()}".encode(), hashlib.sha256).hexdigest()

    def _wait_s(self, key: str, free: int) -> float:
        failures = [moment for moment in self._failures.get(key, []) if time.monotonic() - moment < 3600]
        if not failures:
            self._failures.pop(key, None)
        if len(failures) < free:
            return 0.0
        wait = min(_LONGEST_WAIT_S, 2.0 ** (len(failures) - free))
        return max(0.0, failures[-1] + wait - time.monotonic())

    @property
    def _serializer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.settings.secret.get_secret_value(), salt="twig-desk-session")


_NOBODY = argon2.PasswordHasher().hash(secrets.token_hex(16))
