"""A verdict for every file that was handed in, also for those that show nothing."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from twig_assets.folder_audit.compare import Progress, Query, Result, compare
from twig_assets.folder_audit.corpus import Corpus
from twig_assets.folder_audit.images import MAX_SIDE, ImageFile, reduced_size
from twig_assets.folder_audit.work import ImageRow, WorkError, WorkFolder
from twig_assets.similarity import Policy, is_behind, severity
from twig_assets.similarity.corpus.decode import DecodeError, decode, read_file, suffix_note


@dataclass(frozen=True)
class Judged:
    """A file and what was found.

    Attributes:
        file: The file.
        sha256: Hash of its content; None if it could not be read.
        size: Width and height of what it shows; None if it shows nothing.
        notes: What was done to it while decoding.
        result: The audit's result; of a file that shows nothing, an inconclusive one with the reason.
    """

    file: ImageFile
    sha256: str | None
    size: tuple[int, int] | None
    notes: tuple[str, ...]
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
        """The match with the work behind the verdict; None if there is none."""
        matches = (match for match in self.result["matches"] if match["reference_sha256"] == self.result["nearest"])
        return next(matches, None)

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
    def order(self) -> tuple[int, float, str]:
        """A key that sorts the most severe first."""
        return severity(self.verdict), -2.0 if self.ssim is None else -self.ssim, self.file.name


def judge(
    files: Sequence[ImageFile],
    corpus: Corpus,
    policy: Policy,
    work: WorkFolder,
    read: Callable[[int, int], None],
    progress: Progress,
) -> list[Judged]:
    """Audit files; the same content is audited once.

    Args:
        files: What to audit.
        corpus: The works.
        policy: Thresholds.
        work: The folder that holds what earlier runs did.
        read: Called with the number of files read and of all.
        progress: See `compare`.

    Returns:
        One for each file, in order.
    """
    looked: list[tuple[ImageFile, str | None, ImageRow]] = []
    for count, file in enumerate(files, 1):
        looked.append((file, *_look(file, work)))
        read(count, len(files))
    sound = {sha256: file for file, sha256, row in reversed(looked) if sha256 and row.problem is None}
    queries = [Query(file.name, sha256, _pixels(file, sha256)) for sha256, file in reversed(sound.items())]
    results = dict(zip((query.key for query in queries), compare(queries, corpus, policy, work, progress), strict=True))
    return [_judged(file, sha256, row, results, policy) for file, sha256, row in looked]


def _look(file: ImageFile, work: WorkFolder) -> tuple[str | None, ImageRow]:
    sha256 = None
    try:
        if file.problem:
            raise DecodeError("unreadable", file.problem)
        content = read_file(file.path)
        sha256 = hashlib.sha256(content).hexdigest()
        if (known := work.image(sha256)) is not None:
            return sha256, known
        decoded = decode(content)
        row = ImageRow(decoded.format, decoded.pixels.shape[1], decoded.pixels.shape[0], decoded.notes, None)
    except DecodeError as error:
        row = ImageRow(None, None, None, (), str(error))
    if sha256:
        work.put_image(sha256, row)
    return sha256, row


def _pixels(file: ImageFile, sha256: str) -> Callable[[], np.ndarray]:
    def load() -> np.ndarray:
        content = read_file(file.path)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise WorkError(f"{file.name}: has changed since the run began; run the same command again")
        return decode(content).pixels

    return load


def _judged(file: ImageFile, sha256: str | None, row: ImageRow, results: dict[str, Result], policy: Policy) -> Judged:
    if row.problem is None and sha256 and row.format and row.width and row.height:
        notes = suffix_note(file.path.suffix, row.format) + row.notes + _reduction(row.width, row.height)
        return Judged(file, sha256, (row.width, row.height), notes, results[sha256])
    nothing: Result = {
        "verdict": "inconclusive",
        "reasons": [f"the file {row.problem}" if row.problem and row.problem[0].islower() else str(row.problem)],
        "nearest": None,
        "scores": {},
        "thresholds": policy.model_dump(mode="json"),
        "matches": [],
        "versions": {},
    }
    return Judged(file, sha256, None, (), nothing)


def _reduction(width: int, height: int) -> tuple[str, ...]:
    smaller_width, smaller_height = reduced_size(width, height, MAX_SIDE)
    if (smaller_width, smaller_height) == (width, height):
        return ()
    return (f"reduced from {width} x {height} to {smaller_width} x {smaller_height} px before it was compared",)
