"""Lists of revoked certificates (CRL). Source: RFC 5280, sections 4.2.1.13 and 5."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from twig_assets.provenance.errors import CredentialError
from twig_assets.provenance.keys.certificates import date, extension, name
from twig_assets.provenance.keys.revocation.answers import SKEW, Answer, NoAnswerError, fetched

_INCOMPLETE = (x509.DeltaCRLIndicator, x509.IssuingDistributionPoint)


def read_list(path: Path) -> x509.CertificateRevocationList:
    """The list in a file, in PEM or DER.

    Raises:
        CredentialError: If it cannot be read.
    """
    try:
        return _parsed(path.read_bytes())
    except OSError as error:
        raise CredentialError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise CredentialError(f"{path}: is no list of revoked certificates ({error})") from error


def fetch_list(url: str) -> x509.CertificateRevocationList:
    """The list that a server has.

    Raises:
        NoAnswerError: If it does not answer, or with something else.
    """
    content = fetched(url)
    try:
        return _parsed(content)
    except ValueError:
        raise NoAnswerError("answers with something that is no list of revoked certificates") from None


def listed_by(certificate: x509.Certificate) -> list[str]:
    """The addresses of lists that a certificate names (its distribution points), those by HTTP."""
    points = extension(certificate, x509.CRLDistributionPoints)
    # One that has only some reasons, or is signed by somebody else, says too little.
    whole = [point for point in points or () if point.reasons is None and point.crl_issuer is None]
    names = [full for point in whole for full in point.full_name or ()]
    addresses = [full.value for full in names if isinstance(full, x509.UniformResourceIdentifier)]
    return [address for address in addresses if address.startswith(("http://", "https://"))]


def looked_up(
    listed: x509.CertificateRevocationList,
    source: str,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    now: datetime,
) -> Answer:
    """What a list says of a certificate.

    Args:
        listed: The list.
        source: Who says it, for a person.
        certificate: The certificate.
        issuer: The one that issued it, who has to have signed the list.
        now: The time.

    Raises:
        NoAnswerError: If the list is of another issuer, is not signed by it, is out of date, or is not whole.
    """
    if problem := next(_problems(listed, issuer, now), None):
        raise NoAnswerError(problem)
    entry = listed.get_revoked_certificate_by_serial_number(certificate.serial_number)
    return Answer(source, "revoked", entry.revocation_date_utc) if entry else Answer(source, "good")


def _problems(listed: x509.CertificateRevocationList, issuer: x509.Certificate, now: datetime) -> Iterator[str]:
    if listed.issuer != issuer.subject:
        yield f"is by {listed.issuer.rfc4514_string()!r}, and not by {name(issuer)}"
    if not _is_signed_by(listed, issuer):
        yield f"is not signed by {name(issuer)}; get it again"
    if listed.last_update_utc > now + SKEW:
        yield f"is dated {date(listed.last_update_utc)}, which is yet to come; check the clock"
    if listed.next_update_utc is None or listed.next_update_utc < now:
        until = f"since {date(listed.next_update_utc)}" if listed.next_update_utc else "at an unknown time"
        yield f"is out of date {until}, so nobody can tell; get the new one"
    if any(isinstance(found.value, _INCOMPLETE) and not _is_whole(found.value) for found in listed.extensions):
        yield "has only some of the revoked certificates; get the whole list"


def _is_signed_by(listed: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    usage = extension(issuer, x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        return False
    try:
        return listed.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except (InvalidSignature, TypeError, ValueError):
        return False


def _is_whole(value: x509.ExtensionType) -> bool:
    """Whether a list with such an extension still has all revoked certificates that are no authorities' own."""
    if not isinstance(value, x509.IssuingDistributionPoint):
        return False
    return not (value.only_some_reasons or value.indirect_crl or value.only_contains_attribute_certs)


def _parsed(data: bytes) -> x509.CertificateRevocationList:
    read = x509.load_pem_x509_crl if data.lstrip().startswith(b"-----") else x509.load_der_x509_crl
    return read(data)
