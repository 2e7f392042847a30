"""What is read of a certificate, and how it is named to a person."""

from datetime import UTC, datetime
from typing import TypeVar

from cryptography import x509

E = TypeVar("E", bound=x509.ExtensionType)


def extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    """The extension of a kind; None where it has none."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def name(certificate: x509.Certificate) -> str:
    """Its subject, quoted; its number where it has none."""
    return repr(certificate.subject.rfc4514_string() or f"number {certificate.serial_number}")


def date(moment: datetime) -> str:
    """A moment to the minute, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
