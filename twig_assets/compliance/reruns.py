"""Why a prompt is drawn again: a copy, a near miss and a lost subject need different answers."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog.among import among
from twig_assets.catalog.models import Image, Model
from twig_assets.compliance.candidates import PromptState, Verdicts, counting, verdicts_in_force
from twig_assets.compliance.held import copied_works
from twig_assets.settings.regeneration import Reason


@dataclass(frozen=True)
class Rerun:
    """What a further attempt has to answer.

    Attributes:
        reason: What was wrong with the newest image: `copy`, `near_miss` or `lost_subject`.
        evidence: Whether any image of the prompt was found to be a copy. Only this makes a prompt count as memorised.
    """

    reason: Reason
    evidence: bool


def reruns(session: Session, states: Sequence[PromptState], rules: Rules) -> dict[int, Rerun]:
    """Prompt id -> what its next attempt has to answer, for the prompts that have been drawn before."""
    due = [state.prompt.id for state in states if state.attempts and state.failing]
    drawn = select(Image).join(Model).where(among(Image.prompt_id, due), counting(rules)).order_by(Image.attempt)
    images: dict[int, list[Image]] = defaultdict(list)
    for image in session.scalars(drawn):
        images[image.prompt_id].append(image)
    ids = [image.id for drawn_for in images.values() for image in drawn_for]
    verdicts, copied = verdicts_in_force(session, ids, rules), copied_works(session, due, rules)
    return {
        prompt_id: Rerun(_reason(drawn_for[-1], verdicts), evidence=prompt_id in copied)
        for prompt_id, drawn_for in images.items()
    }


def _reason(newest: Image, verdicts: Verdicts) -> Reason:
    audit, adherence = verdicts.audits.get(newest.id), verdicts.adherence.get(newest.id)
    if audit is not None and audit.verdict == "fail":
        return "copy"
    lost = adherence is not None and adherence.verdict == "not_as_asked"
    return "lost_subject" if lost and audit is not None and audit.verdict == "pass" else "near_miss"
