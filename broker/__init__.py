"""A federation broker: an OpenID Provider to client apps, a client to their identity providers."""
