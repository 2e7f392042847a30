"""Time stamps at once and later, keys that fail, and who may add what."""

import c2pa
import pytest

from tests.unit.provenance.signing_kit import DAY, NOW, Chain, picture, statement
from tests.unit.provenance.time_stamps import TimeStamps, serving
from twig_assets.provenance import CredentialError, TrustSettings
from twig_assets.provenance.credentials import context, credentials_of
from twig_assets.provenance.errors import TimeStampError
from twig_assets.provenance.keys.identity import Identity
from twig_assets.provenance.manifest import Claim
from twig_assets.provenance.signing import add_time_stamp, sign_picture

CLAIM = Claim(title="boat.png", statement=statement())


def test_a_time_stamp_is_in_the_file_and_trusted_with_the_servers_root(chain):
    with serving(TimeStamps(chain)) as url:
        signed = sign_picture(picture(), CLAIM, chain.identity, url)
    assert signed.credentials.time_stamp is not None
    assert signed.credentials.time_stamp_trusted


def test_a_server_that_is_away_is_named_and_nothing_is_signed(chain):
    with pytest.raises(TimeStampError, match="http://127.0.0.1:9/"):
        sign_picture(picture(), CLAIM, chain.identity, "http://127.0.0.1:9/")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "AVIF"])
def test_a_time_stamp_that_comes_later_leaves_the_claim_as_it_was(kind, chain):
    before = sign_picture(picture(kind), CLAIM, chain.identity)
    with serving(TimeStamps(chain)) as url:
        after = add_time_stamp(before.data, chain.identity, url)
    assert before.credentials.time_stamp is None
    assert after.credentials.time_stamp_trusted
    assert after.credentials.state == "trusted"
    assert after.credentials.manifest == before.credentials.manifest
    assert after.credentials.release == CLAIM.statement


def test_a_stamp_that_a_stranger_adds_makes_nothing_trusted(chain):
    stranger = Chain(name="somebody else")
    signed = sign_picture(picture(), CLAIM, stranger.identity)
    with serving(TimeStamps(chain)) as url:
        after = add_time_stamp(signed.data, chain.identity, url)
    assert credentials_of(after.data, TrustSettings(anchors=chain.identity.chain_pem)).state == "valid"


def test_what_a_file_said_before_somebody_edited_it_is_not_said_of_the_edited_picture(chain):
    """A new picture that names a release as its parent must not pass for it."""
    released = sign_picture(picture(seed=1), CLAIM, chain.identity)
    body = {
        "claim_generator_info": [{"name": "other"}],
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {"actions": [{"action": "c2pa.opened", "parameters": {"ingredientIds": ["p"]}}]},
            },
            {"label": "c2pa.time-stamp", "data": {}},
        ],
    }
    forged = _forged(body, picture(seed=2), released.data, chain)
    assert credentials_of(forged, TrustSettings(anchors=chain.identity.chain_pem)).release is None


def test_no_time_stamp_is_added_to_what_does_not_hold(chain):
    with pytest.raises(CredentialError, match="carries no credential"):
        add_time_stamp(picture(), chain.identity, "http://127.0.0.1:9/")


def test_a_key_that_fails_is_told_in_its_own_words(chain):
    def away(_: bytes) -> bytes:
        raise CredentialError("token 'x': was pulled out")

    with pytest.raises(CredentialError, match="the key cannot be used: token 'x': was pulled out"):
        sign_picture(picture(), CLAIM, Identity(chain.identity.certificates, away))


def test_the_library_refuses_a_certificate_that_has_expired(chain):
    expired = Chain(start=NOW - 3 * DAY, end=NOW - 2 * DAY)
    with pytest.raises(CredentialError, match="not valid at time of signing"):
        sign_picture(picture(), CLAIM, expired.identity)


def _forged(body: dict, data: bytes, parent: bytes, chain: Chain) -> bytes:
    import io

    target = io.BytesIO()
    signer = c2pa.Signer.from_callback(chain.identity.sign, c2pa.C2paSigningAlg.ES256, chain.identity.chain_pem, None)
    with c2pa.Builder(body, context=context(TrustSettings())) as builder:
        builder.add_ingredient(
            {"title": "p", "relationship": "parentOf", "label": "p"}, "image/png", io.BytesIO(parent)
        )
        builder.sign(signer, "image/png", io.BytesIO(data), target)
    return target.getvalue()
