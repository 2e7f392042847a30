"""What `twig doctor` says of this machine, and what it keeps to itself."""

from twig_assets.orchestration.doctor import examine


def found(monkeypatch, tmp_path, **settings):
    monkeypatch.setenv("TWIG_HOME", str(tmp_path))
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return {finding.name: finding for finding in examine()}


def test_it_looks_at_everything_a_run_needs(monkeypatch, tmp_path):
    findings = found(monkeypatch, tmp_path)
    for name in ("python", "torch", "devices", "threads", "memory", "disk", "chromium", "extras", "database"):
        assert findings[name].text
    assert findings["database"].fine


def test_a_database_that_does_not_answer_is_said_and_the_rest_all_the_same(monkeypatch, tmp_path):
    findings = found(monkeypatch, tmp_path, TWIG_CATALOG_URL="postgresql+psycopg://twig:pass@127.0.0.1:1/none")
    assert not findings["database"].fine
    assert findings["disk"].fine


def test_it_says_where_runs_are_executed_or_what_keeps_them_from_it(monkeypatch, tmp_path):
    assert (
        "runs multiprocess, at most 3"
        in found(monkeypatch, tmp_path, TWIG_EXECUTION="multiprocess", TWIG_RUNS="3")["execution"].text
    )
    finding = found(monkeypatch, tmp_path, TWIG_EXECUTION="ray")["execution"]
    assert not finding.fine
    assert "TWIG_RAY_JOBS" in finding.text


def test_secrets_are_hidden(monkeypatch, tmp_path):
    findings = found(
        monkeypatch,
        tmp_path,
        TWIG_NOTIFY_WEBHOOK="https://chat.example/hook/s3cret",
        TWIG_ARTIFACTS="s3://key:s3cret@bucket/store",
        TWIG_CATALOG_URL="postgresql+psycopg://twig:s3cret@127.0.0.1:1/none",
    )
    assert "s3cret" not in " ".join(finding.text for finding in findings.values())
    assert findings["TWIG_ARTIFACTS"].text == "s3://***@bucket/store"
