"""The desk's pages, as a browser without scripts sees them."""

import re

import pytest

from tests.unit.desk.conftest import Opened
from twig_assets.campaign import load_campaign
from twig_assets.compliance.candidates import prompt_states
from twig_assets.desk.snapshot import rules_of


def state(desk: Opened, text: str) -> str:
    with desk.catalog.snapshot() as session:
        rules = rules_of(session, load_campaign("demo", desk.root))
        return next(str(s.state) for s in prompt_states(session, "demo-000", rules) if s.prompt.text.startswith(text))


def test_the_queue_lists_what_waits_with_the_worst_evidence_first(desk: Opened) -> None:
    desk.enter()
    assert [(item["prompt"][:9], item["kind"]) for item in desk.items()] == [
        ("salt cloc", "copy"),
        ("an owl", "not_as_asked"),
        ("a cow", "cannot_tell"),
    ]
    page = desk.client.get("/queue").text
    assert "3 wait for a person" in page
    assert "salt clock at &lt;b&gt;low&lt;/b&gt; tide &amp; more" in page
    assert [item["prompt"] for item in desk.items(kind="not_as_asked")] == ["an owl"]
    assert desk.items(text="COW")[0]["prompt"] == "a cow"


def test_an_image_is_shown_beside_the_work_that_its_verdict_rests_on(desk: Opened) -> None:
    desk.enter()
    [copy, *_] = desk.items()
    page = desk.client.get(f"/image/{copy['id']}").text
    assert "Too similar to a protected work" in page or "too similar to a protected work" in page
    for address in re.findall(r'src="(/(?:picture|protected|alike)/[^"]+)"', page):
        answer = desk.client.get(address.replace("&amp;", "&"))
        assert answer.status_code == 200, address
        assert answer.headers["content-type"].startswith("image/")
    assert "ssim" in page
    assert "if iw ssim is 0.35 or more" in page


def test_a_decision_is_written_down_and_the_item_leaves_the_queue(desk: Opened) -> None:
    desk.enter("Ada  Lovelace")
    copy, owl, cow = desk.items()
    assert desk.decide(owl, "reject", "no owl at all") == 303
    assert state(desk, "an owl") == "rejected"
    assert desk.decide(cow, "waive", "a fine cow") == 303
    assert state(desk, "a cow") == "releasable"
    assert [item["id"] for item in desk.items()] == [copy["id"]]
    [rejected] = desk.items(kind="rejected")
    assert rejected["decided"] == "Ada Lovelace: no owl at all"
    assert "no owl at all" in desk.client.get("/history/demo").text


def test_whoever_comes_second_sees_the_first_decision_and_nothing_is_lost(desk: Opened) -> None:
    desk.enter("Ada")
    owl = desk.items()[1]
    assert desk.decide(owl, "reject", "no owl") == 303
    desk.enter("Bob")
    assert desk.decide(owl, "waive", "an owl to me") == 409
    assert state(desk, "an owl") == "rejected"
    with desk.catalog.session() as session:
        from twig_assets.catalog.models import Review

        newest = session.query(Review).one().id
    assert desk.decide(owl, "waive", "an owl to me", seen=newest) == 303
    assert state(desk, "an owl") == "releasable"


def test_undo_brings_back_what_held_before(desk: Opened) -> None:
    desk.enter("Ada")
    owl = desk.items()[1]
    desk.decide(owl, "reject", "no owl")
    desk.enter("Bob")
    assert desk.decide(owl, "undo", seen=1) == 400, "it is Ada's"
    desk.decide(owl, "waive", "an owl to me", seen=1)
    assert desk.decide(owl, "undo", seen=2) == 303
    assert state(desk, "an owl") == "rejected"
    assert "as Ada had decided before (no owl)" in desk.client.get("/history/demo").text


def test_many_are_decided_at_once_after_a_look_at_what_that_does(desk: Opened) -> None:
    desk.enter()
    picked = [f"{item['id']}/0" for item in desk.items()[1:]]
    form = {"token": desk.token, "decision": "reject", "why": "not this season", "picked": picked}
    preview = desk.client.post("/bulk", data=form)
    assert "This rejects 2 images" in preview.text
    assert len(desk.items()) == 3, "a preview does nothing"
    assert desk.client.post("/bulk", data={**form, "sure": "true"}).status_code == 200
    assert len(desk.items()) == 1
    assert desk.client.post("/bulk", data={**form, "sure": "true"}).status_code == 409, "all have been decided"
    assert desk.client.post("/bulk", data={**form, "picked": ["demo/9-abc/0"]}).status_code == 409


def test_a_rejected_image_makes_way_for_the_next_best_and_all_can_be_rejected_at_once(desk: Opened) -> None:
    desk.enter()
    first = desk.items(kind="copy")[0]
    desk.decide(first, "reject")
    second = desk.items(kind="copy")[0]
    assert second["image_sha256"] != first["image_sha256"]
    assert desk.decide(second, "reject_all", "no more of this") == 303
    assert desk.items(kind="copy") == []
    assert state(desk, "salt") == "quarantined"


def test_a_decision_needs_a_reason(desk: Opened) -> None:
    desk.enter()
    assert desk.decide(desk.items()[0], "reject", " ") == 400
    assert len(desk.items()) == 3


def test_the_tiles_of_a_campaign_add_up(desk: Opened) -> None:
    desk.enter()
    tiles = re.findall(r"<dt>([^<]+)</dt><dd>(\d+)</dd>", desk.client.get("/").text)
    assert dict(tiles) == {
        "Asked": "4", "Released as asked": "1", "Waiting": "2", "Withheld": "1", "Withdrawn": "0"
    }  # fmt: skip


def test_a_broken_campaign_says_so_and_takes_nothing_from_the_others(desk: Opened) -> None:
    desk.enter()
    (desk.root / "autumn").mkdir()
    (desk.root / "autumn" / "campaign.yaml").write_text("title: 3\nsurely: not\n", encoding="utf-8")
    page = desk.client.get("/").text
    assert "surely" in page
    assert len(desk.items()) == 3


@pytest.mark.parametrize("address", ["/image/demo/1-ffff", "/image/nobody/1-a", "/image/demo/x", f"/picture/{0:064}"])
def test_what_is_not_there_is_said_in_words(desk: Opened, address: str) -> None:
    desk.enter()
    answer = desk.client.get(address)
    assert answer.status_code == 404
    assert "That was not done" in answer.text


def test_a_file_is_recognised_with_its_status_today(desk: Opened) -> None:
    from twig_assets.catalog.models import Image, Release

    desk.enter()
    with desk.catalog.session() as session:
        image = session.query(Image).join(Release).one()
        content, sha256 = desk.store.read(image.sha256, "png"), image.sha256

    def asked(data: bytes) -> str:
        answer = desk.client.post("/cleared", data={"token": desk.token}, files={"file": ("<i>.png", data)})
        assert "<i>.png" not in answer.text
        return answer.text

    assert "<b>Cleared.</b>" in asked(content)
    assert "by its fingerprint: PDQ distance 0 is" in asked(_saved_again(content))
    assert "<b>Unknown.</b>" in asked(_foreign())
    assert "cannot be read as a picture" in asked(b"no picture")
    [fish] = [item for item in [{"id": f"demo/{image.prompt_id}-{sha256[:16]}", "image_sha256": sha256}]]
    desk.decide(fish, "reject", "in bad taste")
    assert "<b>Not cleared.</b>" in asked(content)
    assert "to be withdrawn" in asked(content)


def _foreign() -> bytes:
    import io

    import numpy as np
    from PIL import Image as PillowImage

    noise = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    PillowImage.fromarray(noise).resize((90, 90), PillowImage.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


def _saved_again(content: bytes) -> bytes:
    import io

    from PIL import Image as PillowImage

    buffer = io.BytesIO()
    PillowImage.open(io.BytesIO(content)).convert("RGB").save(buffer, "BMP")
    return buffer.getvalue()
