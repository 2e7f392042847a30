"""Time stamps that come later: for releases that were signed while the server was away.

C2PA allows that: an update of the manifest, which leaves content and claim as they are, carries the stamp of the
signature before it. The file's bytes change, so a stamped release is published as another file, which the ledger
records; copies that were handed out before stay without a stamp.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.catalog.database import Catalog
from twig_assets.catalog.models import Release
from twig_assets.catalog.releases import PublishedFile, published_files, sign_release
from twig_assets.catalog.store import ArtifactError, ArtifactStore
from twig_assets.provenance.errors import CredentialError, TimeStampError
from twig_assets.provenance.keys.management import ReadyKeys, ready_keys
from twig_assets.provenance.keys.settings import signing_settings
from twig_assets.provenance.releasing import credential_facts, newest_evidence
from twig_assets.provenance.signing import add_time_stamp


@dataclass(frozen=True)
class Stamped:
    """What became of the releases that lack a time stamp.

    Attributes:
        stamped: How many have one now.
        waiting: How many still lack one.
        troubles: Why, for a person.
    """

    stamped: int
    waiting: int
    troubles: Sequence[str]

    def sentence(self) -> str:
        """The outcome in a line."""
        return f"{self.stamped} releases have a time stamp now, {self.waiting} still wait for one"


def stamp_releases(catalog: Catalog, store: ArtifactStore, limit: int | None = None) -> Stamped:
    """Add a time stamp to the releases that stand and lack one, as long as the server answers.

    Args:
        catalog: The releases of all campaigns.
        store: Their files.
        limit: The most releases to stamp in one call; None for all.
    """
    settings = signing_settings()
    with catalog.session() as session:
        waiting, passed = _waiting(session), newest_evidence(session)
    if settings is None or settings.time_stamp_url is None or not waiting:
        return Stamped(0, len(waiting), ["no server of time stamps is set"] if waiting else [])
    try:
        keys = ready_keys(passed)
    except CredentialError as error:
        return Stamped(0, len(waiting), [str(error)])
    stamped, troubles = 0, []
    for release_id, file in list(waiting.items())[:limit]:
        try:
            _stamp(catalog, store, keys, settings.time_stamp_url, release_id, file)
            stamped += 1
        except TimeStampError as error:
            troubles.append(str(error))
            break
        except (CredentialError, ArtifactError) as error:
            troubles.append(f"release {release_id}: {error}")
    return Stamped(stamped, len(waiting) - stamped, troubles)


def _waiting(session: Session) -> dict[int, PublishedFile]:
    """Release id -> its file, for the releases that stand and were signed without a time stamp."""
    standing = list(session.scalars(select(Release.id).where(Release.withdrawn_at.is_(None)).order_by(Release.id)))
    return {
        release_id: file
        for release_id, file in published_files(session, standing).items()
        if not file.credential.get("time_stamp")
    }


def _stamp(
    catalog: Catalog, store: ArtifactStore, keys: ReadyKeys, url: str, release_id: int, file: PublishedFile
) -> None:
    if file.credential.get("serial") != str(keys.identity.certificate.serial_number):
        raise CredentialError("another certificate signed it, and only that one can add a time stamp")
    signed = add_time_stamp(store.read(file.sha256, "png"), keys.identity, url)
    after = PublishedFile(store.put_bytes(signed.data, "png"), credential_facts(signed.credentials, keys.revocation))
    with catalog.session() as session:
        release = session.get_one(Release, release_id)
        # Meanwhile it may have been withdrawn, or signed by somebody else.
        if release.withdrawn_at is None and published_files(session, [release_id])[release_id] == file:
            sign_release(session, release, after)
