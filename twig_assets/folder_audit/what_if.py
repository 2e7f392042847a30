"""What a page needs to say what other thresholds would decide: the stored scores, the thresholds and their ranges."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from twig_assets.folder_audit.verdicts import Judged
from twig_assets.similarity import SEVERITY, Limit, Policy, limits
from twig_assets.similarity.verdicts.naming import names
from twig_assets.similarity.verdicts.rule import BEARS_OUT, BORNE_OUT_BY, CERTAIN, CERTAINLY_INFORMED

AT_MOST = 2000
"""Of more images the worst are taken, so that the page stays small enough to be mailed."""

MARGIN = "review_margin"
_STRUCTURAL = ("ssim", "masked_ssim")


@dataclass(frozen=True)
class Slider:
    """A threshold that can be moved.

    Attributes:
        field: Its name in the policy.
        title: What it is called, for a person.
        unit: What its score counts.
        low: The least value.
        high: The largest value.
        step: Between two values.
        direction: An image fails when its score is `>=` or `<=` the value.
        value: The threshold that was used; None if it was turned off.
        optional: Whether it can be turned off.
    """

    field: str
    title: str
    unit: str
    low: float
    high: float
    step: float
    direction: str
    value: float | None
    optional: bool


def sliders(judged: Sequence[Judged], policy: Policy) -> list[Slider]:
    """The thresholds that something was scored for, and the two that go with SSIM."""
    known = {name for image in judged for name, score in image.result["scores"].items() if score is not None}
    body = policy.model_dump(mode="json")
    used = [limit for limit in limits(body) if limit.score in known]
    made = [_slider(limit, _seen(judged, limit)) for limit in used]
    if any(limit.score in BORNE_OUT_BY for limit in used):
        after = max(i for i, limit in enumerate(used) if limit.score in BORNE_OUT_BY) + 1
        made[after:after] = [
            Slider(
                BEARS_OUT,
                "which SSIM weighted by information must bear out from",
                "",
                0.01,
                1,
                0.01,
                ">=",
                body[BEARS_OUT],
                True,
            ),
            Slider(MARGIN, "a person looks from this far below", "", 0, 0.3, 0.01, ">=", body[MARGIN], False),
        ]
    return made


def scores_of(judged: Sequence[Judged], shown: Sequence[Judged], policy: Policy) -> dict[str, Any]:
    """What the page's script judges again, as JSON.

    Args:
        judged: Every file with its verdict, the worst first.
        shown: Those that have a card on the page, in its order.
        policy: The thresholds in use.
    """
    moved = sliders(judged, policy)
    body = policy.model_dump(mode="json")
    fields = {slider.field for slider in moved}
    used = [limit for limit in limits(body) if limit.field in fields]
    support = [BORNE_OUT_BY[limit.score] for limit in used if limit.score in BORNE_OUT_BY]
    keys = list(dict.fromkeys([limit.score for limit in used] + support))
    taken = judged[:AT_MOST]
    return {
        "certain": CERTAIN,
        "certainlyInformed": CERTAINLY_INFORMED,
        "severity": list(SEVERITY),
        "bearsOut": BEARS_OUT,
        "margin": MARGIN,
        "keys": keys,
        "limits": [
            {
                "field": limit.field,
                "score": limit.score,
                "direction": limit.direction,
                "share": limit.share,
                "support": BORNE_OUT_BY.get(limit.score),
                "witnesses": [other.field for other in used if other in limit.witnesses],
            }
            for limit in used
        ],
        "sliders": [asdict(slider) for slider in moved],
        "thresholds": {slider.field: slider.value for slider in moved},
        "cards": len(shown),
        "images": [_image(image, keys) for image in taken],
    }


def _image(image: Judged, keys: Sequence[str]) -> dict[str, Any]:
    return {
        "verdict": image.verdict,
        "scores": _values(image.result["scores"], keys),
        "matches": [_values(match, keys) for match in image.result["matches"]],
    }


def _values(scores: Mapping[str, Any], keys: Sequence[str]) -> list[float | None]:
    return [scores.get(key) for key in keys]


def _slider(limit: Limit, seen: Sequence[float]) -> Slider:
    title, unit = names()[limit.score]
    value = limit.value
    largest = max([*seen, *([value] if value is not None else [])], default=1.0)
    optional = limit.score not in _STRUCTURAL
    if all(float(score).is_integer() for score in seen) and largest > 1:
        low, high, step = (0.0, min(256.0, 4 * (value or 32)), 1.0) if limit.direction == "<=" else (1.0, largest, 1.0)
    elif largest <= 1:
        low, high, step = 0.01, 1.0, 0.01
    else:
        low, high, step = 0.1, round(largest + 0.1, 1), 0.1
    return Slider(limit.field, title, unit, low, high, step, limit.direction, value, optional)


def _seen(judged: Sequence[Judged], limit: Limit) -> list[float]:
    scores = (image.result["scores"].get(limit.score) for image in judged)
    return [score for score in scores if score is not None]
