"""The index of a campaign's works: kept on disk, in line with the folder of works, for corpora that are large."""

import fcntl
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from twig_assets.campaign import Campaign
from twig_assets.files import write_whole
from twig_assets.settings.corpus import CorpusSettings
from twig_assets.settings.home import indexes_folder
from twig_assets.similarity import opened_sources, read_part, read_policy
from twig_assets.similarity.corpus.references import CorpusFile, corpus_files
from twig_assets.similarity.detectors.detector import Source
from twig_assets.similarity.index.build import keep_in_line
from twig_assets.similarity.index.describe import identities
from twig_assets.similarity.versions import library_versions

_LISTING = "listing"
_REPORTED = 256
"""Files between two reports of progress."""


def is_indexed(campaign: Campaign, works: int) -> bool:
    """Whether images are compared with this many works by an index, as the campaign's policy says.

    Raises:
        PolicyError: If the policy cannot be read.
    """
    return works >= read_part(campaign.policy_file, CorpusSettings).indexed_from


def works_index(campaign: Campaign, step: Callable[[int, int], None]) -> Path:
    """Bring the index of a campaign's works in line with their folder, and say where it lies.

    Nothing is read where the files are those of the last time by name, size and time of change. The index is made of
    the files only, so it may be deleted.

    Args:
        campaign: Whose works these are.
        step: Called with the number of files read and of all.

    Raises:
        CorpusError: If there are no works, or their table cannot be used.
        CorpusIndexError: If the index cannot be written.
        PolicyError: If the policy cannot be read.
    """
    follow_links = read_part(campaign.policy_file, CorpusSettings).follow_links
    sources = opened_sources(read_policy(campaign.policy_file).model_dump())
    folder = indexes_folder() / campaign.name
    with _locked(folder):
        files = corpus_files(campaign.references_folder.absolute(), follow_links)
        listing = _listing(files, sources)
        noted = folder / _LISTING
        if not noted.is_file() or noted.read_text() != listing:
            keep_in_line(folder, files, sources, _now_and_then(step))
            write_whole(noted, listing)
    return folder


def _now_and_then(step: Callable[[int, int], None]) -> Callable[[int, int], None]:
    def seldom(done: int, total: int) -> None:
        if done % _REPORTED == 0 or done == total:
            step(done, total)

    return seldom


def _listing(files: Sequence[CorpusFile], sources: Sequence[Source]) -> str:
    """Changes with the files, with what the table says of them, and with what describes them."""
    digest = hashlib.sha256(json.dumps([identities(sources), library_versions()], sort_keys=True).encode())
    for file in files:
        said = [str(file.path), file.title, file.rights_holder, file.licence, file.problem]
        try:
            status = file.path.stat()
            said += [str(status.st_size), str(status.st_mtime_ns)]
        except OSError as error:
            said.append(str(error.errno))
        digest.update(json.dumps(said).encode())
    return digest.hexdigest()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time; the others wait for it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
