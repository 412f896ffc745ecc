"""A client app that others wrote: a Django site with django-allauth, whose one provider is the broker.

Usage: allauth_site.py '{"issuer": …, "client_id": …, "client_secret": …, "port": …, "database": …}'
Prints one JSON line, {"listens": …}, once it does. `/` tells whom the site takes the visitor for.
"""

import json
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings

asked = json.loads(sys.argv[1])
site = f"http://127.0.0.1:{asked['port']}"

settings.configure(
    SECRET_KEY="of no worth, and long enough for whoever counts",
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": asked["database"]}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "allauth",
        "allauth.account",
        "allauth.socialaccount",
        "allauth.socialaccount.providers.openid_connect",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "allauth.account.middleware.AccountMiddleware",
    ],
    AUTHENTICATION_BACKENDS=["allauth.account.auth_backends.AuthenticationBackend"],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    ROOT_URLCONF=__name__,
    LOGIN_REDIRECT_URL="/",
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    SOCIALACCOUNT_PROVIDERS={
        "openid_connect": {
            "APPS": [
                {
                    "provider_id": "acme",
                    "name": "Acme",
                    "client_id": asked["client_id"],
                    "secret": asked["client_secret"],
                    "settings": {
                        "server_url": asked["issuer"],
                        "scope": ["openid", "profile", "email", "staff"],
                        "oauth_pkce_enabled": True,
                    },
                }
            ]
        }
    },
    # A person whose address the broker says is proved has nothing more to prove here.
    SOCIALACCOUNT_EMAIL_AUTHENTICATION=False,
    ACCOUNT_EMAIL_VERIFICATION="mandatory",
    EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend",
)
sys.modules["allauth_site"] = sys.modules[__name__]
django.setup()

from allauth.account.models import EmailAddress  # noqa: E402
from allauth.socialaccount.models import SocialAccount  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402


def known(request):
    """Whom the site takes the visitor for."""
    if not request.user.is_authenticated:
        return JsonResponse({})
    account = SocialAccount.objects.get(user=request.user)
    return JsonResponse(
        {
            "uid": account.uid,
            "username": request.user.username,
            "name": request.user.get_full_name(),
            "email": request.user.email,
            "verified": EmailAddress.objects.filter(user=request.user, verified=True).exists(),
            "groups": account.extra_data["userinfo"].get("groups", []),
            "iss": account.extra_data["id_token"]["iss"],
        }
    )


urlpatterns = [path("", known), path("accounts/", include("allauth.urls"))]


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
