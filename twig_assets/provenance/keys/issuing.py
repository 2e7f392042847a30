"""A chain of certificates for trying things out: made here, trusted by nobody else, and named a test in every file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from twig_assets.provenance.errors import CredentialError
from twig_assets.provenance.keys.names import TEST_ORGANISATION

DAYS = 90
CHAIN, KEY, ROOT = "chain.pem", "key.pem", "trust/test-root.pem"


def create_test_chain(folder: Path, *, now: datetime | None = None, days: int = DAYS) -> None:
    """Make a root, a certificate that signs for it, and its key; nobody but the owner may read any of it.

    The root's own key is thrown away, so that nothing else can ever be signed in its name.

    Args:
        folder: Where `chain.pem`, `key.pem` and `trust/test-root.pem` come to lie.
        now: From when it is valid; the current time by default.
        days: For how long.

    Raises:
        CredentialError: If there are keys already.
    """
    if (folder / KEY).exists() or (folder / CHAIN).exists():
        raise CredentialError(f"{folder}: has keys already; move them away, or name another folder with TWIG_KEYS")
    start = (now or datetime.now(UTC)) - timedelta(minutes=5)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = issue(Wanted("test root", start, start + timedelta(days=days), ca=True), root_key, root_key, None)
    leaf = issue(Wanted("test signer", start, start + timedelta(days=days)), key, root_key, root)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(folder / KEY, secret)
    write_private(folder / CHAIN, _pem(leaf) + _pem(root))
    write_private(folder / ROOT, _pem(root))


class Wanted:
    """What a certificate is to say: name, time, and what it may be used for."""

    def __init__(
        self,
        name: str,
        start: datetime,
        end: datetime,
        *,
        ca: bool = False,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION,
    ) -> None:
        """A certificate of the test organisation.

        Args:
            name: Common name.
            start: From when it is valid.
            end: Until when.
            ca: Whether it signs certificates rather than pictures.
            usage: Extended key usage of one that signs no certificates.
        """
        self.name, self.start, self.end, self.ca, self.usage = name, start, end, ca, usage


def issue(
    wanted: Wanted,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
) -> x509.Certificate:
    """A certificate with the extensions that C2PA asks for; without an issuer it is its own.

    Source: C2PA Technical Specification 2.2, section 14.5 (X.509 certificates).
    """
    subject = _name(wanted.name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(wanted.start)
        .not_valid_after(wanted.end)
        .add_extension(x509.BasicConstraints(wanted.ca, 0 if wanted.ca else None), critical=True)
        .add_extension(_key_usage(wanted.ca), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if not wanted.ca:
        # RFC 3161 asks that the usage of a server of time stamps be critical.
        critical = wanted.usage == ExtendedKeyUsageOID.TIME_STAMPING
        builder = builder.add_extension(x509.ExtendedKeyUsage([wanted.usage]), critical=critical)
    return builder.sign(issuer_key, hashes.SHA256())


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read, in a folder that only its owner can open."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(data)


def _key_usage(ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, TEST_ORGANISATION)
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
