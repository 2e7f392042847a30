"""A file of settings is parsed once for each text, and every edit of it counts at once."""

import os
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from twig_assets.settings.yaml_models import SMALL, YamlModelError, read_model


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    folder: Path | None = None


def test_a_file_that_says_the_same_is_not_parsed_again_and_one_that_was_edited_is(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("title: owl\n")
    first = read_model(file, Settings)
    assert read_model(file, Settings) is first
    before = file.stat()
    file.write_text("title: cow\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # an edit that only the content shows
    assert read_model(file, Settings).title == "cow"
    file.write_text("title: [\n")
    for _ in range(2):
        with pytest.raises(YamlModelError, match=r"settings.yaml:2: file: is not valid YAML"):
            read_model(file, Settings)
    file.unlink()
    with pytest.raises(YamlModelError, match="cannot be read"):
        read_model(file, Settings)


def test_what_the_caller_sets_belongs_to_what_is_remembered(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("title: owl\n")
    folders = [read_model(file, Settings, {"folder": Path(name)}).folder for name in ("a", "b", "a")]
    assert folders == [Path("a"), Path("b"), Path("a")]
    file.write_text("title: owl\nfolder: c\n")
    with pytest.raises(YamlModelError, match="settings.yaml:2: folder: cannot be set here"):
        read_model(file, Settings, {"folder": Path("a")})


def test_a_long_file_is_read_and_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"title: owl\n#{'x' * SMALL}\n")
    first, second = read_model(file, Settings), read_model(file, Settings)
    assert first == second
    assert first is not second
