import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.oauth2.sdk.as.AuthorizationServerMetadata;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import net.minidev.json.JSONObject;

/** What the SDK makes of an issuer's two documents and of its keys; it throws where a member is not what it must be. */
final class Metadata {
  private Metadata() {}

  static JSONObject read(String issuer) throws Exception {
    OIDCProviderMetadata openid = OIDCProviderMetadata.resolve(new Issuer(issuer));
    AuthorizationServerMetadata oauth = AuthorizationServerMetadata.resolve(new Issuer(issuer));
    JSONObject told = new JSONObject();
    told.put("openid", openid.toJSONObject());
    told.put("oauth", oauth.toJSONObject());
    told.put("keys", JWKSet.load(openid.getJWKSetURI().toURL()).toJSONObject(false).get("keys"));
    return told;
  }
}
