"""`broker demo`: a whole login on one machine, with everybody in it.

Owns three parties and the one who starts them. The demo identity provider, the demo apps and their API
stand for strangers: they speak to the broker over HTTP alone and import nothing of it, so what they do can
be copied into a program that has never heard of it. That is also why they use a JOSE library and an HTTP
client of their own.

    people.py     two invented people and what their provider says of them
    provider.py, provider_tokens.py
                  the demo identity provider, a process of its own        OpenID Connect Core, Discovery
    app.py        two demo apps, a process of their own                the pages
    relying.py    how an app signs people in                           Core §3.1, RFC 7636, RFC 9207
    api.py        an API that checks access tokens by itself           RFC 9068 §4, RFC 6750 §3
    apps.py       the two apps and their scopes
    folder.py     what the demo keeps between two runs: secrets, keys, the broker's configuration
    launcher.py   starts all of them, waits until each answers, and stops all of them
    issuer.py     the issuer as its apps and APIs see it                  Discovery, RFC 7517
    telling.py    what the signed-in page tells
    web.py        what the demo's own web pages share
"""
