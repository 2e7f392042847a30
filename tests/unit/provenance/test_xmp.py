"""XMP in every kind of file: added, replaced, and refused where it would do harm."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.unit.provenance.signing_kit import FORMATS, picture, pixels
from twig_assets.provenance.errors import CredentialError
from twig_assets.provenance.manifest import Claim
from twig_assets.provenance.media import media_type_of
from twig_assets.provenance.xmp import read_xmp, with_xmp

FIRST, SECOND = Claim(title="x", generator='A "model" & more <b>'), Claim(title="x", generator="another")


def kind_of(data: bytes):
    found = media_type_of(data)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_written_twice_is_there_once_and_the_pixels_stay(kind):
    data = picture(kind)
    once = with_xmp(data, kind_of(data), FIRST)
    twice = with_xmp(once, kind_of(data), SECOND)
    packet = read_xmp(twice, kind_of(data)).decode()
    assert packet.count("DigitalSourceType") == 1
    assert "another" in packet
    assert "more" not in packet
    assert (pixels(twice) == pixels(data)).all()


def test_words_are_escaped():
    packet = read_xmp(with_xmp(picture(), "image/png", FIRST), "image/png").decode()
    assert "A &quot;model&quot; &amp; more &lt;b" in packet


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("lossless", [True, False])
def test_a_simple_webp_gets_an_extended_header_that_fits_it(mode, lossless):
    image = Image.fromarray(np.random.default_rng(1).integers(0, 255, (21, 34, len(mode)), dtype=np.uint8), mode)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=lossless)
    marked = Image.open(io.BytesIO(with_xmp(buffer.getvalue(), "image/webp", FIRST)))
    before = Image.open(io.BytesIO(buffer.getvalue()))
    assert (marked.size, marked.mode) == (before.size, before.mode)
    assert (np.array(marked) == np.array(before)).all()


@pytest.mark.parametrize("bad", [b"<!DOCTYPE x [<!ENTITY a 'b'>]><x/>", b"<x>", b"<x/>"])
def test_xmp_that_is_dangerous_or_damaged_is_refused_with_what_to_do(bad):
    with pytest.raises(CredentialError, match="exiftool -XMP="):
        with_xmp(picture("JPEG", xmp=bad), "image/jpeg", FIRST)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_was_cut_off_is_refused_or_keeps_what_it_has(kind):
    data = picture(kind)
    for length in range(12, len(data), max(1, len(data) // 25)):
        try:
            with_xmp(data[:length], kind_of(data), FIRST)
        except CredentialError:
            continue


def test_xmp_that_does_not_fit_into_a_jpeg_is_refused():
    with pytest.raises(CredentialError, match="a JPEG has room for"):
        with_xmp(picture("JPEG"), "image/jpeg", Claim(title="x", generator="long " * 15000))
