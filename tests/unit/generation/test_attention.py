import pytest
import torch

from twig_assets.generation import family_of
from twig_assets.generation.attention import BiasedProcessor, WatchingProcessor, on_grid, overlap_energy, suppression

PROMPT = "a red apple, noto style on a blue background"


def left_half(cells=16):
    mask = torch.zeros(1, 1, cells, cells)
    mask[..., : cells // 2] = 1
    return mask


def apple_tokens(family):
    tokens = torch.zeros(1, family.prompt_limit, dtype=torch.bool)
    first, last = family.token_span(PROMPT, "apple")
    tokens[0, first : last + 1] = True
    return tokens


def predicted(family):
    noise = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    return family.predict(noise, torch.tensor(700), family.encode([PROMPT]))


def test_a_mask_fits_every_grid_of_the_network_and_no_other():
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
    family = family_of(pipeline)
    tokens = apple_tokens(family)
    bias = suppression(left_half(), tokens, 1.0)
    attention: dict[bool, list[torch.Tensor]] = {False: [], True: []}
    for suppressed, layers in attention.items():

        def measured(processor, on=suppressed, layers=layers):
            return _Measured(processor, bias if on else lambda places: None, layers)

        with torch.no_grad(), family.cross_attention(measured):
            predicted(family)
    inside = on_grid(left_half(), attention[True][0].shape[1])[0] > 0
    before, after = (attention[on][0][0][:, tokens[0]].sum(-1) for on in (False, True))
    assert (after[inside] < 0.1 * before[inside]).all()
    torch.testing.assert_close(after[~inside], before[~inside])


class _Measured(BiasedProcessor):
    """Keeps the softmax that the bias leads to."""

    def __init__(self, inner, bias, layers):
        super().__init__(inner, bias)
        self.bias, self.layers = bias, layers

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, *args, **kwargs):
        bias = self.bias(hidden_states.shape[1])
        query, key = (attn.head_to_batch_dim(x) for x in (attn.to_q(hidden_states), attn.to_k(encoder_hidden_states)))
        logits = torch.bmm(query, key.transpose(1, 2)) * attn.scale
        if bias is not None:
            logits = logits + bias.repeat_interleave(attn.heads, 0)
        self.layers.append(logits.softmax(-1).unflatten(0, (-1, attn.heads)).mean(1))
        return super().__call__(attn, hidden_states, encoder_hidden_states, *args, **kwargs)


def test_watching_changes_nothing_and_sees_a_distribution_over_the_tokens(pipeline):
    family, attention = family_of(pipeline), []
    with torch.no_grad():
        plain = predicted(family)
        with family.cross_attention(lambda processor: WatchingProcessor(processor, attention.append)):
            watched = predicted(family)
    assert torch.equal(plain, watched)
    torch.testing.assert_close(attention[0].sum(-1), torch.ones(attention[0].shape[:2]))
