"""Whether this machine can hold a campaign: memory, disk, and how long an image took here before."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import psutil
import torch

from twig_assets.ablation.evaluation.prompts import images_to_draw
from twig_assets.campaign import Campaign
from twig_assets.campaign.check.findings import Checked
from twig_assets.campaign.check.free_memory import free_memory
from twig_assets.campaign.check.memory import LIBRARIES, MemoryNeed, memory_need
from twig_assets.campaign.speeds import known_seconds
from twig_assets.generation.batching import at_once
from twig_assets.generation.checkpoints import EMBEDDED
from twig_assets.generation.sampling import image_size
from twig_assets.generation.skeleton import Skeleton
from twig_assets.prompts import ConceptRow, PromptRow, read_concepts
from twig_assets.settings.ablation import ConceptTarget
from twig_assets.settings.home import home

_GIB = 2**30
# Bytes of a PNG per pixel: noise has three, drawings far less.
_BYTES_PER_PIXEL = 3
# The estimate is that rough: what passes the free memory by less may fit.
_ROUGH = 0.1


def check_machine(campaign: Campaign, prompts: Sequence[PromptRow], bones: Skeleton | None, checked: Checked) -> None:
    """Add what does not fit, and note what the campaign takes."""
    if bones is None:
        return
    try:
        height, width = image_size(bones.family, campaign.generation)
    except ValueError:
        return
    concepts = _concepts(campaign)
    images, judging = 2 * len(prompts), _images_that_judge(campaign, concepts)
    together = min(at_once(bones.family, campaign.generation), max(1, len(prompts), judging // 2))
    _check_memory(campaign, memory_need(campaign, bones, (height, width), together, bool(concepts)), checked)
    disk, free = images * height * width * _BYTES_PER_PIXEL, shutil.disk_usage(_existing(home())).free
    if disk > free:
        checked.add(
            f"{home()}: about {_size(disk)} of disk are needed for {images} images, {_size(free)} are "
            f"free; make room, or let TWIG_HOME name another disk"
        )
    edits = f", and {judging} that judge edits which are not made yet" if judging else ""
    checked.notes.append(
        f"{images} images of {width} x {height} px{edits}, at most {_size(disk)} of disk; "
        f"{_expected(campaign, images + judging)}"
    )


def _images_that_judge(campaign: Campaign, concepts: Sequence[ConceptRow]) -> int:
    """How many images are drawn to judge the edits of all protected concepts, before them and after them."""
    count, settings = 0, campaign.ablation
    for row in concepts:
        # As many stand for surrounding concepts that the ablation looks up.
        looked_up = settings.neighbours if row.kind == "object" and not row.preserve else 0
        target = ConceptTarget(
            name=row.name,
            target=row.target,
            anchor=row.anchor,
            kind=row.kind,
            aliases=tuple(row.aliases),
            preserve=tuple(row.preserve) or tuple(f"{row.anchor} {i}" for i in range(looked_up)),
        )
        count += images_to_draw(target, settings.evaluation, not campaign.chosen_judge.nobody)
    return count


def _concepts(campaign: Campaign) -> list[ConceptRow]:
    """The protected concepts; none where their file cannot be read, which was said already."""
    try:
        return read_concepts(campaign.concepts_file)
    except ValueError:
        return []


def _check_memory(campaign: Campaign, need: MemoryNeed, checked: Checked) -> None:
    """Say whether weights and work fit.

    On a GPU work that does not fit is done in smaller batches; on a CPU the system ends the process without a word.
    """
    free, where, on_cpu = _memory(campaign)
    said = f"checkpoint: its weights take {_size(need.weights)} of {where}, all work about {_size(need.total)}"
    if free is None:
        checked.notes.append(f"{said}; how much is free is not known")
        return
    # What this process holds already is not free, and is part of what is needed.
    left = need.total - min(LIBRARIES, psutil.Process().memory_info().rss) if on_cpu else need.total
    if need.weights > free or (on_cpu and left * (1 - _ROUGH) > free + psutil.swap_memory().free):
        checked.add(
            f"{campaign.settings_file}: {said}, and {_size(free)} are free; set `dtype: bfloat16`, "
            f"take a smaller checkpoint, or close other programs; {need.advice()}"
        )
    else:
        checked.notes.append(f"{said}; {_size(free)} are free{'' if left <= free else ', which is tight'}")


def _size(count: float) -> str:
    """A number of bytes, for people."""
    return f"{count / _GIB:.1f} GiB" if count >= _GIB else f"{count / 2**20:.0f} MiB"


def _expected(campaign: Campaign, images: int) -> str:
    seconds = known_seconds(campaign)
    if seconds is None:
        return "how long an image takes on this machine is not known yet; the first run measures it"
    each = f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2g}"
    return f"an image took {each} s here before, so all take about {_duration(seconds * images)}"


def _memory(campaign: Campaign) -> tuple[float | None, str, bool]:
    """Free bytes where the campaign's weights lie, None where that is not known; what it is; and if it's a CPU's."""
    on_gpu = torch.cuda.is_available() and campaign.checkpoint not in EMBEDDED
    device = campaign.device or ("cuda" if on_gpu else "cpu")
    if campaign.memory.offload in ("model", "group"):  # its weights wait here
        return free_memory(), "memory", False
    if device.startswith("cuda"):
        there = torch.cuda.is_available()
        return float(torch.cuda.mem_get_info(torch.device(device))[0]) if there else None, "GPU memory", False
    return free_memory(), "memory", device == "cpu"


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _duration(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{seconds / 3600:.1f} hours" if seconds > 5400 else f"{minutes} minute{'s' * (minutes > 1)}"
