"""What a campaign releases is signed first, says where it comes from, and is held where it cannot be signed."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import select

from tests.unit.catalog.filled import BATCH, Filled
from tests.unit.provenance.responder import GOOD, REVOKED, Authority
from tests.unit.provenance.responder import serving as authority
from tests.unit.provenance.signing_kit import DAY, NOW, Chain, picture
from tests.unit.provenance.time_stamps import TimeStamps, serving
from twig_assets.campaign import Campaign
from twig_assets.catalog.artifacts import needed_artifacts
from twig_assets.catalog.database import Catalog, open_catalog
from twig_assets.catalog.ledger import head
from twig_assets.catalog.models import Release, ReleaseEvent, Review
from twig_assets.catalog.releases import published_files, withdraw_release
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.candidates import prompt_states
from twig_assets.compliance.held import held
from twig_assets.compliance.releases import Published, Signed, publish
from twig_assets.evidence.checks import check_ledger
from twig_assets.evidence.release_checks import check_releases
from twig_assets.provenance.credentials import credentials_of
from twig_assets.provenance.keys import create_test_keys, key_report
from twig_assets.provenance.keys.settings import FILE
from twig_assets.provenance.published import check_published
from twig_assets.provenance.releasing import due_files, sign_files
from twig_assets.provenance.stamping import stamp_releases


@dataclass
class Batch:
    """A campaign with two prompts whose candidates passed, and one that a person let through."""

    campaign: Campaign
    catalog: Catalog
    store: ArtifactStore
    rules: object
    keys: Path

    def policy(self, text: str) -> None:
        self.campaign.policy_file.write_text(text)

    def sign(self) -> Signed:
        with self.catalog.session() as session:
            due = due_files(session, self.campaign, prompt_states(session, BATCH, self.rules))
        return sign_files(due, self.store)

    def release(self) -> Published:
        signed = self.sign()
        with self.catalog.session() as session:
            return publish(session, prompt_states(session, BATCH, self.rules), signed)

    def files(self) -> list[bytes]:
        with self.catalog.session() as session:
            ids = list(session.scalars(select(Release.id).order_by(Release.id)))
            return [self.store.read(file.sha256, "png") for file in published_files(session, ids).values()]


@pytest.fixture
def batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_catalog: Path) -> Iterator[Batch]:
    shutil.copy(empty_catalog, tmp_path / "catalog.db")
    monkeypatch.setenv("TWIG_KEYS", str(tmp_path / "keys"))
    (tmp_path / "demo").mkdir()
    campaign = Campaign(name="demo", folder=tmp_path / "demo", title="Demo")
    campaign.policy_file.write_text("")
    catalog, store = open_catalog(f"sqlite:///{tmp_path}/catalog.db"), ArtifactStore(str(tmp_path / "artifacts"))
    with catalog.session() as session:
        filled = Filled(session, prompts=3)
        for prompt in range(3):
            first = filled.image(stage="generated", prompt=prompt)
            sha256 = store.put_image(np.full((16, 16, 3), 40 * prompt, np.uint8))
            image = filled.image(prompt=prompt, sha256=sha256, parent_id=first.id)
            audit = filled.audit(image, "review" if prompt == 2 else "pass", ssim=0.2)
        session.add(Review(audit_id=audit.id, decision="waive", who="Ada", why="ours"))
    yield Batch(campaign, catalog, store, filled.rules, tmp_path / "keys")
    catalog.close()


def test_without_keys_images_are_released_as_they_are(batch):
    assert len(batch.release().released) == 3
    assert batch.files() == []


def test_with_keys_every_release_has_a_file_that_says_where_it_comes_from(batch):
    create_test_keys()
    batch.policy("credentials: {prompt: text, do_not_train: true}")
    assert len(batch.release().released) == 3
    read = [credentials_of(data) for data in batch.files()]
    assert [c.state for c in read] == ["trusted"] * 3
    first, waived = read[0].release, read[2].release
    assert (first.prompt.text, first.terms, first.audit.nearest) == ("thing 0", "as_asked", {"ssim": 0.2})
    assert first.regeneration is not None
    assert "not about infringement" in first.audit.opinion
    assert [d.who for d in waived.decisions] == ["Ada"]
    assert read[0].do_not_train is True


def test_a_file_names_the_ledger_as_it_was_when_it_was_signed(batch):
    create_test_keys()
    with batch.catalog.session() as session:
        before = head(session.connection())
    batch.release()
    stated = credentials_of(batch.files()[0]).release.ledger
    assert (stated.head_sequence, stated.head_sha256) == (before.sequence, before.sha256)


def test_prompt_and_people_are_kept_back_where_the_policy_says_so(batch):
    create_test_keys()
    batch.policy("credentials: {people: none}")
    batch.release()
    for data in batch.files():
        assert b"thing 0" not in data
        assert b"Ada" not in data


def test_published_files_are_kept_artifacts_and_the_pictures_own_bytes_stay(batch):
    create_test_keys()
    batch.release()
    with batch.catalog.session() as session:
        needed = {artifact.sha256 for artifact in needed_artifacts(session)}
        files = [event.published_sha256 for event in session.scalars(select(ReleaseEvent))]
    assert set(files) <= needed
    assert len(set(files)) == 3


def test_releases_are_chained_and_a_second_run_changes_nothing(batch):
    create_test_keys()
    batch.release()
    files = batch.files()
    assert batch.sign().files == {}
    batch.release()
    assert batch.files() == files
    with batch.catalog.snapshot() as session:
        assert list(check_ledger(session.connection())) == []
        assert list(check_releases(session)) == []


def _reasons(batch: Batch, published: Published) -> set[str]:
    with batch.catalog.session() as session:
        return {entry.why for entry in held(session, "demo", published.held, batch.rules).values()}


def test_an_expired_certificate_releases_nothing_and_everybody_is_told_why(batch):
    create_test_keys(now=NOW - 100 * DAY, days=30)
    published = batch.release()
    assert published.released == []
    assert len(published.unsigned) == 3
    assert all("it complies, and cannot be signed: the certificate" in why for why in _reasons(batch, published))


def test_a_revoked_certificate_releases_nothing_and_everybody_is_told_why(batch):
    create_test_keys()
    root = Chain()
    with authority(Authority(root)) as served:
        served.status = REVOKED
        named = b"".join(c.public_bytes(Encoding.PEM) for c in (served.named(), root.root))
        (batch.keys / "chain.pem").write_bytes(named)
        (batch.keys / "key.pem").write_bytes(root.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        published = batch.release()
        assert published.released == []
        assert all("it complies, and cannot be signed: the certificate" in why for why in _reasons(batch, published))
        assert all("was revoked on" in why for why in _reasons(batch, published))
        served.status = GOOD
        assert len(batch.release().released) == 3
    with batch.catalog.session() as session:
        known = {event.credential["revocation"] for event in session.scalars(select(ReleaseEvent))}
    assert len(known) == 1
    assert "is not revoked, by the responder" in known.pop()


def test_that_nobody_could_say_whether_a_certificate_was_revoked_is_kept_in_the_ledger(batch):
    create_test_keys()
    settings = batch.keys / FILE
    settings.write_text(settings.read_text() + "ocsp_url: http://127.0.0.1:9/\n")
    signed = batch.sign()
    assert "nobody could say whether the certificate" in signed.warnings[0]
    assert len(batch.release().released) == 3
    with batch.catalog.session() as session:
        known = {event.credential["revocation"] for event in session.scalars(select(ReleaseEvent))}
    assert known == set(signed.warnings)
    settings.write_text(settings.read_text() + "revocation: required\n")
    assert "`required`" in key_report().problems[0]


def test_what_is_mended_is_released_and_its_reason_is_forgotten(batch):
    batch.policy("credentials: required")
    assert "there are no keys" in next(iter(_reasons(batch, batch.release())))
    create_test_keys()
    published = batch.release()
    assert len(published.released) == 3
    with batch.catalog.session() as session:
        states = prompt_states(session, BATCH, batch.rules)
        assert held(session, "demo", states, batch.rules) == {}


def test_a_clock_that_was_set_back_releases_nothing(batch):
    create_test_keys()
    with batch.catalog.session() as session:
        audit = session.scalars(select(Review)).one().audit_id
        session.add(Review(audit_id=audit, decision="waive", who="Bo", why="x", created_at=NOW + timedelta(hours=3)))
    published = batch.release()
    assert published.released == []
    assert all("before the newest entry of the ledger" in why for why in _reasons(batch, published))


def test_if_possible_releases_what_cannot_be_signed_and_signs_it_as_soon_as_it_can(batch):
    batch.policy("credentials: if_possible")
    assert len(batch.release().released) == 3
    assert batch.files() == []
    create_test_keys()
    batch.release()
    assert [credentials_of(data).state for data in batch.files()] == ["trusted"] * 3
    with batch.catalog.snapshot() as session:
        assert list(check_releases(session)) == []


def test_a_picture_that_is_gone_holds_only_itself(batch):
    create_test_keys()
    with batch.catalog.session() as session:
        lost = prompt_states(session, BATCH, batch.rules)[0].candidate.sha256
    batch.store.path(lost, "png").unlink()
    published = batch.release()
    assert len(published.released) == 2
    assert all("no such artifact" in why for why in _reasons(batch, published))


def test_a_server_of_time_stamps_that_is_away_is_asked_once_and_not_waited_for(batch):
    create_test_keys()
    settings = batch.keys / FILE
    settings.write_text(settings.read_text() + "time_stamp_url: http://127.0.0.1:9/\n")
    assert len(batch.release().released) == 3
    assert [credentials_of(data).time_stamp for data in batch.files()] == [None] * 3


def test_required_time_stamps_hold_what_has_none(batch):
    create_test_keys()
    settings = batch.keys / FILE
    settings.write_text(settings.read_text() + "time_stamp_url: http://127.0.0.1:9/\ntime_stamp_required: true\n")
    published = batch.release()
    assert published.released == []
    assert all("the server of time stamps does not answer" in why for why in _reasons(batch, published))


def test_time_stamps_are_in_the_files_and_in_the_catalog(batch):
    create_test_keys()
    with serving(TimeStamps(Chain())) as url:
        settings = batch.keys / FILE
        settings.write_text(settings.read_text() + f"time_stamp_url: {url}\n")
        batch.release()
    assert all(credentials_of(data).time_stamp is not None for data in batch.files())
    with batch.catalog.session() as session:
        assert all(event.credential["time_stamp"] for event in session.scalars(select(ReleaseEvent)))


def test_nothing_secret_is_in_the_catalog_or_in_a_published_file(batch, tmp_path):
    create_test_keys()
    batch.release()
    secret = "".join((batch.keys / "key.pem").read_text().splitlines()[1:-1])[:40]
    kept = [path.read_bytes() for path in tmp_path.glob("catalog.db*")] + batch.files()
    assert all(secret.encode() not in data for data in kept)


def test_a_release_that_was_signed_without_a_time_stamp_gets_one_later(batch):
    create_test_keys()
    batch.release()
    settings = batch.keys / FILE
    settings.write_text(settings.read_text() + "time_stamp_url: http://127.0.0.1:9/\n")
    away = stamp_releases(batch.catalog, batch.store)
    assert (away.stamped, away.waiting, len(away.troubles)) == (0, 3, 1)
    with serving(TimeStamps(Chain())) as url:
        settings.write_text(settings.read_text().replace("http://127.0.0.1:9/", url))
        stamped = stamp_releases(batch.catalog, batch.store)
    assert (stamped.stamped, stamped.waiting) == (3, 0)
    assert all(credentials_of(data).time_stamp is not None for data in batch.files())
    assert all(credentials_of(data).release is not None for data in batch.files())
    assert stamp_releases(batch.catalog, batch.store).stamped == 0
    with batch.catalog.snapshot() as session:
        assert list(check_ledger(session.connection())) == []
        assert list(check_releases(session)) == []


def test_a_published_file_is_checked_against_the_catalog(batch, tmp_path):
    create_test_keys()
    batch.release()
    good, bad, plain = (tmp_path / name for name in ("good.png", "bad.png", "plain.png"))
    good.write_bytes(batch.files()[0])
    bad.write_bytes(batch.files()[0][:-20] + b"x" + batch.files()[0][-19:])
    plain.write_bytes(picture())
    with batch.catalog.session() as session:
        assert list(check_published(session, [good])) == []
        found = list(check_published(session, [bad, plain]))
        withdraw_release(session, session.get_one(Release, 1), "a reason")
    assert [finding.subject for finding in found] == [str(bad), str(plain)]
    with batch.catalog.session() as session:
        (withdrawn,) = check_published(session, [good])
    assert "It was withdrawn on" in withdrawn.problem
