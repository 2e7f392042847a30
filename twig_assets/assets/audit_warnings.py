"""Checks of `similarity_audits` that hold nothing up and tell a person what to look at."""

from collections.abc import Iterator

import dagster as dg

from twig_assets.assets.shared.lines import described
from twig_assets.assets.shared.partitions import prompt_batches
from twig_assets.assets.similarity_audits import similarity_audits
from twig_assets.campaign.rules_in_force import rules_in_force
from twig_assets.compliance.candidates import PromptState, prompt_states
from twig_assets.compliance.held import Held, held
from twig_assets.judge.verdict import VERDICTS
from twig_assets.resources import CampaignsResource, CatalogResource

WARNINGS = {
    "none_in_review_band": (
        "in the review band",
        "No candidate is so close below a threshold that a person should look.",
    ),
    "none_quarantined": ("quarantined", "No prompt has spent its attempts on images that fail."),
    "none_inconclusive": ("inconclusive", "Every candidate can be judged: none is blank, tiny or unreadable."),
}


@dg.multi_asset_check(
    name="audit_warnings",
    specs=[
        dg.AssetCheckSpec(name, asset=similarity_audits.key, description=description, partitions_def=prompt_batches)
        for name, (_, description) in WARNINGS.items()
    ],
)
def audit_warnings(
    context: dg.AssetCheckExecutionContext, campaigns: CampaignsResource, catalog: CatalogResource
) -> Iterator[dg.AssetCheckResult]:
    """Name the batch's prompts that a person should know of."""
    with catalog.open().session() as session:
        _, rules = rules_in_force(session, campaigns.of_batch(context.partition_key))
        states = prompt_states(session, context.partition_key, rules)
    named = {
        "none_in_review_band": [s for s in states if _open_verdict(s) == "review"],
        "none_quarantined": [s for s in states if s.quarantined],
        "none_inconclusive": [s for s in states if _open_verdict(s) == "inconclusive"],
    }
    for name, (what, _) in WARNINGS.items():
        lines = [f"{what}: {s.prompt.text} ({s.audit.reasons[0]})" for s in named[name] if s.audit]
        yield dg.AssetCheckResult(
            asset_key=similarity_audits.key,
            check_name=name,
            passed=not lines,
            severity=dg.AssetCheckSeverity.WARN,
            description=described([f"{len(lines)} {what}, of {len(states)} prompts", *lines]),
            metadata={"count": len(lines)},
        )


def _open_verdict(state: PromptState) -> str | None:
    """The verdict, unless a person has decided already."""
    return state.audit.verdict if state.audit and state.decision is None else None


@dg.asset_check(
    asset=similarity_audits,
    partitions_def=prompt_batches,
    description="Every candidate shows what its prompt asks for, in the opinion of the campaign's judge. One that does "
    "not, or of which the judge cannot tell, waits for a person.",
)
def prompts_are_drawn(
    context: dg.AssetCheckExecutionContext, campaigns: CampaignsResource, catalog: CatalogResource
) -> dg.AssetCheckResult:
    """Name the candidates that are not as asked, and those of which the judge cannot tell."""
    settings = campaigns.of_batch(context.partition_key)
    with catalog.open().session() as session:
        _, rules = rules_in_force(session, settings)
        judged = [s for s in prompt_states(session, context.partition_key, rules) if s.adherence]
        reasons = held(session, settings.name, judged, rules)
    poor = [s for s in judged if s.adherence and s.adherence.verdict != "as_asked"]
    counts: dict[str, int] = {v: sum(s.adherence.verdict == v for s in judged if s.adherence) for v in VERDICTS}
    lines = [f"{s.prompt.text}: {_said(s, reasons.get(s.prompt.id))}" for s in poor]
    return dg.AssetCheckResult(
        passed=not poor,
        severity=dg.AssetCheckSeverity.WARN,
        description=described([f"{counts['as_asked']} of {len(judged)} candidates are as asked", *lines]),
        metadata=counts,
    )


def _said(state: PromptState, held: Held | None) -> str:
    """Why a prompt is held, or on what terms it is released although its image is not as asked."""
    if held is not None and not state.releasable:
        return held.why
    reason = state.adherence.reason if state.adherence else "not judged"
    return f"{reason}; released {'by a person' if state.decision else 'as the policy allows'}"
