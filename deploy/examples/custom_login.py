"""A login page of your own, for a connector of the type `custom`: one file, nothing but Python.

The broker sends people here with a login_id and a login_state. This page asks the broker what is wanted, asks
the person for a password, tells the broker who it was, and sends the browser where the broker says. Replace
`sign_in` by whatever knows your people; the rest may stay.

    BROKER=https://login.acme.example/login/shop  CLIENT_ID=shop-page  CLIENT_SECRET=…  python custom_login.py
"""

import base64
import hashlib
import hmac
import html
import json
import os
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlencode, urlsplit

BROKER = os.environ["BROKER"]  # the broker's issuer, /login/ and the id of the connector
CREDENTIALS = base64.b64encode(f"{os.environ['CLIENT_ID']}:{os.environ['CLIENT_SECRET']}".encode()).decode()
MISTAKES = 5  # for each login; a page for the world counts them for each person and address too

SALT = bytes(16)  # for the example's one person; a real one has a random salt for each
PEOPLE = {
    "ada": {
        "subject": "customer-1001",  # what never changes, and is never given to somebody else
        "password": hashlib.scrypt(b"open sesame, please", salt=SALT, n=2**14, r=8, p=1),
        "context": {"name": "Ada Example", "email": "ada@shop.example", "email_verified": True},
    }
}
tried: dict[str, int] = {}


def sign_in(username: str, password: str) -> dict | None:
    """Who that is; None where the password is not theirs."""
    person = PEOPLE.get(username)
    kept = person["password"] if person else bytes(64)
    typed = hashlib.scrypt(password.encode(), salt=SALT, n=2**14, r=8, p=1)
    return person if hmac.compare_digest(typed, kept) and person else None


def broker(method: str, path: str, body: dict | None = None) -> tuple[int, dict]:
    """Call the broker's API."""
    request = urllib.request.Request(
        f"{BROKER}/requests/{path}",
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"Authorization": f"Basic {CREDENTIALS}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


class Page(BaseHTTPRequestHandler):
    """GET shows the form, POST answers it."""

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        self.form(query.get("login_id", [""])[0], query.get("login_state", [""])[0])

    def do_POST(self) -> None:
        form = self.typed()
        login_id, login_state = form.get("login_id", ""), form.get("login_state", "")
        if self.asked(login_id, login_state) is None:  # no password is looked at for a login nobody knows
            return
        if form.get("answer") == "cancel":
            self.decide(login_id, "reject", {"login_state": login_state, "error": "access_denied"})
            return
        tried[login_id] = tried.get(login_id, 0) + 1
        while len(tried) > 10_000:  # logins that nobody finished
            del tried[next(iter(tried))]
        person = sign_in(form.get("username", ""), form.get("password", ""))
        if tried[login_id] > MISTAKES:
            self.decide(login_id, "reject", {"login_state": login_state, "error": "access_denied"})
        elif person is None:
            self.form(login_id, login_state, "The username or the password is not right.")
        else:
            accept = {
                "login_state": login_state,
                "subject": person["subject"],
                "auth_time": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
                "amr": ["pwd"],
                "context": person["context"],
            }
            self.decide(login_id, "accept", accept)

    def typed(self) -> dict[str, str]:
        """The fields of the form; none where it is not one."""
        length = self.headers.get("Content-Length") or ""
        if not length.isdecimal() or int(length) > 10_000:
            return {}
        body = self.rfile.read(int(length)).decode(errors="replace")
        return {name: values[0] for name, values in parse_qs(body).items()}

    def asked(self, login_id: str, login_state: str) -> dict | None:
        """What the broker wants to know; None where it knows no such login, and the page says so."""
        found, asked = broker("GET", f"{quote(login_id, safe='')}?{urlencode({'login_state': login_state})}")
        if found == 200:
            return asked
        self.page(400, "<h1>This sign-in is over</h1><p>Go back to the app and start again.</p>")
        return None

    def form(self, login_id: str, login_state: str, problem: str = "") -> None:
        """The page, if the broker knows the login."""
        asked = self.asked(login_id, login_state)
        if asked is None:
            return
        said = f'<p role="alert">{html.escape(problem)}</p>' if problem else ""
        self.page(
            200,
            f"""<h1>Sign in to {html.escape(asked["client_name"])}</h1>{said}
            <form method="post" action="/">
            <input type="hidden" name="login_id" value="{html.escape(login_id)}">
            <input type="hidden" name="login_state" value="{html.escape(login_state)}">
            <p><label>Username <input name="username" autocomplete="username"
              value="{html.escape(asked["login_hint"] or "")}"></label></p>
            <p><label>Password <input name="password" type="password"
              autocomplete="current-password"></label></p>
            <p><button>Sign in</button> <button name="answer" value="cancel">Cancel</button></p></form>""",
        )

    def decide(self, login_id: str, how: str, body: dict) -> None:
        """Tell the broker, and send the browser where it says."""
        status, told = broker("POST", f"{quote(login_id, safe='')}/{how}", body)
        tried.pop(login_id, None)
        if status != 200:
            self.page(400, "<h1>This sign-in is over</h1><p>Go back to the app and start again.</p>")
            return
        self.send_response(303)
        self.send_header("Location", told["redirect_to"])
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()

    def page(self, status: int, body: str) -> None:
        """A page that nobody keeps, frames or learns the address of."""
        data = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in</title>{body}'.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header(
            "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"
        )
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Addresses here carry login_state, which belongs in no log."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8090"))), Page)
    print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)
