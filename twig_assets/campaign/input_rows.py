"""A campaign's inputs as rows of the catalog: its prompts, its protected concepts and its protected works."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign, CampaignError
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.models import Concept, CorpusVersion, Prompt, PromptBatch, Reference
from twig_assets.prompts import ConceptRow, PromptRow, batches, read_prompts
from twig_assets.similarity import ReferenceImage
from twig_assets.similarity.corpus.files import shown


def prompts_of_batch(campaign: Campaign, key: str) -> list[PromptRow]:
    """The prompts of a batch, from the campaign's files.

    Raises:
        CampaignError: If the campaign has no such batch; the message lists those that it has.
        PromptError: If its files cannot be used.
    """
    rows = dict(batches(read_prompts(campaign.folder), campaign.name, campaign.batch_size))
    if key not in rows:
        raise CampaignError(f"campaign {campaign.name!r} has no batch {key!r}; it has {', '.join(rows)}")
    return rows[key]


def keep_prompts(session: Session, campaign: str, key: str, rows: list[PromptRow]) -> int:
    """Write those prompts of a batch that the catalog does not have yet, and return how many these are.

    Raises:
        CampaignError: If a prompt that the catalog has was changed or is gone.
    """
    if session.get(PromptBatch, key) is None:
        session.add(PromptBatch(key=key, campaign=campaign))
        session.flush()
    existing = {p.position: p for p in session.scalars(select(Prompt).where(Prompt.batch_key == key))}
    _refuse_changes(key, existing, rows)
    new = [(position, row) for position, row in enumerate(rows) if position not in existing]
    for position, row in new:
        digest = sha256_of({"text": row.text, "seed": row.seed})
        session.add(Prompt(batch_key=key, position=position, text=row.text, seed=row.seed, sha256=digest))
    return len(new)


def _refuse_changes(key: str, existing: dict[int, Prompt], rows: list[PromptRow]) -> None:
    for position, prompt in sorted(existing.items()):
        row = rows[position] if position < len(rows) else None
        if row and (prompt.text, prompt.seed) == (row.text, row.seed):
            continue
        place = f"{row.file}:{row.line}: text" if row else "text"
        raise CampaignError(
            f"{place}: prompt {position} of batch {key} was {prompt.text!r} with seed {prompt.seed} and may have "
            f"images; leave the old prompts and batch_size as they were; put new ones at the end of the last file"
        )


def keep_concepts(session: Session, campaign: str, rows: list[ConceptRow]) -> None:
    """Bring the concepts in line with the campaign's file; those that left it become inactive."""
    existing = {c.name: c for c in session.scalars(select(Concept).where(Concept.campaign == campaign))}
    for name in existing.keys() - {row.name for row in rows}:
        existing[name].active = False
    for row in rows:
        concept = existing.get(row.name) or Concept(campaign=campaign, name=row.name)
        concept.target, concept.anchor, concept.kind = row.target, row.anchor, row.kind
        concept.aliases, concept.preserve, concept.active = list(row.aliases), list(row.preserve), True
        session.add(concept)


def keep_references(
    session: Session, campaign: Campaign, references: list[ReferenceImage], pixels: dict[str, str], version: str
) -> list[str]:
    """Bring the protected works in line with the campaign's folder, and keep the version that they make up.

    Args:
        session: An open session.
        campaign: Whose works these are.
        references: The works that can be read.
        pixels: SHA-256 of each work's file -> that of its pixels in the artifact store.
        version: Hash of the works, see `corpus_version`.

    Returns:
        The titles of the works that have left the corpus.
    """
    present = {reference.sha256: reference for reference in references}
    rows = {r.sha256: r for r in session.scalars(select(Reference).where(Reference.campaign == campaign.name))}
    lost = [row.title for sha256, row in rows.items() if row.status == "active" and sha256 not in present]
    for sha256, row in rows.items():
        row.status = "active" if sha256 in present else "withdrawn"
    for sha256, work in present.items():
        row = rows.get(sha256) or Reference(campaign=campaign.name, sha256=sha256)
        row.title, row.rights_holder, row.licence = work.title, work.rights_holder, work.licence
        row.file = shown(work.path.relative_to(campaign.references_folder).as_posix())
        row.pixels_sha256, row.notes = pixels[sha256], list(work.notes)
        session.add(row)
    known = select(CorpusVersion).where(CorpusVersion.campaign == campaign.name, CorpusVersion.sha256 == version)
    if session.scalars(known).first() is None:
        session.add(CorpusVersion(campaign=campaign.name, sha256=version, members=sorted(present)))
    return lost
