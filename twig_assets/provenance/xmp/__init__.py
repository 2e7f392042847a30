"""XMP beside the credential, so that plain tools see what a picture is: one module for each kind of file.

The pixels and all other metadata stay as they are, byte by byte. IPTC's digital source type is a property of XMP; its
older record (IIM) has no such field.
"""

from collections.abc import Callable

from twig_assets.provenance.errors import CredentialError
from twig_assets.provenance.manifest import Claim
from twig_assets.provenance.media import MediaType
from twig_assets.provenance.xmp import avif, jpeg, png, tiff, webp
from twig_assets.provenance.xmp.packet import XmpError, merged, properties

__all__ = ["XmpError", "read_xmp", "with_xmp"]

_READ: dict[MediaType, Callable[[bytes], bytes | None]] = {
    "image/png": png.read,
    "image/jpeg": jpeg.read,
    "image/webp": webp.read,
    "image/avif": avif.read,
    "image/tiff": tiff.read,
}
_WRITE: dict[MediaType, Callable[[bytes, bytes], bytes]] = {
    "image/png": png.write,
    "image/jpeg": jpeg.write,
    "image/webp": webp.write,
    "image/avif": avif.write,
    "image/tiff": tiff.write,
}


def read_xmp(data: bytes, media_type: MediaType) -> bytes | None:
    """The XMP packet of a picture; None where it has none.

    Raises:
        XmpError: If the file is damaged.
    """
    try:
        return _READ[media_type](data)
    except (IndexError, ValueError) as error:
        raise XmpError(f"its metadata cannot be read: {error}") from error


def with_xmp(data: bytes, media_type: MediaType, claim: Claim) -> bytes:
    """The picture with what the claim says as XMP, added to the XMP that it has.

    Raises:
        CredentialError: If the file is damaged, or its XMP is too long for its kind.
    """
    packet = merged(read_xmp(data, media_type), properties(claim))
    try:
        return _WRITE[media_type](data, packet)
    except (IndexError, ValueError) as error:
        raise CredentialError(f"no XMP can be written into it: {error}") from error
