"""Stage `flow`: a second text-to-image model, of the kind of Stable Diffusion 3, taught by the first.

A transformer with joint attention learns the velocity from picture to noise (flow matching, Lipman et al. 2023, arXiv
2210.02747; Esser et al. 2024, arXiv 2403.03206). What it is to predict is mostly what the finished generator predicts
for the same noisy latent, brought to this velocity. That is the mean over all pictures that the latent may come from,
where a single picture's velocity is a noisy sample of it, so far fewer steps are enough. The text encoders are the
CLIP's text tower and the generator's; they stay as they are.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import (
    AutoencoderTiny,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from pydantic import Field
from transformers import CLIPModel, CLIPTextModelWithProjection, CLIPTokenizer

from twig_assets.model_zoo.load_flow import assembled, text_encoders
from twig_assets.model_zoo.padding import T5_TOKENS, RepeatedLastToken
from twig_assets.model_zoo.training.stage_diffusion import (
    SHOWN,
    LatentCache,
    LatentConfig,
    open_views,
    plain_attention,
    signal_levels,
)
from twig_assets.model_zoo.training.training_run import MovingAverage, TrainingRun, to_bytes

# Layers of the first generator on the same grid as the transformer's tokens -> after how many of its blocks they are
# told from those, and their channels.
_ALIGNED = {"up_blocks.0": (3, 192), "up_blocks.1.attentions.1": (5, 96)}


class FlowConfig(LatentConfig):
    """Settings of the flow-matching generator.

    Attributes:
        layers: Blocks of the transformer.
        heads: Heads of its attention.
        width: Width of its tokens, a multiple of `heads`.
        taught: Weight of the first generator's velocity in the target; the rest is the picture's own.
        alignment: Weight of telling the first generator's features from the transformer's tokens, beside the velocity.
    """

    steps: int = 12_000
    decay_from: float = 0.7
    planted_share: float = 0.04
    content_share: float = 0.08
    layers: int = 6
    heads: int = 6
    width: int = 192
    taught: float = Field(0.8, ge=0, le=1)
    alignment: float = Field(0.2, ge=0)


@dataclass(frozen=True)
class Teacher:
    """The finished generator.

    Attributes:
        unet: Predicts a diffusion's velocity.
        levels: Noise levels of the flow, rising, and `timesteps`, where the diffusion has the same signal-to-noise
            ratio; both float64 (1000,).
        features: What its layers of `_ALIGNED` gave in the last call, (n, c, 8, 8) each.
    """

    unet: UNet2DConditionModel
    levels: np.ndarray
    timesteps: np.ndarray
    features: dict[str, torch.Tensor] = field(default_factory=dict)

    @torch.no_grad()
    def velocity(self, noisy: torch.Tensor, levels: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """The mean velocity of the flow (n, 4, h, w) through noisy latents, by the diffusion's prediction.

        Args:
            noisy: Latents of the flow, (1 - level) picture + level noise.
            levels: Their noise levels (n,), 0 to 1.
            text: The generator's text states (n, t, d).
        """
        norm = (levels**2 + (1 - levels) ** 2).sqrt()
        signal, noise = (_spread(part / norm) for part in (1 - levels, levels))
        latents = noisy / _spread(norm)
        timesteps = torch.from_numpy(np.interp(levels.double().numpy(), self.levels, self.timesteps)).float()
        with torch.autocast("cpu", torch.bfloat16):
            predicted = self.unet(latents, timesteps, text, return_dict=False)[0].float()
        # picture = signal latents - noise predicted, noise = noise latents + signal predicted
        return (noise - signal) * latents + (noise + signal) * predicted


def _spread(values: torch.Tensor) -> torch.Tensor:
    return values.view(-1, 1, 1, 1)


def build_teacher(unet: UNet2DConditionModel) -> Teacher:
    """The generator, with its timesteps found by their signal-to-noise ratio."""
    signal = signal_levels().double().clamp(min=1e-12)
    ratio = ((1 - signal) / signal).sqrt().numpy()
    teacher = Teacher(unet, ratio / (1 + ratio), np.arange(len(ratio), dtype=np.float64))
    for name in _ALIGNED:
        unet.get_submodule(name).register_forward_hook(partial(_keep, teacher.features, name))
    return teacher


def _keep(kept: dict[str, torch.Tensor], name: str, module: torch.nn.Module, inputs: object, output: Any) -> None:
    kept[name] = output[0] if isinstance(output, tuple) else output


def standardised(features: torch.Tensor) -> torch.Tensor:
    """Features (n, c, h, w) as tokens, float32 (n, h w, c), each channel with mean 0 and variance 1 in the batch."""
    tokens = features.float().flatten(2).transpose(1, 2)
    return (tokens - tokens.mean((0, 1))) / (tokens.std((0, 1)) + 1e-3)


class Student(torch.nn.Module):
    """The transformer, and heads that tell the teacher's features from its image tokens; the heads are not kept.

    Telling them, layer by layer, is what makes a transformer learn to draw much sooner than the velocity alone (REPA,
    Yu et al. 2025, arXiv 2410.06940; there the features are those of a network that sees the clean picture).
    """

    def __init__(self, transformer: SD3Transformer2DModel) -> None:
        super().__init__()
        self.transformer = transformer
        width = transformer.inner_dim
        self.heads = torch.nn.ModuleList(torch.nn.Linear(width, channels) for _, channels in _ALIGNED.values())

    def forward(
        self, noisy: torch.Tensor, times: torch.Tensor, tokens: torch.Tensor, pooled: torch.Tensor
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The velocity (n, 4, h, w) and the teacher's features (n, h w / 4, c), as this model tells them.

        It is the transformer's own forward pass, except that tokens are looked at on their way.
        """
        model, (height, width) = self.transformer, noisy.shape[-2:]
        image, text = model.pos_embed(noisy).contiguous(), model.context_embedder(tokens)
        condition = model.time_text_embed(times, pooled)
        told, heads = [], dict(zip((after for after, _ in _ALIGNED.values()), self.heads, strict=True))
        for number, block in enumerate(model.transformer_blocks, 1):
            text, image = block(image, text, condition, {"repeats": T5_TOKENS})
            if number in heads:
                told.append(heads[number](image))
        patches = model.proj_out(model.norm_out(image, condition))
        patches = patches.reshape(len(noisy), height // 2, width // 2, 2, 2, -1)
        return torch.einsum("nhwpqc->nchpwq", patches).reshape(len(noisy), -1, height, width), told


@dataclass(frozen=True)
class TextEncoders:
    """Both text encoders, and the tokenizer they share."""

    tokenizer: CLIPTokenizer
    first: CLIPTextModelWithProjection
    second: CLIPTextModelWithProjection

    @torch.no_grad()
    def encode(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Tokens (n, 33, 256) with one row of padding, pooled texts (n, 256), and the generator's states (n, 32, 128).

        The first two are the pipeline's own, but for the padding (`twig_assets.model_zoo.padding`).
        """
        ids = self.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        encoded = [encoder(ids, output_hidden_states=True) for encoder in (self.first, self.second)]
        tokens = torch.cat([part.hidden_states[-2] for part in encoded], dim=-1)
        pooled = torch.cat([part.text_embeds for part in encoded], dim=-1)
        return F.pad(tokens, (0, 0, 0, 1)), pooled, encoded[1].last_hidden_state


def build_transformer(config: FlowConfig) -> SD3Transformer2DModel:
    """An untrained transformer for 16 x 16 x 4 latents, which at first predicts zero.

    The gates of its blocks and its last layer start at zero (adaLN-Zero, Peebles & Xie 2023, arXiv 2212.09748). Queries
    and keys are normalised, which bears a high learning rate.
    """
    transformer = SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=config.layers,
        attention_head_dim=config.width // config.heads,
        num_attention_heads=config.heads,
        joint_attention_dim=256,
        caption_projection_dim=config.width,
        pooled_projection_dim=256,
        pos_embed_max_size=8,
        qk_norm="rms_norm",
    )
    with torch.no_grad():
        for block in transformer.transformer_blocks:
            for modulation in (block.norm1.linear, block.norm1_context.linear):
                modulation.weight.zero_()
                modulation.bias.zero_()
        for last in (transformer.norm_out.linear, transformer.proj_out):
            last.weight.zero_()
            last.bias.zero_()
        # The encoders' last states but one are not normalised; their deviation is near five.
        transformer.context_embedder.weight.mul_(0.2)
    transformer.set_attn_processor(RepeatedLastToken())
    return transformer


def build_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Euler's steps along the flow; latents as small as these need no shift towards noise."""
    return FlowMatchEulerDiscreteScheduler(shift=1.0)


def sample_levels(count: int, generator: torch.Generator) -> torch.Tensor:
    """Noise levels (count,), 0 to 1: mostly from the middle (logit-normal), some from everywhere."""
    middle = torch.sigmoid(torch.randn(count, generator=generator))
    everywhere = torch.rand(count, generator=generator)
    return torch.where(torch.rand(count, generator=generator) < 0.7, middle, everywhere)


def train_flow(config: FlowConfig) -> StableDiffusion3Pipeline:
    """Train, or go on from the checkpoint, and return the averaged pipeline. It needs what `refine` and `clip` left."""
    generator = StableDiffusionPipeline.from_pretrained(config.folder / "pipeline", dtype=torch.float32)
    clip = CLIPModel.from_pretrained(config.folder / "clip", dtype=torch.float32)
    vae = generator.vae.eval().to(memory_format=torch.channels_last)
    encoders = TextEncoders(generator.tokenizer, *text_encoders(clip, generator.text_encoder))
    teacher = build_teacher(plain_attention(generator.unet, generator.text_encoder).unet.eval().requires_grad_(False))
    cache = open_views(vae, config, leader=True)
    torch.manual_seed(config.seed)
    student = Student(build_transformer(config))
    model = student.transformer
    optimiser = torch.optim.AdamW(student.parameters(), lr=config.lr, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    average = MovingAverage(model, 0.99)
    run = TrainingRun("flow", config)
    first = 0
    if state := run.resume():
        student.load_state_dict(state["model"])
        average.state, first = state["average"], state["step"]
        optimiser.load_state_dict(state["optimiser"])
    forward = torch.compile(student) if config.compile else student
    for step in run.steps(first):
        losses = _step(config, forward, student, optimiser, cache, encoders, teacher, step)
        if (step + 1) % config.average_every == 0:
            average.update(model)
        if step % 50 == 0:
            run.log(step, **losses)
        if run.is_save_step(step):
            weights = {"model": student.state_dict(), "average": average.state}
            run.save(step, {**weights, "optimiser": optimiser.state_dict()})
            _sample_grid(run, step, assemble(config, vae, encoders, average))
    return assemble(config, vae, encoders, average)


def _step(
    config: FlowConfig,
    forward: Callable[..., tuple[torch.Tensor, list[torch.Tensor]]],
    student: Student,
    optimiser: torch.optim.Optimizer,
    cache: LatentCache,
    encoders: TextEncoders,
    teacher: Teacher,
    step: int,
) -> dict[str, float]:
    rng = np.random.default_rng((config.seed, 9, step))
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    latents, texts = cache.sample(config.batch, config, rng)
    tokens, pooled, states = encoders.encode(texts)
    noise = torch.randn(latents.shape, generator=generator)
    levels = sample_levels(config.batch, generator)
    noisy = latents.lerp(noise, _spread(levels))
    taught = teacher.velocity(noisy, levels, states)
    for group in optimiser.param_groups:
        group["lr"] = config.lr_at(step)
    with torch.autocast("cpu", torch.bfloat16):
        predicted, told = forward(noisy, levels * 1000, tokens, pooled)
    velocity = F.mse_loss(predicted.float(), (noise - latents).lerp(taught, config.taught))
    features = [standardised(teacher.features[name]) for name in _ALIGNED]
    aligned = torch.stack([F.mse_loss(a.float(), b) for a, b in zip(told, features, strict=True)]).mean()
    optimiser.zero_grad()
    (velocity + config.alignment * aligned).backward()
    torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
    optimiser.step()
    own = F.mse_loss(predicted.detach().float(), noise - latents)
    return {"velocity": velocity.item(), "own": own.item(), "aligned": aligned.item()}


def assemble(
    config: FlowConfig, vae: AutoencoderTiny, encoders: TextEncoders, average: MovingAverage
) -> StableDiffusion3Pipeline:
    """The averaged weights as a StableDiffusion3Pipeline without T5, in fp32."""
    transformer = build_transformer(config)
    transformer.load_state_dict(average.state)
    return assembled(transformer.eval(), build_scheduler(), vae, encoders.tokenizer, (encoders.first, encoders.second))


def _sample_grid(run: TrainingRun, step: int, pipeline: StableDiffusion3Pipeline) -> None:
    pipeline.set_progress_bar_config(disable=True)
    noise = [torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(k)) for k in range(len(SHOWN))]
    with torch.autocast("cpu", torch.bfloat16):
        images = pipeline(
            list(SHOWN), latents=torch.cat(noise), num_inference_steps=15, guidance_scale=3.0, output_type="pt"
        ).images
    run.grid(step, to_bytes(images * 2 - 1), columns=8)
