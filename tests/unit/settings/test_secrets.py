import pytest

from twig_assets.catalog.database import SchemaError, open_catalog
from twig_assets.resources import CatalogResource, NotifierResource, TrackerResource
from twig_assets.settings.home import mlflow_url
from twig_assets.settings.secrets import hidden
from twig_assets.tracking import Record, Sender, Spool, TrackingError

WORD = "hunter2secret"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://me:{WORD}@db.example/twig: no route",
        f"cannot open 'postgresql+psycopg://me:{WORD}/#@db.example:5432/twig'",
        f"s3://AKIAEXAMPLE:{WORD}@bucket/a and https://{WORD}@b.example/",
        f"host=db password={WORD} user=me",
        f"https://b.s3.example/a?X-Amz-Signature={WORD}&x=1",
        f"aws_secret_access_key={WORD}",
        f"https://hooks.example/?token={WORD}",
    ],
)
def test_no_password_is_left_in_a_message(text: str) -> None:
    assert WORD not in hidden(text)


def test_what_is_no_secret_stays() -> None:
    text = "tokens: 77; mail ann@example.org; http://127.0.0.1:5000/#/a; file a@b.png"
    assert hidden(text) == text


def test_resources_show_no_address() -> None:
    shown = [
        repr(CatalogResource(url=f"postgresql://me:{WORD}@db/a")),
        repr(NotifierResource(webhook=f"https://hooks.example/{WORD}")),
        repr(TrackerResource(uri=f"http://me:{WORD}@mlflow", artifacts="", ui_url="", spool="")),
    ]
    assert WORD not in "".join(shown)


def test_a_webhook_that_cannot_be_used_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="TWIG_NOTIFY_WEBHOOK") as raised:
        NotifierResource(webhook=f"ftp://hooks.example/{WORD}")
    assert WORD not in str(raised.value)
    outcome = NotifierResource(webhook=f"http://127.0.0.1:9/ {WORD}").send("a", "b\nc", "d", lambda _: None)
    assert outcome["webhook"] == "InvalidURL"


def test_a_database_that_cannot_be_opened_is_named_without_its_password() -> None:
    for url in (f"postgresql://me:{WORD}:{WORD}@127.0.0.1:x/a", f"postgresql+psycopg://me:{WORD}@127.0.0.1:9/a"):
        with pytest.raises((SchemaError, ModuleNotFoundError, Exception)) as raised:
            open_catalog(url)
        assert WORD not in hidden(str(raised.value))


def test_an_address_that_cannot_be_read_is_not_repeated() -> None:
    with pytest.raises(SchemaError, match="TWIG_CATALOG_URL") as raised:
        open_catalog(f"postgresql://me:pass@127.0.0.1:{WORD}/a")
    assert WORD not in str(raised.value)


def test_links_to_mlflow_hold_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"https://me:{WORD}@mlflow.example/base")
    assert mlflow_url() == "https://mlflow.example/base"


def test_a_server_that_does_not_answer_is_named_without_its_password(tmp_path) -> None:
    sender = Sender(f"http://me:{WORD}@127.0.0.1:9", str(tmp_path), "", Spool(tmp_path / "spool"))
    with pytest.raises(TrackingError) as raised:
        sender.send(Record(experiment="a", name="b"))
    assert WORD not in str(raised.value)
    assert WORD not in repr(sender)
