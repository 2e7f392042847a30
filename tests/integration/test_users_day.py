"""A new user's day: a campaign of her own, a rejection at the desk, and what becomes of it whatever changes after."""

import re
import shutil

import pytest
import yaml
from fastapi.testclient import TestClient

from tests.integration.conftest import POLICY, ROOT, CampaignWorkspace
from twig_assets.campaign import load_campaign
from twig_assets.catalog.database import Catalog, open_catalog
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance import enforce
from twig_assets.desk import desk_app, read_settings
from twig_assets.model_zoo import planted
from twig_assets.settings.home import artifact_root


def token(client: TestClient) -> str:
    return str(client.get("/api/me").json()["token"])


def ticked(catalog: Catalog, workspace: CampaignWorkspace) -> list[str]:
    """What the sensor withdraws under the rules of the moment, as `prompt: why`."""
    with catalog.session() as session:
        found = enforce(session, load_campaign("tiny", workspace.root), by="test").withdrawn
    return [f"{one.prompt}: {one.why}" for one in found]


def test_her_rejection_stands_whatever_changes_and_the_report_names_her(
    finished: CampaignWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in finished.environment().items():
        monkeypatch.setenv(name, value)
    published = finished.released()
    prompt_id, sha256 = next(iter(published.items()))
    catalog = open_catalog(finished.catalog_url)
    app = desk_app(catalog, ArtifactStore(artifact_root()), finished.root, read_settings())
    with TestClient(app, base_url="http://127.0.0.1:3100") as client:
        client.post("/door", data={"name": "Grace Hopper"})
        form = {"sha256": sha256, "seen": 0, "decision": "reject", "why": "our rival's colours", "token": token(client)}
        decided = client.post(f"/decide/tiny/{prompt_id}-{sha256[:16]}", data=form, follow_redirects=False)
        assert decided.status_code == 303, decided.text
        [withdrawn] = ticked(catalog, finished)
        assert "rejected by a person" in withdrawn

        # First at the desk, with a reason; then by hand, looser and with other detectors; then back again.
        page = client.get("/thresholds/tiny").text
        seen = re.findall(r'name="seen" value="(\w+)"', page)[0]
        change = {"token": token(client), "seen": seen, "ssim_threshold": "0.9", "why": "too many held"}
        assert client.post("/thresholds/tiny", data=change, follow_redirects=False).status_code == 303
        assert ticked(catalog, finished) == []
    assert sha256 not in finished.released().values()
    loose = {"masked_ssim_threshold": 0.9, "hog_cosine_at_least": None, "review_margin": 0.0}
    for policy in ({**POLICY, **loose}, POLICY):
        finished.write("policy.yaml", policy)
        assert ticked(catalog, finished) == []
        assert sha256 not in finished.released().values()
    catalog.close()

    work = planted.WORKS[4].slug
    shutil.copy(ROOT / "campaigns" / "demo" / "references" / f"{work}.png", finished.campaign / "references")
    ended = finished.run()
    assert ended.code == 0, ended.text
    assert sha256 not in finished.released().values()
    assert {key: value for key, value in published.items() if key != prompt_id}.items() <= finished.released().items()
    report = (finished.home / "reports" / "tiny" / "report.html").read_text("utf-8")
    assert "Grace Hopper" in report
    assert "our rival&#39;s colours" in report
    assert yaml.safe_load((finished.campaign / "policy.yaml").read_text()) == POLICY
    verified = finished.twig("verify")
    assert verified.code == 0, verified.text
