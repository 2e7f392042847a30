"""The files of a campaign: prompts, concepts, policy, protected works, and what they say of each other."""

import time
from pathlib import Path

from twig_assets.campaign import Campaign
from twig_assets.campaign.check.findings import Checked
from twig_assets.campaign.protected_terms import terms_of
from twig_assets.prompts import PromptRow, check_prompts, read_concepts, read_prompts
from twig_assets.similarity import read_policy
from twig_assets.similarity.corpus.decode import decode, read_file
from twig_assets.similarity.corpus.files import shown
from twig_assets.similarity.corpus.references import corpus_files

# Reading works is most of what a check can take; beyond this many seconds the others are left to the run.
_SECONDS_FOR_WORKS = 8.0


def check_inputs(folder: Path, checked: Checked) -> list[PromptRow]:
    """Add what is wrong with the files below a campaign's folder, each by itself, and return its prompts."""
    prompts: list[PromptRow] = []
    with checked.collecting():
        prompts = read_prompts(folder)
    with checked.collecting():
        read_concepts(folder / "concepts.yaml")
    if (folder / "policy.yaml").exists():
        with checked.collecting():
            read_policy(folder / "policy.yaml")
    with checked.collecting():
        _check_works(folder / "references", checked)
    return prompts


def check_files(campaign: Campaign, checked: Checked) -> list[PromptRow]:
    """The same, and what the files say of each other: prompts that name what is protected."""
    prompts = check_inputs(campaign.folder, checked)
    if not campaign.policy_file.exists():
        checked.add(f"{campaign.policy_file}: file: is missing; write it, empty for the defaults")
    if not checked.problems:
        with checked.collecting():
            return [prompt.row for prompt in check_prompts(prompts, terms_of(campaign), campaign.prompt_check)]
    return prompts


def _check_works(folder: Path, checked: Checked) -> None:
    """Works that cannot be read are left out by the run, and named here; a folder without any work is a problem."""
    files, started, readable = corpus_files(folder), time.monotonic(), 0
    unreadable: list[str] = []
    for tried, file in enumerate(files):
        if time.monotonic() - started > _SECONDS_FOR_WORKS:
            left = len(files) - tried
            checked.notes.append(f"{folder}: {left} of {len(files)} works were not tried; the run does it")
            readable += left
            break
        try:
            if file.problem:
                raise ValueError(file.problem)
            decode(read_file(file.path))
            readable += 1
        except (ValueError, OSError) as error:
            unreadable.append(f"{shown(file.path.name)}: {error}; it protects nothing")
    if not readable:
        checked.add(f"{folder}: no readable reference image; put the protected works there")
        for note in unreadable:
            checked.add(note)
    checked.notes += unreadable if readable else []
