"""Opening what signs: a key in a file, a command of the user's own, or a token."""

import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from twig_assets.provenance.errors import CredentialError
from twig_assets.provenance.keys.identity import ChainError, Identity, algorithm_of, sign_with
from twig_assets.provenance.keys.places import keys_folder
from twig_assets.provenance.keys.settings import PASSPHRASE, SigningSettings, secret


def open_identity(settings: SigningSettings, folder: Path | None = None) -> Identity:
    """Open the chain and what signs for it. Whether it may sign, `keys.checks` says.

    Args:
        settings: Who signs.
        folder: From where its paths are seen; the folder of keys by default.

    Raises:
        CredentialError: If a file cannot be read or a token cannot be opened; the message names it.
    """
    folder = folder or keys_folder()
    certificates = read_chain(folder / settings.chain)
    return Identity(certificates, _signature(settings, folder, algorithm_of(certificates[0])))


def read_chain(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of a file in PEM.

    Raises:
        ChainError: If it cannot be read or holds none.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except OSError as error:
        raise ChainError(f"{path}: cannot be read ({error.strerror}); check `chain` in signing.yaml") from error
    except ValueError as error:
        raise ChainError(f"{path}: holds no certificates in PEM ({error}); convert them with openssl") from error


def _signature(settings: SigningSettings, folder: Path, algorithm: str) -> Callable[[bytes], bytes]:
    if settings.key:
        return partial(sign_with, _read_key(folder / settings.key))
    if settings.token:
        # The extra `pkcs11` is optional.
        from twig_assets.provenance.keys.token import token_signature

        return token_signature(settings.token, algorithm)
    return partial(_run_command, settings.command, settings.command_seconds, algorithm)


def _read_key(path: Path) -> object:
    passphrase = secret(PASSPHRASE)
    given = passphrase.get_secret_value().encode() if passphrase else None
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CredentialError(f"{path}: cannot be read ({error.strerror}); check `key` in signing.yaml") from error
    try:
        return serialization.load_pem_private_key(data, given)
    except TypeError:
        # It says of a key without a passphrase that one was given, or the other way round.
        if given is not None:
            return serialization.load_pem_private_key(data, None)
        raise CredentialError(f"{path}: needs its passphrase; set {PASSPHRASE}") from None
    except ValueError:
        # The library's own message may hold parts of the key.
        raise CredentialError(f"{path}: is no private key in PEM, or {PASSPHRASE} is not its passphrase") from None


def _run_command(command: tuple[str, ...], seconds: float, algorithm: str, data: bytes) -> bytes:
    # Arguments may hold secrets, so messages name the program only.
    program = command[0]
    environment = {**os.environ, "TWIG_ALGORITHM": algorithm}
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=seconds, check=False, env=environment)
    except subprocess.TimeoutExpired:
        raise CredentialError(f"{program}: gave no signature within {seconds:g} s; see `command_seconds`") from None
    except OSError as error:
        raise CredentialError(f"{program}: cannot be started ({error.strerror}); check `command`") from None
    if done.returncode:
        raise CredentialError(f"{program}: ended with status {done.returncode} and gave no signature; run it by hand")
    return done.stdout
