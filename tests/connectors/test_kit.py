from broker.kit import OpenIDKit


class TestOidc(OpenIDKit):
    connector = {
        "type": "oidc",
        "issuer": "{issuer}",
        "client_id": "{client_id}",
        "client_secret": "{client_secret}",
    }
