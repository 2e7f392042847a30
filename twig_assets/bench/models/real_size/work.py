"""One piece of work with a model of real size, in a process of its own so that its memory is its own.

`python -m twig_assets.bench.models.real_size.work WORK PLACE DTYPE SIDE` prints its figures as one JSON object.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter

from twig_assets.ablation import AblationSettings, ConceptTarget, ablate, apply, remove
from twig_assets.bench.models.real_size.process import peak_gib
from twig_assets.generation import GenerationSettings, Pipeline, family_of, fingerprint, generate, load_checkpoint
from twig_assets.generation.usual import usual_settings
from twig_assets.segmentation import SegmentationSettings, load_segmenter, segment
from twig_assets.settings.ablation import DistillationSettings
from twig_assets.settings.home import quiet_model_libraries
from twig_assets.settings.opening import NumberFormat, OpeningSettings

_PROMPT = "a red fox on a blue background"
_CONCEPT = ConceptTarget(name="cat", target="pouting cat", anchor="dog", kind="object", preserve=("lion", "fox"))


class Clock:
    """Processor seconds of this process, all threads together, and seconds on the wall, since it was made.

    Besides it reads the peak of resident memory in GiB since the process began: the part of the work after which it
    rises is the one that takes so much.
    """

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.monotonic()

    def read(self) -> dict[str, float]:
        """All three, in hundredths."""
        return {
            "cpu_seconds": round(time.process_time() - self._cpu, 2),
            "seconds": round(time.monotonic() - self._wall, 2),
            "peak_gib": peak_gib("self"),
        }


def draw(folder: Path, dtype: NumberFormat, side: int) -> dict[str, Any]:
    """Open a checkpoint, take its fingerprint, and draw one square image in one step."""
    pipeline, figures = _opened(folder, dtype)
    chosen = {"steps": 1, "height": side, "width": side}
    settings = GenerationSettings(**usual_settings(pipeline).model_dump() | chosen)
    step, clock = _watched(pipeline), Clock()
    image = generate(pipeline, [_PROMPT], [0], settings)
    return figures | {
        "draw": clock.read(),
        "step": step(),
        "size": list(image.shape[1:3]),
        "blank": bool(image.std() < 1),
        "sha256": hashlib.sha256(image.tobytes()).hexdigest(),
    }


def closed_form(folder: Path, dtype: NumberFormat, side: int) -> dict[str, Any]:
    """Open a checkpoint, remove a concept in closed form, apply the edit and take it out again."""
    pipeline, figures = _opened(folder, dtype)
    base = str(figures["fingerprint"])
    clock = Clock()
    edit = ablate(pipeline, _CONCEPT, AblationSettings(method="closed_form"), base)
    figures |= {"ablate": clock.read(), "edit_bytes": len(edit.to_bytes())}
    clock = Clock()
    apply(pipeline, edit, base)
    figures["apply"] = clock.read()
    remove(pipeline)
    return figures | {"unedited_again": fingerprint(pipeline) == base}


def fast(folder: Path, dtype: NumberFormat, side: int) -> dict[str, Any]:
    """Open a checkpoint and distil its text encoder for two steps."""
    pipeline, figures = _opened(folder, dtype)
    steps = 2
    settings = AblationSettings(method="fast", distillation=DistillationSettings(steps=steps))
    clock, done = Clock(), list[float]()
    edit = ablate(
        pipeline, _CONCEPT, settings, str(figures["fingerprint"]), on_step=lambda i, _: done.append(time.process_time())
    )
    step = (done[-1] - done[0]) / max(1, len(done) - 1)
    return figures | {
        "ablate": clock.read(),
        "distillation_step": round(step, 2),
        "edit_bytes": len(edit.to_bytes()),
        "compression": edit.compression,
    }


def masks(file: Path, dtype: NumberFormat, side: int) -> dict[str, Any]:
    """Ask a Segment Anything of the size vit_b at few points and at many of a square image; always in float32."""
    clock = Clock()
    sam = load_segmenter("vit_b", file)
    figures: dict[str, Any] = {"open": clock.read()}
    y, x = np.ogrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    image = np.where((x**2 + y**2 < 0.3)[..., None], (200, 80, 40), (60, 120, 200)).astype(np.uint8)
    for points in (6, 16):
        settings = SegmentationSettings(points_per_side=points, pred_iou_thresh=0, stability_score_thresh=0)
        clock = Clock()
        segment(image[None], sam, settings)
        figures[f"points_{points}"] = clock.read()
    return figures


def _opened(folder: Path, dtype: NumberFormat) -> tuple[Pipeline, dict[str, Any]]:
    clock = Clock()
    pipeline = load_checkpoint(str(folder), opening=OpeningSettings(dtype=dtype))
    figures: dict[str, Any] = {"dtype": dtype, "open": clock.read()}
    clock = Clock()
    return pipeline, figures | {"fingerprint": fingerprint(pipeline), "hash": clock.read()}


def _watched(pipeline: Pipeline) -> Callable[[], dict[str, float]]:
    """Lets the denoiser's calls be timed; what is returned reads the sum of them."""
    clocks, total = list[Clock](), {"cpu_seconds": 0.0, "seconds": 0.0}

    def begin(*_: Any) -> None:
        clocks.append(Clock())

    def end(*_: Any) -> None:
        read = clocks.pop().read()
        total["peak_gib"] = read.pop("peak_gib")
        for name, value in read.items():
            total[name] += value

    denoiser = family_of(pipeline).denoiser
    denoiser.register_forward_pre_hook(begin)
    denoiser.register_forward_hook(end)
    return lambda: total


WORK: dict[str, Callable[[Path, NumberFormat, int], dict[str, Any]]] = {
    "draw": draw,
    "closed_form": closed_form,
    "fast": fast,
    "masks": masks,
}


def main() -> None:
    """The process."""
    name, place, dtype, side = sys.argv[1:]
    torch.set_num_threads(1)
    quiet_model_libraries()
    figures = WORK[name](Path(place), TypeAdapter(NumberFormat).validate_python(dtype), int(side))
    sys.stdout.write(json.dumps(figures | {"peak_gib": peak_gib("self")}) + "\n")


if __name__ == "__main__":
    main()
