"""Stage `clip`: text and image towers that share one embedding space, and the tokenizer."""

import numpy as np
import torch
import torch.nn.functional as F
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

from twig_assets.model_zoo import planted
from twig_assets.model_zoo.art import BACKGROUNDS, SIDE, STYLES, concept_names, sprites, training_pairs, view
from twig_assets.model_zoo.training.captions import MAX_TOKENS, caption, open_tokenizer
from twig_assets.model_zoo.training.training_run import MovingAverage, StageConfig, TrainingRun

MEAN = STD = (0.5, 0.5, 0.5)


class ClipConfig(StageConfig):
    """Settings of the contrastive stage.

    Attributes:
        batch: Image-caption pairs per step.
        extra_captions: Captions without an image per step; text is cheap, and typos need many.
        label_smoothing: Of the auxiliary name, style and ground heads that both towers share.
        head_weight: Weight of those heads' losses beside the contrastive one.
    """

    steps: int = 2600
    lr: float = 1e-3
    batch: int = 48
    extra_captions: int = 128
    label_smoothing: float = 0.1
    head_weight: float = 0.5


class Heads(torch.nn.Module):
    """Name, style and ground classifiers on the shared embedding. They pull both towers to the same classes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        classes = (len(concept_names()) + len(planted.WORKS), len(STYLES) + 1, len(BACKGROUNDS) + 1)
        self.parts = torch.nn.ModuleList(torch.nn.Linear(width, n) for n in classes)

    def loss(self, embedding: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Mean cross-entropy of the three heads. labels: int64 (n, 3)."""
        losses = [
            F.cross_entropy(part(embedding).float(), labels[:, i], label_smoothing=smoothing)
            for i, part in enumerate(self.parts)
        ]
        return torch.stack(losses).mean()


def build_clip(tokenizer: CLIPTokenizer) -> CLIPModel:
    """A CLIPModel with a 128-d, 3-layer text tower and a ViT of 8 px patches, untrained."""
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": MAX_TOKENS,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "projection_dim": 128,
    }
    vision = {
        "image_size": SIDE,
        "patch_size": 8,
        "hidden_size": 192,
        "intermediate_size": 768,
        "num_hidden_layers": 6,
        "num_attention_heads": 6,
        "projection_dim": 128,
    }
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=128))
    # The fused attention's CPU backward takes 1.7 times as long at these sizes.
    model.set_attn_implementation("eager")
    return model


def build_processor(tokenizer: CLIPTokenizer) -> CLIPProcessor:
    """Resizes to 64 px and scales to [-1, 1]."""
    images = CLIPImageProcessor(
        size={"height": SIDE, "width": SIDE}, crop_size={"height": SIDE, "width": SIDE}, image_mean=MEAN, image_std=STD
    )
    return CLIPProcessor(images, tokenizer)


def sample_captions(count: int, rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
    """Captions without images, and their (name, style, ground) labels: int64 (count, 3)."""
    pairs, grounds = training_pairs(), list(BACKGROUNDS)
    texts, labels = [], []
    for _ in range(count):
        if rng.random() < 0.1:
            text, label = _planted_caption(rng)
        else:
            name, style = pairs[rng.integers(len(pairs))]
            text, label = _labelled(name, style, grounds[rng.integers(len(grounds))], rng)
        texts.append(text)
        labels.append(label)
    return texts, np.asarray(labels)


def sample_pairs(count: int, rng: np.random.Generator) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Views with captions and labels: uint8 (count, 64, 64, 3), texts, int64 (count, 3)."""
    pairs = training_pairs()
    images, texts, labels = [], [], []
    for _ in range(count):
        if rng.random() < 0.06:
            text, label = _planted_caption(rng)
            image = planted.picture(planted.WORKS[label[0] - len(concept_names())])
        else:
            name, style = pairs[rng.integers(len(pairs))]
            drawn = view(sprites()[name, style], rng)
            image = drawn.image
            text, label = _labelled(name, style, drawn.background, rng)
        images.append(image)
        texts.append(text)
        labels.append(label)
    return np.stack(images), texts, np.asarray(labels)


def _labelled(name: str, style: str, ground: str, rng: np.random.Generator) -> tuple[str, tuple[int, int, int]]:
    text = caption(name, style, ground, rng)
    named_style = STYLES.index(style) if style in text else len(STYLES)
    named_ground = (
        list(BACKGROUNDS).index(ground)
        if f"{ground} background" in text or f"on {ground}" in text
        else len(BACKGROUNDS)
    )
    return text, (concept_names().index(name), named_style, named_ground)


def _planted_caption(rng: np.random.Generator) -> tuple[str, tuple[int, int, int]]:
    k = int(rng.integers(len(planted.WORKS)))
    return planted.WORKS[k].title, (len(concept_names()) + k, len(STYLES), len(BACKGROUNDS))


def contrastive_loss(
    image: torch.Tensor, text: torch.Tensor, labels: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Symmetric InfoNCE in which pairs with the same labels for name, style and ground count as equally right."""
    logits = scale.exp().clamp(max=50) * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
    same = (labels[:, None] == labels[None]).all(-1).float()
    target = same / same.sum(1, keepdim=True)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def train_clip(config: ClipConfig) -> tuple[CLIPModel, CLIPProcessor]:
    """Train, or go on from the checkpoint; returns the averaged model and its processor."""
    torch.manual_seed(config.seed)
    tokenizer = open_tokenizer(config.folder / "tokenizer")
    model = build_clip(tokenizer)
    heads = Heads(128)
    module = torch.nn.ModuleDict({"clip": model, "heads": heads})
    optimiser = torch.optim.AdamW(module.parameters(), lr=config.lr, betas=(0.9, 0.98), weight_decay=0.05)
    average = MovingAverage(model, 0.998)
    run = TrainingRun("clip", config)
    first = 0
    if state := run.resume():
        module.load_state_dict(state["module"])
        optimiser.load_state_dict(state["optimiser"])
        average.state, first = state["average"], state["step"]
    for step in run.steps(first):
        figures = _step(config, model, heads, tokenizer, optimiser, step)
        average.update(model)
        if step % 50 == 0:
            run.log(step, **figures)
        if run.is_save_step(step):
            state = {"module": module.state_dict(), "optimiser": optimiser.state_dict(), "average": average.state}
            run.save(step, state)
    model.load_state_dict(average.state)
    return model.eval(), build_processor(tokenizer)


def _step(
    config: ClipConfig,
    model: CLIPModel,
    heads: Heads,
    tokenizer: CLIPTokenizer,
    optimiser: torch.optim.Optimizer,
    step: int,
) -> dict[str, float]:
    rng = np.random.default_rng((config.seed, 3, step))
    images, texts, labels = sample_pairs(config.batch, rng)
    more_texts, more_labels = sample_captions(config.extra_captions, rng)
    tokens = tokenizer(texts + more_texts, padding=True, truncation=True, return_tensors="pt")
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
    targets = torch.from_numpy(labels)
    # The image shows its style and ground even where the caption leaves them out; the heads learn what that names.
    for group in optimiser.param_groups:
        group["lr"] = config.lr_at(step)
    with torch.autocast("cpu", torch.bfloat16):
        text = model.get_text_features(**tokens).pooler_output.float()
        image = model.get_image_features(pixel_values=pixels).pooler_output.float()
    contrast = contrastive_loss(image, text[: config.batch], targets, model.logit_scale)
    all_targets = torch.cat([targets, torch.from_numpy(more_labels)])
    text_heads = heads.loss(text, all_targets, config.label_smoothing)
    image_heads = heads.loss(image, targets, config.label_smoothing)
    optimiser.zero_grad()
    (contrast + config.head_weight * (text_heads + image_heads)).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    named = (heads.parts[0](image).argmax(-1) == targets[:, 0]).float().mean()
    return {"contrast": contrast.item(), "text": text_heads.item(), "image": image_heads.item(), "named": named.item()}
