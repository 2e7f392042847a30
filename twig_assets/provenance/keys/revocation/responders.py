"""Responders (OCSP), which say whether one certificate is revoked now. Source: RFC 6960; RFC 5019 for SHA-1."""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from twig_assets.provenance.keys.certificates import date, extension
from twig_assets.provenance.keys.revocation.answers import SKEW, Answer, NoAnswerError, fetched

FRESH = timedelta(hours=1)
"""An answer that names no end of its validity and does not repeat our number counts for so long."""

_KIND = "application/ocsp-request"
_STATUS = {ocsp.OCSPCertStatus.GOOD: "good", ocsp.OCSPCertStatus.REVOKED: "revoked"}


def responders_of(certificate: x509.Certificate) -> list[str]:
    """The addresses of responders that a certificate names (authority information access)."""
    access = extension(certificate, x509.AuthorityInformationAccess)
    named = [entry for entry in access or () if entry.access_method == AuthorityInformationAccessOID.OCSP]
    places = [entry.access_location for entry in named]
    addresses = [place.value for place in places if isinstance(place, x509.UniformResourceIdentifier)]
    return [address for address in addresses if address.startswith(("http://", "https://"))]


def ask_responder(url: str, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime) -> Answer:
    """What a responder says of a certificate.

    Args:
        url: The responder's address.
        certificate: The certificate.
        issuer: The one that issued it.
        now: The time.

    Raises:
        NoAnswerError: If it does not answer, or not in a way that can be relied on.
    """
    number = os.urandom(16)
    # SHA-1 only names the issuer here, and is what every responder knows.
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())
    request = builder.add_extension(x509.OCSPNonce(number), critical=False).build()
    content = fetched(url, request.public_bytes(Encoding.DER), _KIND)
    try:
        response = ocsp.load_der_ocsp_response(content)
        if response.response_status != ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise NoAnswerError(f"answers {response.response_status.name.lower().replace('_', ' ')}")
        return _answer(response, url, number, request, issuer, now)
    except ValueError:
        raise NoAnswerError("answers with something that is no OCSP response") from None


def _answer(
    response: ocsp.OCSPResponse,
    url: str,
    number: bytes,
    request: ocsp.OCSPRequest,
    issuer: x509.Certificate,
    now: datetime,
) -> Answer:
    if not any(_signed(response, key) for key in _signers(response, issuer, now)):
        raise NoAnswerError("gives an answer that neither the issuer nor anybody in its name signed")
    repeated = _repeated(response)
    if repeated is not None and repeated != number:
        raise NoAnswerError("gives an old answer again: its number is another one than that of the question")
    found = next((single for single in response.responses if _is_about(single, request)), None)
    if found is None:
        raise NoAnswerError("answers for another certificate")
    if problem := _stale(found, repeated is not None, now):
        raise NoAnswerError(problem)
    status = _STATUS.get(found.certificate_status, "unknown")
    return Answer(f"the responder {url}", status, found.revocation_time_utc)  # type: ignore[arg-type]


def _is_about(single: ocsp.OCSPSingleResponse, request: ocsp.OCSPRequest) -> bool:
    return (single.serial_number, single.issuer_name_hash, single.issuer_key_hash) == (
        request.serial_number,
        request.issuer_name_hash,
        request.issuer_key_hash,
    )


def _stale(single: ocsp.OCSPSingleResponse, repeated: bool, now: datetime) -> str | None:
    made, until = single.this_update_utc, single.next_update_utc
    if made > now + SKEW:
        return f"answers with the date {date(made)}, which is yet to come; check the clock"
    if until is None and not repeated and made < now - FRESH:
        return f"answers as of {date(made)}, which is too long ago"
    if until is not None and until < now - SKEW:
        return f"gives an answer that is out of date since {date(until)}"
    return None


def _repeated(response: ocsp.OCSPResponse) -> bytes | None:
    """The number of the question, where the responder repeats it; many do not."""
    try:
        return response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        return None


def _signers(response: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime) -> Iterator[x509.Certificate]:
    """Who may sign for an issuer: itself, and those whom it gave a certificate for that."""
    yield issuer
    for certificate in response.certificates:
        usage = extension(certificate, x509.ExtendedKeyUsage)
        if usage is None or ExtendedKeyUsageOID.OCSP_SIGNING not in set(usage):
            continue
        if not certificate.not_valid_before_utc - SKEW <= now <= certificate.not_valid_after_utc:
            continue
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            continue
        yield certificate


def _signed(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key, signature, data = signer.public_key(), response.signature, response.tbs_response_bytes
    try:
        algorithm = response.signature_hash_algorithm
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, data)
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm:
            key.verify(signature, data, ec.ECDSA(algorithm))
        elif isinstance(key, rsa.RSAPublicKey) and algorithm:
            key.verify(signature, data, padding.PKCS1v15(), algorithm)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
