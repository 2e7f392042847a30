"""Settings of what counts as showing its prompt: the part `adherence` of a campaign's `policy.yaml`."""

from pydantic import BaseModel, ConfigDict, Field


class AdherenceSettings(BaseModel):
    """What an image must show to be released without a person.

    Attributes:
        reject_share: The judge's threshold is the margin below which this share of plain draws lies, of prompts that it
            knows. Of 1,449 second images of ordinary prompts, drawn by the embedded model before its last training, the
            classifier named 1,294 right; with 0.15, 10 % of these are held, and 55 % of the others.
        threshold: The margin itself, -2 to 2, in place of one that is calibrated.
        release_cannot_tell: Release images without a person whose prompts the judge cannot judge. The report says so.
        lost_attempts: How many images of a prompt that no audit objects to may fail to show it before a person is asked
            instead of the model. Of 483 prompts of the embedded model, 66 were drawn again for that, and half of these
            then counted as shown; of the 31 that were left, a third image did so for a quarter.
        first_images: Whether the first image, which avoids nothing, may be released where it is the best one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reject_share: float = Field(0.15, ge=0, le=0.5)
    threshold: float | None = Field(None, ge=-2, le=2)
    release_cannot_tell: bool = False
    lost_attempts: int = Field(3, ge=1)
    first_images: bool = False
