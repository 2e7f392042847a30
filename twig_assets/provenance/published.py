"""Checking files that were handed out: the credential, and whether the catalog still says the same."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sqlalchemy.orm import Session

from twig_assets.catalog.database import open_existing_catalog
from twig_assets.evidence.checks import Finding
from twig_assets.provenance.credentials import read_credentials
from twig_assets.provenance.record import contradictions
from twig_assets.settings.home import catalog_url


def verify_published(files: Sequence[Path]) -> list[Finding]:
    """What `twig verify FILE...` finds in published files, with the catalog of this installation.

    Raises:
        SchemaError: When the catalog cannot be read or does not fit this version.
        OSError: If a file cannot be read.
    """
    if not files:
        return []
    catalog = open_existing_catalog(catalog_url())
    try:
        with catalog.snapshot() as session:
            return list(check_published(session, files))
    finally:
        catalog.close()


def check_published(session: Session, files: Iterable[Path]) -> Iterator[Finding]:
    """Everything that is wrong with published files.

    Args:
        session: An open session of the catalog that released them.
        files: The files.

    Raises:
        OSError: If one cannot be read.
    """
    for file in files:
        read = read_credentials(file)
        if read.state != "trusted":
            yield Finding(str(file), read.sentence)
        elif read.release is None:
            yield Finding(str(file), "It says nothing of a release: no campaign of this program released it.")
        else:
            for problem in contradictions(session, read.release):
                yield Finding(str(file), problem.sentence)
