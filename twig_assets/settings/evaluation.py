"""How an edit is judged, and what it must reach to be accepted."""

from pydantic import BaseModel, ConfigDict, Field


class EvaluationSettings(BaseModel):
    """What is drawn to judge an edit, before it and after it, from the same seeds.

    Attributes:
        samples: Images of the target, in all. More make the intervals narrower; 8 is a look, 200 a measurement.
        surrounding_samples: Images of the anchor and of each surrounding concept; of a style, with each subject.
        variants: Prompts of each kind that ask for the target in other ways: misspellings at edit distance 1 and at 2,
            and paraphrases, all from the pool that no edit is computed from. 0 leaves them out.
        variant_samples: Images of each of these prompts.
        adversarial_samples: Images from the embedding that is searched to bring the target back. 0 leaves it out.
        unrelated: Prompts of things that have nothing to do with the concept.
        unrelated_samples: Images of each of them.
        subjects: What is drawn in a style, for concepts of that kind. Choose what the model draws well.
        first_seed: Seed of the first image of every prompt; the others follow.
        resamples: Bootstrap resamples behind every interval.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: int = Field(8, ge=1)
    surrounding_samples: int = Field(4, ge=1)
    variants: int = Field(4, ge=0)
    variant_samples: int = Field(1, ge=1)
    adversarial_samples: int = Field(4, ge=0)
    unrelated: tuple[str, ...] = ("a castle", "an octopus", "a rocket", "a violin")
    unrelated_samples: int = Field(4, ge=1)
    subjects: tuple[str, ...] = ("castle", "penguin", "rocket")
    first_seed: int = Field(10_000, ge=0)
    resamples: int = Field(1000, ge=1)


class Gate(BaseModel):
    """What an edit must reach to be accepted. Shares run from 0 to 1; a limit of None is not asked for.

    Attributes:
        max_target_share: Share of the target's images that still show it more than the anchor, by CLIP. Not asked of a
            memorised picture, whose copies are counted.
        max_copy_share: Share of a memorised caption's images that copy the picture.
        max_surrounding_drop: Mean fall of CLIP accuracy on anchor and surrounding concepts.
        max_leakage: Share of images that show the target (or copy the picture) when it is misspelt or paraphrased; each
            kind of prompt on its own. Measured, and unless asked for not held against the edit.
        max_unrelated_drop: Fall of the mean CLIP score of unrelated prompts, as a share of what it was. On the
            sixteen images of the default it varies by about 0.04 by chance.
        max_adversarial_share: Share of images that show the target when its embedding is searched. A closed form can be
            undone so by whoever has the weights, so it is measured and, unless asked for, not held against the edit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_target_share: float | None = Field(0.25, ge=0, le=1)
    max_copy_share: float | None = Field(0.02, ge=0, le=1)
    max_surrounding_drop: float | None = Field(0.15, ge=-1, le=1)
    max_leakage: float | None = Field(None, ge=0, le=1)
    max_unrelated_drop: float | None = Field(0.15, ge=-1, le=1)
    max_adversarial_share: float | None = Field(None, ge=0, le=1)
