"""Credentials, and labels where they are asked for, for files that no campaign released: what `twig mark` does."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from twig_assets.files import written_whole
from twig_assets.provenance.errors import CredentialError, TimeStampError
from twig_assets.provenance.keys.management import ReadyKeys
from twig_assets.provenance.label import LabelSettings, labelled_file
from twig_assets.provenance.manifest import Claim, SourceType
from twig_assets.provenance.media import SUPPORTED, media_type_of
from twig_assets.provenance.signing import Signed, sign_picture


@dataclass(frozen=True)
class Marking:
    """What is said about the files.

    Attributes:
        source_type: What made them.
        generator: The model's name, where it is known.
        do_not_train: Whether they say that nobody may train on them.
        label: The visible label; None for none.
    """

    source_type: SourceType = "trainedAlgorithmicMedia"
    generator: str | None = None
    do_not_train: bool = False
    label: LabelSettings | None = None


@dataclass(frozen=True)
class MarkedFile:
    """A file that was marked, or why it was not.

    Attributes:
        source: The file.
        target: Where the marked one lies; None where there is none.
        sentence: What its credential says, or what is wrong.
    """

    source: Path
    target: Path | None
    sentence: str


def mark_files(files: Iterable[Path], out: Path, marking: Marking, keys: ReadyKeys) -> Iterator[MarkedFile]:
    """Write a marked copy of every file, one after the other; what cannot be marked is told and stops nothing.

    Args:
        files: Pictures.
        out: Where the copies come to lie, under the same names; it is made if it is not there.
        marking: What is said about them.
        keys: Who signs.

    Raises:
        CredentialError: If two files would get the same name, or one would take the place of its source.
    """
    listed = list(files)
    _check_targets(listed, out)
    out.mkdir(parents=True, exist_ok=True)
    for file in listed:
        try:
            signed, note = _marked(file, marking, keys)
            with written_whole(out / file.name) as partial:
                partial.write_bytes(signed.data)
            yield MarkedFile(file, out / file.name, f"{signed.credentials.sentence}{note}")
        except CredentialError as error:
            yield MarkedFile(file, None, str(error))
        except OSError as error:
            yield MarkedFile(file, None, f"cannot be read or written: {error.strerror or error}")


def _marked(file: Path, marking: Marking, keys: ReadyKeys) -> tuple[Signed, str]:
    original = file.read_bytes()
    media_type = media_type_of(original)
    if media_type is None:
        raise CredentialError(f"it is no {SUPPORTED} file; convert it to one of these")
    data = labelled_file(original, media_type, marking.label) if marking.label else original
    claim = Claim(
        title=file.name,
        source_type=marking.source_type,
        generator=marking.generator,
        do_not_train=marking.do_not_train,
        label=marking.label.text if marking.label else None,
    )
    url = keys.settings.time_stamp_url
    try:
        return sign_picture(data, claim, keys.identity, url, parent=original), ""
    except TimeStampError as error:
        if keys.settings.time_stamp_required:
            raise
        return sign_picture(data, claim, keys.identity, parent=original), f" It has no time stamp: {error}"


def _check_targets(files: list[Path], out: Path) -> None:
    names = [file.name for file in files]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise CredentialError(f"several files are called {twice[0]}; mark them into folders of their own")
    for file in files:
        if (out / file.name).resolve() == file.resolve():
            raise CredentialError(f"{file}: would be replaced by its marked copy; name another folder with --out")
