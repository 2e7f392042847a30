"""Signing with a key that never leaves its token, through PKCS#11."""

import hashlib
from collections.abc import Callable
from typing import Any

from twig_assets.provenance.errors import CredentialError
from twig_assets.provenance.keys.settings import PIN, TokenSettings, secret

_DIGESTS = {"ES256": hashlib.sha256, "ES384": hashlib.sha384, "ES512": hashlib.sha512}


def token_signature(settings: TokenSettings, algorithm: str) -> Callable[[bytes], bytes]:
    """A function that signs with the token's key.

    Args:
        settings: The token and its key.
        algorithm: ES256, ES384, ES512 or PS256.

    Raises:
        CredentialError: If the extra `pkcs11` is missing, or the token or its key cannot be opened.
    """
    try:
        import pkcs11
    except ImportError:
        raise CredentialError("a key in a token needs the extra pkcs11: pip install 'twig-assets[pkcs11]'") from None
    if algorithm not in (*_DIGESTS, "PS256"):
        raise CredentialError(f"the token's key would sign by {algorithm}, which this program does not ask of a token")
    pin = secret(PIN)
    try:
        token = pkcs11.lib(str(settings.module)).get_token(token_label=settings.token)
        session = _session(token, pin.get_secret_value() if pin else None)
        key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=settings.key)
    except (pkcs11.PKCS11Error, RuntimeError) as error:
        raise CredentialError(_why(settings, error)) from None
    return lambda data: _sign(settings, key, algorithm, data)


def _session(token: Any, pin: str | None) -> Any:
    import pkcs11

    try:
        return token.open(user_pin=pin)
    except pkcs11.exceptions.UserAlreadyLoggedIn:
        # A process logs in once, and all its sessions share that.
        return token.open()


def _sign(settings: TokenSettings, key: Any, algorithm: str, data: bytes) -> bytes:
    import pkcs11

    try:
        if algorithm == "PS256":
            parameters = (pkcs11.Mechanism.SHA256, pkcs11.MGF.SHA256, 32)
            return bytes(key.sign(data, mechanism=pkcs11.Mechanism.SHA256_RSA_PKCS_PSS, mechanism_param=parameters))
        # Not every token hashes by itself; all sign a digest.
        return bytes(key.sign(_DIGESTS[algorithm](data).digest(), mechanism=pkcs11.Mechanism.ECDSA))
    except pkcs11.PKCS11Error as error:
        raise CredentialError(_why(settings, error)) from None


def _why(settings: TokenSettings, error: Exception) -> str:
    reason = f"{type(error).__name__} {error}".strip()
    return f"token {settings.token!r}, key {settings.key!r}: cannot be used ({reason}); check its labels and {PIN}"
