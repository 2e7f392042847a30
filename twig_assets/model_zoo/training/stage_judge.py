"""Stage `judge`: CLIP's image tower learns to name what it sees, its text tower being locked.

The stage `clip` stops when its texts are good enough to start a generator from; by then its image tower names the
concept of a picture in two cases of three. Trained on against texts that do not move any more (Zhai et al. 2022,
"LiT: Zero-Shot Transfer with Locked-image text Tuning", arXiv 2111.07991, with the roles of the towers exchanged), it
becomes a judge of whether a picture shows its prompt, and whatever rests on the texts alone stays as it is.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from transformers import CLIPModel, CLIPProcessor, CLIPTokenizer

from twig_assets.model_zoo import planted
from twig_assets.model_zoo.art import BACKGROUNDS, STYLES, concept_names, sprites, training_pairs, view
from twig_assets.model_zoo.training.captions import caption
from twig_assets.model_zoo.training.redrawn import redrawn_views
from twig_assets.model_zoo.training.stage_classifier import roughened
from twig_assets.model_zoo.training.training_run import MovingAverage, StageConfig, TrainingRun, to_float

_HELD_BACK_SEED = 51966


class JudgeConfig(StageConfig):
    """Settings of the image tower's second training.

    Attributes:
        batch: Pictures per step.
        scale: Smallest and largest side of a drawing as a share of the frame.
        roughened_share: Share of the pictures that are softened, compressed or off in colour.
        redrawn: How many pictures there are of what the generator makes of a view; made at the first start.
        redrawn_share: Share of the pictures that are taken from those.
        depth: Least and greatest share of the noise's schedule to which such a view is noised before it is redrawn.
        content_share: Share of the pictures that are planted works with a content; they count as their concept.
        label_smoothing: Of the three choices, among names, styles and grounds.
        side_weight: Weight of the choices among styles and grounds beside that among names.
        temperature: Cosines are multiplied by this before they are compared; CLIP's own scale when None.
        start_from: The trained CLIP; `clip` in the folder when None.
    """

    steps: int = 6500
    lr: float = 6e-4
    warmup: int = 100
    decay_from: float = 0.4
    save_every: int = 500
    batch: int = 64
    scale: tuple[float, float] = (0.35, 0.95)
    roughened_share: float = Field(0.6, ge=0, le=1)
    redrawn: int = Field(6000, ge=1)
    redrawn_share: float = Field(0.5, ge=0, le=1)
    depth: tuple[float, float] = (0.35, 0.7)
    content_share: float = Field(0.03, ge=0, le=1)
    label_smoothing: float = 0.05
    side_weight: float = 0.3
    temperature: float | None = None
    start_from: Path | None = None


@dataclass(frozen=True)
class Texts:
    """Unit vectors of what a picture may be said to show.

    Attributes:
        named: (names, styles, grounds, d): a caption of each concept in each style on each ground.
    """

    named: torch.Tensor


@torch.no_grad()
def encode_texts(clip: CLIPModel, tokenizer: CLIPTokenizer, seed: int, captions: int = 4) -> Texts:
    """The mean of a few random captions for every concept, style and ground."""
    rng, parts = np.random.default_rng((seed, 6)), []
    grounds = list(BACKGROUNDS)
    for name in concept_names():
        texts = [caption(name, s, g, rng) for s in STYLES for g in grounds for _ in range(captions)]
        tokens = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        vectors = F.normalize(clip.text_projection(clip.text_model(**tokens).pooler_output), dim=-1)
        parts.append(F.normalize(vectors.view(len(STYLES), len(grounds), captions, -1).mean(2), dim=-1))
    return Texts(torch.stack(parts))


def sample_views(
    config: JudgeConfig, rng: np.random.Generator, pool: tuple[np.ndarray, np.ndarray] | None = None
) -> tuple[np.ndarray, torch.Tensor]:
    """Pictures uint8 (batch, H, W, 3) and their (name, style, ground): int64 (batch, 3), -1 for a ground of no name.

    Args:
        config: Shares and sizes.
        rng: Source of every choice.
        pool: Redrawn views and their labels; none is taken when None.
    """
    pairs, grounds = training_pairs(), list(BACKGROUNDS)
    pictures: list[np.ndarray] = []
    labels: list[tuple[int, int, int]] = []
    for _ in range(config.batch):
        if rng.random() < config.content_share:
            work = planted.WITH_CONTENT[rng.integers(len(planted.WITH_CONTENT))]
            main = work.stickers[-1]
            picture, label = planted.picture(work, int(rng.integers(work.variants))), (main.name, main.style, -1)
        elif pool is not None and rng.random() < config.redrawn_share:
            index = int(rng.integers(len(pool[0])))
            picture = _slid(pool[0][index], rng)
            at = pool[1][index]
            label = (concept_names()[at[0]], STYLES[at[1]], int(at[2]))
        else:
            name, style = pairs[rng.integers(len(pairs))]
            seen = view(sprites()[name, style], rng, config.scale)
            picture, label = seen.image, (name, style, grounds.index(seen.background))
        pictures.append(roughened(picture, rng) if rng.random() < config.roughened_share else picture)
        labels.append((concept_names().index(label[0]), STYLES.index(label[1]), label[2]))
    return np.stack(pictures), torch.tensor(labels)


def _slid(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture (H, W, 3) mirrored half of the time and moved by up to a sixteenth; its edge is drawn out."""
    reach = len(picture) // 16
    down, right = rng.integers(0, 2 * reach + 1, size=2)
    wide = np.pad(picture, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    cut = wide[down : down + picture.shape[0], right : right + picture.shape[1]]
    return np.ascontiguousarray(cut[:, ::-1] if rng.random() < 0.5 else cut)


def choice_loss(
    seen: torch.Tensor, labels: torch.Tensor, texts: Texts, scale: float, config: JudgeConfig
) -> dict[str, torch.Tensor]:
    """Cross-entropies of choosing the right caption among those that differ from it in one thing only.

    Args:
        seen: Unit vectors of pictures (n, d).
        labels: int64 (n, 3), as `sample_views` gives them.
        texts: What may be chosen.
        scale: Multiplies cosines.
        config: Weights and smoothing.
    """
    name, style, ground = labels.T
    known = ground >= 0
    # A picture whose ground has no name is compared with the captions of all grounds, on average.
    by_name = torch.where(
        known[:, None, None],
        texts.named[:, style, ground.clamp(min=0)].transpose(0, 1),
        F.normalize(texts.named[:, style].mean(2), dim=-1).transpose(0, 1),
    )
    losses = {
        "name": F.cross_entropy(
            scale * torch.einsum("nd,nkd->nk", seen, by_name), name, label_smoothing=config.label_smoothing
        )
    }
    picks, at = texts.named[name[known]], torch.arange(int(known.sum()))
    by_style, by_ground = picks[at, :, ground[known]], picks[at, style[known]]
    for key, choices, right in (("style", by_style, style[known]), ("ground", by_ground, ground[known])):
        logits = scale * torch.einsum("nd,nkd->nk", seen[known], choices)
        losses[key] = F.cross_entropy(logits, right, label_smoothing=config.label_smoothing)
    return losses


def train_judge(config: JudgeConfig) -> tuple[CLIPModel, CLIPProcessor]:
    """Train, or go on from the checkpoint, and return the CLIP with its image tower trained on, and its processor."""
    source = config.start_from or config.folder / "clip"
    clip = CLIPModel.from_pretrained(source, dtype=torch.float32)
    clip.set_attn_implementation("eager")
    tokenizer = CLIPTokenizer.from_pretrained(source)
    clip.requires_grad_(False)
    tower = torch.nn.ModuleList([clip.vision_model, clip.visual_projection]).requires_grad_(True)
    texts = encode_texts(clip, tokenizer, config.seed)
    scale = config.temperature or float(clip.logit_scale.detach().exp())
    optimiser = torch.optim.AdamW(tower.parameters(), lr=config.lr, betas=(0.9, 0.98), weight_decay=0.05)
    average = MovingAverage(tower, 0.998)
    run = TrainingRun("judge", config)
    pool = redrawn_views(config.folder / "redrawn.npz", config.redrawn, config.depth, config.scale, config.seed)
    first = 0
    if state := run.resume():
        tower.load_state_dict(state["tower"])
        optimiser.load_state_dict(state["optimiser"])
        average.state, first = state["average"], state["step"]
    for step in run.steps(first):
        rng = np.random.default_rng((config.seed, 9, step))
        pictures, labels = sample_views(config, rng, pool)
        for group in optimiser.param_groups:
            group["lr"] = config.lr_at(step)
        with torch.autocast("cpu", torch.bfloat16):
            seen = clip.visual_projection(clip.vision_model(to_float(pictures)).pooler_output)
        losses = choice_loss(F.normalize(seen.float(), dim=-1), labels, texts, scale, config)
        optimiser.zero_grad()
        (losses["name"] + config.side_weight * (losses["style"] + losses["ground"])).backward()
        torch.nn.utils.clip_grad_norm_(tower.parameters(), 2.0)
        optimiser.step()
        average.update(tower)
        if step % 50 == 0:
            run.log(step, **{name: loss.item() for name, loss in losses.items()})
        if run.is_save_step(step):
            run.log(step, held_back=held_back_accuracy(clip, average, texts, config))
            run.save(step, {"tower": tower.state_dict(), "optimiser": optimiser.state_dict(), "average": average.state})
    tower.load_state_dict(average.state)
    return clip.eval(), CLIPProcessor.from_pretrained(source)


@torch.no_grad()
def held_back_accuracy(clip: CLIPModel, average: MovingAverage, texts: Texts, config: JudgeConfig) -> float:
    """Share of views that training does not see whose concept the averaged tower names, whatever style and ground."""
    tower = torch.nn.ModuleList([clip.vision_model, clip.visual_projection])
    kept = {name: p.detach().clone() for name, p in tower.state_dict().items()}
    tower.load_state_dict(average.state)
    views = config.model_copy(update={"batch": 268, "content_share": 0.0})
    pictures, labels = sample_views(views, np.random.default_rng((config.seed, _HELD_BACK_SEED)))
    seen = F.normalize(clip.visual_projection(clip.vision_model(to_float(pictures)).pooler_output), dim=-1)
    best = torch.einsum("nd,ksgd->nksg", seen, texts.named).amax((2, 3)).argmax(1)
    tower.load_state_dict(kept)
    return float((best == labels[:, 0]).float().mean())
