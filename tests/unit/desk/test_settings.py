"""Settings of the desk."""

import stat
from pathlib import Path

import pytest

from twig_assets.desk.settings import DeskError, read_settings


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("Ada approver", "accounts:1: is no account"),
        ("\nAda:boss:$argon2id$x", "accounts:2: is no account"),
        ("Ada:reader:secret", "accounts:1: is no account"),
        ("Ada:reader:-\nAda:approver:-", "accounts:2: 'Ada' is there twice"),
        ("# nobody\n", "has no account"),
    ],
)
def test_what_is_no_account_is_told(content: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "accounts").write_text(content, encoding="utf-8")
    monkeypatch.setenv("TWIG_HOME", str(tmp_path))
    monkeypatch.setenv("TWIG_DESK_USERS", str(tmp_path / "accounts"))
    with pytest.raises(DeskError, match=told):
        read_settings()


def test_a_proxy_needs_roles_and_a_header_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TWIG_HOME", str(tmp_path))
    monkeypatch.setenv("TWIG_DESK_PROXY_HEADER", "X-User")
    with pytest.raises(DeskError, match="name TWIG_DESK_USERS"):
        read_settings()
    monkeypatch.setenv("TWIG_DESK_PROXY_HEADER", "X User:")
    with pytest.raises(DeskError, match="not the name of a header"):
        read_settings()


def test_the_secret_is_the_owners_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIG_HOME", str(tmp_path))
    first = read_settings()
    assert read_settings().secret == first.secret
    assert first.secret.get_secret_value() not in repr(first)
    assert stat.S_IMODE((tmp_path / "desk-secret").stat().st_mode) == 0o600
