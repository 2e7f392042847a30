"""Whether somebody may sign now: everything that is wrong with a chain and its key, before anything is released.

Source: C2PA Technical Specification 2.2, section 14.5 (certificate profile); RFC 5280.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from twig_assets.provenance.errors import CredentialError
from twig_assets.provenance.keys.identity import Identity
from twig_assets.provenance.keys.places import keys_folder
from twig_assets.provenance.keys.settings import SigningSettings

E = TypeVar("E", bound=x509.ExtensionType)

CLAIM_SIGNING = x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
"""C2PA's own key usage."""

_MAY_SIGN = (CLAIM_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION, x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"))
_OLD_HASHES = (hashes.MD5, hashes.SHA1)


@dataclass(frozen=True)
class Moment:
    """The time by this machine's clock, and one that has certainly passed.

    Attributes:
        now: By the clock.
        passed: When the newest evidence was written, as far as that is known.
    """

    now: datetime
    passed: datetime | None = None

    def problems(self) -> Iterator[str]:
        """What is wrong with the clock."""
        if self.passed and self.now < self.passed:
            yield (
                f"the clock of this machine says {_date(self.now)}, which is before the newest entry of the ledger "
                f"({_date(self.passed)}); set the clock"
            )


def signing_problems(
    identity: Identity, revoked: Iterable[x509.CertificateRevocationList] = (), moment: Moment | None = None
) -> list[str]:
    """Everything that keeps somebody from signing now, each with what to do; empty if nothing does.

    Args:
        identity: The chain and what signs.
        revoked: Lists of revoked certificates; whether a certificate is revoked is known only where its issuer's list
            is among them.
        moment: The time; the clock's by default.

    Raises:
        CredentialError: If the key cannot be used at all.
    """
    moment = moment or Moment(datetime.now(UTC))
    leaf = identity.certificate
    problems = [*moment.problems(), *_times(identity.certificates, moment.now), *_order(identity.certificates)]
    problems += [*_profile(leaf), *_revocations(identity.certificates, list(revoked), moment.now)]
    if not identity.signs_for_its_certificate():
        problems.append(f"the key does not belong to the certificate {_name(leaf)}; check `chain` and the key")
    return problems


def read_revocation_lists(
    settings: SigningSettings, folder: Path | None = None
) -> list[x509.CertificateRevocationList]:
    """The lists of revoked certificates that the settings name.

    Raises:
        CredentialError: If one cannot be read.
    """
    lists = []
    for path in settings.revocation_lists:
        path = (folder or keys_folder()) / path
        try:
            data = path.read_bytes()
            read = x509.load_pem_x509_crl if data.lstrip().startswith(b"-----") else x509.load_der_x509_crl
            lists.append(read(data))
        except OSError as error:
            raise CredentialError(f"{path}: cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise CredentialError(f"{path}: is no list of revoked certificates ({error})") from error
    return lists


def _times(chain: Sequence[x509.Certificate], now: datetime) -> Iterator[str]:
    for certificate in chain:
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if now > end:
            yield f"the certificate {_name(certificate)} expired on {_date(end)}; get a new one from its issuer"
        if now < start:
            yield (
                f"the certificate {_name(certificate)} is valid only from {_date(start)} on; wait, or check the clock, "
                f"which says {_date(now)}"
            )


def _order(chain: Sequence[x509.Certificate]) -> Iterator[str]:
    for certificate, issuer in zip(chain, chain[1:], strict=False):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            yield (
                f"{_name(issuer)} did not issue {_name(certificate)}; put the certificates in order: the one that "
                "signs first, then its issuer, and so on"
            )
    if chain[0].issuer == chain[0].subject:
        yield f"the certificate {_name(chain[0])} issued itself; get one from an issuer, or run `twig keys create`"


def _profile(leaf: x509.Certificate) -> Iterator[str]:
    """What C2PA asks of a certificate that signs."""
    name = _name(leaf)
    basic, usage = _extension(leaf, x509.BasicConstraints), _extension(leaf, x509.KeyUsage)
    extended = _extension(leaf, x509.ExtendedKeyUsage)
    if basic and basic.ca:
        yield f"the certificate {name} is one that issues others; sign with one that it issued"
    if usage is None or not usage.digital_signature:
        yield f"the certificate {name} may not sign: its key usage lacks digitalSignature; get one that may"
    if usage and usage.key_cert_sign:
        yield f"the certificate {name} may issue others (keyCertSign), which one that signs must not"
    if extended is None or not set(extended) & set(_MAY_SIGN):
        yield (
            f"the certificate {name} lacks the extended key usage emailProtection, documentSigning or C2PA claim "
            "signing; ask its issuer for one that has it"
        )
    elif ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in set(extended):
        yield f"the certificate {name} has the extended key usage `any`, which C2PA does not allow"
    if _extension(leaf, x509.AuthorityKeyIdentifier) is None:
        yield f"the certificate {name} lacks the authority key identifier; ask its issuer for one that has it"
    if isinstance(leaf.signature_hash_algorithm, _OLD_HASHES):
        yield f"the certificate {name} is signed with {leaf.signature_hash_algorithm.name}, which nobody trusts now"


def _revocations(
    chain: Sequence[x509.Certificate], lists: list[x509.CertificateRevocationList], now: datetime
) -> Iterator[str]:
    for certificate, issuer in zip(chain, chain[1:], strict=False):
        for listed in [found for found in lists if found.issuer == issuer.subject]:
            if not listed.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
                yield f"the list of revoked certificates of {_name(issuer)} is not signed by it; get it again"
            elif listed.next_update_utc and listed.next_update_utc < now:
                yield (
                    f"the list of revoked certificates of {_name(issuer)} is out of date since "
                    f"{_date(listed.next_update_utc)}, so nobody can tell; get the new one"
                )
            elif entry := listed.get_revoked_certificate_by_serial_number(certificate.serial_number):
                yield (
                    f"the certificate {_name(certificate)} was revoked on {_date(entry.revocation_date_utc)}; "
                    "get a new one with a new key"
                )
    unknown = [found for found in lists if all(found.issuer != issuer.subject for issuer in chain[1:])]
    for listed in unknown:
        yield f"no certificate of the chain is by {listed.issuer.rfc4514_string()}, whose revocation list is given"


def _extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _name(certificate: x509.Certificate) -> str:
    return repr(certificate.subject.rfc4514_string() or f"number {certificate.serial_number}")


def _date(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
