"""Credentials, watermarks and labels for files that no campaign released: what `twig mark` does."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from twig_assets.files import written_whole
from twig_assets.provenance.errors import CredentialError, TimeStampError
from twig_assets.provenance.file_marks import FileMark, FileMarks, MarkedAlreadyError
from twig_assets.provenance.keys.management import ReadyKeys
from twig_assets.provenance.label import LabelSettings, labelled_file
from twig_assets.provenance.manifest import Claim, SourceType
from twig_assets.provenance.media import SUPPORTED, MediaType, media_type_of
from twig_assets.provenance.signing import Signed, sign_picture


@dataclass(frozen=True)
class Marking:
    """What is said about the files.

    Attributes:
        source_type: What made them.
        generator: The model's name, where it is known.
        do_not_train: Whether they say that nobody may train on them.
        label: The visible label; None for none.
        watermark: Whether the pixels get a watermark: True, or else the file is not marked at all; False for none;
            None for one wherever there is a key and it can be written.
    """

    source_type: SourceType = "trainedAlgorithmicMedia"
    generator: str | None = None
    do_not_train: bool = False
    label: LabelSettings | None = None
    watermark: bool | None = None


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


def mark_files(
    files: Iterable[Path], out: Path, marking: Marking, keys: ReadyKeys, marks: FileMarks
) -> Iterator[MarkedFile]:
    """Write a marked copy of every file, one after the other; what cannot be marked is told and stops nothing.

    Args:
        files: Pictures.
        out: Where the copies come to lie, under the same names; it is made if it is not there.
        marking: What is said about them.
        keys: Who signs.
        marks: Writes watermarks, and what was marked on record.

    Raises:
        CredentialError: If two files would get the same name, or one would take the place of its source.
    """
    listed = list(files)
    _check_targets(listed, out)
    out.mkdir(parents=True, exist_ok=True)
    for file in listed:
        try:
            signed, mark, notes = _marked(file, marking, keys, marks)
            with written_whole(out / file.name) as partial:
                partial.write_bytes(signed.data)
            marks.record(file.name, signed.data, signed.credentials.manifest, "mark", mark)
            yield MarkedFile(file, out / file.name, " ".join([signed.credentials.sentence, *notes]))
        except CredentialError as error:
            yield MarkedFile(file, None, str(error))
        except OSError as error:
            yield MarkedFile(file, None, f"cannot be read or written: {error.strerror or error}")


def _marked(
    file: Path, marking: Marking, keys: ReadyKeys, marks: FileMarks
) -> tuple[Signed, FileMark | None, list[str]]:
    """The signed file, its new watermark, and what a person is told of it."""
    original = file.read_bytes()
    media_type = media_type_of(original)
    if media_type is None:
        raise CredentialError(f"it is no {SUPPORTED} file; convert it to one of these")
    data, mark, note = _watermarked(original, media_type, marking, marks)
    data = labelled_file(data, media_type, marking.label) if marking.label else data
    claim = Claim(
        title=file.name,
        source_type=marking.source_type,
        generator=marking.generator,
        do_not_train=marking.do_not_train,
        label=marking.label.text if marking.label else None,
        watermark=mark is not None,
    )
    url = keys.settings.time_stamp_url
    try:
        return sign_picture(data, claim, keys.identity, url, parent=original), mark, note
    except TimeStampError as error:
        if keys.settings.time_stamp_required:
            raise
        signed = sign_picture(data, claim, keys.identity, parent=original)
        return signed, mark, [*note, f"It has no time stamp: {error}"]


def _watermarked(
    data: bytes, media_type: MediaType, marking: Marking, marks: FileMarks
) -> tuple[bytes, FileMark | None, list[str]]:
    if marking.watermark is False or (marking.watermark is None and not marks.has_key):
        return data, None, []
    try:
        marked, mark = marks.file(data, media_type)
    except MarkedAlreadyError as error:
        if marking.watermark:
            raise CredentialError(
                f"{error}; two would spoil each other, so leave out --watermark to keep it"
            ) from error
        return data, None, [f"No other watermark was written, since {error}; that one stays."]
    except CredentialError as error:
        if marking.watermark:
            raise
        return data, None, [f"It has no watermark: {error}."]
    return marked, mark, [mark.sentence]


def _check_targets(files: list[Path], out: Path) -> None:
    names = [file.name for file in files]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise CredentialError(f"several files are called {twice[0]}; mark them into folders of their own")
    for file in files:
        if (out / file.name).resolve() == file.resolve():
            raise CredentialError(f"{file}: would be replaced by its marked copy; name another folder with --out")
