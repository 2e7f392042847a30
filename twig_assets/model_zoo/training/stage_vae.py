"""Stage `vae`: the autoencoder between 64 px pictures and 16 x 16 x 4 latents."""

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny

from twig_assets.model_zoo import planted
from twig_assets.model_zoo.art import sprites, training_pairs, view
from twig_assets.model_zoo.training.training_run import MovingAverage, StageConfig, TrainingRun, to_bytes, to_float


class VaeConfig(StageConfig):
    """Settings of the autoencoder.

    Attributes:
        batch: Pictures per step.
        latent_noise: Standard deviation of the noise added to latents in training. It keeps the decoder smooth, so
            that slightly wrong latents from the generator still decode well; too much of it costs detail.
        planted_share: Share of the pictures that are planted works.
    """

    steps: int = 6000
    lr: float = 2e-3
    batch: int = 16
    latent_noise: float = 0.06
    planted_share: float = 0.12


def build_vae() -> AutoencoderTiny:
    """An AutoencoderTiny with four-fold reduction and four latent channels, untrained."""
    return AutoencoderTiny(
        encoder_block_out_channels=(32, 32, 32),
        decoder_block_out_channels=(48, 48, 48),
        num_encoder_blocks=(1, 1, 3),
        num_decoder_blocks=(3, 2, 1),
        latent_channels=4,
        upsampling_scaling_factor=2,
    )


def random_pictures(count: int, planted_share: float, rng: np.random.Generator) -> np.ndarray:
    """Views of the training pairs with some planted works among them: uint8 (count, 64, 64, 3)."""
    pairs = training_pairs()
    pictures = []
    for _ in range(count):
        if rng.random() < planted_share:
            pictures.append(planted.picture(planted.WORKS[rng.integers(len(planted.WORKS))]))
        else:
            pictures.append(view(sprites()[pairs[rng.integers(len(pairs))]], rng).image)
    return np.stack(pictures)


def reconstruction_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """L1 + squared error, the same on 4 x 4 means (colour of areas), and L1 of gradients (edges)."""
    loss = F.l1_loss(output, target) + 2 * F.mse_loss(output, target)
    loss = loss + 2 * F.mse_loss(F.avg_pool2d(output, 4), F.avg_pool2d(target, 4))
    for axis in (2, 3):
        loss = loss + F.l1_loss(output.diff(dim=axis), target.diff(dim=axis))
    return loss


def train_vae(config: VaeConfig) -> AutoencoderTiny:
    """Train, or go on from the checkpoint, and return the averaged model with its scaling factor set."""
    torch.manual_seed(config.seed)
    model = build_vae().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.lr, betas=(0.9, 0.99), weight_decay=0)
    average = MovingAverage(model, 0.998)
    run = TrainingRun("vae", config)
    first = 0
    if state := run.resume():
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average.state, first = state["average"], state["step"]
    for step in run.steps(first):
        rng = np.random.default_rng((config.seed, 1, step))
        images = to_float(random_pictures(config.batch, config.planted_share, rng)).to(
            memory_format=torch.channels_last
        )
        for group in optimiser.param_groups:
            group["lr"] = config.lr_at(step)
        with torch.autocast("cpu", torch.bfloat16):
            latents = model.encode(images).latents
            output = model.decode(latents + config.latent_noise * torch.randn_like(latents)).sample
        loss = reconstruction_loss(output.float(), images)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        average.update(model)
        if step % 100 == 0:
            psnr = -10 * torch.log10(F.mse_loss(output.detach().float(), images) / 4)
            run.log(step, loss=loss.item(), psnr=psnr.item())
        if run.is_save_step(step):
            run.save(step, {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "average": average.state})
            shown = torch.stack([images[:8], output[:8].detach().float()]).flatten(0, 1)
            run.grid(step, to_bytes(shown), columns=8)
    model.load_state_dict(average.state)
    return with_unit_latents(model.eval(), config.seed)


@torch.no_grad()
def with_unit_latents(model: AutoencoderTiny, seed: int) -> AutoencoderTiny:
    """Set `scaling_factor` so that scaled latents of the training pictures have a standard deviation of one."""
    images = to_float(random_pictures(512, 0.05, np.random.default_rng((seed, 2))))
    spread = torch.cat([model.encode(part).latents for part in images.split(64)]).std().item()
    model.register_to_config(scaling_factor=1 / spread)
    return model
