"""What a person can ask for in place of a decision: another draw, another prompt, or a concept that is removed.

Each is written down where the pipeline looks for work: a row of the catalog, a file in the campaign's inbox, an entry
among its concepts. The next tick of the sensors takes it up, or, for the first and the last, the next `twig run`.
"""

import os
import tempfile
from pathlib import Path
from typing import cast

import yaml
from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.campaign import MAX_ATTEMPTS, Campaign
from twig_assets.campaign.protected_terms import terms_of
from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog.models import Prompt, PromptBatch, RedrawRequest
from twig_assets.compliance.candidates import prompt_states
from twig_assets.prompts import PromptError, check_prompts, read_concepts, read_prompts
from twig_assets.prompts.concept_files import Kind
from twig_assets.prompts.inbox import INBOX


class NextStepError(ValueError):
    """Something that cannot be asked for; the message says why."""


def ask_to_redraw(
    session: Session, campaign: Campaign, rules: Rules, prompt_id: int, who: str, why: str
) -> RedrawRequest:
    """Ask for one more attempt at a prompt, whatever became of those before.

    Args:
        session: An open session.
        campaign: The prompt's campaign.
        rules: The rules in force.
        prompt_id: The prompt.
        who: The person who asks.
        why: The reason.

    Raises:
        NextStepError: If the campaign has no such prompt, it has no image yet, an image of it may be published, an
            attempt is due anyway, or none is left.
    """
    _said(who, why)
    prompt = session.get(Prompt, prompt_id)
    if prompt is None or prompt.batch.campaign != campaign.name:
        raise NextStepError(f"prompt: {campaign.name!r} has none of the number {prompt_id}")
    [state] = [s for s in prompt_states(session, prompt.batch_key, rules) if s.prompt.id == prompt_id]
    if state.candidate is None or state.failing:
        raise NextStepError("it is drawn with the next run anyway")
    if state.releasable:
        raise NextStepError("an image of it may be published; reject that first")
    if state.attempts >= MAX_ATTEMPTS:
        raise NextStepError(
            f"it was drawn {state.attempts} times, and more than {MAX_ATTEMPTS} attempts are never made"
        )
    row = RedrawRequest(prompt_id=prompt_id, attempt=state.attempts, who=who.strip(), why=why.strip())
    session.add(row)
    session.flush()
    return row


def ask_for_prompt(session: Session, campaign: Campaign, text: str, who: str) -> Path:
    """Put a prompt into the campaign's inbox, as one that is drawn besides those that are there.

    Args:
        session: An open session.
        campaign: The campaign.
        text: The prompt.
        who: The person who asks; noted in the file.

    Returns:
        The file.

    Raises:
        NextStepError: If the prompt cannot be used, as the campaign checks prompts, or is there already.
    """
    text = " ".join(text.split())
    there = select(Prompt.id).join(PromptBatch).where(PromptBatch.campaign == campaign.name, Prompt.text == text)
    if session.scalar(there.limit(1)) is not None:
        raise NextStepError("prompt: the campaign has this very prompt already; change it")
    folder = campaign.folder / INBOX
    content = f"# asked for at the desk by {on_one_line(who)}\n" + yaml.safe_dump([{"text": text}], allow_unicode=True)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            (Path(scratch) / "prompts.yaml").write_text(content, encoding="utf-8")
            rows = read_prompts(Path(scratch))
        check_prompts(rows, terms_of(campaign), campaign.prompt_check)
    except PromptError as error:
        raise NextStepError(f"prompt: {str(error).split('prompts.yaml:')[-1]}") from error
    folder.mkdir(exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix="desk-", suffix=".yaml", dir=folder)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    return Path(name)


def ask_to_remove(campaign: Campaign, target: str, anchor: str, kind: str, who: str, why: str) -> str:
    """Add a concept to those that the campaign's model forgets; everything is drawn again by the new model then.

    Args:
        campaign: The campaign.
        target: The words whose meaning is to be removed.
        anchor: The words whose meaning replaces it.
        kind: `object`, `style` or `memorized`.
        who: The person who asks.
        why: The reason; both are noted in the file.

    Returns:
        The concept's name.

    Raises:
        NextStepError: If the file is no YAML, or it could not be used with the concept.
    """
    _said(who, why)
    file = campaign.concepts_file
    if file.suffix == ".csv":
        raise NextStepError(f"{file.name}: is a table; add the concept there by hand")
    before = file.read_text(encoding="utf-8") if file.is_file() else ""
    fields = {"target": " ".join(target.split()), "anchor": " ".join(anchor.split()), "kind": cast(Kind, kind)}
    note = f"# asked for at the desk by {on_one_line(who)}: {on_one_line(why)}\n"
    entry = note + yaml.safe_dump([fields], allow_unicode=True, sort_keys=False)
    after = (before.rstrip("\n") + "\n" if before.strip() not in ("", "[]") else "") + entry
    with tempfile.TemporaryDirectory(dir=campaign.folder) as scratch:
        tried = Path(scratch) / file.name
        tried.write_text(after, encoding="utf-8")
        try:
            name = read_concepts(tried)[-1].name
        except PromptError as error:
            raise NextStepError(str(error).replace(str(tried), file.name)) from error
        os.replace(tried, file)
    return name


def on_one_line(text: str) -> str:
    """A person's text on one line, as a comment of a YAML file may hold it."""
    return "".join(letter if letter.isprintable() else " " for letter in " ".join(text.split()))


def _said(who: str, why: str) -> None:
    if not who.strip() or not why.strip():
        raise NextStepError("who and why: both must say something, for those who ask later")
