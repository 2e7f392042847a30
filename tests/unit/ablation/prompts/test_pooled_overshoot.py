"""How far a pooled embedding is sent: as far as the denoiser takes it for more of the same."""

import copy

import pytest
import torch

from tests.unit.generation.families.pipelines import small
from twig_assets.ablation import AblationSettings, ConceptTarget
from twig_assets.ablation.methods.distillation_targets import distillation_targets
from twig_assets.ablation.prompts.pooled_overshoot import pooled_overshoot
from twig_assets.ablation.prompts.token_pairs import token_pairs
from twig_assets.ablation.prompts.training_pairs import training_pairs
from twig_assets.generation import family_of

FOX = ConceptTarget(name="fox", target="fox", anchor="dog", kind="object", preserve=("owl",))
SETTINGS = AblationSettings(misspellings=0, overshoot=1.0, emphasis=0.25)
CLIFF = 1e4


class Known(torch.nn.Module):
    """Answers as the module does near the embeddings of prompts, and with anything beyond that."""

    def __init__(self, module, prompts, reach):
        super().__init__()
        self.module, self.prompts, self.reach = module, prompts, reach
        # Where the pooled embedding enters.
        self.linear_1 = module.linear_1

    def forward(self, pooled):
        astray = (torch.cdist(pooled, self.prompts).amin(1) - self.reach).clamp(min=0)
        return self.module(pooled) * (1 + CLIFF * astray[:, None])


@torch.no_grad()
def known(pairs, reach):
    """A pipeline whose pooled embeddings are known up to so many times of what separates the pairs."""
    pipeline = copy.deepcopy(small("stable_diffusion_3"))
    family = family_of(pipeline)
    targets, anchors = (
        family.encode([text(pair) for pair in pairs]).pooled
        for text in (lambda pair: pair.prompt, lambda pair: pair.counterpart)
    )
    apart = (anchors - targets).norm(dim=1).mean()
    embedder = pipeline.transformer.time_text_embed
    embedder.text_embedder = Known(embedder.text_embedder, torch.cat([targets, anchors]), reach * apart)
    return pipeline


@pytest.mark.parametrize(("reach", "followed"), [(4, 1.0), (0.8, 0.5), (0.02, 0.0)])
def test_the_way_ends_where_no_embedding_of_a_prompt_lies(reach, followed):
    pipeline = known(training_pairs(FOX, SETTINGS), reach)
    assert pooled_overshoot(pipeline, FOX, SETTINGS) == followed


def test_a_model_that_reads_tokens_alone_goes_the_whole_way_and_is_asked_nothing(monkeypatch):
    pipeline = small("stable_diffusion")
    monkeypatch.setattr(type(family_of(pipeline)), "predict", None)
    assert pooled_overshoot(pipeline, FOX, SETTINGS) == SETTINGS.overshoot


def test_both_methods_send_the_pooled_embedding_no_further_and_never_away_from_the_empty_prompt(monkeypatch):
    monkeypatch.setattr("twig_assets.ablation.prompts.token_pairs.ORDINARY", ("apple",))
    pairs = training_pairs(FOX, SETTINGS)
    pipeline = known(pairs, 0.8)
    with torch.no_grad():
        target, anchor = (family_of(pipeline).encode([text]).pooled for text in (pairs[0].prompt, pairs[0].counterpart))
    wanted = anchor + 0.5 * (anchor - target)
    distilled = distillation_targets(pipeline, FOX, SETTINGS, pairs[:1])
    assert distilled.overshoots == (1.0, 0.5)
    plain = distillation_targets(pipeline, FOX, SETTINGS.model_copy(update={"emphasis": 0.0}), pairs[:1])
    assert torch.equal(distilled.wanted.tokens, plain.wanted.tokens)
    torch.testing.assert_close(distilled.wanted.pooled, wanted)
    torch.testing.assert_close(token_pairs(pipeline, FOX, SETTINGS).pooled.anchor[:1], wanted.double())
    nowhere = SETTINGS.model_copy(update={"overshoot": 0.0})
    torch.testing.assert_close(distillation_targets(pipeline, FOX, nowhere, pairs[:1]).wanted.pooled, anchor)
