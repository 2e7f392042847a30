"""The asset `reference_corpus`: the protected works that images are compared with."""

import dagster as dg
from sqlalchemy import select

from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.thumbnails import gallery
from twig_assets.catalog.models import CorpusVersion, Reference
from twig_assets.resources import CampaignResource, CatalogResource, StoreResource
from twig_assets.similarity import ReferenceImage, Unreadable, corpus_version, read_references
from twig_assets.similarity.corpus.files import shown

CHECKS = [
    dg.AssetCheckSpec(
        "references_readable",
        asset="reference_corpus",
        description="Every file in the folder of protected works can be read, and so is compared with.",
    ),
    dg.AssetCheckSpec(
        "references_distinct",
        asset="reference_corpus",
        description="No protected work is there twice, as the same file or with the same pixels.",
    ),
    dg.AssetCheckSpec(
        "corpus_not_shrunk",
        asset="reference_corpus",
        description="No work has left the corpus since it was last read: nothing is compared with it any more.",
    ),
]


@dg.asset(
    group_name="inputs",
    owners=["team:legal"],
    kinds={"image"},
    check_specs=CHECKS,
    description="The protected works in the campaign's folder references/, with titles and rights holders from "
    "references.csv. Its version is a hash of the active works; files that cannot be read are listed, never dropped.",
)
@one_run_at_a_time
def reference_corpus(
    context: dg.AssetExecutionContext, campaign: CampaignResource, catalog: CatalogResource, store: StoreResource
) -> dg.MaterializeResult:
    """Bring the reference rows in line with the folder and name the version."""
    here = campaign.load()
    references, unreadable = read_references(here.references_folder)
    version = corpus_version(reference.sha256 for reference in references)
    artifacts = store.open()
    pixels = {reference.sha256: artifacts.put_image(reference.pixels) for reference in references}
    present = {reference.sha256: reference for reference in references}
    with catalog.open().session() as session:
        there = {r.sha256: r for r in session.scalars(select(Reference).where(Reference.campaign == here.name))}
        gone = [row.title for sha256, row in there.items() if row.status == "active" and sha256 not in present]
        for sha256, row in there.items():
            row.status = "active" if sha256 in present else "withdrawn"
        for sha256, found in present.items():
            row = there.get(sha256) or Reference(campaign=here.name, sha256=sha256)
            row.title, row.rights_holder, row.licence = found.title, found.rights_holder, found.licence
            row.file = shown(found.path.relative_to(here.references_folder).as_posix())
            row.pixels_sha256 = pixels[sha256]
            session.add(row)
        known = select(CorpusVersion).where(CorpusVersion.campaign == here.name, CorpusVersion.sha256 == version)
        if session.scalars(known).first() is None:
            session.add(CorpusVersion(campaign=here.name, sha256=version, members=sorted(present)))
    return dg.MaterializeResult(
        metadata={
            "references": len(references),
            "not_compared_with": len(unreadable),
            "corpus_version": version,
            "works": gallery([(f"{r.title} ({r.rights_holder})", [r.pixels]) for r in references]),
        },
        data_version=dg.DataVersion(version),
        check_results=[
            _warning("references_readable", [_said(one) for one in unreadable if not one.duplicate]),
            _warning(
                "references_distinct", [*(_said(one) for one in unreadable if one.duplicate), *_twins(references)]
            ),
            _warning("corpus_not_shrunk", [f"{title} is not in the corpus any more" for title in gone]),
        ],
    )


def _said(problem: Unreadable) -> str:
    return f"{shown(problem.path.name)} is not compared with: it {problem.reason}"


def _twins(references: list[ReferenceImage]) -> list[str]:
    """Works whose files differ and whose pixels do not."""
    first: dict[bytes, ReferenceImage] = {}
    return [
        f"{shown(one.path.name)} shows the same as {shown(before.path.name)}"
        for one in references
        if (before := first.setdefault(one.pixels.tobytes() + repr(one.pixels.shape).encode(), one)) is not one
    ]


def _warning(name: str, problems: list[str]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=not problems,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(problems) or "none",
        metadata={"count": len(problems)},
    )
