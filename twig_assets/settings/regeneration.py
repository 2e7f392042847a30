"""Settings of the second, shape-avoiding step."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class RegenerationSettings(BaseModel):
    """How the second image avoids the first one's shape.

    Attributes:
        strategy: `vacate` clears the mask in the predicted clean image, so that the object has to be drawn elsewhere.
        strength: 0 turns it off and gives the plain sampler's bytes; 1 clears the mask fully while it is active.
        until: Share of the denoising steps during which it acts. The place of things is decided early; too late
            an end leaves the mask as a flat patch.
        dilation: Latent cells by which the mask is grown, so that the object's outline is avoided too.
        strength_per_attempt: Added to `until` for every further attempt at the same prompt.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategy: Literal["vacate"] = "vacate"
    strength: float = Field(1.0, ge=0, le=1)
    until: float = Field(0.5, ge=0, le=1)
    dilation: int = Field(0, ge=0, le=8)
    strength_per_attempt: float = Field(0.1, ge=0, le=0.5)

    def for_attempt(self, attempt: int) -> "RegenerationSettings":
        """The settings of a rerun: the same, acting for longer. attempt: 0 for the first try."""
        return self.model_copy(update={"until": min(1.0, self.until + self.strength_per_attempt * attempt)})
