"""A client app that others wrote: JupyterHub with oauthenticator, which lets people in by their groups.

What this site's broker and ports are comes by the environment. Nobody starts a notebook here: who is known,
and as what, is asked at the hub's own API.
"""

import json
import os
from urllib.parse import urlencode

asked = json.loads(os.environ["ASKED"])
site = f"http://127.0.0.1:{asked['port']}"
c = get_config()  # noqa: F821

c.JupyterHub.bind_url = site
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{asked['hub_port']}"
c.JupyterHub.db_url = f"sqlite:///{asked['folder']}/hub.sqlite"
c.JupyterHub.cookie_secret_file = f"{asked['folder']}/cookie-secret"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{asked['proxy_port']}"
c.ConfigurableHTTPProxy.auth_token = asked["proxy_token"]
c.ConfigurableHTTPProxy.should_start = False
c.JupyterHub.services = [{"name": "tests", "api_token": asked["api_token"]}]
c.JupyterHub.load_roles = [
    {
        "name": "tests",
        "services": ["tests"],
        "scopes": ["admin:users", "admin:auth_state", "list:users", "read:groups"],
    }
]

c.JupyterHub.authenticator_class = "generic-oauth"
c.GenericOAuthenticator.client_id = asked["client_id"]
c.GenericOAuthenticator.client_secret = asked["client_secret"]
c.GenericOAuthenticator.oauth_callback_url = f"{site}/hub/oauth_callback"
c.GenericOAuthenticator.authorize_url = f"{asked['issuer']}/authorize"
c.GenericOAuthenticator.token_url = f"{asked['issuer']}/token"
c.GenericOAuthenticator.userdata_url = f"{asked['issuer']}/userinfo"
c.GenericOAuthenticator.scope = ["openid", "profile", "email", "staff"]
c.GenericOAuthenticator.username_claim = "preferred_username"
c.GenericOAuthenticator.enable_auth_state = True
c.GenericOAuthenticator.manage_groups = True
c.GenericOAuthenticator.auth_state_groups_key = "oauth_user.groups"
c.GenericOAuthenticator.allowed_groups = asked["allowed_groups"]
c.GenericOAuthenticator.admin_groups = asked["admin_groups"]
c.GenericOAuthenticator.login_service = "Acme"
back = urlencode({"client_id": asked["client_id"], "post_logout_redirect_uri": f"{site}/hub/login"})
c.GenericOAuthenticator.logout_redirect_url = f"{asked['issuer']}/logout?{back}"
