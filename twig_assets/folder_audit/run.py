"""Audit a folder of images against a folder of protected works, and write down what was found."""

import json
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twig_assets.engines import Copy, opened_engine
from twig_assets.files import write_whole
from twig_assets.folder_audit.allowed import in_force, read_elements
from twig_assets.folder_audit.compare import Comparing
from twig_assets.folder_audit.corpus import Corpus, prepare_corpus
from twig_assets.folder_audit.descriptions import describe_works
from twig_assets.folder_audit.gallery import About, most_severe, write_gallery
from twig_assets.folder_audit.images import ImageFile, image_files
from twig_assets.folder_audit.indexed import IndexedCorpus, is_index
from twig_assets.folder_audit.kept_pictures import drawn
from twig_assets.folder_audit.planted import self_check
from twig_assets.folder_audit.progress import Bar, CompareBars
from twig_assets.folder_audit.summary import summarize
from twig_assets.folder_audit.tables import write_tables
from twig_assets.folder_audit.verdicts import Judged, judge
from twig_assets.folder_audit.waivers import Waiver, read_waivers, waived
from twig_assets.folder_audit.work import WorkError, WorkFolder
from twig_assets.settings.engines import EngineSettings
from twig_assets.similarity import Policy
from twig_assets.similarity.corpus.files import shown as shown_name
from twig_assets.similarity.index.reader import CorpusIndex

IN_PROCESS = EngineSettings(workers=1)


class FolderAuditError(ValueError):
    """An audit that cannot begin; the message says what to change."""


@dataclass(frozen=True)
class Outcome:
    """What an audit found.

    Attributes:
        judged: Every file with its verdict, in order of path.
        waived: Name of a file -> the decisions that let it through although it fails or is to be looked at.
        summary: The content of `summary.json`.
        out: The folder that holds `gallery.html`, `summary.json`, `audit.parquet` and `audit.csv`.
    """

    judged: list[Judged]
    waived: dict[str, list[Waiver]]
    summary: dict[str, Any]
    out: Path


def audit_folder(
    images: Path,
    references: Path,
    policy: Policy,
    out: Path,
    *,
    sample: int = 18,
    shown: int = 200,
    follow_links: bool = False,
    bars: bool = False,
    engine: EngineSettings = IN_PROCESS,
    copies: tuple[Copy, ...] = (),
) -> Outcome:
    """Audit all images; what an earlier run into the same folder has done is not done again.

    Args:
        images: A folder of images, or one image.
        references: The folder of protected works, perhaps with a `references.csv`; or an index, see `twig index`.
        policy: Thresholds.
        out: Where results go. Its subfolder `work` holds what a further run goes on from.
        sample: How many works are compared with the rest of the corpus, to see how alike unrelated works are; and how
            many copies of works are planted, to see how many are found.
        shown: How many images, the worst first, the gallery shows.
        follow_links: Whether links are followed that lead out of the folders.
        bars: Whether to show progress on standard error.
        engine: Where it is computed; the output has the same bytes whatever is chosen. What is named here as a folder
            has to be at the same place for all workers.
        copies: What workers copy to their machine before: images and works that lie at a URL.

    Raises:
        FolderAuditError: If there are no images, or `out` lies within one of the folders that are read.
        CorpusError: If the references cannot be used.
        CorpusIndexError: If they are an index that cannot be used, or the file of one of its works has changed.
        WorkError: If `out` cannot be used, or a file changes while it is read.
        WaiverError: If the file of waivers in `out` cannot be read.
        AllowedElementError: If the file of what may be shown cannot be read.
    """
    files, hidden = files_to_audit(images, references, out, follow_links)
    elements = in_force(read_elements(out))
    with closing(WorkFolder(out / "work")) as work:
        with Bar("reading references", "files", bars) as bar:
            corpus = _corpus(references, work, policy, bar, follow_links)
        with opened_engine(engine) as opened:
            by = Comparing(corpus, policy, work, opened, copies)
            with Bar("describing references", "views", bars) as bar:
                describe_works(corpus, policy, work, opened, bar.reach, copies)
            with Bar("reading images", "files", bars) as bar, CompareBars("images", bars) as progress:
                judged = judge(files, by, bar.reach, progress, elements)
            with CompareBars("self-check, once for a corpus", bars) as progress:
                baseline, found = self_check(by, sample, progress)
            with Bar("drawing the page", "images", bars) as bar:
                cards = drawn(most_severe(judged)[:shown], by, bar.reach)
    waivers = read_waivers(out)
    let_through = {
        image.file.name: decisions for image in judged if (decisions := waived(image, policy.sha256, waivers))
    }
    summary = summarize(judged, hidden, corpus, policy, baseline, found, let_through)
    about = About(shown_name(images), shown_name(references), policy, datetime.now(UTC))
    try:
        write_tables(judged, corpus, policy, waivers, out)
        write_whole(out / "summary.json", json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
        write_gallery(judged, cards, let_through, summary, corpus, baseline, out / "gallery.html", about)
    except OSError as error:
        raise WorkError(f"{out}: cannot be written ({error.strerror}); free some space and run it again") from error
    return Outcome(judged, let_through, summary, out)


def _corpus(references: Path, work: WorkFolder, policy: Policy, bar: Bar, follow_links: bool) -> Corpus:
    if not is_index(references):
        return prepare_corpus(references, work, bar.reach, follow_links)
    # Works of a folder that was audited against before are none of the index's.
    with work.transaction():
        work.withdraw(sorted(work.references()))
    return IndexedCorpus(CorpusIndex(references), policy)


def files_to_audit(
    images: Path, references: Path, out: Path, follow_links: bool = False
) -> tuple[list[ImageFile], list[str]]:
    """The files to audit and the names of hidden ones.

    Raises:
        FolderAuditError: If there is nothing to audit, or `out` lies within one of the folders that are read.
    """
    for folder in (images, references):
        if folder.is_dir() and out.resolve().is_relative_to(folder.resolve()):
            raise FolderAuditError(f"{out}: lies within {folder}, which is read; choose another --out")
    try:
        files, hidden = image_files(images, follow_links)
    except OSError as error:
        raise FolderAuditError(f"{images}: {error.strerror}; name a folder of images, or one image") from error
    if not files:
        raise FolderAuditError(f"{images}: there is no file to audit; put the images there")
    return files, hidden
