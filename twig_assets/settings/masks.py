"""Where the masks of first images come from."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MaskSource = Literal["automatic", "prompted", "bright_ending"]
Share = Annotated[float, Field(ge=0, le=1)]


class Place(BaseModel):
    """Where a person says that the object is, in shares of the image's width and height, from its top left corner.

    Attributes:
        box: Left edge, upper edge, width and height of a box around it.
        point: x and y of a point on it. With both, the point says which thing in the box.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    box: tuple[Share, Share, Share, Share] | None = None
    point: tuple[Share, Share] | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.box is None and self.point is None:
            raise ValueError("names no place; give a box, a point or both")
        if self.box and (self.box[2] == 0 or self.box[3] == 0):
            raise ValueError(f"box {list(self.box)} holds nothing; its width and height must be above 0")
        if self.box and max(self.box[0] + self.box[2], self.box[1] + self.box[3]) > 1 + 1e-9:
            raise ValueError(f"box {list(self.box)} reaches out of the image; no edge of it may pass 1")
        return self

    def box_in(self, height: int, width: int) -> tuple[int, int, int, int] | None:
        """x, y, width and height in pixels, at least one of each."""
        if self.box is None:
            return None
        left, upper = (min(int(share * side), side - 1) for share, side in zip(self.box, (width, height), strict=False))
        right, lower = round((self.box[0] + self.box[2]) * width), round((self.box[1] + self.box[3]) * height)
        return left, upper, max(1, right - left), max(1, lower - upper)

    def point_in(self, height: int, width: int) -> tuple[int, int] | None:
        """X and y in pixels."""
        if self.point is None:
            return None
        return min(int(self.point[0] * width), width - 1), min(int(self.point[1] * height), height - 1)


class MaskSettings(BaseModel):
    """Which mask of a first image is the shape that its second image avoids.

    Second images always get automatic masks, since nobody can know beforehand where their object comes to stand. A
    change of any of these means that all masks and second images are made again.

    Attributes:
        source: `automatic`: the segmenter is asked all over the image, and what it finds is ranked. `prompted`: it is
            asked at a place that you name; images without a place get the automatic mask. `bright_ending`: no segmenter
            but where the generator's last step attends to the end of the prompt (Chen et al. 2025, arXiv 2410.21665),
            for prompts whose picture is memorised; every first image is drawn once more for it.
        place: For `prompted`: the place in every image that `places` does not name. `point: [0.5, 0.5]` is what
            stands in the middle.
        places: For `prompted`: prompt, as it is drawn -> its place.
        unusable: What is done where the mask is empty or full: `keep` says so and leaves the rest to `regeneration:
            without_mask`; `bright_ending` tries that source before.
        min_brightness: For `unusable: bright_ending`: how bright the ending must be, 0 to 1, for its mask to be taken:
            the mean attention to the end token. How much is unusual depends on the checkpoint; 0 takes all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: MaskSource = "automatic"
    place: Place | None = None
    places: dict[str, Place] = Field(default_factory=dict)
    unusable: Literal["keep", "bright_ending"] = "keep"
    min_brightness: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _fits_source(self) -> Self:
        named = self.place is not None or bool(self.places)
        if self.source == "prompted" and not named:
            raise ValueError("source 'prompted' needs a place or places; add one, such as place: {point: [0.5, 0.5]}")
        if self.source != "prompted" and named:
            raise ValueError(f"source {self.source!r} looks at no place; set source: prompted, or name no place")
        if self.source == "bright_ending" and self.unusable == "bright_ending":
            raise ValueError("source 'bright_ending' has no second try of itself; delete unusable")
        return self

    def place_of(self, prompt: str) -> Place | None:
        """Where to ask the segmenter in the image of a prompt; None for the whole image."""
        return self.places.get(prompt, self.place) if self.source == "prompted" else None
