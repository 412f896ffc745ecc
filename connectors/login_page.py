"""What the connectors without a page of their own share: people answer on the login page of ours."""

from __future__ import annotations

from urllib.parse import urlencode

from broker.connector import Departure, Here, Login, UpstreamInvalid


def to_our_page(here: Here, login: Login) -> Departure:
    """To the login page of ours, which finds the login by its ``state`` and the browser's cookie."""
    return Departure(url=f"{here.login_uri}?{urlencode({'state': login.state})}")


def nobody_calls_back() -> UpstreamInvalid:
    """For an answer at the callback, where nobody was sent."""
    return UpstreamInvalid("answered_elsewhere", "people answer on our own login page")
