"""OAuth and OpenID Connect as pure functions: no I/O, no clock, no dice, no third party."""
