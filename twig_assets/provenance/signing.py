"""Writing a credential into a picture, and reading it back before anybody else sees the file."""

import io
from dataclasses import dataclass

import c2pa

from twig_assets.provenance.credentials import Credentials, TrustSettings, context, credentials_of
from twig_assets.provenance.errors import CredentialError, TimeStampError
from twig_assets.provenance.keys.identity import Identity
from twig_assets.provenance.manifest import Claim, generator_info, manifest, parent_ingredient
from twig_assets.provenance.media import SUPPORTED, MediaType, media_type_of
from twig_assets.provenance.xmp import with_xmp

_ALGORITHMS = {
    "ES256": c2pa.C2paSigningAlg.ES256,
    "ES384": c2pa.C2paSigningAlg.ES384,
    "ES512": c2pa.C2paSigningAlg.ES512,
    "PS256": c2pa.C2paSigningAlg.PS256,
    "Ed25519": c2pa.C2paSigningAlg.ED25519,
}
# What the library says when a server of time stamps does not answer, or with something else.
_NO_STAMP = ("time stamp", "timestamp", "http resolver", "httpresolver")


@dataclass(frozen=True)
class Signed:
    """A picture with its credential.

    Attributes:
        data: The file's bytes.
        credentials: What they say, read back from them.
    """

    data: bytes
    credentials: Credentials


def sign_picture(
    data: bytes,
    claim: Claim,
    identity: Identity,
    time_stamp_url: str | None = None,
    *,
    parent: bytes | None = None,
) -> Signed:
    """Write a claim into a picture, as a credential and as XMP, and check what was written.

    Its pixels stay as they are. Credentials that it brings along stay, as those of its parent.

    Args:
        data: A PNG, JPEG, WebP, AVIF or TIFF.
        claim: What is said about it.
        identity: Who signs.
        time_stamp_url: A server of time stamps (RFC 3161); None for none.
        parent: What the picture was before somebody changed its pixels, whose credentials stay as those of its parent;
            the picture itself by default.

    Raises:
        TimeStampError: If that server does not answer; then nothing was signed.
        CredentialError: If it is no such picture, cannot be signed, or what was written does not hold.
    """
    media_type = media_type_of(data)
    if media_type is None:
        raise CredentialError(f"it is no {SUPPORTED} file; convert it to one of these")
    parent = data if parent is None else parent
    parent_type, brought = media_type_of(parent), credentials_of(parent).state != "none"
    source = with_xmp(data, media_type, claim)
    with c2pa.Builder(manifest(claim, brought=brought), context=context(TrustSettings())) as builder:
        if brought:
            builder.add_ingredient(parent_ingredient(claim.title), parent_type, io.BytesIO(parent))
        signed = _sign(builder, media_type, source, identity, time_stamp_url)
    return _checked(signed, identity)


def add_time_stamp(data: bytes, identity: Identity, time_stamp_url: str) -> Signed:
    """Add a time stamp to a file that was signed without one: an update, which leaves content and claim as they are.

    It proves that the file was there when the stamp was made, not when it was signed.

    Source: C2PA Technical Specification 2.2, sections 10.3.2.5.2 (time-stamp manifests) and 11.2.3 (updates).

    Raises:
        TimeStampError: If the server does not answer.
        CredentialError: If the file carries no credential, or it does not hold.
    """
    media_type = media_type_of(data)
    before = credentials_of(data, TrustSettings(anchors=identity.chain_pem))
    if media_type is None or not before.holds:
        raise CredentialError(f"no time stamp can be added: {before.sentence}")
    stamping = {"auto_timestamp_assertion": {"enabled": True, "skip_existing": True, "fetch_scope": "all"}}
    body = {"claim_generator_info": [generator_info()]}
    with c2pa.Builder(body, context=context(TrustSettings(), stamping)) as builder:
        builder.set_intent(c2pa.C2paBuilderIntent.UPDATE)
        signed = _sign(builder, media_type, data, identity, time_stamp_url)
    return _checked(signed, identity)


def _sign(
    builder: c2pa.Builder, media_type: MediaType, source: bytes, identity: Identity, time_stamp_url: str | None
) -> bytes:
    troubles: list[Exception] = []

    def signature(message: bytes) -> bytes:
        # What is raised here, the library logs and replaces by a message of its own.
        try:
            return identity.sign(message)
        except Exception as error:
            troubles.append(error)
            return b""

    target = io.BytesIO()
    try:
        signer = c2pa.Signer.from_callback(
            signature, _ALGORITHMS[identity.algorithm], identity.chain_pem, time_stamp_url
        )
        builder.sign(signer, media_type, io.BytesIO(source), target)
    except c2pa.C2paError as error:
        raise _explained(error, troubles, time_stamp_url) from error
    return target.getvalue()


def _explained(error: Exception, troubles: list[Exception], time_stamp_url: str | None) -> CredentialError:
    if troubles:
        return CredentialError(f"the key cannot be used: {troubles[0]}")
    if time_stamp_url and any(words in str(error).lower() for words in _NO_STAMP):
        return TimeStampError(f"{time_stamp_url}: the server of time stamps does not answer as it should: {error}")
    return CredentialError(f"it cannot be signed: {error}")


def _checked(data: bytes, identity: Identity) -> Signed:
    credentials = credentials_of(data, TrustSettings(anchors=identity.chain_pem))
    if not credentials.holds:
        raise CredentialError(f"what was written does not hold when it is read back: {credentials.sentence}")
    return Signed(data, credentials)
