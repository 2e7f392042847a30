"""The token of the servers: a page that asks for it once, and a cookie from then on.

The token itself is never part of an address, which browsers, proxies and logs keep.
"""

import hmac
import re
import secrets
from html import escape

from itsdangerous import BadSignature, URLSafeTimedSerializer
from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.requests import cookie_parser

COOKIE = "twig-ui"
PATH = "/twig-door"
_HOURS = 12
_STYLE = "body{font:16px/1.5 system-ui,sans-serif;max-width:24rem;margin:20vh auto;padding:0 1rem}input,button{font:inherit;width:100%;padding:.5rem;margin:.3rem 0;box-sizing:border-box}"  # noqa: E501
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    # With "no-referrer", browsers would not say of the form either which page it came from, and it would be refused.
    "Referrer-Policy": "same-origin",
}


class Door:
    """Lets through who has shown the token."""

    def __init__(self, token: SecretStr) -> None:
        """Guard with a token.

        Args:
            token: What has to be shown.
        """
        self._token = token.get_secret_value()
        self._serializer = URLSafeTimedSerializer(self._token, salt="twig-ui-session")

    def lets_in(self, headers: Headers) -> bool:
        """Whether a request shows the token, or the cookie that was given for it."""
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.fits(shown.strip()):
            return True
        try:
            self._serializer.loads(cookie_parser(headers.get("cookie", "")).get(COOKIE, ""), max_age=_HOURS * 3600)
        except BadSignature:
            return False
        return True

    def fits(self, shown: str) -> bool:
        """Whether this is the token."""
        return hmac.compare_digest(shown.encode(), self._token.encode())

    def cookie(self) -> str:
        """A header's value that gives a browser the cookie; links of other sites bring it along, forms do not."""
        value = self._serializer.dumps(secrets.token_urlsafe(8))
        return f"{COOKIE}={value}; Path=/; Max-Age={_HOURS * 3600}; HttpOnly; SameSite=Lax"


def page(server: str, wanted: str, wrong: bool) -> str:
    """The page that asks for the token.

    Args:
        server: What is behind it.
        wanted: The path that was asked for.
        wrong: Whether a token was given that does not fit.
    """
    told = "<p role='alert'>That is not the token.</p>" if wrong else ""
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(server)}</title><style>{_STYLE}</style>"
        f"<h1>{escape(server)}</h1>{told}<form method='post' action='{PATH}'>"
        f"<input type='hidden' name='wanted' value='{escape(wanted)}'>"
        "<label>Token (TWIG_UI_TOKEN of whoever started it)"
        "<input type='password' name='token' autocomplete='current-password' required autofocus></label>"
        "<button>Open</button></form></html>"
    )


def own_path(wanted: str) -> str:
    """A path of this server to go to; the first page for anything that would lead elsewhere."""
    return wanted if re.fullmatch(r"/(?![/\\])[!-~]*", wanted) and "\\" not in wanted else "/"
