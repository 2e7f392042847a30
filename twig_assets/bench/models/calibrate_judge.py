"""Write what the embedded judge rests on where the package reads it: its captions, and what it gives plain draws."""

import json

import numpy as np

from twig_assets.generation import GenerationSettings, fingerprint, generate
from twig_assets.judge.calibration import FILE, ShippedCalibration
from twig_assets.judge.captions import write_captions
from twig_assets.judge.embedded import embedded_judge, embedded_vocabulary
from twig_assets.judge.identity import judge_sha256
from twig_assets.model_zoo import load_clip, load_pipeline
from twig_assets.model_zoo.art import BACKGROUNDS, STYLES, concept_names
from twig_assets.model_zoo.training.captions import caption

_DRAWS = 256
_SEED = 22


def measure() -> ShippedCalibration:
    """Draw random captions of known concepts with the embedded checkpoint and let the embedded judge compare them."""
    rng, pipeline = np.random.default_rng(_SEED), load_pipeline()
    base = fingerprint(pipeline)
    prompts = [
        caption(str(rng.choice(concept_names())), str(rng.choice(STYLES)), str(rng.choice(list(BACKGROUNDS))), rng)
        for _ in range(_DRAWS)
    ]
    seeds = [int(seed) for seed in rng.integers(1 << 31, size=_DRAWS)]
    images = generate(pipeline, prompts, seeds, GenerationSettings())
    shown = embedded_judge().shown(list(images), prompts)
    margins = [round(s.margin, 5) for s in shown if s.margin is not None]
    return ShippedCalibration(
        judge_sha256=judge_sha256("embedded"),
        base_sha256=base,
        margins=margins,
        source=f"{len(margins)} plain draws of random captions, default settings",
    )


if __name__ == "__main__":
    write_captions(load_clip(), embedded_vocabulary().written())
    FILE.write_text(json.dumps(measure().model_dump(), indent=0) + "\n")
