"""What gets into an export, and that its check finds whatever is changed afterwards."""

import csv
import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.export.conftest import Releases
from tests.unit.reports.filler import Filler, drawing
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.store import ArtifactError
from twig_assets.export import ExportError, VerifyError, verify_export, write_export
from twig_assets.export.sums import sums_of


def contents(folder: Path) -> set[str]:
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def test_only_what_is_released_and_complies_gets_in_with_what_it_was_checked_against(releases: Releases) -> None:
    exported = releases.export()
    found = contents(exported.folder)
    assert releases.images["released"] in found
    assert not found & {releases.images[name] for name in ("held", "rejected", "withdrawn")}
    [entry] = exported.manifest.images
    assert entry.file == f"images/hyperlink-x-owl-{releases.images['released'][:12]}.png"
    assert (entry.terms, entry.verdict, entry.nearest is not None) == ("as_asked", "pass", True)
    assert [(one.prompt, one.why) for one in exported.manifest.left_out] == [("a fox", "rejected by a person")]
    assert [one.prompt for one in exported.manifest.withdrawn] == ["an apple"]
    files = {path.relative_to(exported.folder).as_posix() for path in exported.folder.rglob("*") if path.is_file()}
    evidence = {"report/report.html", "report/report.json", "policy.yaml", "policy.json", "corpus.csv", "ledger.json"}
    assert files >= {f"evidence/{name}" for name in evidence} | {"manifest.json", "manifest.csv", "SHA256SUMS"}
    assert verify_export(exported.folder, exported.seal) == []


def test_no_protected_work_is_handed_out_with_the_evidence(releases: Releases) -> None:
    exported = releases.export()
    works = {hashlib.sha256(path.read_bytes()).hexdigest() for path in releases.campaign.references_folder.iterdir()}
    assert not contents(exported.folder) & works
    page = (exported.folder / "evidence" / "report" / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/") == page.count('src="data:image/') > 0
    assert "not part of this export" in page


def test_the_tables_have_no_cell_that_a_spreadsheet_takes_for_a_formula(releases: Releases) -> None:
    folder = releases.export().folder
    for name in ("manifest.csv", "withdrawn.csv", "evidence/corpus.csv", "evidence/decisions.csv"):
        rows = list(csv.reader(io.StringIO((folder / name).read_text(encoding="utf-8-sig"))))
        assert len(rows) > 1
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]


def test_what_was_withdrawn_since_an_export_is_listed_by_the_next_one(releases: Releases) -> None:
    first = releases.export()
    releases.withdraw()
    second = releases.export("second")
    assert second.manifest.images == []
    stamp = f"{first.manifest.made_at:%Y%m%dT%H%M%S.%fZ}"
    recalled = [one for one in second.manifest.withdrawn if one.exports]
    assert [(one.image_sha256, one.exports) for one in recalled] == [(releases.images["released"], [stamp])]
    assert f"'=its image is now: fail,False,{stamp}" in (second.folder / "withdrawn.csv").read_text(
        encoding="utf-8-sig"
    )


def test_a_campaign_that_was_never_run_is_not_exported(releases: Releases) -> None:
    other = releases.campaign.model_copy(update={"name": "other"})
    with pytest.raises(ExportError, match="other: has no prompts in the catalog"):
        replace(releases, campaign=other).export()


def test_a_folder_that_has_something_in_it_is_refused_and_left_alone(releases: Releases) -> None:
    folder = releases.folder / "out"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(ExportError, match="is not empty"):
        releases.export()
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_a_damaged_image_leaves_no_export_behind(releases: Releases) -> None:
    releases.store.path(releases.images["released"], "png").write_bytes(b"something else")
    with pytest.raises(ArtifactError, match="was altered"):
        releases.export()
    assert not [path for path in releases.folder.iterdir() if "out" in path.name]


def test_the_check_finds_what_was_changed_taken_away_or_added(releases: Releases) -> None:
    folder = releases.export().folder
    [image] = (folder / "images").iterdir()
    image.write_bytes(image.read_bytes() + b"\0")
    (folder / "evidence" / "policy.yaml").unlink()
    (folder / "images" / "another.png").write_bytes(b"")
    (folder / "link").symlink_to("/etc")
    found = {(problem.file, problem.what) for problem in verify_export(folder)}
    assert found == {
        (f"images/{image.name}", "changed"),
        ("evidence/policy.yaml", "missing"),
        ("images/another.png", "added"),
        ("link", "added"),
    }


def test_an_image_that_was_changed_together_with_its_hash_is_found_by_the_manifest_and_by_the_seal(
    releases: Releases,
) -> None:
    exported = releases.export()
    [image] = (exported.folder / "images").iterdir()
    before = hashlib.sha256(image.read_bytes()).hexdigest()
    image.write_bytes(b"something else")
    sums = exported.folder / "SHA256SUMS"
    line = f"  images/{image.name}"
    sums.write_text(sums.read_text().replace(before + line, hashlib.sha256(b"something else").hexdigest() + line))
    [problem] = verify_export(exported.folder)
    assert problem.what == "is not the image that manifest.json names"
    assert "SHA256SUMS" in {problem.file for problem in verify_export(exported.folder, exported.seal)}


def test_the_zip_is_checked_like_the_folder(releases: Releases) -> None:
    exported = releases.export(zipped=True)
    assert exported.zip is not None
    assert verify_export(exported.zip, exported.seal) == []
    with zipfile.ZipFile(exported.zip, "a") as archive:
        archive.writestr(f"{exported.folder.name}/more.txt", "more")
    assert [(problem.file, problem.what) for problem in verify_export(exported.zip)] == [("more.txt", "added")]


def test_a_withdrawn_image_that_is_put_back_is_found_by_the_table_or_the_seal(releases: Releases) -> None:
    exported = releases.export()
    folder, sha256 = exported.folder, releases.images["withdrawn"]
    content = releases.store.read(sha256, "png")
    (folder / "images" / "an-apple.png").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    [entry] = manifest["images"]
    manifest["images"].append({**entry, "file": "images/an-apple.png", "sha256": sha256, "image_sha256": sha256})
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "SHA256SUMS").unlink()
    (folder / "SHA256SUMS").write_text(sums_of(folder))
    [problem] = verify_export(folder)
    assert (problem.file, problem.what) == ("manifest.csv", "names other images than manifest.json")
    assert "SHA256SUMS" in {problem.file for problem in verify_export(folder, exported.seal)}


def test_a_changed_file_of_evidence_is_found(releases: Releases) -> None:
    folder = releases.export().folder
    for name in ("policy.yaml", "decisions.csv", "report/report.html"):
        (folder / "evidence" / name).write_text("another")
    assert {problem.file for problem in verify_export(folder)} == {
        "evidence/policy.yaml", "evidence/decisions.csv", "evidence/report/report.html"
    }  # fmt: skip


def test_a_list_of_hashes_that_is_a_link_is_none(releases: Releases) -> None:
    folder = releases.export().folder
    (folder / "SHA256SUMS").rename(releases.folder / "elsewhere")
    (folder / "SHA256SUMS").symlink_to(releases.folder / "elsewhere")
    with pytest.raises(VerifyError, match="has no SHA256SUMS"):
        verify_export(folder)


def test_a_zip_that_cannot_be_unpacked_is_changed(releases: Releases) -> None:
    exported = releases.export(zipped=True)
    assert exported.zip is not None
    content = bytearray(exported.zip.read_bytes())
    with zipfile.ZipFile(exported.zip) as archive:
        places = {info.filename: info.header_offset for info in archive.infolist()}
    for name, flag in ((f"{exported.folder.name}/manifest.csv", 6), (f"{exported.folder.name}/captions.csv", 8)):
        at = places[name]
        # Locked; packed in a way that nobody knows.
        content[at + flag] = 1 if flag == 6 else 99
        directory = content.rindex(name.encode()) - 46
        content[directory + flag + 2] = content[at + flag]
    exported.zip.write_bytes(bytes(content))
    assert {("manifest.csv", "changed"), ("captions.csv", "changed")} <= {
        (problem.file, problem.what) for problem in verify_export(exported.zip)
    }


def test_two_prompts_of_one_text_and_texts_that_lead_elsewhere_get_files_of_their_own(releases: Releases) -> None:
    texts = ["../../etc/passwd", "../../etc/passwd", "CON", "\u202eowl\u202c/..\\x", "…", "a" * 300]
    other = replace(releases, catalog=open_catalog(f"sqlite:///{releases.folder}/other.db"))
    with other.catalog.session() as session:
        filler = Filler(session, other.store, other.campaign)
        for number, text in enumerate(texts):
            image = filler.image(filler.prompt(text), drawing("owl", seed=50 + number // 2)[0], "regenerated")
            filler.release(image, filler.audit(image))
    exported = other.export("strange", zipped=True)
    other.catalog.close()
    files = [entry.file for entry in exported.manifest.images]
    assert len(set(map(str.casefold, files))) == len(files) == len(texts)
    for file in files:
        assert (exported.folder / file).resolve().parent == (exported.folder / "images").resolve()
        assert len(file) < 120
    assert exported.zip is not None
    assert verify_export(exported.folder, exported.seal) == verify_export(exported.zip, exported.seal) == []


@pytest.mark.parametrize("line", ["no hash", f"{'0' * 64}  ../elsewhere", f"{'0' * 64}  /etc/passwd"])
def test_a_list_of_hashes_that_leads_elsewhere_is_refused(releases: Releases, line: str) -> None:
    folder = releases.export().folder
    (folder / "SHA256SUMS").write_text(line + "\n")
    with pytest.raises(VerifyError, match="line 1 is not a hash and a path"):
        verify_export(folder)


def test_what_is_no_export_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(VerifyError, match="there is no such folder"):
        verify_export(tmp_path / "none")
    with pytest.raises(VerifyError, match="has no SHA256SUMS"):
        verify_export(tmp_path)
    (tmp_path / "x.zip").write_bytes(b"no zip")
    with pytest.raises(VerifyError, match="neither a folder nor a zip"):
        verify_export(tmp_path / "x.zip")


def test_the_manifest_names_what_can_be_carried_besides(releases: Releases) -> None:
    exported = write_export(
        releases.campaign,
        releases.catalog,
        releases.store,
        releases.folder / "signed",
        finish=lambda line, one, content: content + b"signed",
    )
    [entry] = json.loads((exported.folder / "manifest.json").read_text())["images"]
    assert (exported.folder / entry["file"]).read_bytes().endswith(b"signed")
    assert entry["image_sha256"] == releases.images["released"] != entry["sha256"]
    assert verify_export(exported.folder) == []
