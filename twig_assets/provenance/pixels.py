"""What a picture is named by, whatever file it lies in."""

import hashlib
import io

from PIL import Image

from twig_assets.provenance.errors import CredentialError


def pixels_sha256(data: bytes) -> str:
    """SHA-256 of a picture's size and pixels, as RGB, or RGBA where it has an alpha channel.

    Files that keep every pixel (PNG, TIFF, lossless WebP) have the same one; what JPEG decodes to may differ from one
    version of its library to the next.

    Raises:
        CredentialError: If the picture cannot be read.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            pixels = image.convert("RGBA" if image.has_transparency_data else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise CredentialError(f"it cannot be read as a picture: {error}") from error
    head = f"{pixels.mode} {pixels.width}x{pixels.height}\n".encode()
    return hashlib.sha256(head + pixels.tobytes()).hexdigest()
