"""Campaign folders."""

from pathlib import Path

import pytest

from twig_assets.campaign import Campaign, CampaignError, campaign_names, load_campaign
from twig_assets.settings.generation import GenerationSettings

ROOT = Path(__file__).parents[3] / "campaigns"


def write(root: Path, text: str, name: str = "spring") -> None:
    (root / name).mkdir(exist_ok=True)
    (root / name / "campaign.yaml").write_text(text, encoding="utf-8")


def complaint(root: Path, name: str = "spring") -> str:
    with pytest.raises(CampaignError) as caught:
        load_campaign(name, root)
    return str(caught.value)


def test_the_demo_campaign_loads() -> None:
    demo = load_campaign("demo", ROOT)
    assert demo.name == "demo"
    assert demo.folder == ROOT / "demo"
    assert demo.checkpoint == "embedded"
    assert 1 <= demo.batch_size <= 64


def test_everything_but_the_title_has_a_default(tmp_path: Path) -> None:
    write(tmp_path, "title: Spring\n")
    spring = load_campaign("spring", tmp_path)
    assert spring == Campaign(name="spring", folder=tmp_path / "spring", title="Spring")
    assert (spring.batch_size, spring.max_attempts, spring.segmenter.kind) == (64, 3, "embedded")
    assert spring.generation == GenerationSettings()


def test_the_settings_of_every_step_can_be_set(tmp_path: Path) -> None:
    write(
        tmp_path,
        "title: Spring\ngeneration: {steps: 30}\nregeneration: {strength: 0.5}\nablation: {ridge: 0.2}\n"
        "segmentation: {}\nsegmenter: {kind: vit_b, checkpoint: models/sam_vit_b.pth}\n",
    )
    spring = load_campaign("spring", tmp_path)
    assert (spring.generation.steps, spring.regeneration.strength, spring.ablation.ridge) == (30, 0.5, 0.2)
    assert spring.segmenter.checkpoint == Path("models/sam_vit_b.pth")


def test_an_unknown_campaign_is_told_which_ones_exist(tmp_path: Path) -> None:
    assert complaint(tmp_path, "autumn").endswith(f"those that exist: none; write {tmp_path}/NAME/campaign.yaml")
    write(tmp_path, "title: Spring\n")
    write(tmp_path, "title: Summer\n", "summer")
    (tmp_path / "drafts").mkdir()
    assert complaint(tmp_path, "autumn") == (
        f"there is no campaign 'autumn' in {tmp_path}; those that exist: spring, summer"
    )
    assert campaign_names(tmp_path) == ["spring", "summer"]


@pytest.mark.parametrize("name", ["..", ".", "", "spring/../spring", "/etc", "Spring", "a b"])
def test_a_name_that_is_not_a_plain_folder_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, "title: Spring\n")
    assert "there is no campaign" in complaint(tmp_path, name)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("batch_size: 3\n", ": title: is missing; write it"),
        ("title: ''\n", ":1: title: String should have at least 1 character"),
        ("title: A\nbatchsize: 3\n", ":2: batchsize: unknown field; delete it or check its spelling"),
        ("title: A\nbatch_size: 65\n", ":2: batch_size: Input should be less than or equal to 64, found 65"),
        ("title: A\nmax_attempts: 0\n", ":2: max_attempts: Input should be greater than or equal to 1"),
        ("title: A\nname: b\n", ":2: name: cannot be set here; delete it"),
        ("title: A\ngeneration:\n  guidance_scale: 4\n  steps: few\n", ":4: generation.steps: Input should be a valid"),
        ("title: A\ngeneration:\n  stepz: 4\n", ":3: generation.stepz: unknown field"),
        ("title: A\nablation:\n  stepz: 4\n", ":3: ablation.stepz: unknown field"),
        ("title: A\nsegmentation:\n  stepz: 4\n", ":3: segmentation.stepz: unknown field"),
        (
            "title: A\nregeneration: {neutral: a cat}\n",
            ":2: regeneration: Value error, 'neutral' is no longer a setting",
        ),
        ("title: A\nregeneration: 3\n", ":2: regeneration: Input should be a valid dictionary"),
        ("title: A\nsegmenter: {kind: vit_x}\n", ":2: segmenter.kind: Input should be 'embedded', 'vit_b'"),
        ("title: A\nsegmenter: {kind: vit_b}\n", ":2: segmenter: Value error, kind 'vit_b' needs the path"),
        ("title: A\nsegmenter: {checkpoint: a.pth}\n", ":2: segmenter: Value error, kind 'embedded' brings its"),
        ("title: A\ntitle: B\n", ":2: title: is there twice; keep one"),
        ("title: [\n", ":2: file: is not valid YAML"),
        ("- title\n", ":1: file: must hold fields"),
        ("a: &a [*a]\n", ": file: holds an alias inside of what it stands for"),
        ("when: 2026-99-99\ntitle: A\n", ": file: is not valid YAML"),
    ],
)
def test_a_bad_file_is_told_with_line_and_field(tmp_path: Path, text: str, told: str) -> None:
    write(tmp_path, text)
    assert f"{tmp_path}/spring/campaign.yaml{told}" in complaint(tmp_path)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, "batch_size: 0\nmax_attempts: 99\ncolour: red\n")
    assert len(complaint(tmp_path).splitlines()) == 4


def test_a_campaign_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_campaign("demo", ROOT).batch_size = 3  # type: ignore[misc]
