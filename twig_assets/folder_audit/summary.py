"""What came out of an audit, in figures: the content of `summary.json`."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from twig_assets.folder_audit.compare import CANDIDATES, Result
from twig_assets.folder_audit.corpus import LOCAL_UP_TO, Corpus
from twig_assets.folder_audit.images import MAX_SIDE as IMAGE_SIDE
from twig_assets.folder_audit.indexed import IndexedCorpus
from twig_assets.folder_audit.verdicts import Judged
from twig_assets.folder_audit.waivers import Waiver
from twig_assets.folder_audit.work import SIDE
from twig_assets.similarity import SEVERITY, Policy
from twig_assets.similarity.corpus.sizes import WORK_SIDE
from twig_assets.similarity.versions import library_versions

OPINION = "A verdict is an opinion about similarity, not about infringement."
PERCENTILES = (5, 25, 50, 75, 90, 95, 99)
METHOD = (
    f"Every image is compared with every reference in eight orientations: by SSIM, both squeezed to {SIDE} x {SIDE} "
    f"px (Lanczos), by gradients and by PDQ hash. The {CANDIDATES} most alike by each are compared again at the "
    f"image's own size, which is reduced to {IMAGE_SIDE} px on the longer side if it is larger; for SSIM, references "
    f"of another size are resized to it (Lanczos, proportions given up; first to {WORK_SIDE} px if larger). "
    "Scores and verdicts are of that second comparison."
)
LOCAL = f" Candidates were also sought by local features, {CANDIDATES} for each image."
NO_LOCAL = (
    f" With more than {LOCAL_UP_TO} references, candidates are not sought by local features: crops and pasted "
    "works that look like nothing as a whole are missed."
)
BY_INDEX = (
    "The works most alike to every image in eight orientations are looked for in an index: by PDQ hash (all within 31 "
    f"bits), by gradients and other vectors, by local features, and among those by SSIM at {SIDE} x {SIDE} px. They "
    f"are compared at the image's own size, which is reduced to {IMAGE_SIDE} px on the longer side if it is larger; "
    "for SSIM, references of another size are resized to it (Lanczos, proportions given up). Scores and verdicts are "
    "of that second comparison. Share of works alike in a comparison with all of a sample that the index proposes: "
    "{recall}."
)


def summarize(
    judged: Sequence[Judged],
    hidden: Sequence[str],
    corpus: Corpus,
    policy: Policy,
    baseline: Sequence[Result],
    recall: dict[str, Any],
    waived: dict[str, list[Waiver]],
) -> dict[str, Any]:
    """The figures.

    Args:
        judged: Every file with its verdict.
        hidden: Names of the hidden files that were passed over.
        corpus: The works that the images were compared with.
        policy: The thresholds in use.
        baseline: Results of works of the corpus against the rest of it.
        recall: How many planted copies were found.
        waived: Name of a file -> the decisions that let it through.
    """
    verdicts = Counter(image.verdict for image in judged)
    distinct = {image.sha256: image for image in judged if image.sha256}.values()
    return {
        "what": OPINION,
        "complete": not corpus.unread,
        "method": _method(corpus),
        "images": {"files": len(judged), "distinct": len(distinct), **{name: verdicts[name] for name in SEVERITY}},
        "waived": {
            name: [waiver.model_dump(mode="json") for waiver in decisions] for name, decisions in waived.items()
        },
        "inconclusive": [_reasons(image) for image in judged if image.verdict == "inconclusive"],
        "passed_over": list(hidden),
        "references": {
            "compared": len(corpus.works),
            "corpus_version": corpus.version,
            "not_compared": [{"file": skipped.name, "reason": skipped.reason} for skipped in corpus.not_compared],
            "unread": [{"file": unread.name, "reason": unread.reason} for unread in corpus.unread],
            "notes": [{"file": work.name, "notes": list(work.notes)} for work in corpus.noted],
        },
        "ssim": spread([image.ssim for image in distinct], policy),
        "baseline": {
            "what": "works of the corpus against the rest of it",
            "sampled": len(baseline),
            **spread([result["scores"].get("ssim") for result in baseline], policy),
        },
        "recall": recall,
        "policy": policy.model_dump(mode="json"),
        "policy_sha256": policy.sha256,
        "versions": library_versions(),
    }


def _method(corpus: Corpus) -> str:
    if isinstance(corpus, IndexedCorpus):
        return BY_INDEX.format(recall=corpus.index.manifest.recall.get("candidate_recall", "not measured"))
    return METHOD + (LOCAL if corpus.has_local_features else NO_LOCAL)


def spread(scores: Sequence[float | None], policy: Policy) -> dict[str, Any]:
    """Percentiles, maximum and shares from the two thresholds on, of the scores that there are."""
    known = np.array([score for score in scores if score is not None])
    limits = {"review": round(policy.ssim_threshold - policy.review_margin, 9), "fail": policy.ssim_threshold}
    return {
        "scored": len(known),
        "percentiles": {str(p): float(np.percentile(known, p)) for p in PERCENTILES} if len(known) else {},
        "maximum": float(known.max()) if len(known) else None,
        "share_from": [
            {"verdict": name, "threshold": limit, "share": float((known >= limit).mean()) if len(known) else None}
            for name, limit in limits.items()
        ],
    }


def _reasons(image: Judged) -> dict[str, Any]:
    return {"file": image.file.name, "reasons": image.result["reasons"]}
