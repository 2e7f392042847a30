import numpy as np
import pytest
import torch

from twig_assets.generation import GenerationSettings, generate
from twig_assets.generation.attention import (
    BiasedProcessor,
    WatchingProcessor,
    cross_attention,
    on_grid,
    overlap_energy,
    suppression,
)
from twig_assets.generation.steering import Prediction
from twig_assets.regeneration import RegenerationSettings, regenerate
from twig_assets.regeneration.object_tokens import ObjectTokensError, object_tokens, object_words
from twig_assets.regeneration.strategies.relocate import NoRoomError, Relocation

FAST = GenerationSettings(steps=3, batch_size=4)
PROMPT = "a red apple, noto style on a blue background"


def left_half(cells=16):
    mask = torch.zeros(1, 1, cells, cells)
    mask[..., : cells // 2] = 1
    return mask


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a sticker of a red apple, noto style", ["red", "apple"]),
        ("a sailboat on a green background", ["sailboat"]),
        ("On the moon", ["moon"]),
        ("the cartographer's machine", ["cartographer's", "machine"]),
        ("a picture", []),
    ],
)
def test_the_objects_words_are_what_is_left_of_the_head_of_the_prompt(prompt, words):
    assert object_words(prompt) == words


def test_the_tokens_found_spell_the_objects_words(pipeline):
    tokens = object_tokens(pipeline.tokenizer, [PROMPT, "the owl"], 32)
    ids = pipeline.tokenizer([PROMPT, "the owl"], padding="max_length", max_length=32, return_tensors="pt").input_ids
    spelled = [pipeline.tokenizer.decode(row[found]) for row, found in zip(ids, tokens, strict=True)]
    assert [text.replace(" ", "") for text in spelled] == ["redapple", "owl"]


def test_a_prompt_without_an_object_is_refused(pipeline):
    with pytest.raises(ObjectTokensError, match="'a picture' names no object"):
        object_tokens(pipeline.tokenizer, [PROMPT, "a picture"], 32)


def test_a_mask_is_told_on_every_grid_of_the_network_and_on_no_other():
    assert on_grid(left_half(), 64).sum() == 32
    assert on_grid(left_half(), 16).sum() == 8
    with pytest.raises(ValueError, match="60 places does not fit"):
        on_grid(left_half(), 60)


def test_the_energy_is_the_squared_share_inside_the_mask():
    tokens = torch.tensor([[False, True]])
    spread = torch.ones(1, 256, 2)
    assert overlap_energy(spread, left_half(), tokens).item() == pytest.approx(0.25)
    assert overlap_energy(spread, torch.ones(1, 1, 16, 16), tokens).item() == pytest.approx(1)
    assert overlap_energy(spread, torch.zeros(1, 1, 16, 16), tokens).item() == 0


def test_suppressed_words_get_less_attention_inside_the_mask_and_no_less_outside(pipeline):
    tokens = object_tokens(pipeline.tokenizer, [PROMPT], 32)
    bias = suppression(left_half(), tokens, 1.0)
    seen: dict[bool, list[torch.Tensor]] = {False: [], True: []}
    for suppressed, kept in seen.items():
        with (
            torch.no_grad(),
            cross_attention(
                pipeline.unet,
                lambda inner, on=suppressed, kept=kept: _Measured(inner, bias if on else lambda places: None, kept),
            ),
        ):
            _one_pass(pipeline)
    inside = on_grid(left_half(), seen[True][0].shape[1])[0] > 0
    before, after = (seen[on][0][0][:, tokens[0]].sum(-1) for on in (False, True))
    assert (after[inside] < 0.1 * before[inside]).all()
    torch.testing.assert_close(after[~inside], before[~inside])


class _Measured(BiasedProcessor):
    """Keeps the softmax that the bias leads to."""

    def __init__(self, inner, bias, kept):
        super().__init__(inner, bias)
        self.bias, self.kept = bias, kept

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, *args, **kwargs):
        bias = self.bias(hidden_states.shape[1])
        query, key = (attn.head_to_batch_dim(x) for x in (attn.to_q(hidden_states), attn.to_k(encoder_hidden_states)))
        logits = torch.bmm(query, key.transpose(1, 2)) * attn.scale
        if bias is not None:
            logits = logits + bias.repeat_interleave(attn.heads, 0)
        self.kept.append(logits.softmax(-1).unflatten(0, (-1, attn.heads)).mean(1))
        return super().__call__(attn, hidden_states, encoder_hidden_states, *args, **kwargs)


def _one_pass(pipeline):
    embeds, _ = pipeline.encode_prompt(PROMPT, "cpu", 1, False)
    noise = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    return pipeline.unet(noise, torch.tensor(700), encoder_hidden_states=embeds).sample


def test_watching_changes_nothing_and_sees_a_distribution_over_the_tokens(pipeline):
    seen = []
    with torch.no_grad():
        plain = _one_pass(pipeline)
        with cross_attention(pipeline.unet, lambda inner: WatchingProcessor(inner, seen.append)):
            watched = _one_pass(pipeline)
    assert torch.equal(plain, watched)
    torch.testing.assert_close(seen[0].sum(-1), torch.ones(seen[0].shape[:2]))


def test_the_gradient_is_that_of_the_energy(pipeline):
    tokens = object_tokens(pipeline.tokenizer, [PROMPT], 32)
    relocation = Relocation(pipeline, left_half(), tokens, RegenerationSettings(strategy="relocate"))
    noise = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), relocation.attached():
        embeds, _ = pipeline.encode_prompt(PROMPT, "cpu", 1, False)
        pipeline.unet(noise, torch.tensor(700), encoder_hidden_states=embeds)

    def energy(sample):
        paid = []
        with torch.no_grad(), cross_attention(pipeline.unet, lambda inner: WatchingProcessor(inner, paid.append)):
            pipeline.unet.forward(sample, torch.tensor(700), encoder_hidden_states=embeds)
        return sum(float(overlap_energy(one, left_half(), tokens)) for one in paid)

    gradient = relocation.gradient(noise)
    small = 1e-2 / float(gradient.norm())
    slope = (energy(noise + small * gradient) - energy(noise - small * gradient)) / (2 * small)
    assert slope == pytest.approx(float(gradient.square().sum()), rel=0.1)
    late = Prediction(noise, noise, 0.6, 0.8, 9, 10)
    assert relocation.steer(late) is late


def test_a_mask_over_everything_leaves_no_room(pipeline):
    tokens = object_tokens(pipeline.tokenizer, [PROMPT], 32)
    with pytest.raises(NoRoomError, match="mask 0 covers every latent cell"):
        Relocation(pipeline, torch.ones(1, 1, 16, 16), tokens, RegenerationSettings())


@pytest.mark.parametrize("strategy", ["suppress", "relocate"])
def test_attention_strategies_change_the_image_and_leave_the_pipeline_as_it_was(pipeline, strategy):
    plain, first = (generate(pipeline, [PROMPT], [seed], FAST) for seed in (7, 1))
    masks = np.zeros((1, 64, 64), bool)
    masks[:, :, :32] = True
    settings = RegenerationSettings(strategy=strategy, until=0.9)
    before = dict(pipeline.unet.attn_processors)
    assert (regenerate(pipeline, [PROMPT], first, masks, [7], settings, FAST) != plain).any()
    off = settings.model_copy(update={"strength": 0.0})
    np.testing.assert_array_equal(regenerate(pipeline, [PROMPT], first, masks, [7], off, FAST), plain)
    assert pipeline.unet.attn_processors == before
    assert not pipeline.unet._forward_pre_hooks
