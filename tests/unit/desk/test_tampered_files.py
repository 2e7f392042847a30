"""What the desk and `twig whence` say of a published file that something was done to, or whose release has ended."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from sqlalchemy import select, text

from tests.unit.desk.conftest import Opened
from twig_assets.campaign import load_campaign
from twig_assets.campaign.rules_in_force import rules_in_force
from twig_assets.catalog.database import keys_unenforced
from twig_assets.catalog.models import Image, Release
from twig_assets.catalog.releases import published_files, release_image, withdraw_release
from twig_assets.compliance.candidates import prompt_states
from twig_assets.compliance.releases import publish
from twig_assets.provenance.credentials import credentials_of
from twig_assets.provenance.keys import create_test_keys, ready_keys
from twig_assets.provenance.manifest import Claim
from twig_assets.provenance.releasing import due_files, sign_files
from twig_assets.provenance.signing import sign_picture

CHANGED = "The file was changed after it was signed, or its credential was taken from another file."
STRIPPED = "It carries no credential: it never had one, or something removed it, as many web sites do."


@dataclass
class Published:
    """A desk, and a file that its campaign published with a credential."""

    desk: Opened
    file: bytes

    def asked(self, content: bytes) -> tuple[str, str]:
        """The desk's page, and what `twig whence` prints."""
        form = {"token": self.desk.token}
        page = self.desk.client.post("/cleared", data=form, files={"file": ("x.png", content)}).text
        answer = self.desk.client.app.state.desk.whence.ask(content, "x.png")
        return page, "\n".join(answer.lines())


@pytest.fixture
def published(desk: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    monkeypatch.setenv("TWIG_KEYS", str(tmp_path / "keys"))
    create_test_keys()
    desk.enter()
    campaign = load_campaign("demo", desk.root)
    with desk.catalog.session() as session:
        _, rules = rules_in_force(session, campaign)
        signed = sign_files(due_files(session, campaign, prompt_states(session, "demo-000", rules)), desk.store)
        publish(session, prompt_states(session, "demo-000", rules), signed)
    with desk.catalog.session() as session:
        [file] = published_files(session, [session.scalars(select(Release.id)).one()]).values()
    return Published(desk, desk.store.read(file.sha256, "png"))


def pixels_of(content: bytes) -> np.ndarray:
    return np.asarray(PillowImage.open(io.BytesIO(content)).convert("RGB"))


def saved(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def credential_chunk(content: bytes) -> bytes:
    start = content.index(b"caBX") - 4
    return content[start : start + 12 + int.from_bytes(content[start : start + 4], "big")]


def with_credential_of(content: bytes, picture: bytes) -> bytes:
    return picture[:33] + credential_chunk(content) + picture[33:]


def one_bit(content: bytes) -> bytes:
    # Turned in the pixels and packed again, so that the picture can still be read.
    pixels = pixels_of(content).copy()
    pixels[5, 5, 0] ^= 1
    return with_credential_of(content, saved(pixels))


def cropped(content: bytes) -> bytes:
    return with_credential_of(content, saved(pixels_of(content)[4:-4, 4:-4]))


DONE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "one bit of the picture": (one_bit, CHANGED),
    "cropped": (cropped, CHANGED),
    "saved again": (lambda content: saved(pixels_of(content), "JPEG", quality=80), STRIPPED),
    "header stripped": (lambda content: content.replace(credential_chunk(content), b""), STRIPPED),
}


def test_the_published_file_itself_is_cleared(published: Published) -> None:
    page, line = published.asked(published.file)
    assert "<b>Cleared.</b>" in page
    assert line.startswith("x.png: released. It is the very file, byte for byte.\n  released on 20")
    assert "It is a test key, which proves nothing to anybody else." in page
    assert "It is a test key, which proves nothing to anybody else." in line


@pytest.mark.parametrize("what", DONE)
def test_a_changed_file_is_still_traced_and_its_credential_is_said_not_to_hold(published: Published, what: str) -> None:
    change, sentence = DONE[what]
    page, line = published.asked(change(published.file))
    assert sentence in page
    assert sentence in line
    assert "a fish" in page
    assert "released on 20" in line


def test_a_credential_pasted_onto_another_picture_makes_it_nobody_elses(published: Published) -> None:
    other = saved(np.random.default_rng(3).integers(0, 256, (96, 96, 3), dtype=np.uint8))
    page, line = published.asked(with_credential_of(published.file, other))
    assert "<b>Unknown.</b>" in page
    assert CHANGED in page
    assert line.startswith(f"x.png: unknown. It is not known to be ours. {CHANGED}")


def test_a_withdrawn_and_a_superseded_release_are_not_cleared(published: Published) -> None:
    with published.desk.catalog.session() as session:
        release = session.scalars(select(Release)).one()
        withdraw_release(session, release, "the holder objected")
    page, line = published.asked(published.file)
    assert "<b>Not cleared.</b>" in page
    assert "withdrawn on 20" in line
    assert line.split("\n")[1].split(" UTC")[1].startswith(": the holder objected ('a fish', campaign demo")
    with published.desk.catalog.session() as session:
        release = session.scalars(select(Release)).one()
        another = session.scalars(
            select(Image).where(Image.prompt_id == release.prompt_id, Image.id != release.image_id)
        ).first()
        release_image(session, release.prompt_id, another.id, release.audit_id)
    page, line = published.asked(published.file)
    assert "<b>Not cleared.</b>" in page
    assert "superseded" in page
    assert "took its place (the holder objected)" in line


def test_a_file_that_the_ledger_contradicts_is_not_cleared(published: Published) -> None:
    sequence = credentials_of(published.file).release.ledger.head_sequence
    with keys_unenforced(published.desk.catalog.engine) as connection, connection.begin():
        connection.execute(text("DROP TRIGGER ledger_entry_refuse_update"))
        change = "UPDATE ledger_entry SET sha256 = :sha WHERE sequence = :sequence"
        connection.execute(text(change), {"sha": "00" * 32, "sequence": sequence})
    page, line = published.asked(published.file)
    told = f"Entry {sequence} of the ledger is not the one that it names: the ledger was rewritten up to there"
    assert "<b>Not cleared.</b>" in page
    assert told in page
    assert line.startswith("x.png: contradicted.")
    assert told in line


def test_a_file_that_was_signed_by_a_clock_set_back_is_not_cleared(published: Published) -> None:
    before = credentials_of(published.file)
    early = before.release.model_copy(update={"signed_at": before.release.audit.audited_at - timedelta(days=1)})
    picture = published.file.replace(credential_chunk(published.file), b"")
    content = sign_picture(picture, Claim(title="x.png", statement=early), ready_keys().identity).data
    page, line = published.asked(content)
    assert "<b>Not cleared.</b>" in page
    assert "a clock was set back" in page
    assert line.startswith("x.png: contradicted.")
