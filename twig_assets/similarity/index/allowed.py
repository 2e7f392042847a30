"""Auditing an image against an index without what may be shown of some of its works."""

from collections.abc import Sequence

import numpy as np

from twig_assets.similarity.allowed import Allowed, RestOfWorks
from twig_assets.similarity.index.audited import IndexedWorks
from twig_assets.similarity.result import AuditResult


def audit_rest(
    image: np.ndarray, works: IndexedWorks, allowed: Sequence[Allowed], mask: np.ndarray, label: str
) -> AuditResult | None:
    """The verdict on an image by what is left of an index's works; see `RestOfWorks`.

    The index is searched as if the works concerned had been removed, so that they take no other work's place among the
    candidates; what is left of those that are allowed in parts is compared with besides.

    Args:
        image: uint8 (H, W, 3).
        works: The index, and the policy.
        allowed: What may be shown of its works.
        mask: bool (H, W), the image's foreground; all False where there is none.
        label: Its name.

    Returns:
        None where nothing is left to compare with.
    """
    concerned = sorted({element.work for element in allowed})
    sources = list(works.sources.values())
    others = IndexedWorks(works.index.without(concerned), works.policy, sources)
    [rows] = others.candidates([image], [mask])
    rows += [row for work in concerned for row in works.index.rows_of(work)]
    references = [works.picture(row) for row in sorted(rows)]
    return RestOfWorks(references, allowed, works.policy, sources).audit(image, mask, label)
