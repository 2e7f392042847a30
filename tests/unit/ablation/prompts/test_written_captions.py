import pytest
import torch
from pydantic import ValidationError
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from twig_assets.ablation.errors import AnchorError
from twig_assets.ablation.prompts.anchors import anchor_captions, caption_pairs
from twig_assets.ablation.prompts.written_captions import written_captions
from twig_assets.settings.ablation import AblationSettings, CaptionWriterSettings, ConceptTarget

CAT = ConceptTarget(name="cat", target="grumpy cat", anchor="cat", kind="object", aliases=("tom",))
STYLE = ConceptTarget(name="glyph", target="glyph style", anchor="", kind="style")
WORDS = ("a", "cat", "grumpy", "tom", "on", "the", "table", "garden", "with", "friend", "catalog", "glyph", "style")


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    """A language model with random weights that knows thirteen words, so that about half of its lines have a cat."""
    folder = tmp_path_factory.mktemp("writer")
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(("<unk>", "<end>", *WORDS))}, "<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", eos_token="<end>").save_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(WORDS) + 2, n_positions=128, n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=1
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    return CaptionWriterSettings(checkpoint=str(folder), captions=12, max_new_tokens=8)


def write(concept, settings, seed=0):
    return written_captions(concept, "Captions", ["a cat on the table"], concept.anchor, settings, seed)


def test_every_caption_has_the_anchor_names_no_target_and_is_there_once(writer):
    captions = write(CAT, writer)
    assert len({caption.casefold() for caption in captions}) == len(captions) == 12
    assert all("cat" in caption.split() for caption in captions)
    assert not any("grumpy cat" in caption or "tom" in caption.split() for caption in captions)


def test_the_same_seed_gives_the_same_captions_and_disturbs_no_other_draw(writer):
    before = torch.random.get_rng_state()
    assert write(CAT, writer) == write(CAT, writer)
    assert write(CAT, writer) != write(CAT, writer, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_model_that_writes_too_little_is_told_with_what_was_wrong(writer):
    zebra = CAT.model_copy(update={"anchor": "zebra"})
    with pytest.raises(AnchorError, match=r"wrote 0 of the 12 captions asked for; of 96 lines \d+ lacked 'zebra'"):
        write(zebra, writer)
    few_words = writer.model_copy(update={"max_new_tokens": 1, "captions": 5})
    with pytest.raises(AnchorError, match="wrote 1 of the 5 captions.*were there before"):
        write(CAT, few_words)


def test_a_model_that_cannot_be_opened_is_told_by_name(tmp_path):
    with pytest.raises(AnchorError, match=r"language model '.*nowhere' cannot be opened"):
        write(CAT, CaptionWriterSettings(checkpoint=str(tmp_path / "nowhere")))


@pytest.mark.parametrize("concept", [CAT, STYLE], ids=lambda concept: concept.kind)
def test_written_captions_become_pairs(writer, concept):
    settings = AblationSettings(method="model_based", anchor_prompts_model=writer)
    captions = anchor_captions(concept, settings)
    pairs = caption_pairs(captions, concept, settings, 0)
    assert len(pairs) == 12
    assert all(pair.anchor != pair.target for pair in pairs)


def test_a_file_and_a_model_contradict_each_other(writer):
    with pytest.raises(ValidationError, match="leave one of them out"):
        AblationSettings(anchor_prompts_file="cats.txt", anchor_prompts_model=writer)


def test_settings_with_a_model_survive_their_json(writer):
    asked = AblationSettings(anchor_prompts_model=writer, memorized_anchors="paraphrases")
    assert AblationSettings.model_validate(asked.model_dump(mode="json")) == asked
