"""Notifying people: in the log, by a webhook, by e-mail."""

import json
import smtplib
import urllib.request
from collections.abc import Callable, Collection
from email.message import EmailMessage
from http.client import HTTPException
from typing import Self

import dagster as dg
from pydantic import ConfigDict, Field, model_validator

from twig_assets.escaping import for_chat
from twig_assets.settings.secrets import hidden

TIMEOUT = 10


class NotifierResource(dg.ConfigurableResource):
    """Carries a message over every channel that is configured; the log always is.

    Attributes:
        webhook: URL, a secret, that gets a JSON object with `text`, `title` and `event` by POST, as chat programs
            take it.
        mail_to: Addresses, separated by commas.
        mail_from: The sender's address.
        smtp: Host and port of the mail server, such as `localhost:25`; it gets the mail without a password.
    """

    # What is wrong with a setting is said without the setting: the webhook's address lets its holder write there.
    model_config = ConfigDict(hide_input_in_errors=True)

    webhook: str = Field(default="", repr=False)
    mail_to: str = ""
    mail_from: str = "twig-assets@localhost"
    smtp: str = Field(default="localhost:25", pattern=r"^[^:\s]+:\d{1,5}$")

    @model_validator(mode="after")
    def _webhook_is_http(self) -> Self:
        if self.webhook and not self.webhook.startswith(("http://", "https://")):
            raise ValueError("TWIG_NOTIFY_WEBHOOK: is no http(s) address; correct it or leave it out")
        return self

    @property
    def channels(self) -> list[str]:
        """The names of the channels that are configured."""
        return ["log", *["webhook"] * bool(self.webhook), *["mail"] * bool(self.mail_to)]

    def send(
        self, event: str, title: str, body: str, log: Callable[[str], None], done: Collection[str] = ()
    ) -> dict[str, str | None]:
        """Carry a message over the channels that have not carried it yet.

        Args:
            event: Its kind, for programs.
            title: One line.
            body: The whole text.
            log: Writes into the log.
            done: Channels to leave out.

        Returns:
            Channel -> why it failed, or None where it worked. It does not raise: one dead server is to keep neither
            the other channels nor the caller from their work.
        """
        outcomes: dict[str, str | None] = {}
        for channel in (name for name in self.channels if name not in done):
            try:
                if channel == "log":
                    log(body)
                elif channel == "webhook":
                    self._post(event, title, body)
                else:
                    self._mail(title, body)
                outcomes[channel] = None
            except HTTPException as error:
                # Its message can hold the webhook's path, and who knows that may write there.
                outcomes[channel] = type(error).__name__
            except (OSError, smtplib.SMTPException, ValueError) as error:
                outcomes[channel] = hidden(f"{type(error).__name__}: {error}")
        return outcomes

    def _post(self, event: str, title: str, body: str) -> None:
        content = json.dumps({"text": for_chat(body), "title": for_chat(title), "event": event}).encode()
        request = urllib.request.Request(self.webhook, content, {"Content-Type": "application/json"})
        # The status is all that is wanted; a body that never ends would hold the tick up.
        urllib.request.urlopen(request, timeout=TIMEOUT).close()

    def _mail(self, title: str, body: str) -> None:
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = " ".join(title.split()), self.mail_from, self.mail_to
        message.set_content(body)
        host, port = self.smtp.rsplit(":", 1)
        with smtplib.SMTP(host, int(port), timeout=TIMEOUT) as server:
            server.send_message(message)
