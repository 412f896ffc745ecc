"""What an operator writes about a client app.

Owns the model of an entry of ``clients``; its docstrings are the explanations in `broker schema` and in the
reference page. RFC 7591 §2 names the keys. What follows from several of them together is checked where the
section is read.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from broker.config.words import LocalPath, SpaceSeparated, Switch, one_or_more
from broker.config.written_grants import TokenExchangeEntry
from broker.config.written_logout import LogoutEntry
from broker.config.written_proof import ProofEntry
from broker.config.written_theme import SaidInWords, ThemeEntry
from broker.connector import Duration, Secret
from broker.protocol.client import EncryptionAlg, EncryptionEnc, GrantType, Profile, SigningAlg
from broker.protocol.uris import ApplicationType

Name = Annotated[str, StringConstraints(min_length=1, max_length=1000)]

Secrets = Annotated[
    tuple[Secret, ...],
    BeforeValidator(one_or_more),
    Field(min_length=1, max_length=2),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "maxItems": 2},
            ]
        }
    ),
]
Audience = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,1000}$")]


def _app_or_api(schema: dict[str, Any]) -> None:
    """For editors: what an entry needs depends on whether it redeems anything."""
    schema["if"] = {"required": ["grant_types"], "properties": {"grant_types": {"maxItems": 0}}}
    schema["then"] = {
        "required": ["audience"],
        "properties": {"redirect_uris": {"maxItems": 0}},
    }
    redeems_codes = {"properties": {"grant_types": {"contains": {"const": "authorization_code"}}}}
    schema["else"] = {
        "if": {"anyOf": [{"not": {"required": ["grant_types"]}}, redeems_codes]},
        "then": {"required": ["redirect_uris"], "properties": {"redirect_uris": {"minItems": 1}}},
    }


class ClientEntry(ProofEntry, LogoutEntry):
    """An app that lets people sign in through the broker, or an API that asks it about tokens."""

    model_config = ConfigDict(json_schema_extra=_app_or_api)

    client_name: SaidInWords
    """What people know the app as, or that in each language: `{ en: Billing, de: Rechnungen }`."""
    client_secret: Secrets | None = None
    """Its secret, or a list of two while one replaces the other. One that a person chose is written as the
    hash that `broker clients hash` makes of it. An app that proves itself otherwise has none."""
    logo: LocalPath | None = None
    """An SVG or PNG file, at most 64 kB; the broker serves it."""
    theme: ThemeEntry | None = None
    """How the pages look on the way to this app, where that is not as everywhere."""
    redirect_uris: tuple[Name, ...] = ()
    """Where it may be answered, compared whole: https, or http on loopback. At least one with
    `authorization_code` among its `grant_types`, and none where those are empty. Its query must not hold
    what an answer says, such as `state`."""
    post_logout_redirect_uris: tuple[Name, ...] = ()
    """Where people may land after signing out."""
    application_type: ApplicationType = "web"
    """`native` for an app on a device: loopback redirects with any port, and schemes of its own."""
    grant_types: tuple[GrantType, ...] = ("authorization_code",)
    """What it may redeem. A refresh token is given only with the scope `offline_access`. `[]` makes the entry
    an API: nobody signs in there, it introspects the tokens that name its `audience`, and needs a secret."""
    scope: SpaceSeparated = ("openid", "profile", "email")
    """The scopes it may ask for, with a space between them."""
    trusted: Switch = False
    """An app of your own: people are not asked for their consent."""
    connectors: tuple[str, ...] | None = Field(default=None, min_length=1)
    """The connectors its people may use; without it all of them."""
    id_token_signed_response_alg: SigningAlg = "RS256"
    """What its ID Tokens are signed with."""
    access_token_format: Literal["jwt", "opaque"] = "jwt"
    """`jwt`: APIs check it themselves (RFC 9068). `opaque`: they ask the broker."""
    access_token_signing_alg: SigningAlg = "RS256"
    """What its access tokens are signed with."""
    audience: Audience | None = None
    """The API that its access tokens are for; without it the issuer. With `grant_types: []` it is the name of
    this API, as the tokens say it in `aud`, and is needed."""
    id_token_claims: Switch = False
    """Puts the claims of the granted scopes into the ID Token too, not only into the userinfo answer."""
    require_pkce: Switch = True
    """`false` only for an app with a secret that cannot do PKCE."""
    default_max_age: Duration | None = None
    """How old a login may be that it is answered with, where it does not say so itself (`max_age`)."""
    require_auth_time: Switch = False
    """`true`: its ID Tokens always say when the person signed in, and one that could not is not given."""
    profile: Profile | None = None
    """`fapi2_security` or `fapi2_message_signing` (OpenID Foundation): turns on everything that the profile
    demands of the app, and refuses an entry that says otherwise."""
    require_pushed_authorization_requests: Switch = False
    """`true` refuses every request that was not pushed to `/par` first (RFC 9126)."""
    require_signed_request_object: Switch = False
    """`true` refuses every request that the app did not sign (RFC 9101)."""
    request_object_signing_alg: SigningAlg | None = None
    """The only algorithm by which it signs its requests; without it any that the broker knows."""
    authorization_signed_response_alg: SigningAlg | None = None
    """What its answers are signed with where it asks for signed ones (`response_mode=jwt`, JARM); without it
    RS256."""
    authorization_encrypted_response_alg: EncryptionAlg | None = None
    """How its signed answers are encrypted, to the key of `jwks` or `jwks_uri` that is for it; without it
    they are not."""
    authorization_encrypted_response_enc: EncryptionEnc | None = None
    """What encrypts their content; without it A128CBC-HS256."""
    resources: tuple[Name, ...] | None = None
    """The APIs that it may ask tokens for by `resource` (RFC 8707): of `resources`, and of the APIs among the
    clients. Without it all of them."""
    authorization_details_types: tuple[Name, ...] = ()
    """The types of `authorization_details` that it may ask for (RFC 9396)."""
    subject_type: Literal["public", "pairwise"] = "public"
    """`pairwise`: it knows people by a `sub` that no app of another sector knows (OpenID Connect Core
    §8.1). To change this changes everybody's `sub` there."""
    sector_identifier_uri: Name | None = None
    """Where the sector's list of redirect_uris is, an https URL with a JSON list, fetched as `outbound`
    allows. Needed for pairwise subjects where the redirect_uris are on several hosts, or on none."""
    id_token_encrypted_response_alg: EncryptionAlg | None = None
    """How its ID Tokens are encrypted, to the key of `jwks` or `jwks_uri` that is for it; without it they are
    not."""
    id_token_encrypted_response_enc: EncryptionEnc | None = None
    """What encrypts their content; without it A128CBC-HS256."""
    userinfo_signed_response_alg: SigningAlg | None = None
    """What its userinfo answers are signed with; without it they are plain JSON."""
    userinfo_encrypted_response_alg: EncryptionAlg | None = None
    """How its userinfo answers are encrypted; they are signed then too, by RS256 where nothing is said."""
    userinfo_encrypted_response_enc: EncryptionEnc | None = None
    """What encrypts their content; without it A128CBC-HS256."""
    introspection_signed_response_alg: SigningAlg | None = None
    """What introspection answers are signed with where it asks for signed ones (RFC 9701); without it
    RS256."""
    introspection_encrypted_response_alg: EncryptionAlg | None = None
    """How introspection answers to it are encrypted; it is then always answered by such a token."""
    introspection_encrypted_response_enc: EncryptionEnc | None = None
    """What encrypts their content; without it A128CBC-HS256."""
    token_exchange: TokenExchangeEntry | None = None
    """What it may exchange (RFC 8693), with `urn:ietf:params:oauth:grant-type:token-exchange` among its
    `grant_types`."""
    enabled: Switch = True
    """`false` refuses the app and ends what it was given."""
