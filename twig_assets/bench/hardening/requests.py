"""What a program that reaches the ports tries: names, forms of requests, ports, sockets and command lines."""

import http.client
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import dagster as dg
import psutil

from twig_assets.bench.hardening.attack import ASSET, Attack, Target
from twig_assets.bench.hardening.running import end, free_port

WORD = "hunter2secret"
_WIPE = f'mutation {{ wipeAssets(assetPartitionRanges: [{{assetKey: {{path: ["{ASSET}"]}}}}]) {{ __typename }} }}'
_ADDRESS = f"/graphql?query={quote(_WIPE)}"
_LOOKS_FOR_S = 25.0


def attacks() -> Iterator[Attack]:
    """All of them."""
    kind = "Dagster, a request's form"
    yield Attack("a mutation in the address of a GET", kind, _wipes("GET", _ADDRESS))
    yield Attack("a mutation in the address of a POST without a body", kind, _wipes("POST", _ADDRESS, length="0"))
    chunked = _wipes("POST", _ADDRESS, body=b"0\r\n\r\n", encoding="chunked")
    yield Attack("a mutation in the address of a POST whose body turns out empty", kind, chunked)
    plain = _wipes("POST", "/graphql", body=_WIPE.encode(), type="application/graphql")
    yield Attack("a mutation in a type that is not JSON", kind, plain)
    form = _wipes("POST", _ADDRESS, body=b"a=b", type="application/x-www-form-urlencoded")
    yield Attack("a mutation in the address of a form", kind, form)
    yield Attack("a strange name in Host", "Dagster, a request's form", _reads("evil.example"))
    yield Attack("two names in Host", "Dagster, a request's form", _reads("127.0.0.1", "evil.example"))
    yield Attack("a port besides those that are guarded", "ports", _other_port, has_original=False)
    yield Attack("the code server's socket, by another user", "ports", _open_socket, has_original=False)
    yield Attack("the database's password, from the list of processes and the log", "secrets", _listed_password)
    yield Attack("the state folder, by another user", "secrets", _readable_by_others)


def _wipes(method: str, path: str, body: bytes = b"", **headers: str) -> Callable[[Target], bool]:
    named = {"type": "Content-Type", "length": "Content-Length", "encoding": "Transfer-Encoding"}

    def harms(target: Target) -> bool:
        target.instance.report_runless_asset_event(dg.AssetMaterialization(ASSET))
        lines = {named[name]: value for name, value in headers.items()}
        if body and "encoding" not in headers:
            lines["Content-Length"] = str(len(body))
        _ask(target, method, path, [("Host", urlsplit(target.dagster).netloc), *lines.items()], body)
        return not target.instance.fetch_materializations(dg.AssetKey(ASSET), limit=1).records

    return harms


def _reads(*hosts: str) -> Callable[[Target], bool]:
    body = b'{"query": "{ version }"}'
    rest = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]

    def harms(target: Target) -> bool:
        status, answer = _ask(target, "POST", "/graphql", [*(("Host", host) for host in hosts), *rest], body)
        return status == 200 and b"version" in answer

    return harms


def _ask(
    target: Target, method: str, path: str, headers: list[tuple[str, str]], body: bytes = b""
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(target.dagster).netloc, timeout=60)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _family(target: Target) -> list[psutil.Process]:
    own = [psutil.Process(number) for number in target.processes]
    return [*own, *(child for process in own for child in process.children(recursive=True))]


def _other_port(target: Target) -> bool:
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for process in _family(target)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    return listening != {("127.0.0.1", urlsplit(address).port) for address in (target.dagster, target.mlflow)}


def _open_socket(target: Target) -> bool:
    """Whether a socket of the servers lies where another user of the machine could open it."""
    paths = {
        Path(connection.laddr)
        for process in _family(target)
        for connection in process.net_connections("unix")
        if connection.laddr
    }
    files = [path for path in paths if path.is_absolute() and path.exists()]
    if not files:
        raise AssertionError("no socket was found to try")
    return any(path.stat().st_mode & 0o022 and _enterable(path.parent) for path in files)


def _enterable(folder: Path) -> bool:
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in (folder, *folder.parents))


def _listed_password(target: Target) -> bool:
    """Whether a server whose database has a password shows it."""
    address = f"postgresql+psycopg://me:{WORD}@127.0.0.1:9/twig"
    port = str(free_port())
    ours = [sys.executable, "-m", "twig_assets.orchestration.mlflow_server"]
    theirs = [sys.executable, "-m", "mlflow", "server", "--port", port, "--backend-store-uri", address]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": address, "TWIG_MLFLOW_PORT": port}
    with tempfile.TemporaryFile() as log:
        command = ours if target.guarded else theirs
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            deadline = time.monotonic() + _LOOKS_FOR_S
            shown = ""
            while process.poll() is None and time.monotonic() < deadline and WORD not in shown:
                shown += " ".join(psutil.Process(process.pid).cmdline())
                time.sleep(0.5)
        except psutil.Error:
            pass
        finally:
            end([process])
        log.seek(0)
        return WORD in shown or WORD.encode() in log.read()


def _readable_by_others(target: Target) -> bool:
    """Whether a database, log or folder that the servers made may be read by others."""
    made = [path for path in target.home.rglob("*") if path.name not in ("dagster.yaml", "servers.log", "campaigns")]
    if not made:
        raise AssertionError("the servers made nothing to read")
    return any(path.lstat().st_mode & 0o077 for path in made if not path.is_symlink() and not path.is_socket())
