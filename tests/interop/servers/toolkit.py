"""An upstream that others wrote: Django with django-oauth-toolkit, one client and one person.

Usage: toolkit.py '{"client_id": …, "client_secret": …, "redirect_uri": …, "port": …, "database": …}'
Prints one JSON line, {"issuer": …}, once it listens.
"""

import json
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings

asked = json.loads(sys.argv[1])
issuer = f"http://127.0.0.1:{asked['port']}/o"

from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: E402

key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)

settings.configure(
    SECRET_KEY="of no worth",
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": asked["database"]}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.admin",
        "oauth2_provider",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
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
    LOGIN_URL="/admin/login/",
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    OAUTH2_PROVIDER={
        "OIDC_ENABLED": True,
        "OIDC_RSA_PRIVATE_KEY": key.decode(),
        "OIDC_ISS_ENDPOINT": issuer,
        "PKCE_REQUIRED": True,
        "ALLOWED_REDIRECT_URI_SCHEMES": ["http", "https"],
        "SCOPES": {
            "openid": "Who you are",
            "profile": "Profile",
            "email": "E-mail",
            "offline_access": "Later",
        },
        "OAUTH2_VALIDATOR_CLASS": f"{__name__}.Validator",
    },
)
sys.modules["toolkit"] = sys.modules[__name__]
django.setup()

from django.contrib import admin  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402
from oauth2_provider import urls as oauth2_urls  # noqa: E402
from oauth2_provider.models import Application  # noqa: E402
from oauth2_provider.oauth2_validators import OAuth2Validator  # noqa: E402


class Validator(OAuth2Validator):
    """What this server says of a person."""

    oidc_claim_scope = None

    def get_additional_claims(self, request):
        user = request.user
        return {"name": user.get_full_name(), "email": user.email, "email_verified": True}


urlpatterns = [path("admin/", admin.site.urls), path("o/", include(oauth2_urls))]


class Quiet(WSGIRequestHandler):
    """Nothing on standard error for each request."""

    def log_message(self, *told):
        return None


def main() -> None:
    call_command("migrate", verbosity=0)
    person = User.objects.create_superuser(
        "ada", "ada@acme.example", asked["password"], first_name="Ada", last_name="Example"
    )
    Application.objects.create(
        client_id=asked["client_id"],
        client_secret=asked["client_secret"],
        redirect_uris=asked["redirect_uri"],
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        algorithm=Application.RS256_ALGORITHM,
        skip_authorization=True,
        user=person,
        name="Broker",
    )
    server = make_server("127.0.0.1", asked["port"], get_wsgi_application(), handler_class=Quiet)
    sys.stdout.write(json.dumps({"issuer": issuer}) + "\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
