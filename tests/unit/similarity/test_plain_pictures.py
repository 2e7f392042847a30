"""Plain pictures: alike by SSIM for the ground they share, and copies of each other all the same when they are."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.unit.similarity.plain_pictures import KINDS, SIDE
from twig_assets.similarity import AuditResult, Policy, ReferenceImage, audit
from twig_assets.similarity.orientations import oriented

DARK = "dark photograph"


@pytest.fixture(scope="module")
def works(photographs: list[np.ndarray]) -> list[ReferenceImage]:
    """One picture of each kind, and a dark photograph."""
    pictures = {**{kind: draw(0) for kind, draw in KINDS.items()}, DARK: dark(photographs[2])}
    return [
        ReferenceImage(Path(f"{name}.png"), name, "nobody", "none", f"{i:064d}", picture)
        for i, (name, picture) in enumerate(pictures.items())
    ]


@pytest.fixture(scope="module")
def judged(works: list[ReferenceImage], photographs: list[np.ndarray]) -> dict[str, AuditResult]:
    """What the default policy says of others of each kind, of copies of the works, and of the works turned."""
    pictures = {f"{kind} {seed}": draw(seed) for kind, draw in KINDS.items() for seed in (1, 2)}
    pictures |= {f"{DARK} {i}": dark(photographs[i]) for i in (1, 3)}
    pictures |= {f"copy of {work.title}": recompressed(work.pixels) for work in works}
    pictures |= {f"turned {work.title}": oriented(work.pixels, "mirror-rotate-90") for work in works}
    pictures["recoloured icon"] = KINDS["icon"](0)[..., [2, 0, 1]]
    results = audit(np.stack(list(pictures.values())), works, Policy())
    return dict(zip(pictures, results, strict=True))


def dark(photograph: np.ndarray) -> np.ndarray:
    return (photograph[:SIDE, :SIDE] * 0.18).astype(np.uint8)


def recompressed(picture: np.ndarray) -> np.ndarray:
    """A picture that was once smaller, and a JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(picture).resize((120, 120), Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=80)
    return np.asarray(Image.open(buffer).resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def behind(result: AuditResult) -> str | None:
    return result.nearest.title if result.nearest and result.verdict == "fail" else None


@pytest.mark.parametrize("kind", [*KINDS, DARK])
def test_another_picture_of_the_kind_passes(kind: str, judged: dict[str, AuditResult]) -> None:
    others = [result for name, result in judged.items() if name.startswith(kind)]
    assert len(others) == 2
    assert [result.reasons for result in others if result.verdict != "pass"] == []


@pytest.mark.parametrize("kind", [kind for kind in (*KINDS, DARK) if kind != "gradient"])
def test_a_copy_that_was_reduced_and_recompressed_fails(kind: str, judged: dict[str, AuditResult]) -> None:
    result = judged[f"copy of {kind}"]
    assert behind(result) == kind
    assert (result.scores["iw_ssim"] or 0) > 0.6


@pytest.mark.parametrize("kind", [*KINDS, DARK])
def test_the_very_picture_fails_although_it_is_turned(kind: str, judged: dict[str, AuditResult]) -> None:
    assert behind(judged[f"turned {kind}"]) == kind


def test_a_recoloured_icon_fails(judged: dict[str, AuditResult]) -> None:
    assert behind(judged["recoloured icon"]) == "icon"


def test_plain_ground_is_named_as_the_reason_for_a_high_score(judged: dict[str, AuditResult]) -> None:
    result = judged["icon 1"]
    assert (result.scores["ssim"] or 0) > 0.7
    assert (result.scores["iw_ssim"] or 1) < 0.3
    assert "but that is plain ground: weighted by information it is" in result.reasons[0]


def test_where_ssim_decides_alone_an_unrelated_icon_fails(works: list[ReferenceImage]) -> None:
    [result] = audit(KINDS["icon"](1)[None], works, Policy(iw_ssim_threshold=None))
    assert result.verdict == "fail"


def test_the_work_behind_a_verdict_comes_first_though_plain_ground_lifts_others_above_it(
    works: list[ReferenceImage],
) -> None:
    cluttered = np.array(KINDS["icon"](0))
    cluttered[4:34, 4:140] = np.random.default_rng(0).integers(0, 256, (30, 136, 3))
    sheets = [
        ReferenceImage(Path("i.png"), f"sheet {level}", "", "", f"{level:064d}", speck(level)) for level in (90, 120)
    ]
    policy = Policy(ssim_threshold=0.5, hog_cosine_at_least=None, edges_cosine_at_least=None)
    [result] = audit(cluttered[None], [*sheets, *works], policy, kept=2)
    assert behind(result) == "icon"
    assert result.matches[0].reference_sha256 == works[2].sha256


def speck(level: int) -> np.ndarray:
    sheet = np.full((SIDE, SIDE, 3), 255, np.uint8)
    sheet[70:76, 70:76] = level
    return sheet
