import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.client.ClientDeleteRequest;
import com.nimbusds.oauth2.sdk.client.ClientReadRequest;
import com.nimbusds.oauth2.sdk.client.ClientRegistrationErrorResponse;
import com.nimbusds.oauth2.sdk.client.ClientRegistrationResponse;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import com.nimbusds.oauth2.sdk.token.BearerAccessToken;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.util.JSONObjectUtils;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import com.nimbusds.openid.connect.sdk.rp.OIDCClientInformationResponse;
import com.nimbusds.openid.connect.sdk.rp.OIDCClientMetadata;
import com.nimbusds.openid.connect.sdk.rp.OIDCClientRegistrationRequest;
import com.nimbusds.openid.connect.sdk.rp.OIDCClientRegistrationResponseParser;
import com.nimbusds.openid.connect.sdk.rp.OIDCClientUpdateRequest;
import com.nimbusds.oauth2.sdk.id.Issuer;
import java.net.URI;
import net.minidev.json.JSONObject;

/** An app that registers itself (RFC 7591), and reads, changes and ends its registration (RFC 7592). */
final class Registration {
  private Registration() {}

  static Object register(App none, JSONObject said) throws Exception {
    OIDCProviderMetadata metadata =
        OIDCProviderMetadata.resolve(new Issuer(JSONObjectUtils.getString(said, "issuer")));
    SignedJWT statement = said.containsKey("software_statement")
        ? SignedJWT.parse(JSONObjectUtils.getString(said, "software_statement"))
        : null;
    URI endpoint = metadata.getRegistrationEndpointURI();
    OIDCClientRegistrationRequest request = statement == null
        ? new OIDCClientRegistrationRequest(endpoint, wanted(said), token(said))
        : new OIDCClientRegistrationRequest(endpoint, wanted(said), statement, token(said));
    return told(request.toHTTPRequest().send());
  }

  static Object read(App none, JSONObject said) throws Exception {
    return told(new ClientReadRequest(uri(said), token(said)).toHTTPRequest().send());
  }

  static Object update(App none, JSONObject said) throws Exception {
    String secret = JSONObjectUtils.getString(said, "client_secret", null);
    OIDCClientUpdateRequest request = new OIDCClientUpdateRequest(
        uri(said), new ClientID(JSONObjectUtils.getString(said, "client_id")), token(said), wanted(said),
        secret == null ? null : new Secret(secret));
    return told(request.toHTTPRequest().send());
  }

  static Object delete(App none, JSONObject said) throws Exception {
    HTTPResponse answer = new ClientDeleteRequest(uri(said), token(said)).toHTTPRequest().send();
    if (!answer.indicatesSuccess()) {
      throw new Driver.Refused(ClientRegistrationErrorResponse.parse(answer).getErrorObject());
    }
    return answer.getStatusCode();
  }

  private static OIDCClientMetadata wanted(JSONObject said) throws Exception {
    return OIDCClientMetadata.parse(JSONObjectUtils.getJSONObject(said, "metadata"));
  }

  private static BearerAccessToken token(JSONObject said) throws Exception {
    String token = JSONObjectUtils.getString(said, "token", null);
    return token == null ? null : new BearerAccessToken(token);
  }

  private static URI uri(JSONObject said) throws Exception {
    return JSONObjectUtils.getURI(said, "registration_client_uri");
  }

  private static JSONObject told(HTTPResponse sent) throws Exception {
    ClientRegistrationResponse answer = OIDCClientRegistrationResponseParser.parse(sent);
    if (!answer.indicatesSuccess()) {
      throw new Driver.Refused(((ClientRegistrationErrorResponse) answer).getErrorObject());
    }
    return ((OIDCClientInformationResponse) answer).getOIDCClientInformation().toJSONObject();
  }
}
