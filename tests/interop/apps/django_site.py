"""A client app that others wrote: a Django site, and one of two libraries that sign people in.

Usage: django_site.py '{"by": "allauth", "issuer": …, "client_id": …, "client_secret": …, "port": …, …}'
Prints one JSON line, {"listens": …}, once it does. `/` tells whom the site takes the visitor for.
"""

import json
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings

asked = json.loads(sys.argv[1])
site = f"http://127.0.0.1:{asked['port']}"
SCOPE = ["openid", "profile", "email", "staff"]

ALLAUTH = {
    "INSTALLED_APPS": [
        "allauth",
        "allauth.account",
        "allauth.socialaccount",
        "allauth.socialaccount.providers.openid_connect",
    ],
    "MIDDLEWARE": ["allauth.account.middleware.AccountMiddleware"],
    "AUTHENTICATION_BACKENDS": ["allauth.account.auth_backends.AuthenticationBackend"],
    "SOCIALACCOUNT_PROVIDERS": {
        "openid_connect": {
            "APPS": [
                {
                    "provider_id": "acme",
                    "name": "Acme",
                    "client_id": asked["client_id"],
                    "secret": asked["client_secret"],
                    "settings": {"server_url": asked["issuer"], "scope": SCOPE, "oauth_pkce_enabled": True},
                }
            ]
        }
    },
    # A person whose address the broker says is proved has nothing more to prove here.
    "ACCOUNT_EMAIL_VERIFICATION": "mandatory",
    "EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend",
}
MOZILLA = {
    "INSTALLED_APPS": ["mozilla_django_oidc"],
    "MIDDLEWARE": [],
    "AUTHENTICATION_BACKENDS": ["django_site.Backend"],
    "OIDC_RP_CLIENT_ID": asked["client_id"],
    "OIDC_RP_CLIENT_SECRET": asked["client_secret"],
    "OIDC_RP_SCOPES": " ".join(SCOPE),
    "OIDC_RP_SIGN_ALGO": "ES256",
    "OIDC_USE_PKCE": True,
    "OIDC_OP_AUTHORIZATION_ENDPOINT": f"{asked['issuer']}/authorize",
    "OIDC_OP_TOKEN_ENDPOINT": f"{asked['issuer']}/token",
    "OIDC_OP_USER_ENDPOINT": f"{asked['issuer']}/userinfo",
    "OIDC_OP_JWKS_ENDPOINT": f"{asked['issuer']}/jwks",
}
library = {"allauth": ALLAUTH, "mozilla": MOZILLA}[asked["by"]]

settings.configure(
    **{
        **library,
        "INSTALLED_APPS": [
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            *library["INSTALLED_APPS"],
        ],
        "MIDDLEWARE": [
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            *library["MIDDLEWARE"],
        ],
    },
    SECRET_KEY="of no worth, and long enough for whoever counts",
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": asked["database"]}},
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
        }
    ],
    ROOT_URLCONF=__name__,
    LOGIN_REDIRECT_URL="/",
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
sys.modules["django_site"] = sys.modules[__name__]
django.setup()

from django.contrib.auth.models import Group  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402

if asked["by"] == "allauth":
    from allauth.account.models import EmailAddress
    from allauth.socialaccount.models import SocialAccount

    def more(user):
        """What the library keeps of a person."""
        account = SocialAccount.objects.get(user=user)
        return {
            "sub": account.uid,
            "verified": EmailAddress.objects.filter(user=user, verified=True).exists(),
            "groups": account.extra_data["userinfo"].get("groups", []),
        }

    ways = path("accounts/", include("allauth.urls"))
else:
    from mozilla_django_oidc.auth import OIDCAuthenticationBackend

    class Backend(OIDCAuthenticationBackend):
        """As its documentation has it: found by ``sub``, with the broker's name and groups."""

        def filter_users_by_claims(self, claims):
            return self.UserModel.objects.filter(username=claims["sub"])

        def get_username(self, claims):
            return claims["sub"]

        def create_user(self, claims):
            return self.update_user(super().create_user(claims), claims)

        def update_user(self, user, claims):
            user.first_name, user.last_name = claims["given_name"], claims["family_name"]
            user.save()
            user.groups.set(Group.objects.get_or_create(name=name)[0] for name in claims["groups"])
            return user

    def more(user):
        """What the site keeps of a person."""
        return {"sub": user.username, "groups": [group.name for group in user.groups.all()]}

    ways = path("accounts/", include("mozilla_django_oidc.urls"))


def known(request):
    """Whom the site takes the visitor for."""
    user = request.user
    if not user.is_authenticated:
        return JsonResponse({})
    return JsonResponse(
        {"username": user.username, "name": user.get_full_name(), "email": user.email, **more(user)}
    )


urlpatterns = [path("", known), ways]


class Quiet(WSGIRequestHandler):
    """Nothing on standard error for each request."""

    def log_message(self, *told):
        return None


def main() -> None:
    call_command("migrate", verbosity=0)
    server = make_server("127.0.0.1", asked["port"], get_wsgi_application(), handler_class=Quiet)
    sys.stdout.write(json.dumps({"listens": site}) + "\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
