"""Settings of the second, shape-avoiding step."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Strategy = Literal["auto", "forget", "move", "vacate", "repel", "references", "delay", "suppress", "relocate"]
# Why a prompt is drawn again: an audit found a copy, or was near its threshold, or the image did not show the prompt.
Reason = Literal["copy", "near_miss", "lost_subject"]
_GONE = {
    "neutral": "memorised prompts keep their own words, without those that bring the picture back",
    "doubt_per_attempt": "only evidence of a copy makes a prompt memorised, however often it is tried",
}
# A weaker rerun keeps at least this share of the strength: at 0 memorised prompts would be drawn as they are.
_LEAST_STRENGTH = 0.25
# Below this, ordinary words are left out: what they make a model predict shows that much of any picture.
_LEAST_TRIGGER = 0.15


class RegenerationSettings(BaseModel):
    """How the second image avoids the first one's shape.

    Attributes:
        strategy: One strategy, or several that act together.
            `move`: of several seed candidates the one whose object can best avoid the mask is drawn, and the object is
            moved in the finished image to where it meets the mask least. It keeps its size; what an edge of the frame
            cuts stays on that edge.
            `vacate`: the mask is cleared in the predicted clean image, so that the object has to be drawn elsewhere.
            `repel`: inside the mask, the predicted clean image is kept away from the first image.
            `references`: the predicted clean image is kept away from every protected work that was given.
            `suppress`: inside the mask, the words that name the object get hardly any cross-attention.
            `relocate`: the prediction follows the gradient by which those words attend less to the mask; costs a pass
            through the U-Net and back for every step at which it acts.
            `delay`: classifier-free guidance is `delay_scale` until `delay_until`.
            `forget`: a prompt whose first prediction already shows the first image or a protected work, so
            memorised, is drawn without the words that bring that picture back. All others are left alone. Uses no
            mask and no guidance.
            `auto`: `forget`, `move` for all that is ordinary, and `references` where some are given.
        strength: 0 turns it all off and gives the plain sampler's bytes; 1 is the full effect.
        until: Share of the denoising steps during which `vacate`, `suppress` and `relocate` act. The place of things is
            decided early; too late an end leaves the mask as a flat patch.
        beginnings: How many seeds `move` looks at by a sketch each, which costs a step of the sampler apiece. The image
            is drawn from that seed's noise, or its mirror image, whose object can best avoid the mask; with 1 it is
            the image's own. Since objects are moved afterwards, more of them gained next to nothing: of 64 prompts of
            the embedded model the overlap was 0.30 with 1, 0.28 with 2 and 0.29 with 4.
        edge_cost: What it costs `move` to let the object touch an edge of the frame, counted as overlap with the mask
            (intersection over union). Things that touch the edge are what a plain draw has fewer of.
        size_cost: What a seed candidate costs, counted likewise, whose object is larger or smaller than those of the
            others: times the square of the logarithm of its area, as a multiple of their mean. Small things meet
            a mask less, so that without it second images would show smaller things than the model draws.
        plain: How far apart colours may be, as a Euclidean distance (0 to 1.73), for a ground to count as plain:
            that of two thirds of the frame's edge to their median. On plain ground `move` finds the object by its
            colour, and mirrors the ground into what a move leaves bare; both cost nothing. On any other it asks the
            segmenter, and the model draws what is bare.
        fill: Share of the denoising steps with which the model draws that, each of which costs half a step with
            guidance. Too few leave a mirror image, too many draw something that does not belong there; with 0 it stays
            mirrored.
        fill_known: How much of the ground's contrast the model has to account for at the first of these steps (1 is all
            of it), for its drawing to be used. It draws on grounds that it knows, and on others what it knows better,
            such as the same object again; there the ground stays mirrored.
        bare_cost: What it costs `move`, counted as overlap with the mask, to leave all of the frame bare where the
            ground is not plain; a part of it costs that part. The more is made up, the more it shows.
        least_gain: By how much a move has to lower the overlap with the mask where the ground is not plain, the costs
            included; for less the image stays as it was drawn.
        redraw_above: Overlap with the mask above which an image that no move helps is drawn once more, from the next
            best seed candidate; the one that overlaps less is kept. Costs a whole draw; with 1 it is never done.
        dilation: Latent cells by which the mask is grown, so that the object's outline is avoided too.
        radius: How far `repel` and `references` keep away, as a multiple of the contrast of what they keep away
            from. 0.6 is nearer than two unrelated images of the embedded model come.
        delay_until: Share of the steps until which guidance is changed.
        delay_scale: Guidance until then: 0 leaves the prompt out, negative values push away from it (opposite
            guidance, Jain et al. 2025, arXiv 2411.16738).
        memorised: How much of the first image's details the prediction from another seed must show at the first step
            for the prompt to count as memorised, as a cosine: 1 is all of them. Of the embedded model's ordinary
            prompts none showed more than 0.4, of those it has memorised all showed more than 0.6.
        near_work: The same for a protected work that was given.
        trigger: A word of a memorised prompt is left out when, with it, the prediction shows as much of the first image
            or of a work. Higher keeps more words, and at `memorised` some that still bring the picture back.
        without_mask: What is done where the first image has no usable mask (no object was found, or it covers nearly
            everything): `forget`, the strategy of that name, or `plain`, a new draw as it comes.
        works: Of a larger corpus, how many works `references` keeps away from: those nearest to the first images.
        strength_per_attempt: For every further attempt of a prompt that is drawn again; see `for_rerun`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategy: Strategy | tuple[Strategy, ...] = "auto"
    strength: float = Field(1.0, ge=0, le=1)
    until: float = Field(0.3, ge=0, le=1)
    beginnings: int = Field(1, ge=1, le=64)
    edge_cost: float = Field(0.05, ge=0)
    size_cost: float = Field(1.0, ge=0)
    plain: float = Field(0.08, ge=0, le=1.8)
    fill: float = Field(0.5, ge=0, le=1)
    fill_known: float = Field(0.3, le=1)
    bare_cost: float = Field(0.3, ge=0)
    least_gain: float = Field(0.05, ge=0, le=1)
    redraw_above: float = Field(0.5, ge=0, le=1)
    dilation: int = Field(0, ge=0, le=8)
    radius: float = Field(0.6, ge=0, le=4)
    delay_until: float = Field(0.3, ge=0, le=1)
    delay_scale: float = Field(-2.0, ge=-10, le=10)
    memorised: float = Field(0.5, ge=0, le=1)
    near_work: float = Field(0.5, ge=0, le=1)
    trigger: float = Field(0.3, ge=0, le=1)
    without_mask: Literal["forget", "plain"] = "forget"
    works: int = Field(16, ge=1)
    strength_per_attempt: float = Field(0.1, ge=0, le=0.5)

    @model_validator(mode="before")
    @classmethod
    def _nothing_that_is_gone(cls, fields: Any) -> Any:
        for name in fields if isinstance(fields, dict) else ():
            if name in _GONE:
                raise ValueError(f"{name!r} is no longer a setting, since {_GONE[name]}; delete it")
        return fields

    @property
    def strategies(self) -> tuple[Strategy, ...]:
        """The strategies that act, in the order they are applied."""
        return (self.strategy,) if isinstance(self.strategy, str) else self.strategy

    def unmasked(self) -> "RegenerationSettings":
        """The settings for images without a usable mask."""
        if self.without_mask == "plain":
            return self.model_copy(update={"strength": 0.0})
        return self.model_copy(update={"strategy": "forget"})

    def for_rerun(self, reason: Reason, attempt: int) -> "RegenerationSettings":
        """The settings of a rerun, by why there is one; each attempt has a new seed in any case.

        With more = `strength_per_attempt` times the attempt:

        - `copy` acts for longer (`until`, `delay_until`), from further away (`radius`), and leaves out words upon less
          (`trigger`).
        - `near_miss` keeps further away from what is known (`radius`), and changes nothing else.
        - `lost_subject` acts less (`strength`, `until`) and draws from the image's own seed (`beginnings`), so that the
          subject comes back.

        Args:
            reason: Why the prompt is drawn again.
            attempt: 0 for the first try, which gets these settings themselves.
        """
        more = self.strength_per_attempt * attempt
        if not more:
            return self
        further = {"radius": min(4.0, self.radius + more)}
        changes: dict[Reason, dict[str, float]] = {
            "copy": {
                **further,
                "until": min(1.0, self.until + more),
                "delay_until": min(1.0, self.delay_until + more),
                "trigger": max(min(_LEAST_TRIGGER, self.trigger), self.trigger - more),
            },
            "near_miss": further,
            "lost_subject": {
                "strength": self.strength * max(_LEAST_STRENGTH, 1 - 2 * more),
                "until": max(0.0, self.until - more),
                "beginnings": 1,
            },
        }
        return self.model_copy(update=changes[reason])
