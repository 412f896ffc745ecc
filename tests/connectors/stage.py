"""The stage of the connector kit, under the name that the tests of the house know it by."""

from broker.kit.stage import ISSUER, Clock, Login, Stage, asking, configured, on_stage, opened

__all__ = ["ISSUER", "Clock", "Login", "Stage", "asking", "configured", "on_stage", "opened"]
