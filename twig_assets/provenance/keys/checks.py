"""Whether somebody may sign now: everything that is wrong with a chain and its key, before anything is released.

Source: C2PA Technical Specification 2.2, section 14.5 (certificate profile); RFC 5280.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from twig_assets.provenance.keys.certificates import date, extension, name
from twig_assets.provenance.keys.identity import Identity

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
                f"the clock of this machine says {date(self.now)}, which is before the newest entry of the ledger "
                f"({date(self.passed)}); set the clock"
            )


def signing_problems(identity: Identity, moment: Moment | None = None) -> list[str]:
    """What keeps somebody from signing now, each with what to do; empty if nothing does.

    Whether a certificate was revoked, others know: see `keys.revocation`.

    Args:
        identity: The chain and what signs.
        moment: The time; the clock's by default.

    Raises:
        CredentialError: If the key cannot be used at all.
    """
    moment = moment or Moment(datetime.now(UTC))
    leaf = identity.certificate
    problems = [*moment.problems(), *_times(identity.certificates, moment.now), *_order(identity.certificates)]
    problems += _profile(leaf)
    if not identity.signs_for_its_certificate():
        problems.append(f"the key does not belong to the certificate {name(leaf)}; check `chain` and the key")
    return problems


def _times(chain: Sequence[x509.Certificate], now: datetime) -> Iterator[str]:
    for certificate in chain:
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if now > end:
            yield f"the certificate {name(certificate)} expired on {date(end)}; get a new one from its issuer"
        if now < start:
            yield (
                f"the certificate {name(certificate)} is valid only from {date(start)} on; wait, or check the clock, "
                f"which says {date(now)}"
            )


def _order(chain: Sequence[x509.Certificate]) -> Iterator[str]:
    for certificate, issuer in zip(chain, chain[1:], strict=False):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            yield (
                f"{name(issuer)} did not issue {name(certificate)}; put the certificates in order: the one that "
                "signs first, then its issuer, and so on"
            )
    if chain[0].issuer == chain[0].subject:
        yield f"the certificate {name(chain[0])} issued itself; get one from an issuer, or run `twig keys create`"


def _profile(leaf: x509.Certificate) -> Iterator[str]:
    """What C2PA asks of a certificate that signs."""
    who = name(leaf)
    basic, usage = extension(leaf, x509.BasicConstraints), extension(leaf, x509.KeyUsage)
    extended = extension(leaf, x509.ExtendedKeyUsage)
    if basic and basic.ca:
        yield f"the certificate {who} is one that issues others; sign with one that it issued"
    if usage is None or not usage.digital_signature:
        yield f"the certificate {who} may not sign: its key usage lacks digitalSignature; get one that may"
    if usage and usage.key_cert_sign:
        yield f"the certificate {who} may issue others (keyCertSign), which one that signs must not"
    if extended is None or not set(extended) & set(_MAY_SIGN):
        yield (
            f"the certificate {who} lacks the extended key usage emailProtection, documentSigning or C2PA claim "
            "signing; ask its issuer for one that has it"
        )
    elif ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in set(extended):
        yield f"the certificate {who} has the extended key usage `any`, which C2PA does not allow"
    if extension(leaf, x509.AuthorityKeyIdentifier) is None:
        yield f"the certificate {who} lacks the authority key identifier; ask its issuer for one that has it"
    if isinstance(leaf.signature_hash_algorithm, _OLD_HASHES):
        yield f"the certificate {who} is signed with {leaf.signature_hash_algorithm.name}, which nobody trusts now"
