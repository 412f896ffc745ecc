"""The fake provider of the connector kit, under the name that the tests of the house know it by."""

from broker.kit.lies import CLAIMS
from broker.kit.provider import Code, FakeProvider, Refused, Seen, changed, form_fields
from broker.kit.proving import ASSERTION

__all__ = ["ASSERTION", "CLAIMS", "Code", "FakeProvider", "Refused", "Seen", "changed", "form_fields"]
