import numpy as np
import pytest
import torch

from twig_assets.generation import Capability, GenerationSettings, family_of, generate
from twig_assets.generation.families.stable_diffusion import StableDiffusion

PROMPT = "a red apple, noto style"


@pytest.fixture
def family(pipeline):
    return family_of(pipeline)


def test_the_embedded_pipeline_is_of_this_family(family):
    assert isinstance(family, StableDiffusion)
    assert (family.native_size, family.reduction, family.latent_channels, family.prompt_limit) == ((64, 64), 4, 4, 32)
    assert family.capabilities == {Capability.GUIDANCE, Capability.CROSS_ATTENTION, Capability.LORA}
    assert list(family.text_encoders()) == list(family.tokenizers()) == ["text_encoder"]
    assert list(family.weights()) == ["text_encoder", "unet", "vae"]
    assert not family.pooled_entries()


def test_text_enters_by_the_keys_and_values_of_every_cross_attention_layer(pipeline, family):
    entries = family.text_entries()
    layers = [name for name in pipeline.unet.attn_processors if ".attn2." in name]
    assert len(entries) == 2 * len(layers) > 0
    assert {layer.in_features for layer in entries.values()} == {family.encode([PROMPT]).tokens.shape[-1]}
    parameters = dict(pipeline.unet.named_parameters())
    assert all(parameters[f"{name.removeprefix('unet.')}.weight"] is layer.weight for name, layer in entries.items())


def test_token_positions_are_those_of_the_words(pipeline, family):
    ids = family.token_ids(PROMPT)
    for part in ("red", "red apple", "noto style"):
        first, last = family.token_span(PROMPT, part)
        assert pipeline.tokenizer.decode(ids[first : last + 1]).replace(" ", "") == part.replace(" ", "")
    assert family.token_span(PROMPT, "") == (len(ids) - 1, len(ids) - 1)
    spans = family.word_spans(["a", "red", "apple", ",", "noto", "style"])
    assert spans[0].start == 1
    assert spans[-1].stop == len(ids) - 1
    with pytest.raises(ValueError, match="substring"):
        family.token_span(PROMPT, "pear")


def test_gradients_flow_to_the_text_encoder_and_stand_in_parameters_are_used_for_one_call_only(family):
    conditioning = family.encode([PROMPT])
    assert conditioning.tokens.requires_grad
    latents, timestep = torch.randn(1, 4, 16, 16), torch.tensor([500])
    plain = family.predict(latents, timestep, conditioning)
    (name, layer), *_ = family.text_entries().items()
    inside = f"{name.removeprefix('unet.')}.weight"
    other = family.predict(latents, timestep, conditioning, parameters={inside: torch.zeros_like(layer.weight)})
    assert not torch.equal(plain, other)
    assert torch.equal(plain, family.predict(latents, timestep, conditioning))


def test_texts_of_one_thing_have_nearer_vectors_than_texts_of_two(family):
    fox, foxes, bus = family.text_vectors(["a fox", "a fox on grass", "a bus"]).detach()
    near, far = (torch.nn.functional.cosine_similarity(fox, other, dim=0) for other in (foxes, bus))
    assert near > far


def test_a_network_that_takes_the_scale_as_an_input_is_called_once_and_given_the_scale(pipeline, monkeypatch):
    """As latent consistency models are; the embedded network gets the layer that they have."""
    layer = torch.nn.Linear(8, pipeline.unet.config.block_out_channels[0], bias=False)
    monkeypatch.setattr(pipeline.unet.time_embedding, "cond_proj", layer)
    config = {**pipeline.unet.config, "time_cond_proj_dim": layer.in_features}
    monkeypatch.setattr(pipeline.unet, "_internal_dict", type(pipeline.unet.config)(config))
    assert Capability.GUIDANCE not in family_of(pipeline).capabilities
    rows = []
    handle = pipeline.unet.register_forward_pre_hook(lambda module, inputs: rows.append(len(inputs[0])))
    weak, strong = (
        generate(pipeline, [PROMPT], [1], GenerationSettings(steps=2, guidance_scale=scale, guidance_from=0))
        for scale in (2, 8)
    )
    handle.remove()
    assert rows == [1, 1, 1, 1]
    assert (weak != strong).any()


def test_a_safety_checker_that_the_pipeline_has_is_asked_until_it_is_removed(pipeline, monkeypatch, caplog):
    settings = GenerationSettings(steps=1)
    plain = generate(pipeline, [PROMPT], [1], settings)
    monkeypatch.setattr(
        pipeline, "run_safety_checker", lambda images, device, dtype: (torch.zeros_like(images), [True])
    )
    assert not generate(pipeline, [PROMPT], [1], settings).any()
    assert "safety checker made 1 of 1 images black" in caplog.text
    monkeypatch.undo()
    monkeypatch.setattr(pipeline, "safety_checker", torch.nn.Identity())
    family_of(pipeline).remove_safety_checker()
    assert pipeline.safety_checker is None
    np.testing.assert_array_equal(generate(pipeline, [PROMPT], [1], settings), plain)
