"""Settings of the second, shape-avoiding step."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Strategy = Literal["auto", "forget", "move", "vacate", "repel", "references", "delay", "suppress", "relocate"]
# No attempt takes a prediction that explains less than this for a copy, unless the settings do from the start.
LEAST_DOUBT = 0.3


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
            `forget`: a prompt whose picture is the same from every seed, or near a protected work from the first step
            on, so memorised, gets opposite guidance and then that of a `neutral` prompt. All others are left
            alone. Uses no mask.
            `auto`: `forget`, `move` for all that is ordinary, and `references` where some are given.
        strength: 0 turns it all off and gives the plain sampler's bytes; 1 is the full effect.
        until: Share of the denoising steps during which `vacate`, `suppress` and `relocate` act. The place of things is
            decided early; too late an end leaves the mask as a flat patch.
        beginnings: How many seeds `move` looks at by a sketch each, which costs a step of the sampler apiece. The image
            is drawn from that seed's noise, or its mirror image, whose object can best avoid the mask; with 1 it is
            the image's own.
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
        neutral: What `forget` draws towards in place of a memorised prompt, and starts from when it pushes
            away from it. It should name some ordinary thing that nobody protects: a vague one, such as `a picture`,
            leaves a model to what it knows best. Empty: no prompt at all.
        memorised: How much of the first image the prediction from another seed must explain, very early, for the prompt
            to count as memorised: 1 is all of it. An ordinary prompt's early prediction explains little, but of
            a plain thing on a plain ground up to 0.8.
        near_work: The same for a protected work that was given. A prompt explains nothing of a work of something
            else, and as much of one of the same kind of thing as of its own first image.
        without_mask: What is done where the first image has no usable mask (no object was found, or it covers nearly
            everything): `forget`, the strategy of that name, or `plain`, a new draw as it comes.
        works: Of a larger corpus, how many works `references` keeps away from: those nearest to the first images.
        strength_per_attempt: For every further attempt, added to `until`, `delay_until` and `radius`.
        doubt_per_attempt: For every further attempt, taken from `memorised` and `near_work`, down to 0.3: the audit has
            found a copy, so it is less likely that the prompt is an ordinary one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategy: Strategy | tuple[Strategy, ...] = "auto"
    strength: float = Field(1.0, ge=0, le=1)
    until: float = Field(0.3, ge=0, le=1)
    beginnings: int = Field(4, ge=1, le=64)
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
    neutral: str = "a red apple"
    memorised: float = Field(0.85, ge=0, le=1)
    near_work: float = Field(0.6, ge=0, le=1)
    without_mask: Literal["forget", "plain"] = "forget"
    works: int = Field(16, ge=1)
    strength_per_attempt: float = Field(0.1, ge=0, le=0.5)
    doubt_per_attempt: float = Field(0.15, ge=0, le=0.5)

    @property
    def strategies(self) -> tuple[Strategy, ...]:
        """The strategies that act, in the order they are applied."""
        return (self.strategy,) if isinstance(self.strategy, str) else self.strategy

    def unmasked(self) -> "RegenerationSettings":
        """The settings for images without a usable mask."""
        if self.without_mask == "plain":
            return self.model_copy(update={"strength": 0.0})
        return self.model_copy(update={"strategy": "forget"})

    def for_attempt(self, attempt: int) -> "RegenerationSettings":
        """The settings of a rerun: acting for longer, from further away and upon more doubt.

        attempt: 0 for the first try, which gets these settings themselves.
        """
        more, doubt = self.strength_per_attempt * attempt, self.doubt_per_attempt * attempt
        return self.model_copy(
            update={
                "until": min(1.0, self.until + more),
                "delay_until": min(1.0, self.delay_until + more),
                "radius": min(4.0, self.radius + more),
                "memorised": max(min(LEAST_DOUBT, self.memorised), self.memorised - doubt),
                "near_work": max(min(LEAST_DOUBT, self.near_work), self.near_work - doubt),
            }
        )
