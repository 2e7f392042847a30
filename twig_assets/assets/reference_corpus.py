"""The asset `reference_corpus`: the protected works that images are compared with."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.lines import described, listed
from twig_assets.assets.shared.partitions import all_campaigns
from twig_assets.assets.shared.thumbnails import SHOWN, gallery
from twig_assets.campaign.input_rows import keep_references
from twig_assets.campaign.reading_works import WorksRead, store_works
from twig_assets.campaign.unread_works import Unread, found_unread, keep_unread, unread_works
from twig_assets.campaign.works_index import is_indexed, works_index
from twig_assets.catalog.store import ArtifactStore
from twig_assets.resources import CampaignsResource, CatalogResource, ProgressResource, StoreResource
from twig_assets.similarity import ReferenceImage, Unreadable, corpus_version
from twig_assets.similarity.corpus.files import shown

CHECKS = [
    dg.AssetCheckSpec(
        "references_readable",
        asset="reference_corpus",
        partitions_def=all_campaigns,
        description="Every file in the folder of protected works can be read, and so is compared with.",
    ),
    dg.AssetCheckSpec(
        "references_distinct",
        asset="reference_corpus",
        partitions_def=all_campaigns,
        description="No protected work is there twice, as the same file or with the same pixels.",
    ),
    dg.AssetCheckSpec(
        "corpus_not_shrunk",
        asset="reference_corpus",
        partitions_def=all_campaigns,
        description="No work has left the corpus since it was last read: nothing is compared with it any more.",
    ),
]


@dg.asset(
    config_schema={},
    partitions_def=all_campaigns,
    group_name="inputs",
    owners=["team:legal"],
    kinds={"image"},
    pool="cpu",
    check_specs=CHECKS,
    description="The protected works in the campaign's folder references/, with titles and rights holders from "
    "references.csv. Its version is a hash of the active works; files that cannot be read are listed, never dropped.",
)
@one_run_at_a_time
def reference_corpus(
    context: dg.AssetExecutionContext,
    campaigns: CampaignsResource,
    catalog: CatalogResource,
    store: StoreResource,
    progress: ProgressResource,
) -> dg.MaterializeResult:
    """Bring the reference rows, and the index of a large corpus, in line with the folder, and name the version."""
    settings, artifacts = campaigns.load(context.partition_key), store.open()
    read = store_works(settings, artifacts)
    version = corpus_version(work.sha256 for work in read.works)
    indexed = is_indexed(settings, len(read.works))
    if indexed:
        works_index(settings, progress.reporter(context, "works"))
    with catalog.open().session() as session:
        lost = keep_references(session, settings, read.works, read.pixels, version)
        keep_unread(session, settings.name, found_unread(read.unreadable, settings.references_folder))
        unread = unread_works(session, settings)
    return dg.MaterializeResult(
        metadata={
            "references": len(read.works),
            "not_compared_with": len(read.unreadable),
            **_not_wholly_compared(unread, read.works),
            "corpus_version": version,
            "indexed": indexed,
            "works": _pictures(read, artifacts),
        },
        data_version=dg.DataVersion(version),
        check_results=_checks(read, lost),
    )


def _pictures(read: WorksRead, artifacts: ArtifactStore) -> dg.MarkdownMetadataValue:
    shown_works = [(work, artifacts.read_image(read.pixels[work.sha256])) for work in read.works[:SHOWN]]
    return gallery(
        [(f"{work.title} ({work.rights_holder})", [pixels]) for work, pixels in shown_works], len(read.works)
    )


def _checks(read: WorksRead, lost: list[str]) -> list[dg.AssetCheckResult]:
    return [
        _warning("references_readable", [_not_compared(file) for file in read.unreadable if not file.duplicate]),
        _warning("references_distinct", _duplicates(read)),
        _warning("corpus_not_shrunk", [f"{title} is not in the corpus any more" for title in lost]),
    ]


def _not_wholly_compared(unread: Sequence[Unread], references: Sequence[ReferenceImage]) -> dict[str, Any]:
    """What nothing is compared with, and what was done to works while they were read."""
    noted = (f"{shown(r.path.name)}: {'; '.join(r.notes)}" for r in references if r.notes)
    return {
        "complete": not unread,
        "unread": listed(f"{work.sentence} ({_standing(work)})" for work in unread),
        "notes": listed(noted),
    }


def _standing(work: Unread) -> str:
    return f"accepted, {work.accepted}" if work.accepted else "holds releases back"


def _not_compared(file: Unreadable) -> str:
    return f"{shown(file.path.name)} is not compared with: it {file.reason}"


def _duplicates(read: WorksRead) -> list[str]:
    pairs = [(shown(work.path.name), shown(earlier.path.name)) for work, earlier in read.equal]
    return [
        *(_not_compared(file) for file in read.unreadable if file.duplicate),
        *(f"{name} shows the same as {earlier}" for name, earlier in pairs),
    ]


def _warning(name: str, problems: list[str]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=not problems,
        severity=dg.AssetCheckSeverity.WARN,
        description=described(problems) or "none",
        metadata={"count": len(problems)},
    )
