"""Making keys, taking others, and saying whether they may sign: what `twig keys` does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from twig_assets.files import write_whole
from twig_assets.provenance.errors import CredentialError
from twig_assets.provenance.keys.checks import Moment, signing_problems
from twig_assets.provenance.keys.identity import Identity
from twig_assets.provenance.keys.issuing import CHAIN, DAYS, KEY, create_test_chain
from twig_assets.provenance.keys.names import TEST_ORGANISATION
from twig_assets.provenance.keys.opening import open_identity, read_chain
from twig_assets.provenance.keys.places import keys_folder
from twig_assets.provenance.keys.revocation import Revocation, revocation_of
from twig_assets.provenance.keys.settings import FILE, SigningSettings, signing_settings

NO_KEYS = "there are no keys; `twig keys create` makes a test chain, `twig keys use` takes a certificate of your own"


@dataclass(frozen=True)
class KeyReport:
    """What `twig keys check` says.

    Attributes:
        lines: Who signs, until when, and how.
        problems: What keeps it from signing now.
        warnings: What nobody could say, and what signs all the same.
    """

    lines: Sequence[str]
    problems: Sequence[str]
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class ReadyKeys:
    """Keys that may sign now: who, by which settings, and what is known of their revocation."""

    identity: Identity
    settings: SigningSettings
    revocation: Revocation = Revocation()


def create_test_keys(folder: Path | None = None, *, days: int = DAYS, now: datetime | None = None) -> None:
    """Make a test chain and let it sign from now on.

    Raises:
        CredentialError: If there are keys already.
    """
    folder = folder or keys_folder()
    if (folder / FILE).exists():
        raise CredentialError(f"{folder / FILE}: there are keys already; move the folder away, or set TWIG_KEYS")
    create_test_chain(folder, days=days, now=now)
    _write(folder, SigningSettings(chain=Path(CHAIN), key=Path(KEY)))


def settings_from(**fields: Any) -> SigningSettings:
    """Settings as options give them.

    Raises:
        CredentialError: For options that do not fit together.
    """
    try:
        return SigningSettings(**fields)
    except ValidationError as error:
        raise CredentialError("; ".join(str(detail["msg"]) for detail in error.errors())) from None


def use_keys(settings: SigningSettings, folder: Path | None = None) -> ReadyKeys:
    """Let a certificate sign from now on, if it may; the file FILE in the folder says so.

    Raises:
        CredentialError: With everything that is wrong with it; then nothing has changed.
    """
    folder = folder or keys_folder()
    keys = _ready(settings, folder, Moment(datetime.now(UTC)), "\n")
    _write(folder, settings)
    root = keys.identity.certificates[-1]
    # Those of earlier certificates stay, and with them what these signed stays trusted.
    trusted = folder / "trust" / f"own-{root.fingerprint(hashes.SHA256()).hex()[:16]}.pem"
    trusted.parent.mkdir(mode=0o700, exist_ok=True)
    write_whole(trusted, root.public_bytes(serialization.Encoding.PEM).decode())
    return keys


def key_report(folder: Path | None = None) -> KeyReport:
    """Who signs and whether it may, for a person."""
    folder = folder or keys_folder()
    settings = signing_settings(folder)
    if settings is None:
        return KeyReport([], [NO_KEYS])
    lines: list[str] = []
    try:
        certificate = read_chain(folder / settings.chain)[0]
        lines += [*_described(certificate), *_stamps(settings), *_readable_by_others(folder, settings)]
        identity = open_identity(settings, folder)
        problems, revocation = _examined(identity, settings, folder, Moment(datetime.now(UTC)))
    except CredentialError as error:
        return KeyReport(lines, [str(error)])
    nobody = [] if problems or revocation.fact else ["revocation: nobody is asked, since none is named"]
    return KeyReport([*lines, *revocation.known, *nobody], problems, revocation.warnings)


def ready_keys(passed: datetime | None = None, folder: Path | None = None) -> ReadyKeys:
    """The keys, once nothing speaks against signing with them. Responders may be asked for that, which takes seconds.

    Args:
        passed: When the newest evidence was written: no clock may say less.
        folder: The folder of keys.

    Raises:
        CredentialError: If there are none, or with everything that is wrong with them.
    """
    folder = folder or keys_folder()
    settings = signing_settings(folder)
    if settings is None:
        raise CredentialError(NO_KEYS)
    return _ready(settings, folder, Moment(datetime.now(UTC), passed), "; ")


def _ready(settings: SigningSettings, folder: Path, moment: Moment, between: str) -> ReadyKeys:
    identity = open_identity(settings, folder)
    problems, revocation = _examined(identity, settings, folder, moment)
    if problems:
        raise CredentialError(between.join(problems))
    return ReadyKeys(identity, settings, revocation)


def _examined(
    identity: Identity, settings: SigningSettings, folder: Path, moment: Moment
) -> tuple[list[str], Revocation]:
    """What keeps somebody from signing, and what is known of revocation."""
    problems = signing_problems(identity, moment)
    # Nobody is asked about a chain whose certificates do not belong together.
    revocation = Revocation() if problems else revocation_of(identity.certificates, settings, folder, moment.now)
    return [*problems, *revocation.problems], revocation


def _described(certificate: x509.Certificate) -> list[str]:
    organisations = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    test = any(attribute.value == TEST_ORGANISATION for attribute in organisations)
    end = certificate.not_valid_after_utc
    lines = [f"signs: {certificate.subject.rfc4514_string()}", f"valid until: {end:%Y-%m-%d %H:%M} UTC"]
    return [*lines, "This is a TEST chain: nobody else trusts what it signs."] if test else lines


def _stamps(settings: SigningSettings) -> list[str]:
    if settings.time_stamp_url is None:
        return ["time stamps: none; without one, what is signed counts only as long as the certificate is valid"]
    need = "required" if settings.time_stamp_required else "added later where the server is away"
    return [f"time stamps: {settings.time_stamp_url}, {need}"]


def _readable_by_others(folder: Path, settings: SigningSettings) -> list[str]:
    if settings.key is None:
        return []
    path = folder / settings.key
    if path.exists() and path.stat().st_mode & 0o077:
        return [f"{path}: others on this machine can read the key; run `chmod 600 {path}`"]
    return []


def _write(folder: Path, settings: SigningSettings) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    body = settings.model_dump(mode="json", exclude_defaults=True)
    write_whole(folder / FILE, yaml.safe_dump(body, sort_keys=False))
