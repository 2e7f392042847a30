"""What a credential says when it is read again, with the library's own reader as the oracle."""

import io
import json

import c2pa
import pytest

from tests.unit.provenance.signing_kit import FORMATS, Chain, picture, pixels, statement
from twig_assets.provenance import CredentialError, TrustSettings, read_credentials
from twig_assets.provenance.credentials import credentials_of
from twig_assets.provenance.manifest import Claim
from twig_assets.provenance.media import media_type_of
from twig_assets.provenance.signing import sign_picture

CLAIM = Claim(title="boat.png", generator="embedded", statement=statement(), do_not_train=True)


def trusting(chain: Chain) -> TrustSettings:
    return TrustSettings(anchors=chain.identity.chain_pem)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_kind_of_picture_keeps_its_pixels_and_says_what_was_claimed(kind, chain):
    data = picture(kind)
    signed = sign_picture(data, CLAIM, chain.identity)
    assert (pixels(signed.data) == pixels(data)).all()
    read = credentials_of(signed.data, trusting(chain))
    assert read.state == "trusted"
    assert read.release == CLAIM.statement
    assert read.source_types == ("http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",)
    assert read.do_not_train is True


def test_the_librarys_own_reader_trusts_what_was_signed_and_finds_nothing_wrong(chain):
    signed = sign_picture(picture(), CLAIM, chain.identity)
    context = c2pa.Context.from_dict(
        {"trust": {"trust_anchors": chain.identity.chain_pem}, "verify": {"verify_trust": True}}
    )
    with c2pa.Reader("image/png", io.BytesIO(signed.data), context=context) as reader:
        found = json.loads(reader.json())
    assert found["validation_state"] == "Trusted"
    assert found["validation_results"]["activeManifest"]["failure"] == []


def test_the_first_image_is_an_ingredient_by_its_hash_only(chain):
    signed = sign_picture(picture(), CLAIM, chain.identity)
    (first,) = signed.credentials.ingredients
    assert (first.relationship, first.instance_id, first.manifest) == ("inputTo", "sha256:" + "cd" * 32, None)


def test_a_stranger_is_not_trusted_and_a_test_key_is_called_one(chain):
    signed = sign_picture(picture(), CLAIM, chain.identity)
    read = credentials_of(signed.data, trusting(Chain()))
    assert read.state == "valid"
    assert read.signer is not None
    assert read.signer.test
    assert "does not trust" in read.sentence
    assert "It is a test key" in read.sentence


def test_credentials_that_a_picture_brings_along_stay_as_those_of_its_parent(chain):
    stranger = Chain(name="somebody else")
    before = sign_picture(picture("JPEG"), Claim(title="old.jpg"), stranger.identity)
    after = sign_picture(before.data, CLAIM, chain.identity)
    parent = next(i for i in after.credentials.ingredients if i.relationship == "parentOf")
    assert parent.manifest == before.credentials.manifest
    assert after.credentials.signer is not None
    assert after.credentials.signer.name == "test signer"


def test_a_file_without_a_credential_says_that_something_may_have_removed_it(tmp_path):
    file = tmp_path / "plain.png"
    file.write_bytes(picture())
    read = read_credentials(file)
    assert read.state == "none"
    assert "removed it" in read.sentence


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe1\x00", b"II*\x00\x08"])
def test_what_is_no_picture_is_unreadable_or_has_none_and_never_raises(data):
    assert credentials_of(data).state in ("unreadable", "none")


def test_what_is_no_picture_is_not_signed(chain):
    with pytest.raises(CredentialError, match="PNG, JPEG, WebP, AVIF or TIFF"):
        sign_picture(b"GIF89a", CLAIM, chain.identity)


def test_kinds_are_told_by_content():
    kinds = [media_type_of(picture(kind)) for kind in FORMATS]
    assert kinds == ["image/png", "image/jpeg", "image/webp", "image/avif", "image/tiff"]
