"""The asset `reference_corpus`: the protected works that images are compared with."""

import dagster as dg
from sqlalchemy import select

from resources import CampaignResource, CatalogResource, StoreResource
from twig_assets.assets.thumbnails import gallery
from twig_assets.catalog.models import CorpusVersion, Reference
from twig_assets.similarity import corpus_version, read_references
from twig_assets.similarity.files import shown


@dg.asset(
    group_name="inputs",
    owners=["team:legal"],
    kinds={"image"},
    description="The protected works in the campaign's folder references/, with titles and rights holders from "
    "references.csv. Its version is a hash of the active works; files that cannot be read are listed, never dropped.",
)
def reference_corpus(
    context: dg.AssetExecutionContext, campaign: CampaignResource, catalog: CatalogResource, store: StoreResource
) -> dg.MaterializeResult:
    """Bring the reference rows in line with the folder and name the version."""
    here = campaign.load()
    references, unreadable = read_references(here.folder / "references")
    version = corpus_version(reference.sha256 for reference in references)
    artifacts = store.open()
    pixels = {reference.sha256: artifacts.put_image(reference.pixels) for reference in references}
    present = {reference.sha256: reference for reference in references}
    with catalog.open().session() as session:
        there = {r.sha256: r for r in session.scalars(select(Reference).where(Reference.campaign == here.name))}
        for sha256, row in there.items():
            row.status = "active" if sha256 in present else "withdrawn"
        for sha256, found in present.items():
            row = there.get(sha256) or Reference(campaign=here.name, sha256=sha256)
            row.title, row.rights_holder, row.licence = found.title, found.rights_holder, found.licence
            row.file = shown(found.path.relative_to(here.folder / "references").as_posix())
            row.pixels_sha256 = pixels[sha256]
            session.add(row)
        known = select(CorpusVersion).where(CorpusVersion.campaign == here.name, CorpusVersion.sha256 == version)
        if session.scalars(known).first() is None:
            session.add(CorpusVersion(campaign=here.name, sha256=version, members=sorted(present)))
    warning = "; ".join(
        f"{shown(problem.path.name)} is not compared with: it {problem.reason}" for problem in unreadable
    )
    if unreadable:
        context.log.warning(warning)
    problems = "\n".join(f"- {shown(problem.path.name)}: {problem.reason}" for problem in unreadable) or "none"
    return dg.MaterializeResult(
        metadata={
            **({"warning": warning} if unreadable else {}),
            "references": len(references),
            "unreadable": len(unreadable),
            "unreadable_files": dg.MetadataValue.md(problems),
            "corpus_version": version,
            "works": gallery([(f"{r.title} ({r.rights_holder})", [r.pixels]) for r in references]),
        },
        data_version=dg.DataVersion(version),
    )
