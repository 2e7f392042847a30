"""Keys: made, taken, refused; and nothing secret in what is written or said."""

import os
import shutil
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from typer.testing import CliRunner

from tests.unit.provenance.signing_kit import DAY, NOW, Chain, picture
from twig_assets.cli import app
from twig_assets.provenance import CredentialError, TrustSettings, read_credentials
from twig_assets.provenance.credentials import credentials_of
from twig_assets.provenance.keys import create_test_keys, key_report, ready_keys, settings_from, use_keys
from twig_assets.provenance.keys.checks import Moment, signing_problems
from twig_assets.provenance.keys.identity import Identity, sign_with
from twig_assets.provenance.keys.issuing import Wanted
from twig_assets.provenance.keys.settings import TokenSettings
from twig_assets.provenance.manifest import Claim
from twig_assets.provenance.signing import sign_picture


@pytest.fixture
def keys(tmp_path, monkeypatch) -> Path:
    """An empty folder of keys."""
    monkeypatch.setenv("TWIG_KEYS", str(tmp_path / "keys"))
    return tmp_path / "keys"


def written(folder: Path, chain: Chain, key=None, passphrase: bytes | None = None) -> tuple[Path, Path]:
    """A chain and its key as files."""
    folder.mkdir(parents=True, exist_ok=True)
    secret = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "chain.pem").write_text(chain.identity.chain_pem)
    (folder / "key.pem").write_bytes((key or chain.key).private_bytes(pem, pkcs8, secret))
    return folder / "chain.pem", folder / "key.pem"


def test_test_keys_can_be_read_by_their_owner_only_and_sign_at_once(keys, tmp_path):
    create_test_keys()
    assert {stat.S_IMODE(file.stat().st_mode) for file in keys.rglob("*.pem")} == {0o600}
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    signed = tmp_path / "signed.png"
    signed.write_bytes(sign_picture(picture(), Claim(title="x"), ready_keys().identity).data)
    assert read_credentials(signed).state == "trusted"
    assert "It is a test key" in read_credentials(signed).sentence


def test_test_keys_are_not_made_over_others(keys):
    create_test_keys()
    with pytest.raises(CredentialError, match="there are keys already"):
        create_test_keys()


def test_check_says_test_and_what_is_wrong(keys):
    create_test_keys(now=NOW - 100 * DAY, days=30)
    report = key_report()
    assert "This is a TEST chain: nobody else trusts what it signs." in report.lines
    assert any("expired on" in problem for problem in report.problems)
    assert CliRunner().invoke(app, ["keys", "check"]).exit_code == 1


def test_without_keys_check_says_how_to_get_some(keys):
    assert "twig keys create" in key_report().problems[0]


def _leaf(chain: Chain, start=NOW - DAY, end=NOW + DAY, **changes) -> x509.Certificate:
    return chain.issued(Wanted("x", start, end, **changes))


def _without(chain: Chain, *left_out: type) -> x509.Certificate:
    """A certificate like others, without some extensions."""
    like = chain.leaf
    builder = x509.CertificateBuilder(like.issuer, like.subject, chain.key.public_key(), 7, NOW - DAY, NOW + DAY)
    for extension in like.extensions:
        if not isinstance(extension.value, left_out):
            builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(chain.root_key, hashes.SHA256())


WRONG = {
    "expired on": lambda chain: _leaf(chain, NOW - 3 * DAY, NOW - DAY),
    "valid only from": lambda chain: _leaf(chain, NOW + DAY, NOW + 2 * DAY),
    "lacks the extended key usage": lambda chain: _leaf(chain, usage=ExtendedKeyUsageOID.SERVER_AUTH),
    "one that issues others": lambda chain: _leaf(chain, ca=True),
    "lacks digitalSignature": lambda chain: _without(chain, x509.KeyUsage),
    "lacks the authority key identifier": lambda chain: _without(chain, x509.AuthorityKeyIdentifier),
}


@pytest.mark.parametrize("told", WRONG)
def test_a_certificate_that_may_not_sign_is_refused_with_the_reason_and_by_the_library_too(told, chain):
    identity = chain.identity_with(WRONG[told](chain))
    assert any(told in problem for problem in signing_problems(identity))
    with pytest.raises(CredentialError):
        sign_picture(picture(), Claim(title="x"), identity)


def test_a_sound_chain_has_no_problem(chain):
    assert signing_problems(chain.identity) == []


def test_a_key_of_another_certificate_is_noticed(chain):
    identity = Identity(chain.identity.certificates, lambda data: sign_with(Chain().key, data))
    assert any("does not belong to the certificate" in problem for problem in signing_problems(identity))


def test_certificates_in_the_wrong_order_are_noticed(chain):
    mixed = Identity((chain.leaf, Chain().root), chain.identity.signature)
    assert any("did not issue" in problem for problem in signing_problems(mixed))


def test_a_clock_that_was_set_back_is_noticed(chain):
    moment = Moment(now=NOW, passed=NOW + timedelta(hours=2))
    assert any("before the newest entry of the ledger" in p for p in signing_problems(chain.identity, moment=moment))


def test_a_certificate_of_ones_own_is_taken_by_file_and_what_is_wrong_changes_nothing(keys, tmp_path, chain):
    chain_file, key_file = written(tmp_path / "own", chain)
    use_keys(settings_from(chain=chain_file, key=key_file))
    assert ready_keys().identity.certificate == chain.leaf
    expired, expired_key = written(tmp_path / "old", Chain(start=NOW - 3 * DAY, end=NOW - DAY))
    with pytest.raises(CredentialError, match="expired on"):
        use_keys(settings_from(chain=expired, key=expired_key))
    assert ready_keys().identity.certificate == chain.leaf


def test_a_passphrase_comes_from_the_environment_and_is_nowhere_else(keys, tmp_path, chain, monkeypatch):
    chain_file, key_file = written(tmp_path / "own", chain, passphrase=b"very secret")
    with pytest.raises(CredentialError, match="set TWIG_KEY_PASSPHRASE"):
        use_keys(settings_from(chain=chain_file, key=key_file))
    monkeypatch.setenv("TWIG_KEY_PASSPHRASE", "wrong one")
    with pytest.raises(CredentialError, match="TWIG_KEY_PASSPHRASE is not its passphrase") as refused:
        use_keys(settings_from(chain=chain_file, key=key_file))
    assert "wrong one" not in str(refused.value)
    monkeypatch.setenv("TWIG_KEY_PASSPHRASE", "very secret")
    use_keys(settings_from(chain=chain_file, key=key_file))
    assert ready_keys().identity.certificate == chain.leaf
    assert "very secret" not in "".join(file.read_text() for file in keys.rglob("*") if file.is_file())


SIGNER = """
import sys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
key = serialization.load_pem_private_key(open(sys.argv[1], "rb").read(), None)
sys.stdout.buffer.write(key.sign(sys.stdin.buffer.read(), ec.ECDSA(hashes.SHA256())))
"""


def test_an_external_command_signs_and_its_failure_names_the_program_only(keys, tmp_path, chain):
    chain_file, key_file = written(tmp_path / "own", chain)
    command = (sys.executable, "-c", SIGNER, str(key_file))
    use_keys(settings_from(chain=chain_file, command=command))
    signed = sign_picture(picture(), Claim(title="x"), ready_keys().identity)
    assert signed.credentials.holds
    with pytest.raises(CredentialError) as failed:
        use_keys(settings_from(chain=chain_file, command=(sys.executable, "-c", "import sys; sys.exit(3)", "s3cret")))
    assert "ended with status 3" in str(failed.value)
    assert "s3cret" not in str(failed.value)


OTHERS = {
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_kinds_of_keys_sign_too(kind, chain):
    key = OTHERS[kind]()
    identity = Identity((chain.issued(Wanted("x", NOW - DAY, NOW + DAY), key), chain.root), lambda d: sign_with(key, d))
    assert signing_problems(identity) == []
    signed = sign_picture(picture(), Claim(title="x"), identity)
    assert credentials_of(signed.data, TrustSettings(anchors=chain.identity.chain_pem)).state == "trusted"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "name one way to sign"),
        ({"key": "k", "command": ("c",)}, "name one way to sign"),
        ({"key": "k", "time_stamp_url": "ftp://x"}, "is no address of a server"),
        ({"key": "k", "time_stamp_url": "https://me:pw@x/"}, "holds a name or password"),
        ({"key": "k", "time_stamp_required": True}, "needs a time_stamp_url"),
    ],
)
def test_settings_that_make_no_sense_are_refused(fields, told):
    with pytest.raises(CredentialError, match=told):
        settings_from(chain="chain.pem", **fields)


SOFT_TOKEN = Path("/usr/lib/softhsm/libsofthsm2.so")


@pytest.mark.skipif(not SOFT_TOKEN.exists(), reason="needs the Debian package softhsm2")
def test_a_key_in_a_token_signs_and_its_pin_comes_from_the_environment(keys, tmp_path, chain, monkeypatch):
    _fill_token(tmp_path, chain, monkeypatch)
    chain_file, _ = written(tmp_path / "own", chain)
    token = TokenSettings(module=SOFT_TOKEN, token="twig", key="signer")
    monkeypatch.setenv("TWIG_KEY_PIN", "1234")
    use_keys(settings_from(chain=chain_file, token=token))
    assert sign_picture(picture(), Claim(title="x"), ready_keys().identity).credentials.holds
    absent = TokenSettings(module=SOFT_TOKEN, token="twig", key="nobody")
    with pytest.raises(CredentialError, match="key 'nobody': cannot be used"):
        use_keys(settings_from(chain=chain_file, token=absent))


def _fill_token(folder: Path, chain: Chain, monkeypatch) -> None:
    (folder / "tokens").mkdir()
    (folder / "softhsm.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(folder / "softhsm.conf"))
    _, key_file = written(folder / "import", chain)
    tool = shutil.which("softhsm2-util")
    assert tool is not None
    for arguments in (
        ["--init-token", "--free", "--label", "twig", "--pin", "1234", "--so-pin", "1234"],
        ["--import", str(key_file), "--token", "twig", "--label", "signer", "--id", "01", "--pin", "1234"],
    ):
        subprocess.run([tool, *arguments], check=True, capture_output=True, env=dict(os.environ))
