"""Benchmark `campaign`: does a whole campaign release what was asked, and nothing that copies a protected work?

A campaign with the default settings and the default policy is run by the code of `twig run`: ordinary prompts, prompts
that name a removed concept, and the captions of works that the model has memorised, against a corpus of these works and
others. What it released is judged by what it did not use: the classifier, and a comparison with every planted picture.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from twig_assets.bench.campaigns.end_to_end.asked import Asked, prompts
from twig_assets.bench.campaigns.end_to_end.bars import bars
from twig_assets.bench.campaigns.end_to_end.cost import Call, cost_row, counted
from twig_assets.bench.campaigns.end_to_end.judging import rows
from twig_assets.bench.campaigns.end_to_end.outcomes import read_outcomes
from twig_assets.bench.campaigns.end_to_end.protected import CONCEPTS, write_corpus
from twig_assets.bench.campaigns.end_to_end.sheet import write_sheet
from twig_assets.bench.campaigns.processes import run_in_this_process
from twig_assets.bench.campaigns.workspace import NAME, Workspace
from twig_assets.bench.report import Measured
from twig_assets.campaign import load_campaign


@dataclass(frozen=True)
class SampleSizes:
    """How much is asked for; see `asked.prompts`."""

    ordinary: int = 64
    protected: int = 8
    content: int = 16
    titles: int = 8
    seeds: int = 1


DEFAULT, QUICK, FULL = SampleSizes(), SampleSizes(16, 2, 4, 2), SampleSizes(seeds=3)


class CampaignFailedError(RuntimeError):
    """The benchmark's campaign did not run to its end; the message is the runner's."""


def measure(quick: bool = False, grid: Path | None = None, full: bool = False) -> Measured:
    """Run the campaign and judge what it released.

    Args:
        quick: Ask for a quarter of the prompts.
        grid: Also write there a PNG of every released picture with its prompt, and of those held back.
        full: Ask for every prompt three times, from other seeds. `quick` goes before it.

    Raises:
        CampaignFailedError: If the campaign does not run to its end.
    """
    asked = prompts(**vars(QUICK if quick else FULL if full else DEFAULT))
    calls: list[Call] = []
    with tempfile.TemporaryDirectory(prefix="twig-campaign-") as folder:
        workspace = Workspace(Path(folder))
        write_campaign(workspace, asked)
        with counted(calls):
            problem = run_in_this_process(workspace, Console(stderr=True))
        if problem:
            raise CampaignFailedError(problem)
        with workspace.in_environment():
            outcomes = read_outcomes(load_campaign(NAME, workspace.root), asked)
    judged, cost = rows(outcomes), cost_row(calls, len(asked))
    if grid is not None:
        write_sheet(grid, outcomes, judged)
    return Measured(bars=bars(judged, cost), rows=[*judged, cost])


def write_campaign(workspace: Workspace, asked: list[Asked]) -> None:
    """Write the campaign's files; whatever has a default is left out."""
    workspace.write("campaign.yaml", {"title": "What is released shows what was asked"})
    workspace.write("prompts.yaml", [{"text": prompt.text, "seed": prompt.seed} for prompt in asked])
    workspace.write("concepts.yaml", list(CONCEPTS))
    workspace.write("policy.yaml", {})
    write_corpus(workspace.campaign / "references")
