"""A verdict for every file that was handed in, also for those that show nothing."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from twig_assets.folder_audit.allowed import Element, without_allowed
from twig_assets.folder_audit.compare import Comparing, Progress, Result, compare
from twig_assets.folder_audit.images import MAX_SIDE, ImageFile
from twig_assets.folder_audit.queries import Query, ViewOfFile
from twig_assets.folder_audit.views import worst_view
from twig_assets.folder_audit.work import ImageRow, WorkFolder
from twig_assets.similarity import Policy, is_behind, severity
from twig_assets.similarity.corpus.decode import DecodeError, decode_views, read_file, suffix_note
from twig_assets.similarity.corpus.sizes import reduced_size
from twig_assets.similarity.corpus.views import view_key
from twig_assets.similarity.verdicts.rule import weight


@dataclass(frozen=True)
class Judged:
    """A file and what was found.

    Attributes:
        file: The file.
        sha256: Hash of its content; None if it could not be read.
        size: Width and height of what it shows; None if it shows nothing.
        notes: What was done to it while decoding, and what could not be looked at.
        view: Label of the view that the verdict rests on; empty for a plain picture, or a file that shows nothing.
        result: The audit's result; of a file that shows nothing, an inconclusive one with the reason.
    """

    file: ImageFile
    sha256: str | None
    size: tuple[int, int] | None
    notes: tuple[str, ...]
    view: str
    result: Result = field(repr=False)

    @property
    def verdict(self) -> str:
        """`pass`, `review`, `fail` or `inconclusive`."""
        return str(self.result["verdict"])

    @property
    def ssim(self) -> float | None:
        """The highest SSIM to any work; None if it was not computed."""
        score: float | None = self.result["scores"].get("ssim")
        return score

    @property
    def nearest_match(self) -> Result | None:
        """The match that the verdict rests on, or comes nearest to it: the one that most speaks for; None without one.

        It is one of the view that the verdict rests on.
        """
        matches = self.result["matches"]
        of_view = [match for match in matches if match.get("view", self.view) == self.view]
        return max(of_view or matches, key=lambda match: weight(match, self.result["thresholds"]), default=None)

    @property
    def behind(self) -> list[str]:
        """Hashes of the works that a verdict of `fail` or `review` rests on."""
        if self.verdict not in ("fail", "review"):
            return []
        thresholds = self.result["thresholds"]
        return [
            match["reference_sha256"]
            for match in self.result["matches"]
            if match["reference_sha256"] == self.result["nearest"] or is_behind(match, thresholds, self.verdict)
        ]

    @property
    def order(self) -> tuple[int, tuple[float, ...], float, str]:
        """A key that sorts the most severe first, and of equals those for which most speaks."""
        match = self.nearest_match
        speaking = () if match is None else tuple(-part for part in weight(match, self.result["thresholds"])[1:])
        return severity(self.verdict), speaking, -2.0 if self.ssim is None else -self.ssim, self.file.name


def judge(
    files: Sequence[ImageFile],
    by: Comparing,
    read: Callable[[int, int], None],
    progress: Progress,
    elements: Sequence[Element] = (),
) -> list[Judged]:
    """Audit files; the same content is audited once.

    Args:
        files: What to audit.
        by: What they are compared with.
        read: Called with the number of files read and of all.
        progress: See `compare`.
        elements: What may be shown of the works.

    Returns:
        One for each file, in order.
    """
    looked: list[tuple[ImageFile, str | None, ImageRow | str]] = []
    for count, file in enumerate(files, 1):
        looked.append((file, *_look(file, by.work)))
        read(count, len(files))
    sound = {sha256: (file, row) for file, sha256, row in reversed(looked) if sha256 and isinstance(row, ImageRow)}
    queries = [
        Query(file.name, view_key(sha256, label), ViewOfFile(file.path, file.name, sha256, label))
        for sha256, (file, row) in reversed(sound.items())
        for label in row.labels
    ]
    beside_all = compare(queries, by, progress)
    found = without_allowed(queries, beside_all, by, elements) if elements else beside_all
    results = dict(zip((query.key for query in queries), found, strict=True))
    return [
        _nothing(file, sha256, row, by.policy) if isinstance(row, str) else _judged(file, str(sha256), row, results)
        for file, sha256, row in looked
    ]


def _look(file: ImageFile, work: WorkFolder) -> tuple[str | None, ImageRow | str]:
    """The file's hash, and what decoding it gave, or why it shows nothing."""
    sha256 = None
    try:
        if file.problem:
            raise DecodeError("unreadable", file.problem)
        content = read_file(file.path)
        sha256 = hashlib.sha256(content).hexdigest()
        if (known := work.image(sha256)) is not None:
            return sha256, known
        # The pixels are decoded again when they are compared.
        decoded = decode_views(content, lambda pixels: pixels[:1, :1].copy())
    except DecodeError as error:
        return sha256, str(error)
    labels = tuple(view.label for view in decoded.views)
    row = ImageRow(decoded.format, *decoded.size, decoded.notes, labels, decoded.missing)
    work.put_image(sha256, row)
    return sha256, row


def _judged(file: ImageFile, sha256: str, row: ImageRow, results: dict[str, Result]) -> Judged:
    view, result = worst_view({label: results[view_key(sha256, label)] for label in row.labels})
    notes = suffix_note(file.path.suffix, row.format) + row.notes + _reduction(row.width, row.height)
    if view:
        notes += (f"the verdict is that on one view of it: {view}",)
    missing = tuple(f"a copy may be in what could not be looked at: {reason}" for reason in row.missing)
    result = {**result, "reasons": _of_own_size(result, row)}
    if missing and result["verdict"] == "pass":
        result = {**result, "verdict": "inconclusive", "reasons": [*missing, *result["reasons"]]}
    else:
        notes += missing
    return Judged(file, sha256, (row.width, row.height), notes, view, result)


def _of_own_size(result: Result, row: ImageRow) -> list[str]:
    """The reasons; if an image is too small only because it was reduced, they speak of its own size."""
    smallest = result["thresholds"]["min_side"]
    width, height = reduced_size(row.width, row.height, MAX_SIDE)
    if min(width, height) >= smallest or min(row.width, row.height) < smallest:
        return list(result["reasons"])
    own = f"is {row.width} x {row.height} px, too long and narrow to judge: reduced to {MAX_SIDE} px it would be"
    return [f"the image {own} {min(width, height)} px narrow, and at least {smallest} px are needed; cut it in pieces"]


def _nothing(file: ImageFile, sha256: str | None, problem: str, policy: Policy) -> Judged:
    result: Result = {
        "verdict": "inconclusive",
        "reasons": [f"the file {problem}" if problem[0].islower() else problem],
        "nearest": None,
        "scores": {},
        "thresholds": policy.model_dump(mode="json"),
        "matches": [],
        "versions": {},
    }
    return Judged(file, sha256, None, (), "", result)


def _reduction(width: int, height: int) -> tuple[str, ...]:
    smaller_width, smaller_height = reduced_size(width, height, MAX_SIDE)
    if (smaller_width, smaller_height) == (width, height):
        return ()
    return (f"reduced from {width} x {height} to {smaller_width} x {smaller_height} px before it was compared",)
