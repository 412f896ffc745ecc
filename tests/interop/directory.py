"""A real OpenLDAP with a few people and groups, in a folder of its own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.interop.processes import STARTS, free_port, running
from tests.tls import Authority

SLAPD, SLAPADD = (shutil.which(name, path="/usr/sbin:/sbin:/usr/bin") for name in ("slapd", "slapadd"))
BASE = "dc=acme,dc=example"
BIND_DN, BIND_PASSWORD = f"cn=broker,{BASE}", "the-password-of-the-broker"

CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
sizelimit 500
database mdb
suffix "{base}"
directory {folder}/data
access to attrs=userPassword by anonymous auth by * none
access to dn.base="" by * read
access to * by dn.exact="{bind_dn}" read by * none
"""

PEOPLE = """
dn: {base}
objectClass: dcObject
objectClass: organization
dc: acme
o: Acme

dn: ou=people,{base}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{base}
objectClass: organizationalUnit
ou: groups

dn: {bind_dn}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: broker
userPassword: {bind_password}

dn: uid=ada,ou=people,{base}
objectClass: inetOrgPerson
uid: ada
cn: Ada Example
sn: Example
givenName: Ada
mail: ada@acme.example
mail: a.example@acme.example
userPassword: ada's password
employeeType: staff

dn: cn=Bob \\2B Co\\, (Ltd) *,ou=people,{base}
objectClass: inetOrgPerson
uid: bob
cn: Bob + Co, (Ltd) *
sn: Müller
mail: bob@acme.example
userPassword: bob's password
employeeType: staff

dn: uid=twin,ou=people,{base}
objectClass: inetOrgPerson
uid: twin
cn: First
sn: Twin
mail: shared@acme.example
userPassword: twins

dn: uid=twin2,ou=people,{base}
objectClass: inetOrgPerson
uid: twin2
cn: Second
sn: Twin
mail: shared@acme.example
userPassword: twins

dn: uid=left,ou=people,{base}
objectClass: inetOrgPerson
uid: left
cn: Left
sn: Company
userPassword: left's password
employeeType: former

dn: cn=admins,ou=groups,{base}
objectClass: groupOfNames
cn: admins
member: uid=ada,ou=people,{base}
member: cn=Bob \\2B Co\\, (Ltd) *,ou=people,{base}

dn: cn=everybody,ou=groups,{base}
objectClass: groupOfNames
cn: everybody
member: cn=admins,ou=groups,{base}
member: cn=everybody,ou=groups,{base}

dn: cn=posix,ou=groups,{base}
objectClass: posixGroup
cn: posix
gidNumber: 100
memberUid: ada

dn: ou=elsewhere,ou=people,{base}
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://elsewhere.example/ou=people,{base}
"""
MANY = """
dn: cn=team-{n},ou=groups,{base}
objectClass: groupOfNames
cn: team-{n}
member: uid=ada,ou=people,{base}
"""


@dataclass(frozen=True)
class Served:
    """A directory that answers."""

    plain: str
    tls: str
    ca: Path
    folder: Path


@asynccontextmanager
async def directory(folder: Path, *, teams: int = 0) -> AsyncIterator[Served]:
    """Fill a directory and serve it on loopback, in plain and with TLS."""
    (folder / "data").mkdir()
    authority = Authority(folder)
    pair = authority.pair("localhost")
    filled = {"base": BASE, "bind_dn": BIND_DN, "bind_password": BIND_PASSWORD}
    named = {"folder": folder, "ca": authority.ca, "certificate": pair.certificate, "key": pair.key}
    (folder / "slapd.conf").write_text(CONF.format(**filled, **named), encoding="utf-8")
    entries = PEOPLE.format(**filled) + "".join(MANY.format(n=n, **filled) for n in range(teams))
    (folder / "people.ldif").write_text(entries, encoding="utf-8")
    conf = ("-f", folder / "slapd.conf")
    adding = await asyncio.create_subprocess_exec(
        str(SLAPADD), *map(str, conf), "-q", "-l", str(folder / "people.ldif")
    )
    assert await adding.wait() == 0
    plain, tls = f"ldap://127.0.0.1:{free_port()}", f"ldaps://localhost:{free_port()}"
    listen = f"{plain} ldaps://127.0.0.1:{tls.rpartition(':')[2]}"
    async with running(str(SLAPD), *map(str, conf), "-h", listen, "-d", "264") as talking:
        await talking.says("listen=", within=STARTS)  # "starting" it says before it listens
        yield Served(plain=plain, tls=tls, ca=authority.ca, folder=folder)
