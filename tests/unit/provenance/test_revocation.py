"""Whether a certificate was revoked: lists, a real responder on this machine, and what silence comes to."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from typer.testing import CliRunner

from tests.unit.provenance.responder import REVOKED, UNKNOWN, Authority, serving
from tests.unit.provenance.signing_kit import DAY, NOW, Chain
from twig_assets.cli import app
from twig_assets.provenance import CredentialError
from twig_assets.provenance.keys import settings_from
from twig_assets.provenance.keys.revocation import Revocation, revocation_of

NOWHERE = "http://127.0.0.1:9/"


@pytest.fixture
def authority(chain: Chain) -> Iterator[Authority]:
    with serving(Authority(chain)) as served:
        yield served


def asked(
    authority: Authority, folder: Path = Path(), *, leaf: x509.Certificate | None = None, **settings: object
) -> Revocation:
    """What is known of the chain's certificate, or of another one in its place."""
    chain = (leaf or authority.chain.leaf, authority.chain.root)
    return revocation_of(chain, settings_from(chain="chain.pem", key="key.pem", **settings), folder, NOW)


def saved(folder: Path, content: bytes) -> str:
    (folder / "revoked.crl").write_bytes(content)
    return "revoked.crl"


def test_a_list_in_a_file_says_who_was_revoked_and_who_was_not(authority, tmp_path):
    authority.revoked = [5]
    file = saved(tmp_path, authority.listed())
    assert "is not revoked, by the list revoked.crl" in asked(authority, tmp_path, revocation_lists=(file,)).known[0]
    authority.revoked = [5, authority.chain.leaf.serial_number]
    saved(tmp_path, authority.listed())
    (problem,) = asked(authority, tmp_path, revocation_lists=(file,)).problems
    assert "was revoked on" in problem
    assert "get a new one with a new key" in problem


def test_a_list_in_a_file_that_tells_nothing_is_a_problem(authority, tmp_path):
    told = {
        "is out of date since": authority.listed(until=NOW - timedelta(minutes=1)),
        "is not signed by": authority.listed(key=Chain().root_key),
        "who issued no certificate of the chain": _of_another(),
    }
    for words, content in told.items():
        file = saved(tmp_path, content)
        assert any(words in problem for problem in asked(authority, tmp_path, revocation_lists=(file,)).problems)
    with pytest.raises(CredentialError, match="is no list of revoked certificates"):
        asked(authority, tmp_path, revocation_lists=(saved(tmp_path, b"nothing"),))


def _of_another() -> bytes:
    """A list by somebody of another name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody else")])
    builder = x509.CertificateRevocationListBuilder(name, NOW - DAY, NOW + DAY)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_a_list_that_has_only_what_changed_says_nothing(authority, tmp_path):
    builder = x509.CertificateRevocationListBuilder(authority.chain.root.subject, NOW - DAY, NOW + DAY)
    changes = builder.add_extension(x509.DeltaCRLIndicator(1), critical=True)
    signed = changes.sign(authority.chain.root_key, hashes.SHA256())
    file = saved(tmp_path, signed.public_bytes(serialization.Encoding.PEM))
    (problem,) = asked(authority, tmp_path, revocation_lists=(file,)).problems
    assert "only some of the revoked certificates" in problem


def test_a_list_by_address_and_one_that_the_certificate_names_are_fetched(authority):
    assert "not revoked" in asked(authority, revocation_lists=(f"{authority.url}list",)).known[0]
    named = authority.named(responder=False, lists=True)
    assert "not revoked" in asked(authority, leaf=named).known[0]
    authority.revoked = [named.serial_number]
    assert "was revoked on" in asked(authority, leaf=named).problems[0]
    assert authority.asked == ["list"] * 3


def test_the_responder_that_the_certificate_names_is_asked_and_its_word_counts(authority):
    named = authority.named(lists=True)
    assert f"not revoked, by the responder {authority.url}ocsp" in asked(authority, leaf=named).known[0]
    assert authority.asked == ["ocsp"]
    authority.status = REVOKED
    assert "was revoked on" in asked(authority, leaf=named).problems[0]
    authority.status = UNKNOWN
    assert "does not know the certificate" in asked(authority, leaf=named).problems[0]


def test_a_responder_can_be_named_and_may_let_another_certificate_sign_its_answers(authority):
    authority.delegate(authority.chain)
    authority.repeats = False
    assert "not revoked" in asked(authority, ocsp_url=authority.url).known[0]


def test_a_revocation_counts_although_a_list_does_not_have_it_yet(authority, tmp_path):
    authority.status = REVOKED
    file = saved(tmp_path, authority.listed())
    assert asked(authority, tmp_path, revocation_lists=(file,), ocsp_url=authority.url).problems


FORGED = {
    "neither the issuer nor anybody in its name signed": lambda a: a.delegate(Chain()),
    "nor anybody in its name": lambda a: a.delegate(a.chain, ExtendedKeyUsageOID.EMAIL_PROTECTION),
    "is out of date since": lambda a: setattr(a, "until", NOW - timedelta(minutes=30)),
    "which is yet to come": lambda a: setattr(a, "made", NOW + timedelta(hours=1)),
    "answers with something that is no OCSP response": lambda a: setattr(a, "answer", lambda _: b"good!"),
    "does not answer": lambda a: setattr(a, "away", True),
}


@pytest.mark.parametrize("told", FORGED)
def test_an_answer_that_cannot_be_relied_on_is_none(told, authority):
    FORGED[told](authority)
    found = asked(authority, ocsp_url=authority.url)
    assert (found.problems, found.known) == ((), ())
    assert told in found.warnings[0]
    assert found.fact == found.warnings[0]


def test_an_old_answer_is_not_taken_again(authority):
    old: list[bytes] = []
    answer = authority.answer

    def first(question: bytes) -> bytes:
        old.append(answer(question))
        return old[0]

    authority.answer = first
    assert asked(authority, ocsp_url=authority.url).known
    assert "an old answer again" in asked(authority, ocsp_url=authority.url).warnings[0]


def test_where_the_responder_is_away_the_list_is_fetched(authority):
    named = authority.named(responder=False, lists=True)
    found = asked(authority, leaf=named, ocsp_url=NOWHERE)
    assert (found.problems, found.warnings) == ((), ())
    assert f"the list {authority.url}list" in found.known[0]


def test_silence_is_a_warning_and_where_an_answer_is_required_a_reason(authority):
    found = asked(authority, ocsp_url=NOWHERE)
    assert found.problems == ()
    assert "nobody could say whether the certificate" in found.warnings[0]
    refused = asked(authority, ocsp_url=NOWHERE, revocation="required")
    assert refused.warnings == ()
    assert f"the responder {NOWHERE} does not answer" in refused.problems[0]
    assert "`required`" in refused.problems[0]
    nobody = asked(authority, revocation="required")
    assert "it names no responder and no list" in nobody.problems[0]
    alone = revocation_of(
        (authority.chain.leaf,), settings_from(chain="c", key="k", revocation="required"), Path(), NOW
    )
    assert "add the issuer's certificate" in alone.problems[0]


def test_nobody_is_asked_where_nobody_is_named_or_the_network_is_not_to_be_used(authority):
    assert asked(authority).fact is None
    assert asked(authority, leaf=authority.named(lists=True), revocation="offline").fact is None
    assert authority.asked == []


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"ocsp_url": "ldap://x"}, "is no address of a server"),
        ({"revocation_lists": ("https://me:pw@x/",)}, "holds a name or password"),
        ({"revocation_lists": ("https://x/l",), "revocation": "offline"}, "asks nothing of the network"),
        ({"revocation": "sometimes"}, "if_reachable"),
    ],
)
def test_settings_that_make_no_sense_are_refused(fields, told):
    with pytest.raises(CredentialError, match=told):
        settings_from(chain="chain.pem", key="key.pem", **fields)


def test_the_command_takes_a_certificate_that_holds_and_refuses_it_once_it_is_revoked(authority, tmp_path, monkeypatch):
    monkeypatch.setenv("TWIG_KEYS", str(tmp_path / "keys"))
    chain, pem = authority.chain, serialization.Encoding.PEM
    certificates = (authority.named(), chain.root)
    (tmp_path / "chain.pem").write_bytes(b"".join(c.public_bytes(pem) for c in certificates))
    plain = serialization.NoEncryption()
    (tmp_path / "key.pem").write_bytes(chain.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    chosen = ["--chain", str(tmp_path / "chain.pem"), "--key", str(tmp_path / "key.pem"), "--revocation", "required"]
    assert CliRunner().invoke(app, ["keys", "use", *chosen]).exit_code == 0
    held = CliRunner().invoke(app, ["keys", "check"])
    assert (held.exit_code, "is not revoked, by the responder" in held.output) == (0, True)
    authority.status = REVOKED
    revoked = CliRunner().invoke(app, ["keys", "check"])
    assert (revoked.exit_code, "was revoked on" in revoked.output) == (1, True)
    assert CliRunner().invoke(app, ["keys", "use", *chosen]).exit_code != 0
