"""What is to be said of an index, and whether its files are as they were written."""

from pathlib import Path
from typing import Any

from twig_assets.similarity.index.manifest import read_manifest
from twig_assets.similarity.index.reader import CorpusIndex
from twig_assets.similarity.index.segment import hashed
from twig_assets.similarity.index.sketches import SCANNED_UP_TO
from twig_assets.similarity.versions import SCORING


def described(folder: Path) -> dict[str, Any]:
    """What an index holds, ready for JSON.

    Raises:
        CorpusIndexError: If there is none, or it cannot be used.
    """
    index = CorpusIndex(folder)
    manifest = index.manifest
    return {
        "folder": str(folder),
        "works": len(index.sha256s),
        "views": manifest.rows,
        "removed_views": len(index) - manifest.rows,
        "corpus_version": index.version,
        "scoring": manifest.scoring,
        "changes": manifest.sequence,
        "segments": len(manifest.segments),
        "bytes": sum(segment.size for segment in manifest.segments),
        "vectors": manifest.vectors,
        "search": "every sketch" if len(index) <= SCANNED_UP_TO else "sketches in the nearest lists",
        "recall": manifest.recall,
        "unread": [work.model_dump() for work in manifest.unread],
    }


def damaged_files(folder: Path) -> list[str]:
    """The files of an index that are missing or not as they were written, by reading all of them.

    Raises:
        CorpusIndexError: If there is no index.
    """
    damaged = []
    for segment in read_manifest(folder, SCORING).segments:
        for name, file in segment.files.items():
            path = folder / segment.name / name
            try:
                if hashed(path) != file:
                    damaged.append(str(path))
            except OSError:
                damaged.append(str(path))
        if segment.removed and not (folder / segment.removed).is_file():
            damaged.append(str(folder / segment.removed))
    return damaged
