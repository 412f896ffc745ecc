"""How each grant type turns what a client app holds into tokens: one module for each.

Every one looks, proves, spends and mints, in that order: a refusal spends nothing, and of many who spend
the same one wins. All ask the one policy (`broker.endpoints.standing`). RFC 6749 §4 and §5.
"""
