"""What comes first on the page, beside what, and what its tables say to a spreadsheet."""

import csv
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from PIL import Image

from tests.unit.similarity.corpus.picture_files import scene
from tests.unit.similarity.pictures import encoded
from twig_assets.escaping import defused
from twig_assets.folder_audit import audit_folder
from twig_assets.folder_audit.gallery import in_words
from twig_assets.folder_audit.images import ImageFile
from twig_assets.folder_audit.verdicts import Judged
from twig_assets.folder_audit.what_if import sliders
from twig_assets.similarity import Policy

THRESHOLDS = Policy().model_dump(mode="json")


def match(work: str, **scores: Any) -> dict[str, Any]:
    usual = {"ssim": 0.2, "iw_ssim": 0.1, "hog_cosine": 0.1, "pdq_distance": 120, "sift_inliers": 0}
    return {"reference_sha256": work, "view": "", **usual, "alignment_strength": 0.0, **scores}


def judged(name: str, verdict: str, *matches: dict[str, Any], nearest: str = "a") -> Judged:
    scores = {"ssim": max((one["ssim"] for one in matches), default=None)}
    result = {"verdict": verdict, "reasons": [], "nearest": nearest, "scores": scores, "matches": list(matches)}
    return Judged(ImageFile(Path(name), name), name, (8, 8), (), "", {**result, "thresholds": THRESHOLDS})


def test_what_most_speaks_for_a_copy_comes_first_and_not_the_highest_ssim() -> None:
    two = judged("two measures", "fail", match("a", hog_cosine=0.9, pdq_distance=10))
    one = judged("one measure", "fail", match("a", ssim=0.5, hog_cosine=0.99))
    weaker = judged("one measure, just so", "fail", match("a", ssim=0.5, hog_cosine=0.85))
    review = judged("review", "review", match("a", ssim=0.98, iw_ssim=0.33))
    plain = judged("plain ground", "pass", match("a", ssim=0.95, iw_ssim=0.05))
    alike = judged("a little alike", "pass", match("a", ssim=0.3, iw_ssim=0.25))
    files = [plain, alike, review, weaker, one, two, judged("nothing", "inconclusive")]
    assert [image.file.name for image in sorted(files, key=lambda image: image.order)] == [
        "two measures",
        "one measure",
        "one measure, just so",
        "review",
        "nothing",
        "a little alike",
        "plain ground",
    ]


def test_an_image_is_shown_beside_the_work_that_its_verdict_rests_on() -> None:
    plain, copied = match("plain", ssim=0.9, iw_ssim=0.1), match("copied", hog_cosine=0.95, sift_inliers=40)
    image = judged("image", "fail", plain, copied, nearest="plain")
    assert image.nearest_match == copied
    other_view = {**match("other", hog_cosine=0.99, sift_inliers=90, pdq_distance=0), "view": "frame 2"}
    assert judged("image", "fail", plain, copied, other_view).nearest_match == copied
    assert judged("image", "inconclusive").nearest_match is None


def test_thresholds_that_something_was_scored_for_have_sliders_whose_range_holds_them() -> None:
    image = judged("image", "fail", match("a", sift_inliers=300))
    image.result["scores"].update(sift_inliers=300, pdq_distance=40, alignment_strength=12.5, sscd_cosine=None)
    made = {slider.field: slider for slider in sliders([image], Policy())}
    assert list(made) == [
        "ssim_threshold",
        "iw_ssim_threshold",
        "review_margin",
        "pdq_distance_at_most",
        "sift_inliers_at_least",
        "alignment_strength_at_least",
    ]
    assert all(slider.low <= (slider.value or 0) <= slider.high for slider in made.values())
    assert made["sift_inliers_at_least"].high == 300
    assert not made["ssim_threshold"].optional


def test_a_policy_is_said_in_words_without_the_detectors_that_are_off() -> None:
    words = in_words(Policy(hog_cosine_at_least=None, pdq_distance_at_most=20))
    assert words.startswith(
        "An image fails if SSIM is 0.6 or more, weighted by information 0.35 or more while a detector comes near its "
        "own threshold (weighted 0.8 or more, or SSIM 0.999, is enough by itself); or if"
    )
    assert "PDQ 20 or less" in words
    assert "gradients" not in words
    assert words.endswith(
        "A person looks where no detector agrees with SSIM and at what is up to 0.05 below its threshold."
    )


def test_a_policy_by_ssim_alone_is_said_without_what_does_not_apply() -> None:
    off = [name for name in Policy.model_fields if name.endswith(("_at_least", "_at_most")) and "sscd" not in name]
    words = in_words(Policy(sscd_network="none", **dict.fromkeys(off)))
    assert words == (
        "An image fails if SSIM is 0.6 or more, weighted by information 0.35 or more. "
        "A person looks at what is up to 0.05 below its threshold."
    )


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_what_a_spreadsheet_takes_for_a_formula_is_defused(start: str) -> None:
    assert defused(f"{start}1+1") == f"'{start}1+1"
    assert defused(f"a{start}1") == f"a{start}1"


def test_names_and_titles_are_defused_in_the_csv_and_as_they_are_elsewhere(tmp_path: Path) -> None:
    images, works = tmp_path / "images", tmp_path / "works"
    images.mkdir()
    works.mkdir()
    (images / "=1+1.png").write_bytes(encoded(scene(seed=1)))
    (images / "-2.png").write_text("no picture")
    (works / "work.png").write_bytes(encoded(scene(seed=1)))
    (works / "references.csv").write_text(
        'file,title,rights_holder,licence\nwork.png,"=HYPERLINK(""x"")",@Ada,+1\n', encoding="utf-8"
    )
    audit_folder(images, works, Policy(), tmp_path / "out", sample=0)
    with (tmp_path / "out" / "audit.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["image"] for row in rows} == {"'=1+1.png", "'-2.png"}
    assert not [cell for row in rows for cell in row.values() if cell[:1] in ("=", "+", "@")]
    [copy] = [row for row in rows if row["title"]]
    assert (copy["title"], copy["rights_holder"], copy["licence"]) == ('\'=HYPERLINK("x")', "'@Ada", "'+1")
    table = pyarrow.parquet.read_table(tmp_path / "out" / "audit.parquet").to_pylist()
    assert {row["image"] for row in table} == {"=1+1.png", "-2.png"}


def test_the_page_says_what_it_is_of_and_lets_no_script_in(tmp_path: Path) -> None:
    images, works = tmp_path / "images <i>", tmp_path / "works"
    images.mkdir()
    works.mkdir()
    (works / "work.png").write_bytes(encoded(scene(seed=1)))
    (works / "references.csv").write_text(
        "file,title,rights_holder,licence\nwork.png,</script><script>alert(1)</script>,A,none\n"
    )
    (images / "copy.png").write_bytes(encoded(scene(seed=1)))
    Image.new("RGB", (32, 32)).save(images / "<script>alert(2).png")
    audit_folder(images, works, Policy(), tmp_path / "out", sample=0)
    page = (tmp_path / "out" / "gallery.html").read_text()
    assert page.count("<script") == page.count("</script") == 2
    assert "script-src 'sha256-" in page
    assert "images &lt;i&gt;" in page
    assert "1 work compared; version" in page
    assert "twig-assets 0." in page
    assert "An image fails if SSIM is 0.6 or more" in page
