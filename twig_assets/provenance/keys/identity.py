"""Who signs: a chain of certificates, and something that signs with the key of the first of them."""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from twig_assets.provenance.errors import CredentialError

MIN_RSA_BITS = 2048
_CURVES: dict[str, tuple[str, hashes.HashAlgorithm, int]] = {
    "secp256r1": ("ES256", hashes.SHA256(), 32),
    "secp384r1": ("ES384", hashes.SHA384(), 48),
    "secp521r1": ("ES512", hashes.SHA512(), 66),
}


class ChainError(CredentialError):
    """A chain of certificates that cannot be used; the message names its file."""


@dataclass(frozen=True)
class Identity:
    """Who signs.

    Attributes:
        certificates: The one that signs, then its issuer, and so on.
        signature: Signs bytes with the key of the first; of ECDSA as DER or as r and s, whichever it has.
    """

    certificates: tuple[x509.Certificate, ...]
    signature: Callable[[bytes], bytes]

    @property
    def certificate(self) -> x509.Certificate:
        """The one that signs."""
        return self.certificates[0]

    @property
    def chain_pem(self) -> str:
        """All certificates in PEM, in order."""
        return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in self.certificates)

    @property
    def algorithm(self) -> str:
        """The algorithm of its signatures, as COSE calls it."""
        return algorithm_of(self.certificate)

    def sign(self, data: bytes) -> bytes:
        """A signature as COSE has it: of ECDSA r and s, each padded to the curve's size.

        Raises:
            CredentialError: If the key cannot be used.
        """
        signature, public = self.signature(data), self.certificate.public_key()
        if not isinstance(public, ec.EllipticCurvePublicKey):
            return signature
        return _raw(signature, _CURVES[public.curve.name][2])

    def signs_for_its_certificate(self) -> bool:
        """Whether a signature by the key is one that the certificate confirms."""
        message = b"Does this key belong to this certificate?"
        return _confirms(self.certificate, self.sign(message), message)


def algorithm_of(certificate: x509.Certificate) -> str:
    """The algorithm that goes with a certificate's key.

    Raises:
        ChainError: For a key that C2PA does not allow.
    """
    public = certificate.public_key()
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in _CURVES:
        return _CURVES[public.curve.name][0]
    if isinstance(public, rsa.RSAPublicKey) and public.key_size >= MIN_RSA_BITS:
        return "PS256"
    if isinstance(public, ed25519.Ed25519PublicKey):
        return "Ed25519"
    raise ChainError(
        "the certificate's key is of a kind that content credentials do not allow; use one on the curve P-256, P-384 "
        f"or P-521, of RSA with at least {MIN_RSA_BITS} bits, or of Ed25519"
    )


def sign_with(key: object, data: bytes) -> bytes:
    """Sign with a private key, by the algorithm that goes with it.

    Raises:
        ChainError: For a kind of key that C2PA does not allow.
    """
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return key.sign(data, ec.ECDSA(_CURVES[key.curve.name][1]))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, _pss(), hashes.SHA256())
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    raise ChainError("the private key is of a kind that content credentials do not allow")


def _pss() -> padding.PSS:
    return padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256().digest_size)


def _raw(signature: bytes, size: int) -> bytes:
    """A signature as r and s, from DER or as it is."""
    try:
        r, s = decode_dss_signature(signature)
    except ValueError:
        if len(signature) != 2 * size:
            raise ChainError(
                f"the key gave a signature of {len(signature)} bytes, which is neither DER nor r and s; "
                "check that it signs with ECDSA"
            ) from None
        return signature
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def _confirms(certificate: x509.Certificate, signature: bytes, message: bytes) -> bool:
    public = certificate.public_key()
    try:
        if isinstance(public, ec.EllipticCurvePublicKey):
            _, algorithm, size = _CURVES[public.curve.name]
            r, s = (int.from_bytes(part, "big") for part in (signature[:size], signature[size:]))
            public.verify(encode_dss_signature(r, s), message, ec.ECDSA(algorithm))
        elif isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, message, _pss(), hashes.SHA256())
        elif isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signature, message)
        else:
            return False
    except InvalidSignature:
        return False
    return True
