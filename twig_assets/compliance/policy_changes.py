"""Changing thresholds: what a change would do to a campaign, by stored scores, and writing it into its policy.

Nothing is compared again for a preview. What stored scores do not tell is said to be open.
"""

import os
import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from twig_assets.campaign import Campaign
from twig_assets.campaign.rules_in_force import Rules, rules_in_force
from twig_assets.catalog.among import among
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.models import (
    Audit,
    Image,
    Model,
    PolicyChange,
    Prompt,
    PromptBatch,
    RedrawRequest,
    Release,
    utc_now,
)
from twig_assets.compliance.candidates import (
    Verdicts,
    audits_in_force,
    counting,
    prompt_state,
    redraws_asked_for,
    verdicts_in_force,
)
from twig_assets.compliance.decisions import decided, reviews_of
from twig_assets.compliance.rejudge import rejudge
from twig_assets.similarity import Policy, PolicyError, Verdict, limits, read_policy, verdict_of_scores
from twig_assets.similarity.verdicts.naming import title_of, unit_of
from twig_assets.similarity.verdicts.rule import BEARS_OUT

MARGIN = "review_margin"
AT_ONCE = 500
"""How many images are judged in one transaction, while others wait to write."""
STATES = {
    "released": "published",
    "releasable": "published",
    "review": "waits for a person",
    "incomplete": "held back",
    "quarantined": "withheld",
    "rejected": "rejected",
    "failed": "drawn again",
    "unaudited": "compared again",
    "missing": "not drawn yet",
}
"""State of a candidate -> what becomes of its prompt, in a few words."""


class PolicyChangeError(ValueError):
    """A change that cannot be made; the message says what to give instead."""


class PolicyConflictError(RuntimeError):
    """The policy is another one than the change was made for; nothing was written."""


@dataclass(frozen=True)
class Slider:
    """A threshold that can be changed.

    Attributes:
        field: Its name in the policy.
        value: As it is; None where it is turned off.
        low: The lowest value worth choosing; `high` the highest, and `step` between two.
        high: See `low`.
        step: See `low`.
        words: What it does.
        title: What its score is called.
        unit: What that counts.
    """

    field: str
    value: float | None
    low: float
    high: float
    step: float
    words: str
    title: str
    unit: str = ""


@dataclass(frozen=True)
class Changed:
    """A prompt of which a change of thresholds makes something else.

    Attributes:
        prompt_id: The prompt.
        prompt: Its text.
        sha256: Its candidate as things are.
        before: What becomes of it now; see `STATES`.
        after: What would become of it.
        verdict: The candidate's verdict now and then, as `fail -> pass`.
    """

    prompt_id: int
    prompt: str
    sha256: str
    before: str
    after: str
    verdict: str


@dataclass(frozen=True)
class Preview:
    """What a change of thresholds would do.

    Attributes:
        images: How many images have a verdict now.
        verdicts: Verdict -> how many images have it now, and would have it.
        states: What becomes of prompts -> how many now, and then.
        changed: The prompts of which something else would become.
        unknown: How many images would have to be compared again.
        lapsing: How many waivers would lapse, as each is given under one policy.
    """

    images: int
    verdicts: dict[str, tuple[int, int]]
    states: dict[str, tuple[int, int]]
    changed: list[Changed]
    unknown: int
    lapsing: int


def sliders(policy: Policy) -> list[Slider]:
    """The thresholds of a policy, with the range in which each may be moved."""
    fields = policy.model_dump()
    listed = []
    for limit in limits(fields):
        unit = limit.score in ("ssim", "masked_ssim") or limit.score.endswith("cosine")
        high = 1.0 if unit else max(4.0 * (limit.value or 0), {"pdq_distance": 128.0}.get(limit.score, 10.0))
        whole = isinstance(limit.value, int)
        step = 1.0 if whole else 0.01
        way = "from this value on" if limit.direction == ">=" else "up to this value"
        low = 3.0 if limit.score == "sift_inliers" else step
        names = title_of(limit.score), unit_of(limit.score)
        listed.append(Slider(limit.field, limit.value, low, high, step, f"an image fails {way}", *names))
    bears = "SSIM counts only where its weighted form reaches this"
    listed.append(Slider(BEARS_OUT, fields[BEARS_OUT], 0.01, 1.0, 0.01, bears, title_of("iw_ssim"), unit_of("iw_ssim")))
    below = "so far below SSIM's thresholds a person looks"
    listed.append(Slider(MARGIN, fields[MARGIN], 0.0, 0.5, 0.01, below, "review margin"))
    return listed


def changed_policy(policy: Policy, wanted: Mapping[str, float]) -> Policy:
    """A policy with other thresholds.

    Raises:
        PolicyChangeError: If a field is no threshold, or is turned off, or a value cannot be used.
    """
    known = {slider.field: slider for slider in sliders(policy)}
    for field in wanted:
        if field not in known or known[field].value is None:
            raise PolicyChangeError(f"{field}: is no threshold that is turned on")
    whole = {field: int(value) for field, value in wanted.items() if isinstance(known[field].value, int)}
    try:
        return type(policy).model_validate({**policy.model_dump(), **wanted, **whole})
    except ValidationError as error:
        first = error.errors()[0]
        raise PolicyChangeError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def preview(session: Session, campaign: str, rules: Rules, policy: Policy) -> Preview:
    """What a policy would make of a campaign's images, by the scores that are stored.

    Args:
        session: An open session; nothing is written.
        campaign: The campaign's name.
        rules: The rules in force.
        policy: The policy to try.
    """
    of_campaign = select(Prompt).join(PromptBatch).where(PromptBatch.campaign == campaign).order_by(Prompt.id)
    prompts = list(session.scalars(of_campaign))
    images = _images(session, campaign, rules)
    ids = [image.id for drawn in images.values() for image in drawn]
    now = verdicts_in_force(session, ids, rules)
    _load_matches(session, now)
    audits = {image_id: judged for image_id, audit in now.audits.items() if (judged := _judged(audit, policy))}
    # A waiver is given under one policy; a rejection holds under every one.
    reviews = reviews_of(session, among(Image.id, ids))
    decisions = {i: decided(made, audits.get(i), rules.approvals) for i, made in reviews.items()}
    lapsing = sum(now.decided(i).decision == "waive" and decisions[i].decision != "waive" for i in decisions)
    then = Verdicts(audits, now.adherence, decisions)
    releases = {r.prompt_id: r for r in session.scalars(select(Release).where(Release.withdrawn_at.is_(None)))}
    asked = redraws_asked_for(session, among(RedrawRequest.prompt_id, [prompt.id for prompt in prompts]))
    states: Counter[str] = Counter()
    after_states: Counter[str] = Counter()
    changed = []
    for prompt in prompts:
        drawn, release, again = images.get(prompt.id, []), releases.get(prompt.id), asked.get(prompt.id)
        before = prompt_state(prompt, drawn, now, release, rules, again)
        after = prompt_state(prompt, drawn, then, release, rules, again)
        words = (STATES[before.state], STATES[after.state])
        states[words[0]] += 1
        after_states[words[1]] += 1
        if words[0] != words[1] and before.candidate is not None:
            verdicts = f"{_verdict(before.candidate, now)} -> {_verdict(before.candidate, then)}"
            changed.append(Changed(prompt.id, prompt.text, before.candidate.sha256, *words, verdicts))
    return Preview(
        images=len(now.audits),
        verdicts=_beside(Counter(a.verdict for a in now.audits.values()), Counter(a.verdict for a in audits.values())),
        states=_beside(states, after_states),
        changed=changed,
        unknown=len(now.audits) - len(audits),
        lapsing=lapsing,
    )


def change_policy(
    session: Session, campaign: Campaign, seen: str, wanted: Mapping[str, float], who: str, why: str
) -> PolicyChange:
    """Write other thresholds into a campaign's policy, and who changed them and why into file and catalog.

    What stands in the file besides is left as it is.

    Args:
        session: An open session.
        campaign: The campaign.
        seen: Hash of the policy that the person saw.
        wanted: Field -> its new value.
        who: The person who decides.
        why: The reason.

    Raises:
        PolicyConflictError: If the policy is another one by now.
        PolicyChangeError: If the change cannot be made, or who or why is empty.
    """
    if not who.strip() or not why.strip():
        raise PolicyChangeError("who and why: both must say something, for those who ask later")
    file, before = campaign.policy_file, read_policy(campaign.policy_file)
    if before.sha256 != seen:
        raise PolicyConflictError("The policy was changed meanwhile; look at it again.")
    after = changed_policy(before, wanted)
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    changes = {name: [old[name], new[name]] for name in new if new[name] != old[name]}
    if not changes:
        raise PolicyChangeError("no threshold is another one than before")
    note = f"# {utc_now():%Y-%m-%d}, {_on_one_line(who)}: {_on_one_line(why)}"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    _replace(file, _rewritten(text, {name: values[1] for name, values in changes.items()}, note), after)
    row = PolicyChange(
        campaign=campaign.name,
        before_sha256=before.sha256,
        after_sha256=after.sha256,
        changes=changes,
        who=who.strip(),
        why=why.strip(),
    )
    session.add(row)
    session.flush()
    return row


def judge_by_stored_scores(catalog: Catalog, campaign: Campaign, by: str) -> int:
    """Give the images that count, and those that are published, a verdict under the policy in force where scores tell.

    The sensor does the same with its next tick; what no longer complies is withdrawn there, or by the next run.

    Args:
        catalog: The catalog.
        campaign: The campaign.
        by: Written as the author of the new verdicts.

    Returns:
        How many images got one.
    """
    policy, judged = read_policy(campaign.policy_file), 0
    with catalog.snapshot() as session:
        rules = rules_in_force(session, campaign)[1]
        drawn = [image.id for images in _images(session, campaign.name, rules).values() for image in images]
        published = select(Release.image_id).join(Prompt, Prompt.id == Release.prompt_id).join(PromptBatch)
        standing = published.where(PromptBatch.campaign == campaign.name, Release.withdrawn_at.is_(None))
        wanted = {*drawn, *session.scalars(standing)}
        left = sorted(wanted - set(audits_in_force(session, wanted, rules)))
    if rules.corpus_id is None:
        return 0
    for start in range(0, len(left), AT_ONCE):
        with catalog.session() as session:
            chunk = left[start : start + AT_ONCE]
            judged += len(rejudge(session, chunk, policy, rules.corpus_id, by, rules.allowed))
    return judged


def policy_changes(session: Session, campaign: str) -> list[PolicyChange]:
    """The changes of a campaign's thresholds that were made at the desk, the newest first."""
    made = select(PolicyChange).where(PolicyChange.campaign == campaign).order_by(PolicyChange.id.desc())
    return list(session.scalars(made))


def _images(session: Session, campaign: str, rules: Rules) -> dict[int, list[Image]]:
    rows = (
        select(Image)
        .join(Model)
        .join(Prompt, Prompt.id == Image.prompt_id)
        .join(PromptBatch)
        .where(PromptBatch.campaign == campaign, counting(rules))
        .order_by(Image.id)
    )
    images: dict[int, list[Image]] = {}
    for image in session.scalars(rows):
        images.setdefault(image.prompt_id, []).append(image)
    return images


def _load_matches(session: Session, verdicts: Verdicts) -> None:
    """Read the works beside all audits at once."""
    wanted = select(Audit).where(among(Audit.id, [audit.id for audit in verdicts.audits.values()]))
    session.scalars(wanted.options(selectinload(Audit.matches)).execution_options(populate_existing=True)).all()


def _judged(audit: Audit, policy: Policy) -> Audit | None:
    """An audit as it would be under a policy, which is nowhere written; None where its scores do not tell."""
    kept = [match.scores for match in audit.matches]
    verdict = verdict_of_scores(audit.scores, audit.thresholds, cast(Verdict, audit.verdict), policy, kept)
    if verdict is None:
        return None
    return Audit(
        image=audit.image,
        policy_id=0,
        verdict=verdict.verdict,
        reasons=verdict.reasons,
        scores=audit.scores,
        thresholds=policy.model_dump(mode="json"),
        nearest_reference_id=audit.nearest_reference_id,
    )


def _verdict(image: Image, verdicts: Verdicts) -> str:
    audit = verdicts.audits.get(image.id)
    return audit.verdict if audit else "open"


def _beside(now: Counter[str], then: Counter[str]) -> dict[str, tuple[int, int]]:
    return {name: (now[name], then[name]) for name in sorted({*now, *then})}


def _rewritten(text: str, values: Mapping[str, Any], note: str) -> str:
    """A policy's file with other values; each changed line has the note above it."""
    for name, value in values.items():
        line = f"{note}\n{name}: {value}"
        found = re.search(rf"^{re.escape(name)}[ \t]*:.*$", text, re.MULTILINE)
        if found:
            text = text[: found.start()] + line + text[found.end() :]
        else:
            text = (text.rstrip("\n") + "\n" if text.strip() else "") + line + "\n"
    return text


def _replace(file: Path, text: str, wanted: Policy) -> None:
    """Put a new text in a policy file's place, if it says what it is meant to say."""
    descriptor, name = tempfile.mkstemp(prefix=".policy-", suffix=".yaml", dir=file.parent)
    tried = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
        if read_policy(tried) != wanted:
            raise PolicyChangeError(f"{file.name}: is written in a way that cannot be changed here; edit it by hand")
        os.chmod(tried, file.stat().st_mode if file.exists() else 0o644)
        os.replace(tried, file)
    except PolicyError as error:
        raise PolicyChangeError(f"{file.name}: {error}") from error
    finally:
        tried.unlink(missing_ok=True)


def _on_one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in " ".join(text.split()))
