"""Copies of a campaign's reports in a place of the operator's choice: a folder, or a bucket that keeps what it gets."""

from pathlib import Path

from upath import UPath


def keep_elsewhere(folder: Path, place: str | None) -> list[str]:
    """Copy what a report consists of to a place that lacks it.

    Pages that stand there are replaced only where their size differs, since a dated page is written once; the newest
    report and what belongs to no date are written again every time.

    Args:
        folder: The folder of the campaign's reports.
        place: A folder or an fsspec URL; None for nowhere.

    Returns:
        Why the place has not taken them, a line; the next call makes up for it.
    """
    if place is None:
        return []
    target = UPath(place) / folder.name
    try:
        known = {str(path.relative_to(target)): path.stat().st_size for path in target.rglob("*") if path.is_file()}
        for file in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
            name = file.relative_to(folder).as_posix()
            if known.get(name) != file.stat().st_size or file.parent == folder and "-" not in file.stem:
                copy = target / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(file.read_bytes())
    except (OSError, ValueError, ImportError) as error:
        return [f"{place}: {error}"]
    return []
