"""SAML 2.0 as a service provider speaks it: Web Browser SSO, and nothing else of it.

    settings.py       what an operator writes
    xml.py            XML from strangers, and the names of SAML
    credentials.py    our own keys, and certificates of theirs
    provider.py       an identity provider's metadata
    descriptor.py     our own metadata
    request.py        the AuthnRequest, by redirect and by form
    signatures.py     XML Signature: from an element to what its signature covers
    encryption.py     XML Encryption: from an EncryptedAssertion to the assertion
    ours.py           who we are there, and what our keys do
    response.py       the Response, down to the one assertion that is believed
    assertion.py      the assertion, step by step
    attributes.py     what it says of the person, as a claims map reads it

Everything here but the settings is a function of its arguments: no network, no store, no clock.
"""
