"""What an operator writes of a client app's ends: where it hears of them, and where a sign-in of its begins.

Owns the keys of `LogoutEntry`. Back-Channel Logout 1.0 §2.2, Front-Channel Logout 1.0 §2, OpenID Connect
Core §4 (``initiate_login_uri``).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from broker.config.words import Switch, Written

Uri = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class LogoutEntry(Written):
    """The keys of an app that are about the end of sessions."""

    backchannel_logout_uri: Uri | None = None
    """Where the broker tells the app itself that a session is over, by a signed token: an https URL, which
    must be within what `outbound` allows. It is told until it answers 200 or 204, for about a day."""
    backchannel_logout_session_required: Switch = False
    """`true`: each of these tokens names a session (`sid`), also where all that a person had has ended."""
    frontchannel_logout_uri: Uri | None = None
    """Where the person's browser tells the app, by a frame that nobody sees: an https URL on a host of one of
    its redirect_uris. Browsers keep cookies from most frames, so the other way is the better one."""
    frontchannel_logout_session_required: Switch = False
    """`true`: the app counts on `iss` and `sid` there. They are always said."""
    revoke_on_logout: Switch = False
    """`true`: signing out ends its refresh tokens with `offline_access` too. Without it those stay."""
    initiate_login_uri: Uri | None = None
    """Where the app begins a sign-in of its own (OpenID Connect Core §4): an https URL. The account page then
    has a link to the app."""
