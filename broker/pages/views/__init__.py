"""What each page shows, as frozen values: an endpoint makes one, `Pages.render` turns it into HTML.

A view holds facts, never sentences of ours: those come from the catalogue in the person's language.
Names and addresses in it may come from anybody; they are escaped, cut and isolated when rendered.
Instants are seconds since the epoch.
"""

from __future__ import annotations

from broker.pages.views.account import AccountView, ApiLine, GrantLine, SessionLine
from broker.pages.views.consent import ConsentView, Detail, ScopeLine
from broker.pages.views.device import DeviceCodeView, DeviceConfirmView, DeviceDoneView, DeviceProblem
from broker.pages.views.ending import SignedOutView, SignOutView
from broker.pages.views.passing import BounceView, DepartureView, ErrorView, Fields, FormPostView, LeavingView
from broker.pages.views.signing_in import (
    Choice,
    ChooserView,
    Forget,
    LoginProblem,
    LoginView,
    OnwardView,
    Search,
)

View = (
    ChooserView
    | OnwardView
    | LoginView
    | ConsentView
    | DeviceCodeView
    | DeviceConfirmView
    | DeviceDoneView
    | ErrorView
    | AccountView
    | SignOutView
    | SignedOutView
    | BounceView
    | FormPostView
    | DepartureView
    | LeavingView
)

__all__ = [
    "AccountView",
    "ApiLine",
    "BounceView",
    "Choice",
    "ChooserView",
    "ConsentView",
    "DepartureView",
    "Detail",
    "DeviceCodeView",
    "DeviceConfirmView",
    "DeviceDoneView",
    "DeviceProblem",
    "ErrorView",
    "Fields",
    "Forget",
    "FormPostView",
    "GrantLine",
    "LeavingView",
    "LoginProblem",
    "LoginView",
    "OnwardView",
    "ScopeLine",
    "Search",
    "SessionLine",
    "SignOutView",
    "SignedOutView",
    "View",
]
