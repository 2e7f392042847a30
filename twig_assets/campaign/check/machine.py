"""Whether this machine can hold a campaign: memory, disk, and how long an image took here before."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from twig_assets.ablation.evaluation.prompts import images_to_draw
from twig_assets.campaign import Campaign
from twig_assets.campaign.check.findings import Checked
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
# Beside the weights: the segmenter and the libraries; activations for every pixel that is drawn at once; and, of text
# encoders that are distilled, a copy in float32, its gradients, Adam's two averages, and what gradients are made from.
# With Stable Diffusion 1.5 at 512 px it comes to 6.5 and 7.8 GiB, and 6.2 and 7.6 were taken.
_LIBRARIES = 1.5 * _GIB
_BYTES_PER_PIXEL_DRAWN = 4096
_BYTES_PER_TRAINED_WEIGHT = 20


def check_machine(campaign: Campaign, prompts: Sequence[PromptRow], bones: Skeleton | None, checked: Checked) -> None:
    """Add what does not fit, and note what the campaign takes."""
    if bones is None:
        return
    try:
        height, width = image_size(bones.family, campaign.generation)
    except ValueError:
        return
    concepts = _concepts(campaign)
    _check_memory(campaign, bones, at_once(bones.family, campaign.generation) * height * width, bool(concepts), checked)
    images, judging = 2 * len(prompts), _images_that_judge(campaign, concepts)
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


def _check_memory(campaign: Campaign, bones: Skeleton, pixels: int, edited: bool, checked: Checked) -> None:
    """Say whether weights fit, and work that draws so many pixels at once and perhaps makes edits."""
    free, where = _memory(campaign)
    drawing, training = pixels * _BYTES_PER_PIXEL_DRAWN, 0
    if edited and campaign.ablation.method == "fast":
        encoders = bones.family.text_encoders().values()
        training = _BYTES_PER_TRAINED_WEIGHT * sum(p.numel() for encoder in encoders for p in encoder.parameters())
    weights, need = bones.weights_bytes, bones.weights_bytes + _LIBRARIES + max(drawing, training)
    said = f"its weights take {_size(weights)} of {where}, all work about {_size(need)}"
    if free is None:
        checked.notes.append(f"checkpoint: {said}; how much is free is not known")
    elif weights > free:
        checked.add(
            f"{campaign.settings_file}: checkpoint: {said}, and {_size(free)} are free; set `dtype: bfloat16`, "
            f"or take a smaller checkpoint"
        )
    else:
        tight = "" if need <= free else ", which is tight"
        checked.notes.append(f"checkpoint: {said}; {_size(free)} are free{tight}")


def _size(count: float) -> str:
    """A number of bytes, for people."""
    return f"{count / _GIB:.1f} GiB" if count >= _GIB else f"{count / 2**20:.0f} MiB"


def _expected(campaign: Campaign, images: int) -> str:
    seconds = known_seconds(campaign)
    if seconds is None:
        return "how long an image takes on this machine is not known yet; the first run measures it"
    each = f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2g}"
    return f"an image took {each} s here before, so all take about {_duration(seconds * images)}"


def _memory(campaign: Campaign) -> tuple[float | None, str]:
    """Free bytes where the campaign would compute, None where that cannot be told; and what it is."""
    if campaign.memory.offload in ("model", "group"):  # its weights wait here
        return free_memory(), "memory"
    on_gpu = torch.cuda.is_available() and campaign.checkpoint not in EMBEDDED
    device = campaign.device or ("cuda" if on_gpu else "cpu")
    if device.startswith("cuda"):
        if not torch.cuda.is_available():
            return None, "GPU memory"
        return float(torch.cuda.mem_get_info(torch.device(device))[0]), "GPU memory"
    return free_memory(), "memory"


def free_memory() -> float | None:
    """Bytes of memory that processes can still have; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    kilobytes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return kilobytes["MemAvailable"] * 1024.0 if "MemAvailable" in kilobytes else None


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds > 5400 else f"{max(1, round(seconds / 60))} minutes"
