"""One row for every image, reference and rank: as Parquet and as CSV."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from twig_assets.escaping import defused
from twig_assets.files import written_whole
from twig_assets.folder_audit.columns import column
from twig_assets.folder_audit.corpus import Corpus
from twig_assets.folder_audit.verdicts import Judged
from twig_assets.folder_audit.waivers import Pair, Waiver
from twig_assets.similarity import Policy

_STRUCTURAL = ("ssim", "iw_ssim", "masked_ssim", "masked_iw_ssim", "transform", "masked_transform")
_SCORES = (*_STRUCTURAL, "hog_cosine", "pdq_distance", "sift_inliers")
_MATCH_COLUMNS = (*_SCORES, "sscd_cosine", "alignment_strength", "aligned_ssim", "aligned_iw_ssim", "copied", "fired")
_IMAGE_COLUMNS = (*_SCORES, "alignment_strength", "sscd_cosine", "contrast", "mask_pixels")
"""The order of the columns since the first tables; the scores of later detectors follow."""


def write_tables(
    judged: Sequence[Judged], corpus: Corpus, policy: Policy, waivers: Mapping[Pair, Waiver], out: Path
) -> None:
    """Write `audit.parquet` and `audit.csv`; an image without a match has one row, whose rank is empty.

    In the CSV file, texts that a spreadsheet would take for a formula are `defused`.

    Raises:
        OSError: If they cannot be written.
    """
    rows = [row for image in judged for row in _rows(image, corpus, policy, waivers)]
    # An image with a match first, for its row has all columns in their order.
    complete = sorted(rows, key=lambda row: row["rank"] is None)
    columns = list(dict.fromkeys(name for row in complete for name in row))
    table = pa.table({name: column([row.get(name) for row in rows]) for name in columns})
    with written_whole(out / "audit.parquet") as path:
        pyarrow.parquet.write_table(table, path)
    safe = {name: column([_defused(row.get(name)) for row in rows]) for name in columns}
    with written_whole(out / "audit.csv") as path:
        pyarrow.csv.write_csv(pa.table(safe), path)


def _defused(cell: Any) -> Any:
    return defused(cell) if isinstance(cell, str) else cell


def _rows(judged: Judged, corpus: Corpus, policy: Policy, waivers: Mapping[Pair, Waiver]) -> list[dict[str, Any]]:
    result = judged.result
    width, height = judged.size or (None, None)
    columns = {
        "image": judged.file.name,
        "image_sha256": judged.sha256,
        "width": width,
        "height": height,
        "notes": "; ".join(judged.notes),
        "verdict": judged.verdict,
        "reasons": "; ".join(result["reasons"]),
    }
    about = {f"image_{name}": value for name, value in _in_order(result["scores"], _IMAGE_COLUMNS).items()}
    rules = {**result["thresholds"], "policy_sha256": policy.sha256, "corpus_version": corpus.version}
    rules |= {f"{library} version": number for library, number in result["versions"].items()}
    rows = []
    for match in result["matches"] or [{}]:
        sha256 = match.get("reference_sha256")
        waiver = waivers.get((judged.sha256 or "", sha256 or "", policy.sha256))
        decided = {
            "behind_verdict": sha256 in judged.behind,
            "waived": f"{waiver.who}: {waiver.why}" if waiver else None,
        }
        rows.append({**columns, **_match(match, corpus), **decided, **about, **rules})
    return rows


def _match(match: dict[str, Any], corpus: Corpus) -> dict[str, Any]:
    sha256 = match.get("reference_sha256")
    work = corpus.works[sha256] if sha256 else None
    own = ("rank", "reference_sha256", "resized_from", "view", "reference_view")
    resized = match.get("resized_from")
    return {
        "rank": match.get("rank"),
        "reference": work.name if work else None,
        "reference_sha256": sha256,
        "title": work.file.title if work else None,
        "rights_holder": work.file.rights_holder if work else None,
        "licence": work.file.licence if work else None,
        **{name: _cell(value) for name, value in _in_order(match, _MATCH_COLUMNS).items() if name not in own},
        "resized_from": f"{resized[1]} x {resized[0]}" if resized else None,
        "view": match.get("view"),
        "reference_view": match.get("reference_view"),
    }


def _in_order(row: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in (*columns, *row) if name in row}


def _cell(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
