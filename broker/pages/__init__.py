"""The pages a person sees: what each shows, how it is written, and the files it loads.

Owns templates, style, script, icons and the catalogue of sentences. It answers no request by itself: an
endpoint makes a view and sends the page that `Pages.render` returns, headers and all.
"""

from __future__ import annotations

from broker.pages.files import STATIC_HEADERS, StaticFile
from broker.pages.rendering import ICONS, Page, Pages, Switch
from broker.pages.safety import UnsafeAddressError, own_address
from broker.pages.views import (
    AccountView,
    ApiLine,
    BounceView,
    Choice,
    ChooserView,
    ConsentView,
    DepartureView,
    Detail,
    DeviceCodeView,
    DeviceConfirmView,
    DeviceDoneView,
    DeviceProblem,
    ErrorView,
    Forget,
    FormPostView,
    GrantLine,
    LeavingView,
    LoginProblem,
    LoginView,
    OnwardView,
    ScopeLine,
    Search,
    SessionLine,
    SignedOutView,
    SignOutView,
    View,
)
from broker.pages.words import MESSAGES, SCOPE_SENTENCES, Message, MessageKey

__all__ = [
    "ICONS",
    "MESSAGES",
    "SCOPE_SENTENCES",
    "STATIC_HEADERS",
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
    "Forget",
    "FormPostView",
    "GrantLine",
    "LeavingView",
    "LoginProblem",
    "LoginView",
    "Message",
    "MessageKey",
    "OnwardView",
    "Page",
    "Pages",
    "ScopeLine",
    "Search",
    "SessionLine",
    "SignOutView",
    "SignedOutView",
    "StaticFile",
    "Switch",
    "UnsafeAddressError",
    "View",
    "own_address",
]
