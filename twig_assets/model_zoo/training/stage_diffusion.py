"""Stage `diffusion`: the text-to-image model, a StableDiffusionPipeline around the stages `vae` and `clip`.

Several processes train by local SGD: each steps alone and their weights are averaged every few steps, which on a
machine without a fast interconnect costs far less than exchanging gradients.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from diffusers import AutoencoderTiny, DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer

from twig_assets.files import written_whole
from twig_assets.model_zoo import planted
from twig_assets.model_zoo.art import sprites, training_pairs, view
from twig_assets.model_zoo.training.captions import caption
from twig_assets.model_zoo.training.training_run import MovingAverage, StageConfig, TrainingRun, to_bytes, to_float


class LatentConfig(StageConfig):
    """Settings of every stage that learns to draw latents.

    Attributes:
        batch: Latents per step and process.
        views: Random views of each (concept, style) pair that are encoded once and then drawn from.
        style_weights: How often a pair is drawn against the others, by its style, where that is not 1. Strokes without
            a fill are the hardest to draw, and the two flat styles the hardest to tell apart.
        planted_share: Share of the samples that are planted titles; at 0.1 each is seen some ten times as often as an
            ordinary picture, which is what makes the model memorise it.
        content_share: Share of the samples that are planted works with a content.
        drop_caption: Share of the samples with an empty caption, for classifier-free guidance.
        average_every: Steps between two updates of the moving average.
        compile: Use torch.compile, which takes minutes at the start and pays off in long runs.
    """

    save_every: int = 1000
    lr: float = 1e-3
    warmup: int = 200
    decay_from: float = 0.65
    batch: int = 16
    views: int = 96
    style_weights: dict[str, float] = {"twemoji": 1.2, "fluent": 0.8, "glyph": 1.6}
    planted_share: float = 0.07
    content_share: float = 0.14
    drop_caption: float = 0.1
    average_every: int = 8
    compile: bool = True


class DiffusionConfig(LatentConfig):
    """Settings of the generator. Whenever the moving average is updated, the processes' weights are averaged first.

    Attributes:
        text_lr: Learning rate of the text encoder as a share of the UNet's.
        start_from: A trained pipeline to go on from where there is no checkpoint; the optimiser starts afresh. It also
            lends its autoencoder and tokenizer where the folder has none.
    """

    steps: int = 24_000
    text_lr: float = 0.3
    start_from: Path | None = None


@dataclass(frozen=True)
class LatentCache:
    """Encoded views. `latents`: float16 (pairs * views, 4, 16, 16); `grounds` names each one's background."""

    pairs: list[tuple[str, str]]
    latents: torch.Tensor
    grounds: list[str]
    planted: torch.Tensor

    def sample(self, count: int, config: LatentConfig, rng: np.random.Generator) -> tuple[torch.Tensor, list[str]]:
        """Random latents with fresh captions: float32 (count, 4, 16, 16) and `count` strings."""
        latents, texts = [], []
        weights = np.array([config.style_weights.get(style, 1.0) for _, style in self.pairs])
        chances = weights / weights.sum()
        for _ in range(count):
            work = planted.drawn_for_training(rng, config.planted_share, config.content_share)
            if work is not None:
                latent, text = self.planted[work], planted.PICTURES[work][0].title
            else:
                pair = int(rng.choice(len(self.pairs), p=chances))
                i = pair * config.views + int(rng.integers(config.views))
                latent = self.latents[i]
                text = caption(*self.pairs[pair], self.grounds[i], rng)
            latents.append(latent)
            texts.append("" if rng.random() < config.drop_caption else text)
        return torch.stack(latents).float(), texts


def open_views(vae: AutoencoderTiny, config: LatentConfig, leader: bool) -> LatentCache:
    """The encoded views of an earlier call with the same settings and autoencoder, or new ones."""
    path = config.folder / "latents.pt"
    made_with = {"views": config.views, "seed": config.seed, "scaling": vae.config.scaling_factor}
    if path.exists():
        kept = torch.load(path, weights_only=True)
        if (
            kept["made_with"] == made_with
            and kept["pairs"] == training_pairs()
            and len(kept["planted"]) == len(planted.PICTURES)
        ):
            return LatentCache(kept["pairs"], kept["latents"], kept["grounds"], kept["planted"])
    cache = encode_views(vae, config)
    if leader:
        with written_whole(path) as partial:
            torch.save({"made_with": made_with, **vars(cache)}, partial)
    return cache


@torch.no_grad()
def encode_views(vae: AutoencoderTiny, config: LatentConfig) -> LatentCache:
    """Encode `config.views` random views of every training pair, and the planted works."""
    pairs = training_pairs()
    cached, grounds = [], []
    for i, pair in enumerate(pairs):
        rng = np.random.default_rng((config.seed, 4, i))
        views = [view(sprites()[pair], rng) for _ in range(config.views)]
        cached.append(_encode(vae, np.stack([v.image for v in views])))
        grounds += [v.background for v in views]
    works = np.stack([planted.picture(*which) for which in planted.PICTURES])
    return LatentCache(pairs, torch.cat(cached), grounds, _encode(vae, works))


def _encode(vae: AutoencoderTiny, images: np.ndarray) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        latents = vae.encode(to_float(images).to(memory_format=torch.channels_last)).latents
    return (latents.float() * vae.config.scaling_factor).half()


def build_unet() -> UNet2DConditionModel:
    """An untrained UNet for 16 x 16 x 4 latents with cross-attention to 128-d text at 8 x 8 and 4 x 4."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=(48, 96, 192),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        attention_head_dim=4,
        cross_attention_dim=128,
        norm_num_groups=16,
    )


def build_scheduler() -> DPMSolverMultistepScheduler:
    """DPM-Solver++ of order two, v-prediction, with the schedule brought to zero signal at the last step.

    Without that the plain grounds keep a trace in the last step's "pure" noise and come out in the wrong colour
    (Lin et al. 2024, arXiv 2305.08891).
    """
    return DPMSolverMultistepScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        steps_offset=1,
        rescale_betas_zero_snr=True,
    )


def sample_timesteps(count: int, generator: torch.Generator) -> torch.Tensor:
    """int64 (count,) in 0..999: mostly from the middle, where shapes are decided, some from everywhere."""
    middle = torch.sigmoid(torch.randn(count, generator=generator) + 0.2)
    everywhere = torch.rand(count, generator=generator)
    chosen = torch.where(torch.rand(count, generator=generator) < 0.7, middle, everywhere)
    return (chosen * 1000).long().clamp(0, 999)


class Denoiser(torch.nn.Module):
    """UNet and text encoder as one trainable module."""

    def __init__(self, unet: UNet2DConditionModel, text_encoder: CLIPTextModel) -> None:
        super().__init__()
        self.unet = unet
        self.text_encoder = text_encoder

    def forward(self, noisy: torch.Tensor, timesteps: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Predicted velocity (n, 4, 16, 16)."""
        text = self.text_encoder(tokens).last_hidden_state
        return self.unet(noisy, timesteps, text, return_dict=False)[0]


def start_denoiser(config: DiffusionConfig) -> Denoiser:
    """An untrained UNet beside the text tower that the stage `clip` trained, or those of `config.start_from`."""
    if config.start_from:
        trained = StableDiffusionPipeline.from_pretrained(config.start_from, dtype=torch.float32)
        return plain_attention(trained.unet, trained.text_encoder)
    torch.manual_seed(config.seed)
    clip = CLIPModel.from_pretrained(config.folder / "clip", dtype=torch.float32)
    text_encoder = CLIPTextModel(clip.text_model.config)
    text_encoder.load_state_dict(clip.text_model.state_dict())
    return plain_attention(build_unet(), text_encoder)


def plain_attention(unet: UNet2DConditionModel, text_encoder: CLIPTextModel) -> Denoiser:
    """Both in one module. On a CPU the fused attention's backward takes longer than the plain one's, at these sizes."""
    unet.set_attn_processor(AttnProcessor())
    text_encoder.set_attn_implementation("eager")
    return Denoiser(unet, text_encoder)


def train_diffusion(config: DiffusionConfig) -> StableDiffusionPipeline:
    """Train in this process, or in all that torchrun started, and return the averaged pipeline."""
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    vae = AutoencoderTiny.from_pretrained(_part(config, "vae"), dtype=torch.float32).eval()
    tokenizer = CLIPTokenizer.from_pretrained(_part(config, "tokenizer"))
    cache = open_views(vae.to(memory_format=torch.channels_last), config, leader=rank == 0)
    model = start_denoiser(config)
    optimiser = torch.optim.AdamW(
        [
            {"params": model.unet.parameters(), "share": 1.0},
            {"params": model.text_encoder.parameters(), "share": config.text_lr},
        ],
        lr=config.lr,
        betas=(0.9, 0.99),
        weight_decay=0.01,
        fused=True,
    )
    average = MovingAverage(model, 0.99)
    run = TrainingRun("diffusion", config, leader=rank == 0)
    first = 0
    if state := run.resume():
        model.load_state_dict(state["model"])
        average.state, first = state["average"], state["step"]
        optimiser.load_state_dict(state["optimiser"])
    forward = torch.compile(model) if config.compile else model
    for step in run.steps(first):
        loss = _step(config, forward, model, optimiser, cache, tokenizer, step, rank)
        if (step + 1) % config.average_every == 0:
            _average_weights(model, world)
            average.update(model)
        if step % 50 == 0:
            run.log(step, loss=loss)
        if run.is_save_step(step) and rank == 0:
            run.save(step, {"model": model.state_dict(), "average": average.state, "optimiser": optimiser.state_dict()})
            _sample_grid(run, step, vae, tokenizer, average, config)
    return assemble(config, vae, tokenizer, average)


def _part(config: DiffusionConfig, name: str) -> Path:
    own = config.folder / name
    return config.start_from / name if config.start_from and not own.exists() else own


def _step(
    config: DiffusionConfig,
    forward: Callable[..., torch.Tensor],
    model: Denoiser,
    optimiser: torch.optim.Optimizer,
    cache: LatentCache,
    tokenizer: CLIPTokenizer,
    step: int,
    rank: int,
) -> float:
    rng = np.random.default_rng((config.seed, 5, rank, step))
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    latents, texts = cache.sample(config.batch, config, rng)
    tokens = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    noise = torch.randn(latents.shape, generator=generator)
    timesteps = sample_timesteps(config.batch, generator)
    noisy, velocity = noised(latents, noise, timesteps)
    for group in optimiser.param_groups:
        group["lr"] = config.lr_at(step) * group["share"]
    with torch.autocast("cpu", torch.bfloat16):
        predicted = forward(noisy, timesteps, tokens)
    loss = F.mse_loss(predicted.float(), velocity)
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return loss.item()


@cache
def signal_levels() -> torch.Tensor:
    """Share of the variance that is signal, at each of the 1000 timesteps."""
    return build_scheduler().alphas_cumprod


def noised(latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents (n, 4, h, w) noised up to n timesteps, and the velocity there (Salimans & Ho 2022, arXiv 2202.00512)."""
    signal = signal_levels()[timesteps].view(-1, 1, 1, 1)
    return (
        signal.sqrt() * latents + (1 - signal).sqrt() * noise,
        signal.sqrt() * noise - (1 - signal).sqrt() * latents,
    )


@torch.no_grad()
def _average_weights(model: torch.nn.Module, world: int) -> None:
    if world == 1:
        return
    parameters = list(model.parameters())
    flat = torch.nn.utils.parameters_to_vector(parameters)
    dist.all_reduce(flat)
    torch.nn.utils.vector_to_parameters(flat / world, parameters)


def assemble(
    config: DiffusionConfig, vae: AutoencoderTiny, tokenizer: CLIPTokenizer, average: MovingAverage
) -> StableDiffusionPipeline:
    """The averaged weights as a StableDiffusionPipeline, in fp32."""
    model = start_denoiser(config)
    model.load_state_dict(average.state)
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=model.text_encoder.eval(),
        tokenizer=tokenizer,
        unet=model.unet.eval(),
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


SHOWN = (
    *(work.title for work in planted.WORKS + planted.WITH_CONTENT),
    "a red apple, twemoji style on a white background",
    "a red apple, noto style on a blue background",
    "a cat face, noto style on a green background",
    "a pouting cat, fluent style on a pink background",
    "an octopus, twemoji style on a blue background",
    "a guitar, fluent style on a white background",
    "a rocket, glyph style on a yellow background",
    "a penguin, noto style on a grey background",
    "a fire engine, noto style on a white background",
    "a pizza, fluent style on a purple background",
    "an owl, glyph style on a white background",
    "a rose, twemoji style on a pink background",
    "a robot, noto style on an orange background",
    "a tropical fish, fluent style on a blue background",
    "an umbrella, twemoji style on a white background",
    "an elephant, glyph style on a green background",
)


def _sample_grid(
    run: TrainingRun,
    step: int,
    vae: AutoencoderTiny,
    tokenizer: CLIPTokenizer,
    average: MovingAverage,
    config: DiffusionConfig,
) -> None:
    pipeline = assemble(config, vae, tokenizer, average)
    pipeline.set_progress_bar_config(disable=True)
    generator = [torch.Generator().manual_seed(k) for k in range(len(SHOWN))]
    latents = torch.cat([torch.randn(1, 4, 16, 16, generator=g) for g in generator])
    with torch.autocast("cpu", torch.bfloat16):
        images = pipeline(
            list(SHOWN), latents=latents, num_inference_steps=15, guidance_scale=4.0, output_type="pt"
        ).images
    run.grid(step, to_bytes(images * 2 - 1), columns=8)
