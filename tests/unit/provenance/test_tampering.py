"""What is done to published files, and the sentence that each gets. The oracle of plain metadata is exiftool."""

import io
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import text

from tests.unit.catalog.filled import Filled
from tests.unit.provenance.signing_kit import DAY, FORMATS, NOW, Chain, picture, statement
from tests.unit.provenance.time_stamps import TimeStamps, serving
from twig_assets.catalog.database import Catalog, keys_unenforced, open_catalog
from twig_assets.catalog.ledger import head
from twig_assets.catalog.models import LedgerEntry, Release
from twig_assets.catalog.releases import release_image, withdraw_release
from twig_assets.catalog.store import ArtifactStore
from twig_assets.provenance import TrustSettings
from twig_assets.provenance.credentials import Credentials, credentials_of
from twig_assets.provenance.errors import TimeStampError
from twig_assets.provenance.fingerprints import ReleaseIndex
from twig_assets.provenance.manifest import Claim
from twig_assets.provenance.record import contradictions
from twig_assets.provenance.signing import sign_picture
from twig_assets.provenance.statement import LedgerPart, ReleaseStatement
from twig_assets.provenance.whence import Whence

CHANGED = "The file was changed after it was signed, or its credential was taken from another file."
EXIFTOOL = shutil.which("exiftool")
needs_exiftool = pytest.mark.skipif(EXIFTOOL is None, reason="needs the Debian package libimage-exiftool-perl")


@pytest.fixture(scope="module")
def signed(chain) -> bytes:
    return sign_picture(picture(), Claim(title="boat.png", statement=statement()), chain.identity).data


def read(data: bytes, chain: Chain) -> Credentials:
    return credentials_of(data, TrustSettings(anchors=chain.identity.chain_pem))


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and all bytes of a PNG's chunks."""
    start = 8
    while start < len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        yield data[start + 4 : start + 8], data[start:end]
        start = end


def chunk(data: bytes, wanted: bytes) -> bytes:
    return next(whole for kind, whole in chunks(data) if kind == wanted)


@pytest.mark.parametrize("kind", FORMATS)
def test_one_bit_of_the_picture(kind, chain):
    data = bytearray(sign_picture(picture(kind), Claim(title="x"), chain.identity).data)
    # The library puts a credential before the pixels or behind them, so the middle of the old file is looked for.
    plain = picture(kind)
    needle = plain[len(plain) // 2 : len(plain) // 2 + 16]
    data[bytes(data).index(needle)] ^= 1
    assert read(bytes(data), chain).sentence.startswith(CHANGED)


def test_one_bit_of_what_the_credential_says(signed, chain):
    at = signed.index(b"a red boat")
    changed = signed[:at] + b"a red goat" + signed[at + 10 :]
    tampered = read(changed, chain)
    assert tampered.state == "invalid"
    assert tampered.problems[0].code == "assertion.hashedURI.mismatch"
    assert "What its credential says was changed" in tampered.sentence


def test_cropped_and_saved_again(signed, chain):
    buffer = io.BytesIO()
    Image.open(io.BytesIO(signed)).crop((0, 0, 32, 32)).save(buffer, "PNG")
    assert "something removed it" in read(buffer.getvalue(), chain).sentence


def test_cropped_by_a_program_that_keeps_the_header(signed, chain):
    buffer = io.BytesIO()
    Image.open(io.BytesIO(signed)).crop((0, 0, 32, 32)).save(buffer, "PNG")
    cropped = buffer.getvalue()
    assert read(cropped[:33] + chunk(signed, b"caBX") + cropped[33:], chain).sentence.startswith(CHANGED)


def test_header_stripped(signed, chain):
    stripped = signed[:8] + b"".join(whole for kind, whole in chunks(signed) if kind != b"caBX")
    assert read(stripped, chain).state == "none"


def test_a_manifest_of_another_file_pasted_in(signed, chain):
    other = picture(seed=5)
    assert read(other[:33] + chunk(signed, b"caBX") + other[33:], chain).sentence.startswith(CHANGED)


def test_something_added_behind_the_picture(signed, chain):
    assert read(signed + b"more", chain).state in ("invalid", "unreadable")


def test_the_plain_metadata_alone_changed(signed, chain):
    changed = signed.replace(b"trainedAlgorithmicMedia", b"digitalCapture_________")
    assert read(changed, chain).state == "invalid"


def test_a_certificate_that_expired_after_it_signed(tmp_path):
    short = Chain(end=NOW.replace(microsecond=0) + timedelta(seconds=time.time() - NOW.timestamp() + 2))
    with serving(TimeStamps(short)) as url:
        stamped = sign_picture(picture(), Claim(title="x"), short.identity, url).data
    plain = sign_picture(picture(), Claim(title="x"), short.identity).data
    time.sleep(max(0.0, short.leaf.not_valid_after_utc.timestamp() + 1 - time.time()))
    assert "The certificate was not valid" in read(plain, short).sentence
    asked = Whence(None, ArtifactStore(str(tmp_path)), tmp_path, [], ReleaseIndex(tmp_path)).ask(plain, "x.png")
    assert asked.lines() == [
        "x.png: unknown. It is not known to be ours. The certificate was not valid when the file was signed: it had "
        "expired, or was not valid yet."
    ]
    assert read(stamped, short).state == "trusted"


def test_a_time_stamp_from_before_the_certificate_was_issued(chain):
    stamps = TimeStamps(chain)
    stamps.moment = NOW - 30 * DAY
    with serving(stamps) as url, pytest.raises(TimeStampError, match="expired certificate"):
        sign_picture(picture(), Claim(title="x"), chain.identity, url)


@dataclass
class Released:
    """A catalog with a release, and what its file says."""

    catalog: Catalog
    statement: ReleaseStatement

    def sentences(self, **changes: object) -> list[str]:
        with self.catalog.snapshot() as session:
            return [p.sentence for p in contradictions(session, self.statement.model_copy(update=changes))]


@pytest.fixture
def released(tmp_path: Path, empty_catalog: Path) -> Iterator[Released]:
    shutil.copy(empty_catalog, tmp_path / "catalog.db")
    catalog = open_catalog(f"sqlite:///{tmp_path}/catalog.db")
    with catalog.session() as session:
        filled = Filled(session)
        audit = filled.judged("pass")
        sha256 = audit.image.sha256
    with catalog.session() as session:
        newest = head(session.connection())
        entry = session.get(LedgerEntry, 1)
        release_image(session, audit.image.prompt_id, audit.image_id, audit.id)
    ledger = LedgerPart(
        audit_sequence=1, audit_sha256=entry.sha256, head_sequence=newest.sequence, head_sha256=newest.sha256
    )
    yield Released(catalog, statement(image_sha256=sha256, ledger=ledger))
    catalog.close()


def test_a_file_and_its_catalog_agree_until_something_is_changed(released):
    assert released.sentences() == []


def test_a_clock_that_was_set_back(released):
    (sentence,) = released.sentences(signed_at=NOW - DAY)
    assert "before its own audit" in sentence
    assert "a clock was set back" in sentence


def test_a_head_that_is_another_one_or_was_cut_off(released):
    ledger = released.statement.ledger
    (rewritten,) = released.sentences(ledger=ledger.model_copy(update={"head_sha256": "00" * 32}))
    assert "the ledger was rewritten up to there" in rewritten
    (cut,) = released.sentences(ledger=ledger.model_copy(update={"head_sequence": 99}))
    assert "the end of the ledger was cut off" in cut


def test_a_ledger_that_somebody_changed(released):
    with keys_unenforced(released.catalog.engine) as connection, connection.begin():
        connection.execute(text("DROP TRIGGER ledger_entry_refuse_update"))
        connection.execute(text("UPDATE ledger_entry SET sha256 = :sha WHERE sequence = 1"), {"sha": "00" * 32})
    assert "Entry 1 of the ledger is not the one that it names" in released.sentences()[0]


def test_a_release_that_was_withdrawn_is_said_to_be_with_the_reason(released):
    with released.catalog.session() as session:
        withdraw_release(session, session.get_one(Release, 1), "its image is now: too similar to a protected work")
    (sentence,) = released.sentences()
    assert sentence.startswith("It was withdrawn on 20")
    assert sentence.endswith("its image is now: too similar to a protected work.")


def test_an_image_that_the_catalog_does_not_know(released):
    assert released.sentences(image_sha256="ee" * 32) == ["This catalog has no release of the image that it names."]


def exif(data: bytes, folder: Path, kind: str) -> dict[str, str]:
    assert EXIFTOOL is not None
    file = folder / f"x.{kind.lower()}"
    file.write_bytes(data)
    done = subprocess.run([EXIFTOOL, "-j", "-G1", str(file)], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)[0]
    return found


@needs_exiftool
@pytest.mark.parametrize("kind", FORMATS)
def test_exiftool_reads_the_digital_source_type_and_finds_nothing_wrong(kind, chain, tmp_path):
    claim = Claim(title="x", generator="embedded", statement=statement(), do_not_train=True)
    found = exif(sign_picture(picture(kind), claim, chain.identity).data, tmp_path, kind)
    assert found["XMP-iptcExt:DigitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert found["XMP-iptcExt:AIPromptInformation"] == "a red boat"
    assert found["XMP-plus:DataMining"].endswith("DMI-PROHIBITED")
    assert not [name for name in found if name.endswith((":Warning", ":Error"))]


OLD = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="kept"'
    b' xmlns:I="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" I:DigitalSourceType="old"/></rdf:RDF></x:xmpmeta>'
)


@needs_exiftool
@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF"])
def test_other_metadata_of_a_picture_stays_and_the_source_type_is_replaced(kind, chain, tmp_path):
    found = exif(sign_picture(picture(kind, xmp=OLD), Claim(title="x"), chain.identity).data, tmp_path, kind)
    assert found["XMP-dc:Source"] == "kept"
    assert found["XMP-iptcExt:DigitalSourceType"].endswith("/trainedAlgorithmicMedia")
