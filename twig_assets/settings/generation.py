"""Settings of the sampler."""

from pydantic import BaseModel, ConfigDict, Field


class GenerationSettings(BaseModel):
    """How images are sampled.

    Attributes:
        steps: Denoising steps. 20 is usual for DPM-Solver++.
        guidance_scale: Classifier-free guidance (Ho and Salimans 2022). 1 turns it off. 3 suits
            the embedded model; 7.5 is usual for Stable Diffusion 1.x. Too high and colours burn.
        guidance_rescale: How far the guided prediction is brought back to the contrast of the unguided one, 0 to 1 (Lin
            et al. 2024, arXiv 2305.08891, section 3.4). It keeps a drawing style's shading.
        guidance_from: Share of the steps after which guidance begins, 0 to 1. At the highest noise it narrows what is
            drawn and says little about it (Kynkäänniemi et al. 2024, arXiv 2404.07724).
        negative_prompt: What guidance leads away from; nothing in particular when empty. It needs a model with
            classifier-free guidance and a scale above 1.
        height: Pixels, a multiple of the autoencoder's reduction; the checkpoint's own size when None.
        width: As `height`.
        batch_size: Images per call of the model, at most; more needs more memory and is a little faster per image. On a
            CPU, no more than a million pixels are drawn at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(20, ge=1, le=1000)
    guidance_scale: float = Field(3.0, ge=1, le=30)
    guidance_rescale: float = Field(0.5, ge=0, le=1)
    guidance_from: float = Field(0.2, ge=0, le=1)
    # Left out where it is empty, so that images that were drawn before there was this field keep their settings' hash.
    negative_prompt: str = Field("", exclude_if=lambda text: not text)
    height: int | None = Field(None, ge=16)
    width: int | None = Field(None, ge=16)
    batch_size: int = Field(16, ge=1)
