"""The service provider that we are at one identity provider: our name, our keys, our metadata.

Owns `Ours`. A key is loaded when it is first used, so that ten thousand connectors cost a start nothing.
"""

from __future__ import annotations

from functools import cached_property

from cryptography.hazmat.primitives.asymmetric import rsa

from broker.connector import Here, Published
from connectors.saml2.credentials import Credentials
from connectors.saml2.descriptor import CONTENT_TYPE, descriptor
from connectors.saml2.provider import Provider
from connectors.saml2.response import Keys
from connectors.saml2.settings import Settings
from connectors.saml2.xml import PERSISTENT

_FORMATS = {
    "persistent": PERSISTENT,
    "transient": "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
    "emailAddress": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
}


class Ours:
    """What the settings say of us."""

    def __init__(self, settings: Settings, here: Here) -> None:
        self._settings, self._here = settings, here

    @property
    def entity_id(self) -> str:
        """Who we are there."""
        return self._settings.entity_id or self._here.metadata_uri

    @property
    def name_id_format(self) -> str | None:
        """What kind of identifier is asked for; None where any will do."""
        wanted = self._settings.name_id_format
        if wanted is None and self._settings.subject_attribute is None:
            wanted = "persistent"
        return _FORMATS.get(wanted or "")

    @property
    def signer(self) -> Credentials | None:
        """What signs requests, if anything does."""
        return self._credentials if self._settings.signs_requests else None

    def keys(self, provider: Provider) -> Keys:
        """What an answer of this identity provider is checked and opened with."""
        return Keys(
            certificates=provider.certificates,
            decryption=[one.key for one in self._openers if isinstance(one.key, rsa.RSAPrivateKey)],
            encryption_wanted=self._settings.want_assertions_encrypted,
        )

    @cached_property
    def published(self) -> Published:
        """Our metadata."""
        settings, ours = self._settings, self._credentials
        # A key that is shown for encryption is one that some identity providers then use unasked.
        encrypts = bool(settings.decryption_keys) or settings.want_assertions_encrypted
        body = descriptor(
            entity_id=self.entity_id,
            acs=self._here.redirect_uri,
            name_id_format=self.name_id_format,
            signs_requests=settings.signs_requests,
            signing=[ours.certificate] if ours is not None else [],
            encryption=[one.certificate for one in self._openers[:1]] if encrypts else [],
        )
        return Published(content_type=CONTENT_TYPE, body=body)

    @cached_property
    def _credentials(self) -> Credentials | None:
        settings = self._settings
        if settings.private_key is None:
            return None
        return Credentials(settings.private_key, settings.certificate, name=self._here.connector)

    @cached_property
    def _openers(self) -> tuple[Credentials, ...]:
        """What opens encrypted assertions."""
        given = tuple(Credentials(key, name=self._here.connector) for key in self._settings.decryption_keys)
        ours = self._credentials
        return given or ((ours,) if ours is not None and ours.type == "RSA" else ())
