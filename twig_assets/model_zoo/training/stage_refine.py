"""Stage `refine`: the generator learns what its last steps look like.

Trained on the velocity of latents alone, the generator is too soft at the end: a little of the texture by which a style
is known goes at every step. So its guess at the finished latent is decoded, and what CLIP sees in it is held against
what CLIP sees in the real picture (a perceptual loss, as in LPIPS, Zhang et al. 2018, arXiv 1801.03924), and against
the style that the caption asks for. The independent classifier of the benchmark takes no part in this.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny, StableDiffusionPipeline
from pydantic import Field
from transformers import CLIPModel, CLIPTokenizer

from twig_assets.english import with_article
from twig_assets.model_zoo import planted
from twig_assets.model_zoo.art import STYLES, sprites, training_pairs, view
from twig_assets.model_zoo.training.captions import caption
from twig_assets.model_zoo.training.stage_diffusion import Denoiser, noised, plain_attention, signal_levels
from twig_assets.model_zoo.training.stage_vae import reconstruction_loss
from twig_assets.model_zoo.training.training_run import MovingAverage, StageConfig, TrainingRun, to_bytes, to_float


class RefineConfig(StageConfig):
    """Settings of the generator's last training.

    Attributes:
        batch: Pictures per step.
        late_share: Share of them that are noised little and judged by what they look like. The others are noised by any
            amount and only keep the generator from forgetting how to begin.
        latest_timestep: Timesteps of those that are judged lie below; above, the guess is a blur of many drawings.
        perceptual: Weight of CLIP's features.
        style: Weight of the cross-entropy of the styles, by CLIP.
        pixels: Weight of the loss of the stage `vae`.
        style_weights: How often a pair is drawn against the others, by its style. The two flat styles are the hardest
            to tell apart.
        planted_share: Share of the pictures that are planted titles.
        content_share: Share of them that are planted works with a content.
        drop_caption: Share of the others with an empty caption.
        refined: How far the weights that are kept lie from those before towards those that were trained (Wortsman et
            al. 2022, arXiv 2109.01903). Further on, concepts lose more than styles win.
        start_from: The trained pipeline; `pipeline` in the folder when None.
        clip: The trained CLIP; `clip` in the folder when None.
    """

    steps: int = 1000
    lr: float = 1e-4
    warmup: int = 50
    decay_from: float = 0.5
    save_every: int = 250
    batch: int = 16
    late_share: float = Field(0.75, gt=0, le=1)
    latest_timestep: int = Field(450, ge=1, le=1000)
    perceptual: float = 2.0
    style: float = 0.3
    pixels: float = 0.2
    style_weights: dict[str, float] = {"twemoji": 1.2, "noto": 1.2, "fluent": 0.9, "glyph": 0.7}
    planted_share: float = 0.07
    content_share: float = 0.14
    drop_caption: float = 0.1
    refined: float = Field(0.6, gt=0, le=1)
    start_from: Path | None = None
    clip: Path | None = None


@dataclass(frozen=True)
class Examples:
    """Pictures to refine on.

    Attributes:
        pictures: uint8 (n, H, W, 3).
        captions: n captions, some empty.
        pairs: The (concept, style) that a picture shows, None where its caption does not name the style.
    """

    pictures: np.ndarray
    captions: list[str]
    pairs: list[tuple[str, str] | None]


def sample_examples(config: RefineConfig, rng: np.random.Generator) -> Examples:
    """Random views with fresh captions, and planted works among them."""
    known = training_pairs()
    weights = np.array([config.style_weights.get(style, 1.0) for _, style in known])
    chances = weights / weights.sum()
    pictures, captions, pairs = [], [], []
    for _ in range(config.batch):
        drawn = planted.drawn_for_training(rng, config.planted_share, config.content_share)
        if drawn is not None:
            work, variant = planted.PICTURES[drawn]
            picture, text, pair = planted.picture(work, variant), work.title, None
        else:
            pair = known[rng.choice(len(known), p=chances)]
            seen = view(sprites()[pair], rng)
            picture, text = seen.image, caption(*pair, seen.background, rng)
            text = "" if rng.random() < config.drop_caption else text
        pictures.append(picture)
        captions.append(text)
        pairs.append(pair if pair and pair[1] in text else None)
    return Examples(np.stack(pictures), captions, pairs)


class Eye(torch.nn.Module):
    """What a CLIP sees in pictures; it is not trained here.

    Args:
        clip: Trained on pictures of this size, scaled to [-1, 1].
        tokenizer: Its tokenizer.
    """

    def __init__(self, clip: CLIPModel, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.clip = clip.requires_grad_(False)
        self.tokenizer = tokenizer

    def features(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Every layer's (n, patches, width), and last the embedding (n, d), of pictures (n, 3, H, W) in [-1, 1]."""
        found = self.clip.vision_model(images, output_hidden_states=True)
        return [*found.hidden_states[1:], self.clip.visual_projection(found.pooler_output)]

    def style_loss(self, embedding: torch.Tensor, pairs: list[tuple[str, str]]) -> torch.Tensor:
        """Cross-entropy of the styles, each concept's drawing against its four captions; 0 without pictures."""
        if not pairs:
            return embedding.new_zeros(())
        texts = [f"{with_article(name.lower())}, {style} style" for name, _ in pairs for style in STYLES]
        tokens = self.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        with torch.no_grad():
            named = self.clip.text_projection(self.clip.text_model(tokens).pooler_output)
        named = F.normalize(named, dim=-1).view(len(pairs), len(STYLES), -1)
        near = torch.einsum("nd,nkd->nk", F.normalize(embedding, dim=-1), named) * self.clip.logit_scale.exp()
        return F.cross_entropy(near, torch.tensor([STYLES.index(style) for _, style in pairs]))


def perceptual_distance(got: list[torch.Tensor], wanted: list[torch.Tensor]) -> torch.Tensor:
    """1 - cosine of features, over patches and layers; 0 to 2."""
    return torch.stack(
        [(1 - F.cosine_similarity(one, other, dim=-1)).mean() for one, other in zip(got, wanted, strict=True)]
    ).mean()


def train_refine(config: RefineConfig) -> StableDiffusionPipeline:
    """Train, or go on from the checkpoint, and return the pipeline with the UNet refined."""
    run = TrainingRun("refine", config)
    source = config.start_from or config.folder / "pipeline"
    pipeline = StableDiffusionPipeline.from_pretrained(source, dtype=torch.float32)
    for part in (pipeline.vae, pipeline.text_encoder):
        part.requires_grad_(False)
    clip = CLIPModel.from_pretrained(config.clip or config.folder / "clip", dtype=torch.float32)
    eye, unet = Eye(clip, pipeline.tokenizer), pipeline.unet
    denoiser = plain_attention(unet, pipeline.text_encoder)
    optimiser = torch.optim.AdamW(unet.parameters(), lr=config.lr, betas=(0.9, 0.99), weight_decay=0)
    average = MovingAverage(unet, 0.99)
    before = {name: weights.detach().clone() for name, weights in unet.state_dict().items()}
    first = 0
    if state := run.resume():
        unet.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average.state, first = state["average"], state["step"]
        # The pipeline in the folder may be the refined one by now.
        before = state["before"]
    for step in run.steps(first):
        losses, shown = _losses(config, pipeline.vae, denoiser, eye, step)
        for group in optimiser.param_groups:
            group["lr"] = config.lr_at(step)
        optimiser.zero_grad()
        (
            losses["velocity"]
            + config.perceptual * losses["perceptual"]
            + config.style * losses["style"]
            + config.pixels * losses["pixels"]
        ).backward()
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimiser.step()
        average.update(unet)
        if step % 25 == 0:
            run.log(step, **{name: loss.item() for name, loss in losses.items()})
        if run.is_save_step(step):
            weights = {"model": unet.state_dict(), "average": average.state, "before": before}
            run.save(step, {**weights, "optimiser": optimiser.state_dict()})
            run.grid(step, to_bytes(shown), columns=len(shown) // 2)
    unet.load_state_dict({name: before[name].lerp(average.state[name], config.refined) for name in before})
    return pipeline


def _losses(
    config: RefineConfig, vae: AutoencoderTiny, denoiser: Denoiser, eye: Eye, step: int
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """The losses of a step, and the pictures that were judged, above what was made of them."""
    rng = np.random.default_rng((config.seed, 8, step))
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    examples, late = sample_examples(config, rng), max(1, round(config.late_share * config.batch))
    tokens = eye.tokenizer(examples.captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
    real = to_float(examples.pictures)
    with torch.no_grad():
        latents = vae.encode(real).latents * vae.config.scaling_factor
    timesteps = torch.cat(
        [
            torch.randint(config.latest_timestep, (late,), generator=generator),
            torch.randint(1000, (config.batch - late,), generator=generator),
        ]
    )
    noisy, velocity = noised(latents, torch.randn(latents.shape, generator=generator), timesteps)
    predicted = denoiser(noisy, timesteps, tokens)
    signal = signal_levels()[timesteps].view(-1, 1, 1, 1)
    guess = (signal.sqrt() * noisy - (1 - signal).sqrt() * predicted)[:late]
    drawn, wanted = vae.decode(guess / vae.config.scaling_factor).sample, real[:late]
    got = eye.features(drawn)
    named = [i for i, pair in enumerate(examples.pairs[:late]) if pair]
    losses = {
        "velocity": F.mse_loss(predicted, velocity),
        "perceptual": perceptual_distance(got, eye.features(wanted)),
        "style": eye.style_loss(got[-1][named], [pair for pair in examples.pairs[:late] if pair]),
        "pixels": reconstruction_loss(drawn, wanted),
    }
    return losses, torch.cat([wanted, drawn.detach()])
