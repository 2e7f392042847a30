"""A whole campaign with Stable Diffusion 1.5 at its real size, as a user runs it: `twig check`, then `twig run`.

The pictures are noise and nobody judges, so every edit is refused and every image waits. What is looked at is that all
steps are done, that the messages say so, and what they cost.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from twig_assets.bench.campaigns.workspace import Workspace
from twig_assets.bench.models.real_size.process import ended

NAME = "real-size"
_PROMPTS = ("a red fox on a blue background", "a sailing boat in the evening")
_WORKS = 3
_CONCEPTS = [{"name": "pouting-cat", "target": "pouting cat", "anchor": "cat", "kind": "object", "preserve": ["lion"]}]
_HASH = re.compile(r"edit ([0-9a-f]{12})")


def run_campaign(root: Path, checkpoint: Path, segmenter: Path) -> list[dict[str, Any]]:
    """Run it to its end: with `fast`, whose edit is refused; with `closed_form`, refused as well; and that let through.

    Args:
        root: An empty folder, for the campaign and all state.
        checkpoint: Folder of the model.
        segmenter: A `vit_b` file.

    Returns:
        A row for each command: what it cost, its exit status, and the end of what it said.
    """
    shutil.rmtree(root, ignore_errors=True)
    place = Workspace(root, NAME)
    place.write("prompts.yaml", list(_PROMPTS))
    place.write("concepts.yaml", _CONCEPTS)
    place.write("policy.yaml", {})
    place.protect(_WORKS)
    rows = []
    for method in ("fast", "closed_form"):
        place.write("campaign.yaml", _settings(checkpoint, segmenter, method))
        rows += [_campaign_command(place, method, "check"), _campaign_command(place, method, "run")]
    hashes = dict.fromkeys(_HASH.findall(rows[-1]["said"]))
    decisions = [{"edit": edit, "use": True, "by": "benchmark", "reason": "to go on"} for edit in hashes]
    place.write("policy.yaml", {"edits": {"decisions": decisions}})
    rows += [_campaign_command(place, "closed_form, let through", "run"), _campaign_command(place, "again", "run")]
    root_option = ("--root", str(place.root))
    return [*rows, _command(place, "afterwards", "verify"), _command(place, "afterwards", "status", *root_option)]


def _settings(checkpoint: Path, segmenter: Path, method: str) -> dict[str, Any]:
    return {
        "title": "Real size",
        "checkpoint": str(checkpoint.absolute()),
        "segmenter": {"kind": "vit_b", "checkpoint": str(segmenter.absolute())},
        # A network with random weights is sure of nothing; with the usual thresholds there would be no mask to follow.
        "segmentation": {"pred_iou_thresh": 0, "stability_score_thresh": 0},
        "generation": {"steps": 4, "guidance_scale": 7.5, "guidance_rescale": 0, "guidance_from": 0},
        "ablation": {"method": method, "distillation": {"steps": 4}, "evaluation": {"samples": 1}},
        "max_attempts": 1,
    }


def _campaign_command(place: Workspace, stage: str, command: str) -> dict[str, Any]:
    return _command(place, stage, command, "--campaign", NAME, "--root", str(place.root))


def _command(place: Workspace, stage: str, command: str, *options: str) -> dict[str, Any]:
    environment = {**os.environ, **place.environment(), "COLUMNS": "200"}
    line = [sys.executable, "-m", "twig_assets.cli", command, *options]
    started = time.monotonic()
    process = subprocess.Popen(
        line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    )
    said, cost = ended(process)
    return {
        "model": "sd15",
        "work": f"twig {command}",
        "stage": stage,
        "seconds": round(time.monotonic() - started, 1),
        **cost,
        "said": said[-6000:],
    }
