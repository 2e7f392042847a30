"""Benchmark `marks`: whether copies of releases are traced, strangers left alone, and the audit undisturbed.

200 pictures of the embedded model, 64 px, and 60 photographs, 320 px, are marked and released in a catalog of their
own; what is asked is what `twig whence` asks. Nothing is signed among these: a credential would answer first.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twig_assets.bench.marks.audited import RELEASE, Judged, copies_of, judged, releases
from twig_assets.bench.marks.costs import enlarged, mark_ms, sign_ms
from twig_assets.bench.marks.pictures import Drawn, collect, draw
from twig_assets.bench.marks.released import release
from twig_assets.bench.marks.traced import KINDS, Asked, ask_all, copies, strangers
from twig_assets.bench.report import Bar, Measured
from twig_assets.provenance.watermark.protocol import psnr


@dataclass(frozen=True)
class Sample:
    """How much is measured.

    Attributes:
        zoo: Pictures of the embedded model that are released.
        photographs: Photographs that are released.
        kinds: Kinds of copies of each release.
        strangers: Pictures that are no releases, siblings among them.
        siblings: Those that the model drew for the same prompts with other seeds.
        second: Second images, for the time that they take.
        works: Copies of works per kind.
    """

    zoo: int
    photographs: int
    kinds: int
    strangers: int
    siblings: int
    second: int
    works: int


DEFAULT = Sample(zoo=200, photographs=60, kinds=4, strangers=5000, siblings=134, second=16, works=4)
QUICK = Sample(zoo=24, photographs=12, kinds=3, strangers=200, siblings=24, second=4, works=1)


def measure(quick: bool = False, grid: Path | None = None) -> Measured:
    """Mark, release, copy, ask, audit.

    Args:
        quick: A smaller sample.
        grid: Also save pictures before and after marking there, and their difference times ten.
    """
    sample = QUICK if quick else DEFAULT
    drawn = draw(sample.zoo, sample.siblings, sample.second)
    collected = collect(sample.photographs, sample.strangers - sample.siblings)
    originals = [*drawn.releases, *collected.photographs]
    sets = ["zoo"] * len(drawn.releases) + ["photographs"] * len(collected.photographs)
    with tempfile.TemporaryDirectory() as folder:
        pictures = release(Path(folder), originals)
        asked = ask_all(
            Path(folder),
            [
                *copies(list(zip(sets, pictures, strict=True)), collected.grounds, sample.kinds),
                *strangers([*drawn.siblings, *collected.strangers], collected.grounds),
            ],
        )
    pairs = [*releases(originals, pictures), *copies_of(collected.works, sample.works, collected.grounds)]
    verdicts = judged(pairs, collected.works)
    if grid is not None:
        _save(grid, originals, pictures)
    changes = [psnr(before, after) for before, after in zip(originals, pictures, strict=True)]
    costs = _costs(drawn, collected.photographs)
    rows = [*_rows(asked), *_false_rows(asked), *_changed_rows(verdicts), costs]
    return Measured(bars=[*_bars(asked, verdicts, min(changes)), *_cost_bars(costs)], rows=rows)


def _bars(asked: Sequence[Asked], verdicts: Sequence[Judged], least: float) -> list[Bar]:
    ours = [one for one in asked if one.release is not None]
    changed = [one for one in verdicts if one.of == RELEASE and one.before != one.after]
    copied = [one for one in verdicts if one.of != RELEASE]
    recall = [np.mean([verdict != "pass" for verdict in of]) for of in zip(*map(_both, copied), strict=True)]
    return [
        Bar(name="marked_psnr_min", value=least, goal=38, direction=">="),
        Bar(name="verdicts_changed_by_mark", value=len(changed), goal=0, direction="<="),
        Bar.of_share("traced_share", sum(one.traced for one in ours), len(ours), goal=0.95, direction=">="),
        Bar.of_share("false_traces", sum(one.false for one in asked), len(asked), goal=0.001, direction="<="),
        Bar(name="audit_recall_unchanged", value=float(recall[1] - recall[0]), goal=0, direction=">="),
    ]


def _both(judged: Judged) -> tuple[str, str]:
    return judged.before, judged.after


def _costs(drawn: Drawn, photographs: Sequence[np.ndarray]) -> dict[str, Any]:
    large = [enlarged(picture) for picture in photographs[:12]]
    return {
        "kind": "costs",
        "first_image_ms": 1000 * drawn.first_seconds,
        "second_image_ms": 1000 * drawn.second_seconds,
        "mark_ms_64": mark_ms(list(drawn.second_images)),
        "sign_ms_64": sign_ms(list(drawn.second_images)),
        "mark_ms_512": mark_ms(large),
        "sign_ms_512": sign_ms(large),
    }


def _cost_bars(costs: dict[str, Any]) -> list[Bar]:
    share = (costs["mark_ms_64"] + costs["sign_ms_64"]) / (costs["first_image_ms"] + costs["second_image_ms"])
    return [
        Bar(name="sign_ms_512", value=costs["sign_ms_512"], goal=50, direction="<="),
        Bar(name="batch_overhead_share", value=share, goal=0.03, direction="<="),
    ]


def _rows(asked: Sequence[Asked]) -> list[dict[str, Any]]:
    """Per set and kind: how many are traced, by all together and by watermark and fingerprint alone."""
    rows = []
    for of_set in ("zoo", "photographs"):
        for kind in KINDS:
            of_kind = [one for one in asked if one.set == of_set and one.kind == kind]
            if of_kind:
                rows.append(
                    {
                        "kind": "traced",
                        "set": of_set,
                        "copy": kind,
                        "copies": len(of_kind),
                        "traced": sum(one.traced for one in of_kind),
                        "traced_watermark_only": sum(one.by_watermark for one in of_kind),
                        "traced_fingerprint_only": sum(one.by_fingerprint for one in of_kind),
                        "answered_by_watermark": sum(one.answered_by == "watermark" for one in of_kind),
                    }
                )
    return rows


def _false_rows(asked: Sequence[Asked]) -> list[dict[str, Any]]:
    return [
        {
            "kind": "false",
            "set": one.set,
            "copy": one.kind,
            "answered_by": one.answered_by,
            "release": one.release,
            "named": one.named,
        }
        for one in asked
        if one.false
    ]


def _changed_rows(verdicts: Sequence[Judged]) -> list[dict[str, Any]]:
    changed = [one for one in verdicts if one.before != one.after]
    return [{"kind": "changed", "of": one.of, "before": one.before, "after": one.after} for one in changed]


def _save(grid: Path, originals: Sequence[np.ndarray], pictures: Sequence[np.ndarray]) -> None:
    from PIL import Image, ImageOps

    side = 192
    shown = [*range(6), *range(len(originals) - 6, len(originals))]
    sheet = Image.new("RGB", (3 * side, len(shown) * side), "white")
    for row, number in enumerate(shown):
        before, after = originals[number], pictures[number]
        change = np.clip(128 + 10 * (after.astype(np.int16) - before), 0, 255).astype(np.uint8)
        for column, pixels in enumerate((before, after, change)):
            sheet.paste(ImageOps.contain(Image.fromarray(pixels), (side, side)), (column * side, row * side))
    sheet.save(grid)
