"""Reading a campaign's works one after the other: their pixels go into the store, and only names stay in memory."""

from dataclasses import dataclass, field, replace

import numpy as np

from twig_assets.campaign import Campaign
from twig_assets.catalog.store import ArtifactStore
from twig_assets.settings.corpus import CorpusSettings
from twig_assets.similarity import ReferenceImage, Unreadable, read_part
from twig_assets.similarity.corpus.references import no_works, works_read
from twig_assets.similarity.corpus.views import first_views


@dataclass
class WorksRead:
    """What the folder of works holds.

    Attributes:
        works: Every work by its first view, without pixels, in order of path.
        pixels: Hash of each work's file -> that of its pixels in the store.
        unreadable: What else is there, or could not be read wholly.
    """

    works: list[ReferenceImage] = field(default_factory=list)
    pixels: dict[str, str] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)

    @property
    def equal(self) -> list[tuple[ReferenceImage, ReferenceImage]]:
        """Works whose files differ and whose pixels do not: each with the first work that has the same pixels."""
        first: dict[str, ReferenceImage] = {}
        pairs = []
        for work in self.works:
            earlier = first.setdefault(self.pixels[work.sha256], work)
            if earlier is not work:
                pairs.append((work, earlier))
        return pairs


def store_works(campaign: Campaign, store: ArtifactStore) -> WorksRead:
    """Read a campaign's works as its policy says, and keep the pixels of each one's first view.

    Raises:
        CorpusError: If there are none, or their table cannot be used.
        PolicyError: If the campaign's policy cannot be read.
    """
    read, nothing = WorksRead(), np.zeros((0, 0, 3), np.uint8)
    folder = campaign.references_folder
    for file in works_read(folder, read_part(campaign.policy_file, CorpusSettings).follow_links):
        read.unreadable += file.unreadable
        for work in first_views(file.views):
            read.pixels[work.sha256] = store.put_image(work.pixels)
            read.works.append(replace(work, pixels=nothing))
    if not read.works:
        raise no_works(folder, read.unreadable)
    return read
