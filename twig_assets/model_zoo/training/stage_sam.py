"""Stage `sam`: the embedded Segment Anything model, trained on composed scenes (Kirillov et al. 2023, appendix A)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from segment_anything.modeling import Sam

from twig_assets.model_zoo.art import SIDE
from twig_assets.model_zoo.load_sam import load_sam
from twig_assets.model_zoo.sam_model import build_sam
from twig_assets.model_zoo.sam_prompts import centre_point, corrections, inner_point, loose_box
from twig_assets.model_zoo.sam_score import measure_sam
from twig_assets.model_zoo.scenes import MIN_VISIBLE_PIXELS, Scene, scene, training_concepts
from twig_assets.model_zoo.training.training_run import MovingAverage, StageConfig, TrainingRun


class SamConfig(StageConfig):
    """Settings of the segmenter.

    Attributes:
        batch: Scenes per step.
        points: One-point prompts per scene; they share the scene's one pass through the image encoder.
        boxes: Box prompts per scene.
        refined: Prompts per scene, of each kind, that go round again with their answer and corrections of it.
        ground_share: Share of the point prompts that lie on the ground and ask for it; without them the model would
            answer such points, which every automatic run has, with confident nonsense.
        box_jitter: Standard deviation of the noise on boxes, as a share of their side.
        narrow_share: Share of the scenes that are cut to a narrower frame, since images need not be square.
        focal_weight: Weight of the focal loss beside the dice loss.
        checked: Scenes of held-out concepts that the model is scored on at every checkpoint.
        other_masks: Weight of the mean over the three masks beside the best of them. It keeps all three alive, and near
            enough to each other that little is lost when the model ranks the wrong one first.
        start_from: Folder of a trained segmenter of the same shape to go on from where there is no checkpoint; the
            optimiser starts afresh.
    """

    steps: int = 4800
    lr: float = 1e-3
    batch: int = Field(12, gt=0)
    points: int = Field(3, gt=0)
    boxes: int = Field(2, gt=0)
    refined: int = Field(1, gt=0)
    ground_share: float = Field(0.18, ge=0, le=1)
    box_jitter: float = Field(0.05, ge=0, le=0.5)
    narrow_share: float = Field(0.15, ge=0, le=1)
    checked: int = Field(48, gt=0)
    focal_weight: float = 20.0
    other_masks: float = 0.5
    start_from: Path | None = None


@dataclass(frozen=True)
class Examples:
    """Scenes with prompts and the masks wanted.

    Attributes:
        images: float tensor (b, 3, SIDE, SIDE) in 0..255.
        frames: float tensor (b, 1, SIDE, SIDE), 1 inside the image and 0 where a narrow one is padded.
        points: float tensor (b, p, 1, 2), x and y in pixels.
        boxes: float tensor (b, q, 4), x0, y0, x1, y1 in pixels.
        targets: bool tensor (b, p + q, SIDE, SIDE), those of the points first.
    """

    images: torch.Tensor
    frames: torch.Tensor
    points: torch.Tensor
    boxes: torch.Tensor
    targets: torch.Tensor


def sample_examples(config: SamConfig, rng: np.random.Generator) -> Examples:
    """A batch of fresh scenes of the training concepts with their prompts."""
    images, frames, points, boxes, targets = [], [], [], [], []
    for _ in range(config.batch):
        drawn = scene(rng, training_concepts())
        frame = np.ones((SIDE, SIDE), bool)
        if rng.random() < config.narrow_share:
            drawn, frame = narrowed(drawn, rng)
        asked = [_point_target(drawn, config.ground_share, rng) for _ in range(config.points)]
        boxed = [drawn.masks[rng.integers(len(drawn.masks))] for _ in range(config.boxes)]
        points.append([[centre_point(m) if rng.random() < 0.3 else inner_point(m, rng)] for m in asked])
        boxes.append([loose_box(m, config.box_jitter, rng) for m in boxed])
        images.append(drawn.image)
        frames.append(frame[None])
        targets.append(asked + boxed)
    return Examples(
        torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float(),
        torch.from_numpy(np.stack(frames)).float(),
        torch.from_numpy(np.array(points)),
        torch.from_numpy(np.array(boxes)),
        torch.from_numpy(np.array(targets)),
    )


def narrowed(drawn: Scene, rng: np.random.Generator) -> tuple[Scene, np.ndarray]:
    """The scene cut to a narrower or lower bool frame (SIDE, SIDE), or uncut if no object would be left."""
    frame = np.zeros((SIDE, SIDE), bool)
    kept = int(rng.integers(SIDE // 2, SIDE))
    if rng.random() < 0.5:
        frame[:kept] = True
    else:
        frame[:, :kept] = True
    masks = drawn.masks & frame
    masks = masks[masks.sum((1, 2)) >= MIN_VISIBLE_PIXELS]
    if not len(masks):
        return drawn, np.ones((SIDE, SIDE), bool)
    return Scene(drawn.image, masks, drawn.ground & frame), frame


def _point_target(drawn: Scene, ground_share: float, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < ground_share and drawn.ground.sum() >= MIN_VISIBLE_PIXELS:
        return drawn.ground
    return drawn.masks[rng.integers(len(drawn.masks))]


def train_sam(config: SamConfig) -> Sam:
    """Train, or go on from the checkpoint, and return the averaged model."""
    torch.manual_seed(config.seed)
    sam = build_sam()
    if config.start_from:
        sam.load_state_dict(load_sam(config.start_from).state_dict())
    optimiser = torch.optim.AdamW(sam.parameters(), lr=config.lr, betas=(0.9, 0.99), weight_decay=0.01)
    average = MovingAverage(sam, 0.998)
    run = TrainingRun("sam", config)
    first = 0
    if state := run.resume():
        sam.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average.state, first = state["average"], state["step"]
    for step in run.steps(first):
        figures = _step(config, sam, optimiser, step)
        average.update(sam)
        if step % 50 == 0:
            run.log(step, **figures)
        if run.is_save_step(step):
            run.save(step, {"model": sam.state_dict(), "optimiser": optimiser.state_dict(), "average": average.state})
            run.log(step, **figures, **measure_sam(_averaged(average), config.checked, config.seed))
    return _averaged(average)


def _averaged(average: MovingAverage) -> Sam:
    sam = build_sam()
    sam.load_state_dict(average.state)
    return sam.eval()


def _step(config: SamConfig, sam: Sam, optimiser: torch.optim.Optimizer, step: int) -> dict[str, float]:
    rng = np.random.default_rng((config.seed, 4, step))
    examples = sample_examples(config, rng)
    for group in optimiser.param_groups:
        group["lr"] = config.lr_at(step)
    with torch.autocast("cpu", torch.bfloat16):
        embeddings = sam.image_encoder(sam.preprocess(examples.images) * examples.frames).float()
    logits, ious = answer(sam, embeddings, examples.points, torch.ones(examples.points.shape[:3]), examples.boxes)
    loss, figures = mask_loss(config, logits, ious, examples.targets)
    again, targets = refine(config, sam, embeddings, examples, logits.detach(), rng, with_mask=step % 2 == 0)
    second, _ = mask_loss(config, *again, targets)
    optimiser.zero_grad()
    (loss + second).backward()
    torch.nn.utils.clip_grad_norm_(sam.parameters(), 1.0)
    optimiser.step()
    return {"loss": loss.item(), "second": second.item(), **figures}


def answer(
    sam: Sam,
    embeddings: torch.Tensor,
    points: torch.Tensor,
    labels: torch.Tensor,
    boxes: torch.Tensor,
    box_points: torch.Tensor | None = None,
    box_labels: torch.Tensor | None = None,
    masks: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """All four masks for every prompt of every scene.

    Args:
        sam: The model.
        embeddings: float tensor (b, dim, grid, grid).
        points: float tensor (b, p, n, 2).
        labels: tensor (b, p, n), 1 for a point on the object and 0 for one beside it.
        boxes: float tensor (b, q, 4).
        box_points: float tensor (b, q, m, 2), points given together with the boxes, or None.
        box_labels: tensor (b, q, m), their labels, or None.
        masks: float tensor (b, p + q, 1, SIDE, SIDE), logits of an earlier answer, or None.

    Returns:
        Logits (b, p + q, 4, SIDE, SIDE), the mask for unambiguous prompts first, and predicted IoU (b, p + q, 4).
    """
    encode, split, prompts = sam.prompt_encoder, points.shape[1], points.shape[1] + boxes.shape[1]
    sparse, dense = [], []
    for i in range(len(embeddings)):
        earlier = (None, None) if masks is None else (masks[i, :split], masks[i, split:])
        extra = None if box_points is None or box_labels is None else (box_points[i], box_labels[i])
        # Both kinds have the same number of tokens: points get one for padding, and a box is two corners.
        for part in (encode((points[i], labels[i]), None, earlier[0]), encode(extra, boxes[i], earlier[1])):
            sparse.append(part[0])
            dense.append(part[1])
    images = embeddings.repeat_interleave(prompts, 0) + torch.cat(dense)
    logits, ious = decode(sam, images, torch.cat(sparse))
    return logits.unflatten(0, (-1, prompts)), ious.unflatten(0, (-1, prompts))


def decode(sam: Sam, images: torch.Tensor, sparse: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What `MaskDecoder.predict_masks` does, but for prompts of several images at once, which is twice as fast.

    Args:
        sam: The model.
        images: float tensor (n, dim, grid, grid), image embedding plus dense prompt of each prompt.
        sparse: float tensor (n, tokens, dim).

    Returns:
        Logits (n, 4, 4 * grid, 4 * grid) and predicted IoU (n, 4).
    """
    decoder, place = sam.mask_decoder, sam.prompt_encoder.get_dense_pe()
    own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight]).expand(len(sparse), -1, -1)
    with torch.autocast("cpu", torch.bfloat16):
        read, image = decoder.transformer(images, place.expand(len(sparse), -1, -1, -1), torch.cat([own, sparse], 1))
        pixels = decoder.output_upscaling(image.transpose(1, 2).unflatten(2, images.shape[-2:]))
        filters = [mlp(read[:, 1 + i]) for i, mlp in enumerate(decoder.output_hypernetworks_mlps)]
        logits = torch.stack(filters, 1) @ pixels.flatten(2)
        ious = decoder.iou_prediction_head(read[:, 0])
    return logits.float().unflatten(2, pixels.shape[-2:]), ious.float()


def refine(
    config: SamConfig,
    sam: Sam,
    embeddings: torch.Tensor,
    examples: Examples,
    logits: torch.Tensor,
    rng: np.random.Generator,
    with_mask: bool,
) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Ask some prompts again with one or two corrections and, if wanted, the earlier answer; also gives the targets."""
    p, n, count = config.points, config.refined, 1 + int(rng.integers(2))
    chosen = [*range(n), *range(p, p + n)]
    targets, earlier = examples.targets[:, chosen], logits[:, chosen, :1]
    pairs = zip((earlier[:, :, 0] > 0).flatten(0, 1).numpy(), targets.flatten(0, 1).numpy(), strict=True)
    clicks = np.stack([corrections(given, wanted, count, rng) for given, wanted in pairs])
    clicks = torch.from_numpy(clicks).unflatten(0, (len(embeddings), 2 * n))
    first, ones = examples.points[:, :n], torch.ones(len(embeddings), n, 1)
    answered = answer(
        sam,
        embeddings,
        torch.cat([first, clicks[:, :n, :, :2]], dim=2),
        torch.cat([ones, clicks[:, :n, :, 2]], dim=2),
        examples.boxes[:, :n],
        clicks[:, n:, :, :2],
        clicks[:, n:, :, 2],
        earlier if with_mask else None,
    )
    return answered, targets


def mask_loss(
    config: SamConfig, logits: torch.Tensor, predicted: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, dict[str, float]]:
    """Focal and dice loss of the single mask and of the best of the three, and squared error of every predicted IoU.

    Args:
        config: Weights.
        logits: float tensor (b, n, 4, SIDE, SIDE).
        predicted: float tensor (b, n, 4).
        targets: bool tensor (b, n, SIDE, SIDE).
    """
    wanted = targets[:, :, None].float().expand_as(logits)
    share = logits.sigmoid()
    error = (share - wanted).square()
    focal = (error * F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")).mean((-2, -1))
    overlap, size = (share * wanted).sum((-2, -1)), (share + wanted).sum((-2, -1))
    loss = config.focal_weight * focal + 1 - (2 * overlap + 1) / (size + 1)
    several = loss[..., 1:]
    masks = loss[..., 0].mean() + several.amin(-1).mean() + config.other_masks * several.mean()
    with torch.no_grad():
        shapes = logits > 0
        actual = (shapes & targets[:, :, None]).sum((-2, -1)) / (shapes | targets[:, :, None]).sum((-2, -1)).clamp(
            min=1
        )
    quality = F.mse_loss(predicted, actual)
    figures = {
        "points": actual[:, : config.points, 1:].amax(-1).mean().item(),
        "boxes": actual[:, config.points :, 0].mean().item(),
        "quality": quality.item(),
    }
    return masks + quality, figures
