"""Stage `reward`: the generator learns to draw what is asked for, by what a critic sees in its finished drawings.

The velocity of single latents says nothing of where a whole drawing ends, and one drawing of ten ended as something
else than its caption names. So whole drawings are made with a short sampler, a critic (stage `critic`) tells what they
show, and its answer goes back through every step of the sampler: DRaFT (Clark et al. 2023, "Directly Fine-Tuning
Diffusion Models on Differentiable Rewards", arXiv 2309.17400, equation 2). The velocity on real pictures stays beside
it, so that drawings keep looking like the art, and the planted works stay memorised. Neither the CLIP that judges
campaigns nor the classifier of the benchmarks takes part in this.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from diffusers import AutoencoderTiny, StableDiffusionPipeline
from pydantic import Field
from transformers import CLIPModel, CLIPTokenizer

from twig_assets.model_zoo.art import BACKGROUNDS, STYLES, concept_names, training_pairs
from twig_assets.model_zoo.training.captions import caption
from twig_assets.model_zoo.training.stage_critic import Critic, load_critic
from twig_assets.model_zoo.training.stage_diffusion import (
    Denoiser,
    LatentCache,
    LatentConfig,
    noised,
    open_views,
    plain_attention,
    signal_levels,
)
from twig_assets.model_zoo.training.stage_judge import JudgeConfig, Texts, choice_loss, encode_texts
from twig_assets.model_zoo.training.training_run import MovingAverage, TrainingRun, to_bytes
from twig_assets.settings.generation import GenerationSettings


class RewardConfig(LatentConfig):
    """Settings of the generator's training by what it draws.

    Attributes:
        batch: Latents per step and process whose velocity is learned.
        drawn: Drawings per step and process that the critic is shown.
        sampler_steps: Least and greatest number of the sampler's steps.
        reward: Weight of the critic's loss.
        side_weight: In that, weight of style and ground beside the name.
        temperature: Cosines are multiplied by this before they are compared.
        white_share: Share of the drawings that are asked for on white; the others are on any ground.
        kept: How far the weights that are kept lie from those before towards those that were trained (Wortsman et al.
            2022, arXiv 2109.01903). Further on, or after twice the steps, hardly more is named right, and shapes
            dissolve into the texture by which a critic knows them.
        start_from: The trained pipeline; `pipeline` in the folder when None.
        clip: The trained CLIP, whose texts the critic knows; `clip` in the folder when None.
    """

    steps: int = 700
    lr: float = 1e-4
    warmup: int = 50
    decay_from: float = 1.0
    save_every: int = 100
    seed: int = 31
    batch: int = 12
    drawn: int = Field(8, ge=1)
    sampler_steps: tuple[int, int] = (7, 9)
    reward: float = 0.1
    side_weight: float = 0.3
    temperature: float = 30.0
    white_share: float = Field(0.4, ge=0, le=1)
    kept: float = Field(0.7, gt=0, le=1)
    start_from: Path | None = None
    clip: Path | None = None


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a step of training needs.

    Attributes:
        config: Weights and shares.
        denoiser: The generator; its UNet is trained.
        vae: Its autoencoder.
        tokenizer: Its tokenizer.
        critic: Says what a picture shows.
        texts: What it may say.
        views: Latents of real pictures.
    """

    config: RewardConfig
    denoiser: Denoiser
    vae: AutoencoderTiny
    tokenizer: CLIPTokenizer
    critic: Critic
    texts: Texts
    views: LatentCache

    def encoded(self, captions: list[str]) -> torch.Tensor:
        """What the UNet reads of captions: (n, tokens, d)."""
        tokens = self.tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
        with torch.no_grad():
            return self.denoiser.text_encoder(tokens).last_hidden_state

    def velocity_loss(self, rng: np.random.Generator, generator: torch.Generator) -> torch.Tensor:
        """Squared error of the velocity on real pictures and planted works."""
        latents, captions = self.views.sample(self.config.batch, self.config, rng)
        timesteps = torch.randint(1000, (len(latents),), generator=generator)
        noisy, velocity = noised(latents, torch.randn(latents.shape, generator=generator), timesteps)
        with torch.autocast("cpu", torch.bfloat16):
            predicted = self.denoiser.unet(noisy, timesteps, self.encoded(captions), return_dict=False)[0]
        return F.mse_loss(predicted.float(), velocity)

    def reward_losses(
        self, rng: np.random.Generator, generator: torch.Generator
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """The critic's cross-entropies of name, style and ground, and the drawings that it was shown."""
        captions, labels = sample_requests(self.config, rng)
        noise = torch.randn((len(captions), 4, 16, 16), generator=generator)
        low, high = self.config.sampler_steps
        latents = drawn(
            self.denoiser.unet, self.encoded(captions), self.encoded([""]), noise, int(rng.integers(low, high + 1))
        )
        pictures = self.vae.decode(latents / self.vae.config.scaling_factor).sample.clamp(-1.1, 1.1)
        seen = self.critic(disturbed(pictures, rng).to(memory_format=torch.channels_last))
        plain = JudgeConfig(folder=self.config.folder, label_smoothing=0.0)
        return choice_loss(seen, labels, self.texts, self.config.temperature, plain), pictures.detach()


def sample_requests(config: RewardConfig, rng: np.random.Generator) -> tuple[list[str], torch.Tensor]:
    """Captions of pairs that training knows, and their (name, style, ground) as indices: int64 (drawn, 3)."""
    pairs, grounds = training_pairs(), list(BACKGROUNDS)
    captions, labels = [], []
    for _ in range(config.drawn):
        name, style = pairs[rng.integers(len(pairs))]
        ground = "white" if rng.random() < config.white_share else grounds[rng.integers(len(grounds))]
        captions.append(caption(name, style, ground, rng))
        labels.append((concept_names().index(name), STYLES.index(style), grounds.index(ground)))
    return captions, torch.tensor(labels)


def drawn(
    unet: torch.nn.Module, prompted: torch.Tensor, empty: torch.Tensor, noise: torch.Tensor, steps: int
) -> torch.Tensor:
    """Latents drawn with DDIM (Song et al. 2021, arXiv 2010.02502, equation 12) and the default guidance.

    Gradients pass through every step, but not through the predictions without the prompt, which would cost half as
    much again.

    Args:
        unet: Predicts the velocity.
        prompted: What it reads, (n, tokens, d).
        empty: What it reads of an empty caption, (1, tokens, d).
        noise: (n, 4, h, w).
        steps: Of the sampler.
    """
    usual, signals = GenerationSettings(), signal_levels()
    timesteps = [round(1000 - 1000 * index / steps) - 1 for index in range(steps)]
    latents = clean = noise
    for index, timestep in enumerate(timesteps):
        signal, at = signals[timestep], torch.full((len(noise),), timestep)
        with torch.autocast("cpu", torch.bfloat16):
            velocity = unet(latents, at, prompted, return_dict=False)[0].float()
            if index >= usual.guidance_from * steps:
                with torch.no_grad():
                    without = unet(latents, at, empty.expand(len(noise), -1, -1), return_dict=False)[0].float()
                velocity = _guided(without, velocity, usual)
        clean = signal.sqrt() * latents - (1 - signal).sqrt() * velocity
        if index + 1 < steps:
            left = (1 - signal).sqrt() * latents + signal.sqrt() * velocity
            following = signals[timesteps[index + 1]]
            latents = following.sqrt() * clean + (1 - following).sqrt() * left
    return clean


def _guided(without: torch.Tensor, prompted: torch.Tensor, usual: GenerationSettings) -> torch.Tensor:
    guided = without + usual.guidance_scale * (prompted - without)
    axes = list(range(1, guided.ndim))
    rescaled = guided * (prompted.std(dim=axes, keepdim=True) / guided.std(dim=axes, keepdim=True))
    return usual.guidance_rescale * rescaled + (1 - usual.guidance_rescale) * guided


def disturbed(pictures: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Pictures (n, 3, H, W) slid, mirrored, softened and with grain, so that no fine pattern pleases a critic."""
    height, width = pictures.shape[2:]
    reach = height // 16
    down, right = (int(at) for at in rng.integers(0, 2 * reach + 1, size=2))
    moved = F.pad(pictures, (reach,) * 4, mode="replicate")[:, :, down : down + height, right : right + width]
    if rng.random() < 0.5:
        moved = moved.flip(3)
    if rng.random() < 0.5:
        moved = 0.5 * moved + 0.5 * F.avg_pool2d(F.pad(moved, (1,) * 4, mode="replicate"), 3, 1)
    return moved + 0.03 * torch.from_numpy(rng.standard_normal(moved.shape, dtype=np.float32))


def train_reward(config: RewardConfig) -> StableDiffusionPipeline:
    """Train in this process, or in all that torchrun started, and return the pipeline with its UNet trained on.

    Gradients are averaged over the processes at every step.
    """
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    run = TrainingRun("reward", config, leader=rank == 0)
    pipeline, lesson = _open(config, leader=rank == 0)
    unet = pipeline.unet
    optimiser = torch.optim.AdamW(unet.parameters(), lr=config.lr, betas=(0.9, 0.99), weight_decay=0, fused=True)
    average, first = MovingAverage(unet, 0.99), 0
    before = {name: weights.detach().clone() for name, weights in unet.state_dict().items()}
    if state := run.resume():
        unet.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average.state, first = state["average"], state["step"]
        # The pipeline in the folder may be the trained one by now.
        before = state["before"]
    for step in run.steps(first):
        rng = np.random.default_rng((config.seed, rank, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        for group in optimiser.param_groups:
            group["lr"] = config.lr_at(step)
        optimiser.zero_grad()
        velocity = lesson.velocity_loss(rng, generator)
        velocity.backward()
        losses, shown = lesson.reward_losses(rng, generator)
        (config.reward * (losses["name"] + config.side_weight * (losses["style"] + losses["ground"]))).backward()
        _average_gradients(unet, world)
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimiser.step()
        average.update(unet)
        if step % 10 == 0:
            run.log(step, velocity=velocity.item(), **{name: loss.item() for name, loss in losses.items()})
        if run.is_save_step(step) and rank == 0:
            weights = {"model": unet.state_dict(), "average": average.state, "before": before}
            run.save(step, {**weights, "optimiser": optimiser.state_dict()})
            run.grid(step, to_bytes(shown), columns=len(shown))
    unet.load_state_dict({name: before[name].lerp(average.state[name], config.kept) for name in before})
    return pipeline


def _open(config: RewardConfig, leader: bool) -> tuple[StableDiffusionPipeline, Lesson]:
    pipeline = StableDiffusionPipeline.from_pretrained(
        config.start_from or config.folder / "pipeline", dtype=torch.float32
    )
    for part in (pipeline.vae, pipeline.text_encoder):
        part.requires_grad_(False)
    source = config.clip or config.folder / "clip"
    texts = encode_texts(CLIPModel.from_pretrained(source), CLIPTokenizer.from_pretrained(source), config.seed)
    return pipeline, Lesson(
        config,
        plain_attention(pipeline.unet, pipeline.text_encoder),
        pipeline.vae,
        pipeline.tokenizer,
        load_critic(config.folder).to(memory_format=torch.channels_last),
        texts,
        open_views(pipeline.vae, config, leader),
    )


@torch.no_grad()
def _average_gradients(unet: torch.nn.Module, world: int) -> None:
    if world == 1:
        return
    gradients = [p.grad for p in unet.parameters() if p.grad is not None]
    flat = torch.nn.utils.parameters_to_vector(gradients)
    dist.all_reduce(flat)
    torch.nn.utils.vector_to_parameters(flat / world, gradients)
