"""openid-client under both FAPI 2.0 profiles: it pushes, signs, proves a key, and believes what is signed."""

from __future__ import annotations

import json

import pytest

from tests.fakes.provider import FakeProvider
from tests.flow.broker import CALLBACK, running_broker
from tests.interop import node
from tests.interop.processes import STARTS

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(node.missing() is not None, reason=str(node.missing())),
]


@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.3.2 and §5.3.3 a whole flow, by openid-client")
@pytest.mark.standard(
    "FAPI 2.0 Message Signing", "§5.3 and §5.4 requests and answers signed, by openid-client"
)
@pytest.mark.standard("JARM", "§2.4 the answer is checked by openid-client")
@pytest.mark.parametrize("profile", ["fapi2_security", "fapi2_message_signing"])
async def test_openid_client_goes_through_a_whole_flow_under_the_profile(
    store_config, tmp_path, profile
) -> None:
    async with node.program("apps/fapi.mjs") as app, FakeProvider.running() as idp:
        idp.person("ada", name="Ada Example", email="ada@people.example", email_verified=True)
        own = json.loads(await app.says('{"jwk"', within=STARTS))["jwk"]
        entry = {
            "profile": profile,
            "client_secret": None,
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [own]},
        }
        async with running_broker(idp, store_config, tmp_path, clients={"bank": entry}) as broker:
            signs = profile == "fapi2_message_signing"
            told = {"issuer": broker.issuer, "signs": signs, "redirect_uri": CALLBACK}
            await app.tell(json.dumps(told))
            url = json.loads(await app.says('{"url"'))["url"]
            async with broker.browser() as browser:
                landed = await browser.answer_consent(await browser.go(url))
            assert ("response" in landed.params) is signs
            await app.tell(json.dumps({"came": landed.url}))
            got = json.loads(await app.says('{"sub"'))
    assert got["person"]["sub"] == got["sub"]
    assert got["token_type"].lower() == "dpop"
    assert len(set(got["refresh_tokens"])) == 1
