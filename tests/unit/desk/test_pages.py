"""The desk's pages, as a browser without scripts sees them."""

import re

import pytest
import yaml

from tests.unit.catalog.filled import let_change
from tests.unit.desk.conftest import Opened
from twig_assets.campaign import load_campaign
from twig_assets.campaign.allowed_elements import allow
from twig_assets.catalog.models import Prompt, Reference
from twig_assets.compliance.candidates import prompt_states
from twig_assets.desk import uploads
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
    assert "SSIM inside the mask" in page
    assert "bits of 256 that differ" in page
    assert "if SSIM weighted by information is 0.35 or more" in page


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
    unknown = asked(_foreign())
    assert "<b>Unknown.</b>" in unknown
    assert 'action="/compare"' in unknown
    assert "cannot be read as a picture" in asked(b"no picture")
    [fish] = [item for item in [{"id": f"demo/{image.prompt_id}-{sha256[:16]}", "image_sha256": sha256}]]
    desk.decide(fish, "reject", "in bad taste")
    assert "<b>Not cleared.</b>" in asked(content)
    assert "to be withdrawn" in asked(content)


def test_an_unknown_file_is_compared_with_the_works_on_the_page(desk: Opened) -> None:
    desk.enter()

    def asked(data: bytes, **form: str) -> str:
        sent = {"campaign": "demo", "token": desk.token, **form}
        return desk.client.post("/compare", data=sent, files={"file": ("<i>.png", data)}).text

    work = next((desk.root / "demo" / "references").glob("*.png"))
    copied = asked(_saved_again(work.read_bytes()))
    assert "<b>Too much alike</b>" in copied
    assert "<i>.png" not in copied
    assert "<b>Nothing alike was found</b>" in asked(_foreign())
    assert "cannot be read as a picture" in asked(b"no picture")
    assert "There is no campaign" in asked(_foreign(), campaign="../demo")
    assert "no longer valid" in asked(_foreign(), token="x")


def test_a_corpus_that_is_searched_by_its_index_is_compared_with_by_it(
    desk: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = desk.root / "demo" / "policy.yaml"
    policy.write_text(policy.read_text("utf-8") + "\ncorpus: {indexed_from: 0}\n", "utf-8")
    desk.enter()
    monkeypatch.setattr(uploads, "read_works", lambda campaign: pytest.fail("all works were read"))
    with desk.catalog.session() as session:
        work = session.query(Reference).filter_by(title="salt clock at low tide").one()
        content = (desk.root / "demo" / "references" / work.file).read_bytes()

    def asked() -> str:
        form = {"campaign": "demo", "token": desk.token}
        return desk.client.post("/compare", data=form, files={"file": ("x.png", content)}).text

    assert "<b>Too much alike</b>" in asked()
    with desk.catalog.session() as session:
        allow(session, "demo", work.sha256, "licensed", "Ada", "our own")
    assert "<b>Nothing alike was found</b>" in asked()


def test_an_image_says_what_its_prompt_named_and_how_it_was_rewritten(desk: Opened) -> None:
    desk.enter()
    [copy, owl, _] = desk.items()
    page = desk.client.get(f"/image/{copy['id']}").text
    assert "It names something protected: salt clock at" in page
    assert "Written as" not in page
    written = [{"text": "a pouting cat", "seed": 1}, {"text": "a pouting cat <i>", "seed": 2}]
    (desk.root / "demo" / "prompts.yaml").write_text(yaml.safe_dump(written), "utf-8")
    settings = desk.root / "demo" / "campaign.yaml"
    settings.write_text(settings.read_text("utf-8") + "\nprompt_check: {protected: rewrite}\n", "utf-8")
    with desk.catalog.session() as session:
        let_change(session, "prompt")
        session.query(Prompt).filter_by(text="an owl").update({"text": "a cat face <i>"})
    page = desk.client.get(f"/image/{owl['id']}").text
    assert "Written as “a pouting cat &lt;i&gt;”" in page
    (desk.root / "demo" / "prompts.yaml").write_text("{", "utf-8")
    assert "Written as" not in desk.client.get(f"/image/{owl['id']}").text


def test_the_lineage_of_an_image_is_a_page(desk: Opened) -> None:
    desk.enter()
    [copy, *_] = desk.items()
    page = desk.client.get(f"/lineage/{copy['id']}").text
    assert "salt clock at &lt;b&gt;low&lt;/b&gt; tide" in page
    assert f'href="/lineage/{copy["id"]}"' in desk.client.get(f"/image/{copy['id']}").text
    for wrong in ("demo/0-abcdef", "demo/x", "demo/1-%25", "other/1-abc"):
        assert desk.client.get(f"/lineage/{wrong}").status_code == 404


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


def test_what_is_allowed_of_a_work_is_written_down_listed_and_lifted(desk: Opened) -> None:
    desk.enter("Ada")
    [copy, *_] = desk.items()
    page = desk.client.get(f"/image/{copy['id']}").text
    address = re.search(r'href="(/work/demo/\d+)"', page)
    assert address, page
    form = {"token": desk.token, "kind": "generic", "why": "a <b>frame</b>", "what": "outside", "x": 10, "y": 10}
    form |= {"width": 80, "height": 80, "until": "2099-12-31"}
    assert desk.client.post(address[1], data=form, follow_redirects=False).status_code == 303
    listed = desk.client.get("/allowed/demo").text
    assert "4 parts (0% to 100% from the left and 0% to 10% from the top" in listed
    assert "until 2099-12-31, by Ada: a &lt;b&gt;frame&lt;/b&gt;" in listed
    assert desk.client.post(address[1], data={**form, "until": "2001-01-01"}).status_code == 400
    assert desk.client.post("/allowed/demo/1/lift", data={"token": desk.token, "why": "no"}).status_code == 200
    assert "lifted by Ada: no" in desk.client.get(address[1]).text


def test_a_threshold_shows_what_it_would_do_and_is_saved_with_a_reason(desk: Opened) -> None:
    desk.enter("Ada")
    counts = desk.client.get("/thresholds/demo/counts", params={"pdq_distance_at_most": 31}).text
    assert "No prompt would change." in counts
    every = {"ssim_threshold": "1", "masked_ssim_threshold": "1", "hog_cosine_at_least": "1", "review_margin": "0"}
    every |= {"edges_cosine_at_least": "1", "sift_inliers_at_least": "300", "alignment_strength_at_least": "7.2"}
    would = desk.client.get("/thresholds/demo/counts", params={**every, "pdq_distance_at_most": "1"}).text
    assert "salt clock at &lt;b&gt;low&lt;/b&gt; tide" in would
    assert "withheld → <b>" in would
    page = desk.client.get("/thresholds/demo").text
    seen = re.search(r'name="seen" value="([0-9a-f]{64})"', page)
    assert seen
    file = desk.root / "demo" / "policy.yaml"
    before = file.read_text("utf-8")
    form = {
        "token": desk.token,
        "seen": seen[1],
        "why": "too\nstrict: #1",
        "ssim_threshold": "0.55",
        "review_margin": "0.1",
    }
    assert desk.client.post("/thresholds/demo", data={**form, "ssim_threshold": "nan"}).status_code == 400
    assert desk.client.post("/thresholds/demo", data={**form, "ssim_threshold": "7"}).status_code == 400
    assert file.read_text("utf-8") == before
    assert desk.client.post("/thresholds/demo", data=form).status_code == 200
    after = file.read_text("utf-8")
    assert "Ada: too strict: #1\nssim_threshold: 0.55\n" in after
    assert [line for line in before.splitlines() if not line.startswith("ssim_threshold")] == [
        line for line in after.splitlines() if "ssim_threshold: 0.55" not in line and "too strict" not in line
    ], "comments and other fields stay"
    assert desk.client.post("/thresholds/demo", data=form).status_code == 409, "the policy is another one by now"
    assert "ssim threshold 0.5 → 0.55" in desk.client.get("/thresholds/demo").text
    assert len(desk.items()) == 3, "stored scores tell, so that nobody has to wait for a run"


def test_another_attempt_is_asked_for_and_no_daemon_is_said(desk: Opened) -> None:
    desk.enter("Ada")
    desk.client.app.state.desk.sensors_run = lambda: False  # type: ignore[attr-defined]
    owl = desk.items()[1]
    ask = {"token": desk.token, "what": "redraw", "why": "another owl"}
    answer = desk.client.post(f"/ask/{owl['id']}", data=ask)
    assert "Attempt 2 at this prompt is asked for." in answer.text
    assert "No Dagster daemon runs, so nothing happens yet." in answer.text
    assert state(desk, "an owl") == "failed"
    assert [item["prompt"] for item in desk.items(kind="redraw")] == ["an owl"]
    assert desk.client.post(f"/ask/{owl['id']}", data=ask).status_code == 400, "it is due already"


def test_a_prompt_in_other_words_goes_to_the_inbox_and_a_concept_to_those_that_are_removed(desk: Opened) -> None:
    from twig_assets.prompts import read_concepts
    from twig_assets.prompts.inbox import waiting_files

    desk.enter("Ada")
    owl = desk.items()[1]
    assert desk.client.post(
        f"/ask/{owl['id']}", data={"token": desk.token, "what": "prompt", "text": "an owl"}
    ).status_code == 400, "the same again"  # fmt: skip
    prompt = {"token": desk.token, "what": "prompt", "text": "a snowy owl: #7 <b>"}
    assert "waits in the inbox" in desk.client.post(f"/ask/{owl['id']}", data=prompt).text
    [file] = waiting_files(desk.root / "demo")
    assert "a snowy owl: #7 <b>" in file.read_text("utf-8")
    concepts = desk.root / "demo" / "concepts.yaml"
    before = concepts.read_text("utf-8")
    remove = {"token": desk.token, "what": "remove", "target": "salt clock", "why": "theirs", "kind": "object"}
    assert desk.client.post(f"/ask/{owl['id']}", data={**remove, "anchor": ""}).status_code == 400
    assert concepts.read_text("utf-8") == before
    assert "salt-clock" in desk.client.post(f"/ask/{owl['id']}", data={**remove, "anchor": "alarm clock"}).text
    assert concepts.read_text("utf-8").startswith(before)
    assert read_concepts(concepts)[-1].anchor == "alarm clock"


def test_an_image_is_compared_with_the_works_for_programs(desk: Opened) -> None:
    desk.enter("Ada")
    copy, owl, _ = desk.items()
    with desk.catalog.session() as session:
        from tests.unit.reports.filler import DEMO
        from twig_assets.catalog.models import CorpusVersion
        from twig_assets.similarity import read_references

        assert {one.sha256 for one in read_references(DEMO / "references")[0]} == set(
            session.query(CorpusVersion).one().members
        )

    def asked(content: bytes, token: str) -> tuple[int, dict[str, object]]:
        answer = desk.client.post(
            "/api/campaigns/demo/audit", files={"file": ("x.png", content)}, headers={"X-Twig-Token": token}
        )
        return answer.status_code, answer.json()

    status, found = asked(desk.store.read(copy["image_sha256"], "png"), desk.token)
    assert (status, found["verdict"], found["nearest"]["title"]) == (200, "fail", "salt clock at low tide")  # type: ignore[index]
    assert asked(desk.store.read(owl["image_sha256"], "png"), desk.token)[1]["verdict"] == "pass"
    assert asked(b"no picture", desk.token)[0] == 400
    assert asked(b"x", "forged")[0] == 403


def test_works_that_were_not_compared_wait_and_are_accepted_with_a_reason(desk: Opened) -> None:
    from twig_assets.catalog.models import UnreadWork

    with desk.catalog.session() as session:
        session.add(UnreadWork(campaign="demo", file="<i>.psd", sha256=None, reason="cannot be read"))
    desk.enter("Ada")
    page = desk.client.get("/queue").text
    assert "1 work was not compared" in page
    assert "&lt;i&gt;.psd" in page
    assert '<option value="unread"' in page
    assert "1 works wait for a decision" in desk.client.get("/queue?kind=unread").text
    form = {"token": desk.token, "file": "<i>.psd", "decision": "accept", "why": "a sketch"}
    assert "not compared" not in desk.client.post("/unread/demo", data=form).text


def test_all_that_filters_show_are_decided_at_once_and_undone_at_once(desk: Opened) -> None:
    desk.enter("Ada")
    form = {"token": desk.token, "decision": "reject", "why": "not now", "every": "true", "back": "/queue?work="}
    preview = desk.client.post("/bulk", data=form).text
    assert "This rejects 3 images" in preview
    picked = re.findall(r'name="picked" value="([^"]+)"', preview)
    sure = {"token": desk.token, "decision": "reject", "why": "not now", "picked": picked, "sure": "true"}
    done = desk.client.post("/bulk", data=sure).text
    assert "3 images are rejected" in done
    again = {"token": desk.token, "decision": "undo", "sure": "true"}
    again |= {"picked": re.findall(r'name="picked" value="([^"]+)"', done)}
    assert desk.client.post("/bulk", data=again).status_code == 200
    assert len(desk.items()) == 3
    assert desk.client.post("/bulk", data=again).status_code in (400, 409), "undone already"


def test_the_place_in_the_queue_is_remembered(desk: Opened) -> None:
    desk.enter("Ada")
    first, second, third = desk.items()
    assert "Go on where you were" not in desk.client.get("/queue").text
    desk.client.get(f"/image/{second['id']}")
    assert f'href="/image/{third["id"]}' in desk.client.get("/queue").text.split("Go on where you were")[0][-400:]
    desk.decide(second, "reject")
    page = desk.client.get("/queue").text
    assert f'href="/image/{third["id"]}' in page.split("Go on where you were")[0][-400:], "also once it is decided"
    assert first["id"] in page
