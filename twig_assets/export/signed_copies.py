"""The files of an export: each image as it was signed, or with a label and a credential of its own on top."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import Image, Prompt, PromptBatch, Release
from twig_assets.catalog.releases import PublishedFile, published_files
from twig_assets.catalog.store import ArtifactStore
from twig_assets.provenance.credentials import credentials_of
from twig_assets.provenance.errors import CredentialError, TimeStampError
from twig_assets.provenance.keys.management import ReadyKeys
from twig_assets.provenance.label import LabelSettings, labelled_file
from twig_assets.provenance.manifest import Claim
from twig_assets.provenance.pixels import pixels_sha256
from twig_assets.provenance.signing import sign_picture
from twig_assets.reports.data import PromptLine, Released


def files_of_releases(session: Session, campaign: str) -> dict[str, PublishedFile]:
    """Hash of an image -> its file with a credential, for the releases of a campaign that stand and have one."""
    rows = session.execute(
        select(Release.id, Image.sha256)
        .join(Image, Image.id == Release.image_id)
        .join(Prompt, Prompt.id == Release.prompt_id)
        .join(PromptBatch, PromptBatch.key == Prompt.batch_key)
        .where(PromptBatch.campaign == campaign, Release.withdrawn_at.is_(None))
    )
    images = {release_id: sha256 for release_id, sha256 in rows}
    return {images[release_id]: file for release_id, file in published_files(session, list(images)).items()}


@dataclass
class SignedCopies:
    """Makes of an image what is handed out; see `export.write.Finish`.

    A labelled copy has other pixels than what was audited. Its credential says so, names the audited image by its hash,
    and keeps that of the published file as its parent's.

    Attributes:
        files: Hash of an image -> its file with a credential.
        store: Where these are.
        label: The visible label; None for none.
        keys: Who signs labelled copies; None where there are no keys.
    """

    files: dict[str, PublishedFile]
    store: ArtifactStore
    label: LabelSettings | None = None
    keys: ReadyKeys | None = None

    def __call__(self, line: PromptLine, one: Released, content: bytes) -> bytes:
        """The bytes to hand out.

        Raises:
            CredentialError: If a labelled copy cannot be made or signed; the message names the prompt.
            ArtifactError: If the published file is missing or was altered.
        """
        file = self.files.get(one.image.picture.sha256)
        published = self.store.read(file.sha256, "png") if file else content
        if self.label is None:
            return published
        try:
            return self._labelled(published, self.label)
        except CredentialError as error:
            raise CredentialError(f"{line.text}: {error}") from error

    def _labelled(self, published: bytes, label: LabelSettings) -> bytes:
        data = labelled_file(published, "image/png", label)
        if self.keys is None:
            return data
        before = credentials_of(published)
        statement = before.release
        if statement is not None:
            now = datetime.now(UTC).replace(microsecond=0)
            statement = statement.model_copy(update={"pixels_sha256": pixels_sha256(data), "signed_at": now})
        claim = Claim(
            title=before.title or "labelled image",
            generator=statement.model.name if statement else None,
            statement=statement,
            do_not_train=bool(before.do_not_train),
            label=label.text,
        )
        identity, settings = self.keys.identity, self.keys.settings
        try:
            return sign_picture(data, claim, identity, settings.time_stamp_url, parent=published).data
        except TimeStampError:
            if settings.time_stamp_required:
                raise
            # An export is made by a person who waits; its images are time-stamped in their parents.
            return sign_picture(data, claim, identity, parent=published).data
