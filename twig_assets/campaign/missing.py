"""What a campaign lacks before its prompts are drawn: inputs as rows, edits, the composed model, batches."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign
from twig_assets.catalog.edits import concept_target
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.models import Concept, ConceptEdit, Prompt, PromptBatch
from twig_assets.catalog.serving import NotMaterializedError, current_corpus, serving_model
from twig_assets.judge.identity import judge_sha256
from twig_assets.prompts import batches, prompt_files, read_concepts, read_prompts
from twig_assets.settings.ablation import ConceptTarget
from twig_assets.settings.judge import EMBEDDED

_FIELDS = ("name", "target", "anchor", "kind", "aliases", "preserve")


@dataclass(frozen=True)
class Missing:
    """What is to be made next; each needs what stands before it.

    Attributes:
        inputs: Why concepts and works are to be read; empty when the rows are those of the files.
        concepts: Name of each concept without an edit by the settings of now -> why.
        model: Why the composed model is to be made.
        batches: Key of each batch with prompts that the catalog does not have -> how many these are.
        edited: What is wrong with prompts that were changed after they had been drawn.
        settled: The `prompts_stamp` when no batch is missing; empty otherwise.
    """

    inputs: str = ""
    concepts: Mapping[str, str] = field(default_factory=dict)
    model: str = ""
    batches: Mapping[str, str] = field(default_factory=dict)
    edited: tuple[str, ...] = ()
    settled: str = ""


def missing(session: Session, campaign: Campaign, known: str = "") -> Missing:
    """Compare a campaign's files and settings with the catalog; no model is opened.

    Whether the checkpoint itself has become another is seen only when a run opens it.

    Args:
        session: An open session.
        campaign: The campaign as its files are now.
        known: A `prompts_stamp` under which all batches were there; under the same one they are not compared again.

    Raises:
        PromptError, ConceptError, JudgeError: If the campaign's files cannot be used.
    """
    if why := _inputs(session, campaign):
        return Missing(inputs=why)
    stamp = prompts_stamp(session, campaign)
    due, edited = ({}, ()) if stamp == known else _batches(session, campaign)
    if concepts := _concepts(session, campaign):
        return Missing(concepts=concepts, edited=edited)
    try:
        serving_model(session, campaign.name, campaign.model_name)
    except NotMaterializedError as error:
        return Missing(model=str(error), edited=edited)
    return Missing(batches=due, edited=edited, settled="" if due else stamp)


def prompts_stamp(session: Session, campaign: Campaign) -> str:
    """Changes whenever a file of prompts does, or the number of prompts in the catalog."""
    files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in prompt_files(campaign.folder)]
    wanted = select(func.count()).select_from(Prompt).join(PromptBatch).where(PromptBatch.campaign == campaign.name)
    return sha256_of([files, campaign.batch_size, session.scalar(wanted)])[:32]


def edit_settings(campaign: Campaign, target: ConceptTarget) -> dict[str, Any]:
    """Everything that an edit depends on, except the base model; raises JudgeError."""
    judge = campaign.chosen_judge
    return {
        "ablation": campaign.ablation.model_dump(mode="json"),
        "concept": target.model_dump(mode="json"),
        "generation": campaign.generation.model_dump(mode="json"),
        # Left out where it is the embedded one, so that edits that were judged by it keep their hash.
        **({} if judge.checkpoint == EMBEDDED else {"judge": judge_sha256(judge, campaign.folder)}),
    }


def _inputs(session: Session, campaign: Campaign) -> str:
    rows = session.scalars(select(Concept).where(Concept.campaign == campaign.name, Concept.active))
    if _contents(rows) != _contents(read_concepts(campaign.concepts_file)):
        return "the protected concepts are not those of the file"
    try:
        current_corpus(session, campaign.name)
    except NotMaterializedError:
        return "the protected works have not been read"
    return ""


def _contents(concepts: Iterable[Any]) -> dict[str, list[Any]]:
    """Name -> the other fields, of rows of the catalog or of the file."""
    values = {c.name: [getattr(c, name) for name in _FIELDS] for c in concepts}
    return {name: [list(v) if isinstance(v, tuple) else v for v in fields] for name, fields in values.items()}


def _concepts(session: Session, campaign: Campaign) -> dict[str, str]:
    """The active concepts that no edit was made of with the settings of now."""
    names = session.scalars(select(Concept.name).where(Concept.campaign == campaign.name, Concept.active))
    lacking = {}
    for name in sorted(names):
        concept_id, target = concept_target(session, campaign.name, name)
        wanted = sha256_of(edit_settings(campaign, target))
        made = select(ConceptEdit.id).where(ConceptEdit.concept_id == concept_id, ConceptEdit.settings_sha256 == wanted)
        if session.scalar(made.limit(1)) is None:
            lacking[name] = wanted
    return lacking


def _batches(session: Session, campaign: Campaign) -> tuple[dict[str, str], tuple[str, ...]]:
    rows = session.execute(
        select(Prompt.batch_key, Prompt.position, Prompt.text, Prompt.seed)
        .join(PromptBatch)
        .where(PromptBatch.campaign == campaign.name)
    )
    kept: dict[str, dict[int, tuple[str, int]]] = defaultdict(dict)
    for key, position, text, seed in rows:
        kept[key][position] = (text, seed)
    due: dict[str, str] = {}
    edited: list[str] = []
    wanted = batches(read_prompts(campaign.folder), campaign.name, campaign.batch_size)
    for key, prompts in wanted:
        known = kept.pop(key, {})
        changed = [p for i, p in enumerate(prompts) if i in known and known[i] != (p.text, p.seed)]
        if changed:
            edited += [
                f"{p.file.name}:{p.line}: was changed after batch {key} had been drawn: {p.text!r}" for p in changed
            ]
        elif len(known) < len(prompts):
            due[key] = f"{len(prompts) - len(known)} of {len(prompts)} prompts"
        edited += [f"batch {key}: {len(known) - len(prompts)} prompts are gone"] if len(known) > len(prompts) else []
    edited += [f"batch {key} is in no file any more" for key in sorted(kept)]
    return due, tuple(edited)
