"""What machines ask of the desk: whether it is well, and metrics for Prometheus. Neither needs a session."""

import hmac
import threading
import time
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, PlainTextResponse

from twig_assets.desk.requests import TheDesk
from twig_assets.status import installation_status
from twig_assets.status.collect import catalog_problem
from twig_assets.status.metrics import metrics

router = APIRouter(tags=["watching"])

# A scrape reads every candidate of every campaign; several scrapers are given the same.
KEPT_SECONDS = 15.0
_lock = threading.Lock()


# Not part of the API that /api/openapi.json describes.
@router.get("/healthz", include_in_schema=False)
def healthz(desk: TheDesk) -> Response:
    """Whether the desk can work: 200 if its catalog answers within five seconds and fits, else 503. It says no more."""
    well = catalog_problem(lambda: desk.catalog) is None
    answer: dict[str, Any] = {"status": "ok" if well else "failing", "catalog": "ok" if well else "failing"}
    return JSONResponse(answer, 200 if well else 503)


@router.get("/metrics", include_in_schema=False)
def prometheus(desk: TheDesk, authorization: Annotated[str, Header(max_length=500)] = "") -> Response:
    """Queues, ticks, verdicts and times, as Prometheus reads them.

    It asks for `Authorization: Bearer TOKEN` if TWIG_METRICS_TOKEN is set; where people have accounts and it is not, it
    refuses.
    """
    settings = desk.door.settings
    if settings.metrics_token is not None:
        expected = f"Bearer {settings.metrics_token.get_secret_value()}"
        if not hmac.compare_digest(authorization.encode(), expected.encode()):
            return PlainTextResponse("This needs the token of TWIG_METRICS_TOKEN.\n", 401)
    elif settings.has_accounts:
        return PlainTextResponse("Where people have accounts, set TWIG_METRICS_TOKEN for this.\n", 403)
    return Response(_kept(desk), media_type=CONTENT_TYPE_LATEST)


def _kept(desk: TheDesk) -> bytes:
    """The metrics, at most `KEPT_SECONDS` old."""
    with _lock:
        made, content = desk.metrics
        if not content or time.monotonic() - made > KEPT_SECONDS:
            content = metrics(installation_status(lambda: desk.catalog, desk.root, desk.dagster))
            desk.metrics = time.monotonic(), content
        return content
