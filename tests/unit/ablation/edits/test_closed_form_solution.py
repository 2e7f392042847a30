import torch

from twig_assets.ablation.edits.closed_form_solution import solve
from twig_assets.ablation.prompts.token_pairs import TokenPairs
from twig_assets.settings.ablation import AblationSettings

WIDTH = 16


def random_pairs(seed, targets=3, kept=5):
    generator = torch.Generator().manual_seed(seed)
    return TokenPairs(
        *(torch.randn(n, WIDTH, dtype=torch.float64, generator=generator) for n in (targets, targets, kept))
    )


def test_the_target_acts_like_the_anchor_as_the_ridge_vanishes():
    pairs = random_pairs(0)
    shared = torch.eye(WIDTH, dtype=torch.float64) + solve([pairs], AblationSettings(ridge=1e-9, preserve_scale=0))
    torch.testing.assert_close(pairs.target @ shared.T, pairs.anchor, atol=1e-5, rtol=1e-5)


def test_preserved_embeddings_move_less_than_without_protection():
    pairs = random_pairs(1)
    loose = solve([pairs], AblationSettings(preserve_scale=0))
    tight = solve([pairs], AblationSettings(preserve_scale=100))
    assert (pairs.preserve @ tight.T).norm() < 0.2 * (pairs.preserve @ loose.T).norm()


def test_the_solution_minimises_the_stated_objective():
    pairs, settings = random_pairs(2), AblationSettings(ridge=0.3, erase_scale=1.5, preserve_scale=0.7)
    weight = torch.randn(4, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(3))

    def objective(edited):
        erased = (
            ((pairs.target @ edited.T - pairs.anchor @ weight.T) ** 2).sum() * settings.erase_scale / len(pairs.target)
        )
        kept = ((pairs.preserve @ (edited - weight).T) ** 2).sum() * settings.preserve_scale / len(pairs.preserve)
        return erased + kept + settings.ridge * ((edited - weight) ** 2).sum()

    best = (weight + weight @ solve([pairs], settings)).requires_grad_()
    objective(best).backward()
    assert best.grad.abs().max() < 1e-9


def test_concepts_compose_in_any_order_to_the_same_solution():
    parts = [random_pairs(k) for k in range(4)]
    torch.testing.assert_close(solve(parts, AblationSettings()), solve(parts[::-1], AblationSettings()))


def test_the_correction_has_at_most_the_rank_of_the_target_tokens():
    assert torch.linalg.matrix_rank(solve([random_pairs(5)], AblationSettings()), rtol=1e-9) <= 3
