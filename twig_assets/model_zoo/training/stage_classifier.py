"""Stage `classifier`: the judge of what the generator draws."""

import io

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter

from twig_assets.model_zoo.art import STYLES, concept_names, sprites, view
from twig_assets.model_zoo.classifier import ArtClassifier
from twig_assets.model_zoo.training.training_run import MovingAverage, StageConfig, TrainingRun, to_float

# Fixed apart from the training seeds, so that no view that is measured was trained on.
_HELD_BACK_SEED = 90210


class ClassifierConfig(StageConfig):
    """Settings of the classifier stage.

    Attributes:
        batch: Pictures per step.
        label_smoothing: Of both heads; 0.1 keeps probabilities usable, above 0.2 look-alikes blur together.
        style_weight: Weight of the style head's loss beside that of the concept head.
        scale: Smallest and largest side of a drawing as a share of the frame.
    """

    steps: int = 6000
    lr: float = 2e-3
    batch: int = 32
    label_smoothing: float = 0.1
    style_weight: float = 0.3
    scale: tuple[float, float] = (0.4, 0.95)


def build_classifier() -> ArtClassifier:
    """An untrained classifier of 1.1 M parameters."""
    return ArtClassifier()


def all_pairs() -> list[tuple[str, str]]:
    """Every (concept, style) pair, those included that are held out from the generator."""
    return [(name, style) for name in concept_names() for style in STYLES]


def fresh_views(
    pairs: list[tuple[str, str]], rng: np.random.Generator, scale: tuple[float, float] = (0.4, 0.95)
) -> np.ndarray:
    """One clean random view of each pair: uint8 (n, 64, 64, 3)."""
    return np.stack([view(sprites()[pair], rng, scale).image for pair in pairs])


def roughened(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture a little softer, noisier or off in colour, as an autoencoder or JPEG leaves pictures.

    Args:
        image: uint8 array of shape (H, W, 3).
        rng: Source of every choice.

    Returns:
        uint8 array of the same shape.
    """
    picture = Image.fromarray(image)
    if rng.random() < 0.5:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 1.0)))
    if rng.random() < 0.3:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=int(rng.integers(40, 95)))
        picture = Image.open(buffer)
    pixels = np.asarray(picture, np.float32)
    gain, shift = rng.uniform(0.9, 1.1, size=3), rng.uniform(-12, 12)
    if rng.random() < 0.5:
        pixels = (pixels - 128) * gain.astype(np.float32) + np.float32(128 + shift)
    if rng.random() < 0.3:
        pixels = pixels + rng.uniform(2, 10) * rng.standard_normal(pixels.shape, dtype=np.float32)
    return np.clip(pixels + 0.5, 0, 255).astype(np.uint8)


def train_classifier(config: ClassifierConfig) -> ArtClassifier:
    """Train, or go on from the checkpoint, and return the averaged model in evaluation mode."""
    torch.manual_seed(config.seed)
    model = build_classifier().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.lr, betas=(0.9, 0.99), weight_decay=0.05)
    average = MovingAverage(model, 0.995)
    run = TrainingRun("classifier", config)
    first = 0
    if state := run.resume():
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average.state, first = state["average"], state["step"]
    for step in run.steps(first):
        figures = _step(config, model, optimiser, step)
        average.update(model)
        if step % 50 == 0:
            run.log(step, **figures)
        if run.is_save_step(step):
            run.log(step, **_held_back(average, config))
            run.save(step, {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "average": average.state})
    model.load_state_dict(average.state)
    return model.eval()


def _step(
    config: ClassifierConfig, model: ArtClassifier, optimiser: torch.optim.Optimizer, step: int
) -> dict[str, float]:
    rng = np.random.default_rng((config.seed, 5, step))
    pairs = all_pairs()
    chosen = rng.integers(len(pairs), size=config.batch)
    drawn = fresh_views([pairs[i] for i in chosen], rng, config.scale)
    pixels = to_float(np.stack([roughened(image, rng) for image in drawn])).to(memory_format=torch.channels_last)
    concept, style = torch.from_numpy(chosen // len(STYLES)), torch.from_numpy(chosen % len(STYLES))
    for group in optimiser.param_groups:
        group["lr"] = config.lr_at(step)
    with torch.autocast("cpu", torch.bfloat16):
        concept_logits, style_logits = model(pixels)
    loss = F.cross_entropy(concept_logits.float(), concept, label_smoothing=config.label_smoothing)
    style_loss = F.cross_entropy(style_logits.float(), style, label_smoothing=config.label_smoothing)
    optimiser.zero_grad()
    (loss + config.style_weight * style_loss).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
    optimiser.step()
    named = (concept_logits.argmax(-1) == concept).float().mean()
    return {"concept_loss": loss.item(), "style_loss": style_loss.item(), "named": named.item()}


def _held_back(average: MovingAverage, config: ClassifierConfig) -> dict[str, float]:
    """Accuracy of the averaged model on one clean view of each pair that training does not see."""
    judge = build_classifier()
    judge.load_state_dict(average.state)
    images = fresh_views(all_pairs(), np.random.default_rng((config.seed, _HELD_BACK_SEED)), config.scale)
    concept, style = judge.eval().classify(images)
    truth = np.arange(len(images))
    return {
        "held_back_concept": float((concept.argmax(-1) == truth // len(STYLES)).mean()),
        "held_back_style": float((style.argmax(-1) == truth % len(STYLES)).mean()),
    }
