"""A real Apache with mod_auth_openidc, as people put it before an app that knows nothing of OpenID Connect.

Debian's programs under a configuration of the test's own; nothing of `/etc/apache2` is read. Behind it stands
an app that tells the headers it was called with.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.interop.processes import STARTS, running

APACHE = shutil.which("apache2", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
MODULES = Path("/usr/lib/apache2/modules")
LOADED = ("mpm_event", "authn_core", "authz_core", "authz_user", "proxy", "proxy_http", "auth_openidc")

CONFIG = """
ServerRoot {folder}
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {folder}/pid
DefaultRuntimeDir {folder}
ErrorLog /dev/stderr
LogLevel warn core:notice mpm_event:notice
StartServers 1
ThreadsPerChild 8
MaxRequestWorkers 8
{modules}
{who}

{openidc}
OIDCRedirectURI http://127.0.0.1:{port}/oidc

<Location />
    AuthType openid-connect
    Require valid-user
    ProxyPass {app}/
</Location>
<Location /oidc>
    ProxyPass !
</Location>
{locations}
"""


def missing() -> str | None:
    """Why none can run here, or None."""
    if APACHE is None:
        return "no Apache"
    return None if (MODULES / "mod_auth_openidc.so").exists() else "no mod_auth_openidc"


@contextlib.asynccontextmanager
async def serving(
    folder: Path, port: int, openidc: str, locations: str = "", *, env: Mapping[str, str]
) -> AsyncIterator[str]:
    """Its address while it serves. ``openidc`` are the directives that people write for mod_auth_openidc."""
    modules = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in LOADED)
    # Who starts it as root must say who it shall be; then it reads nothing of the folder any more.
    who = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    async with TestServer(_app(), host="127.0.0.1") as app:
        config = folder / "apache.conf"
        config.write_text(
            CONFIG.format(
                folder=folder,
                port=port,
                modules=modules,
                who=who,
                openidc=openidc,
                locations=locations,
                app=str(app.make_url("")).rstrip("/"),
            )
        )
        async with running(APACHE or "apache2", "-f", config, "-DFOREGROUND", env=env) as apache:
            await apache.says("resuming normal operations", within=STARTS)
            yield f"http://127.0.0.1:{port}"


def _app() -> web.Application:
    app = web.Application()
    app.router.add_get("/{path:.*}", _told)
    return app


async def _told(request: web.Request) -> web.Response:
    return web.json_response({name.lower(): value for name, value in request.headers.items()})
