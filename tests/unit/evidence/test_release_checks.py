"""A release that was edited behind the catalog's back is named."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Executable, delete, insert, update
from sqlalchemy.orm import Session

from tests.unit.catalog.filled import Filled
from twig_assets.catalog.database import Catalog, keys_unenforced, open_catalog
from twig_assets.catalog.models import Release, utc_now
from twig_assets.catalog.releases import PublishedFile, release_image, sign_release, withdraw_release
from twig_assets.evidence.checks import check_ledger
from twig_assets.evidence.release_checks import check_releases


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """A release that stands and was signed, and one that was withdrawn."""
    opened = open_catalog(f"sqlite:///{tmp_path_factory.mktemp('releases')}/catalog.db")
    with opened.session() as session:
        filled = Filled(session, prompts=3)
        audits = [filled.audit(filled.image(prompt=prompt), "pass") for prompt in range(3)]
        first, second = (
            release_image(session, audit.image.prompt_id, audit.image_id, audit.id) for audit in audits[:2]
        )
        sign_release(session, first, PublishedFile("ab" * 32, {"manifest": "urn:c2pa:x"}))
        withdraw_release(session, second, "a reason")
    yield opened
    opened.close()


def findings(catalog: Catalog, edit: Executable | None = None) -> list[str]:
    """What is found after an edit, which is undone."""
    with keys_unenforced(catalog.engine) as connection:
        session = Session(connection)
        if edit is not None:
            session.execute(edit)
        assert list(check_ledger(session.connection())) == []
        found = [f"{finding.subject} {finding.problem}" for finding in check_releases(session)]
        session.close()
    return found


def test_releases_as_they_were_made_are_sound(catalog):
    assert findings(catalog) == []


EDITS = {
    "stands, though the ledger has its withdrawal": update(Release)
    .where(Release.id == 2)
    .values(withdrawn_at=None, reason=None),
    "is withdrawn, and the ledger has no entry": update(Release).where(Release.id == 1).values(withdrawn_at=utc_now()),
    "another time or reason of its withdrawal": update(Release).where(Release.id == 2).values(reason="a better one"),
    "another time of its release": update(Release).where(Release.id == 1).values(released_at=utc_now() - timedelta(1)),
    "another image": update(Release).where(Release.id == 1).values(image_id=3),
    "another audit": update(Release).where(Release.id == 1).values(audit_id=3),
    "added by another program": insert(Release).values(
        id=9, prompt_id=3, image_id=3, audit_id=3, released_at=utc_now()
    ),
}


@pytest.mark.parametrize("told", EDITS)
def test_an_edited_release_is_named_with_what_was_changed(told, catalog):
    assert any(told in line for line in findings(catalog, EDITS[told]))


def test_a_release_that_was_removed_is_named(catalog):
    found = findings(catalog, delete(Release).where(Release.id == 1))
    assert found == ["release 1 missing, though the ledger has what happened to it"]
