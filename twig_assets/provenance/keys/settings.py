"""The file `signing.yaml` beside the keys: who signs, and where time stamps come from. It holds no secret."""

import os
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from twig_assets.provenance.errors import CredentialError
from twig_assets.provenance.keys.places import keys_folder
from twig_assets.settings.yaml_models import YamlModelError, read_model

FILE = "signing.yaml"
PASSPHRASE, PIN = "TWIG_KEY_PASSPHRASE", "TWIG_KEY_PIN"


class TokenSettings(BaseModel):
    """A key in a hardware token or another module that speaks PKCS#11; its PIN comes from `TWIG_KEY_PIN`.

    Attributes:
        module: The library of the token, such as `/usr/lib/softhsm/libsofthsm2.so`.
        token: The token's label.
        key: The private key's label.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    module: Path
    token: str = Field(min_length=1)
    key: str = Field(min_length=1)


class SigningSettings(BaseModel):
    """Who signs. Paths are seen from the folder of keys.

    Attributes:
        chain: Certificates in PEM: the one that signs, its issuer, and so on.
        key: The private key in PEM; a passphrase comes from `TWIG_KEY_PASSPHRASE`.
        command: A program with its arguments that signs in place of a key: it gets the bytes on standard input and
            writes the signature to standard output. It learns the algorithm from `TWIG_ALGORITHM`.
        token: A key that a PKCS#11 module holds.
        command_seconds: How long the program may take.
        time_stamp_url: A server of time stamps (RFC 3161).
        time_stamp_required: Whether a file without a time stamp is not released. Else it gets one later.
        revocation_lists: Lists of revoked certificates (CRL) in PEM or DER, by the issuers of the chain: paths, and
            addresses by HTTP. A file that is out of date keeps it from signing.
        ocsp_url: The responder that is asked whether the certificate was revoked; by default the one that it names.
        revocation: What happens where nobody can say whether a certificate was revoked. `if_reachable` asks the
            responders and lists that are named, signs where none answers, and records that. `required` signs only if
            somebody says that it was not revoked. `offline` asks nothing of the network: only lists in files count.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    chain: Path
    key: Path | None = None
    command: tuple[str, ...] = ()
    token: TokenSettings | None = None
    command_seconds: float = Field(30, gt=0, le=600)
    time_stamp_url: str | None = None
    time_stamp_required: bool = False
    revocation_lists: tuple[str, ...] = ()
    ocsp_url: str | None = None
    revocation: Literal["if_reachable", "required", "offline"] = "if_reachable"

    @field_validator("time_stamp_url", "ocsp_url")
    @classmethod
    def _is_address(cls, url: str | None) -> str | None:
        return url if url is None else _sound_address(url)

    @field_validator("revocation_lists")
    @classmethod
    def _are_addresses(cls, sources: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_sound_address(source) if "://" in source else source for source in sources)

    @model_validator(mode="after")
    def _one_way_to_sign(self) -> Self:
        if sum([self.key is not None, bool(self.command), self.token is not None]) != 1:
            raise ValueError("name one way to sign: key, command or token")
        if self.time_stamp_required and not self.time_stamp_url:
            raise ValueError("time_stamp_required needs a time_stamp_url")
        return self

    @model_validator(mode="after")
    def _offline_asks_nobody(self) -> Self:
        asked = [self.ocsp_url, *(source for source in self.revocation_lists if "://" in source)]
        if self.revocation == "offline" and (named := [url for url in asked if url]):
            raise ValueError(f"revocation: offline asks nothing of the network, and {named[0]} is an address; drop one")
        return self


def signing_settings(folder: Path | None = None) -> SigningSettings | None:
    """The settings of the folder of keys; None where there are no keys.

    Raises:
        CredentialError: With every problem of the file.
    """
    path = (folder or keys_folder()) / FILE
    if not path.exists():
        return None
    try:
        return read_model(path, SigningSettings)
    except YamlModelError as error:
        raise CredentialError(str(error)) from error


def _sound_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is no address of a server; write http://HOST/PATH or https://HOST/PATH")
    if parts.username or parts.password:
        # It would be shown wherever the server is named.
        raise ValueError("holds a name or password; use a server or proxy that needs none")
    return url


def secret(variable: str) -> SecretStr | None:
    """A passphrase or PIN from the environment; None where it is not set."""
    value = os.environ.get(variable)
    return SecretStr(value) if value else None
