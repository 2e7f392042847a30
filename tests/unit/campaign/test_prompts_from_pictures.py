import pytest

from twig_assets.campaign import load_campaign
from twig_assets.campaign.prompts_from_pictures import AutomaticPromptsError, expanded, write_prompts
from twig_assets.model_zoo.art import sprites
from twig_assets.prompts import read_prompts


@pytest.fixture
def campaign(tmp_path):
    folder = tmp_path / "campaigns" / "mine"
    folder.mkdir(parents=True)
    (folder / "campaign.yaml").write_text("title: Mine")
    (folder / "concepts.yaml").write_text("- {target: red apple, anchor: tomato, kind: object}")
    return load_campaign("mine", tmp_path / "campaigns")


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("red apple", "owl"):
        drawing = next(sprite for (concept, _), sprite in sorted(sprites().items()) if concept.lower() == name)
        drawing = drawing.convert("RGBA")
        ground = drawing.resize((64, 64)).copy()
        ground.paste("white", (0, 0, 64, 64))
        ground.alpha_composite(drawing.resize((64, 64)))
        ground.convert("RGB").save(folder / f"{name}.png")
    return folder


def test_prompts_are_captioned_expanded_rewritten_and_can_be_read(campaign, pictures):
    out = campaign.folder / "prompts_auto.yaml"
    prompts = write_prompts(pictures, out, campaign, ["{caption}", "a sticker of {caption}"])
    assert prompts == {
        "an owl": "an owl",
        "a sticker of an owl": "a sticker of an owl",
        "a tomato": "a red apple",
        "a sticker of a tomato": "a sticker of a red apple",
    }
    assert [row.text for row in read_prompts(campaign.folder)] == list(prompts)


def test_captions_of_a_named_captioner_pass_the_same_check(campaign, pictures, monkeypatch):
    opened = []
    monkeypatch.setattr(
        "twig_assets.campaign.prompts_from_pictures.load_captioner", lambda source: opened.append(source) or source
    )
    captions = ["a red aple on a table", "an owl at night"]
    monkeypatch.setattr(
        "twig_assets.campaign.prompts_from_pictures.captions_from", lambda images, _: captions[: len(images)]
    )
    prompts = write_prompts(pictures, campaign.folder / "prompts_auto.yaml", campaign, ["{caption}"], "models/blip")
    assert opened == ["models/blip"]
    assert prompts == {"a tomato on a table": captions[0], "an owl at night": captions[1]}


def test_a_file_that_is_there_is_not_overwritten(campaign, pictures):
    out = campaign.folder / "prompts_auto.yaml"
    out.write_text("- an owl")
    with pytest.raises(AutomaticPromptsError, match="exists"):
        write_prompts(pictures, out, campaign)
    assert out.read_text() == "- an owl"


def test_a_folder_without_pictures_is_refused(campaign, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(AutomaticPromptsError, match="no picture"):
        write_prompts(tmp_path / "none", tmp_path / "out.yaml", campaign)


def test_every_caption_goes_into_every_template_once():
    assert expanded(["an owl", "an owl"], ["{caption}", "{caption} at sea"]) == ["an owl", "an owl at sea"]
    with pytest.raises(ValueError, match="has no {caption}"):
        expanded(["an owl"], ["an owl"])
