import torch

from twig_assets.generation import Conditioning


def conditioning(count, pooled=True):
    tokens = torch.arange(count * 6.0).reshape(count, 3, 2)
    return Conditioning(tokens, tokens[:, 0] if pooled else None, {"ids": torch.arange(count)[:, None]})


def test_rows_and_joined_undo_each_other():
    whole = conditioning(4)
    again = Conditioning.joined([whole.rows([0, 1]), whole.rows(slice(2, None))])
    assert len(again) == 4
    assert torch.equal(again.tokens, whole.tokens)
    assert torch.equal(again.pooled, whole.pooled)
    assert torch.equal(again.extra["ids"], whole.extra["ids"])
    assert torch.equal(whole.rows(torch.tensor([2, 0])).extra["ids"], torch.tensor([[2], [0]]))


def test_another_prompts_text_takes_the_place_of_the_chosen_rows_and_nothing_else():
    whole, other = conditioning(3), conditioning(1)
    changed = whole.replaced(torch.tensor([False, False, True]), other)
    assert torch.equal(changed.tokens[2], other.tokens[0])
    assert torch.equal(changed.pooled[2], other.pooled[0])
    assert torch.equal(changed.tokens[:2], whole.tokens[:2])
    assert changed.extra is whole.extra


def test_a_family_without_a_pooled_embedding_has_none_after_everything():
    whole = conditioning(3, pooled=False)
    parts = (
        whole.rows([1]),
        Conditioning.joined([whole, whole]),
        whole.replaced(torch.ones(3).bool(), whole.rows([0])),
    )
    assert all(part.pooled is None for part in parts)
