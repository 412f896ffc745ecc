import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jose.jwk.AsymmetricJWK;
import com.nimbusds.jwt.JWT;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import com.nimbusds.oauth2.sdk.AuthorizationGrant;
import com.nimbusds.oauth2.sdk.ClientCredentialsGrant;
import com.nimbusds.oauth2.sdk.JWTBearerGrant;
import com.nimbusds.oauth2.sdk.RefreshTokenGrant;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenIntrospectionRequest;
import com.nimbusds.oauth2.sdk.TokenIntrospectionResponse;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.TokenRevocationRequest;
import com.nimbusds.oauth2.sdk.assertions.jwt.JWTAssertionDetails;
import com.nimbusds.oauth2.sdk.assertions.jwt.JWTAssertionFactory;
import com.nimbusds.oauth2.sdk.auth.ClientAuthentication;
import com.nimbusds.oauth2.sdk.device.DeviceAuthorizationRequest;
import com.nimbusds.oauth2.sdk.device.DeviceAuthorizationResponse;
import com.nimbusds.oauth2.sdk.device.DeviceCode;
import com.nimbusds.oauth2.sdk.device.DeviceCodeGrant;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import com.nimbusds.oauth2.sdk.id.Audience;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.id.Subject;
import com.nimbusds.oauth2.sdk.rar.AuthorizationDetail;
import com.nimbusds.oauth2.sdk.token.AccessToken;
import com.nimbusds.oauth2.sdk.token.BearerAccessToken;
import com.nimbusds.oauth2.sdk.token.DPoPAccessToken;
import com.nimbusds.oauth2.sdk.token.RefreshToken;
import com.nimbusds.oauth2.sdk.token.Token;
import com.nimbusds.oauth2.sdk.token.TokenTypeURI;
import com.nimbusds.oauth2.sdk.token.TypelessAccessToken;
import com.nimbusds.oauth2.sdk.tokenexchange.TokenExchangeGrant;
import com.nimbusds.oauth2.sdk.util.JSONObjectUtils;
import com.nimbusds.openid.connect.sdk.Nonce;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponse;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponseParser;
import com.nimbusds.openid.connect.sdk.UserInfoRequest;
import com.nimbusds.openid.connect.sdk.UserInfoResponse;
import com.nimbusds.openid.connect.sdk.claims.IDTokenClaimsSet;
import com.nimbusds.openid.connect.sdk.validators.AccessTokenValidator;
import com.nimbusds.openid.connect.sdk.validators.IDTokenValidator;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import net.minidev.json.JSONObject;

/** What an app does without a browser: every grant, and what it does with the tokens that it has. */
final class Tokens {
  private Tokens() {}

  static URI[] resources(JSONObject said) throws Exception {
    List<URI> resources = new ArrayList<>();
    for (String resource : JSONObjectUtils.getStringArray(said, "resources")) {
      resources.add(URI.create(resource));
    }
    return resources.toArray(new URI[0]);
  }

  // ── Grants ──────────────────────────────────────────────────────────────────────────────────

  static Object refresh(App app, JSONObject said) throws Exception {
    RefreshToken token = new RefreshToken(JSONObjectUtils.getString(said, "refresh_token"));
    return token(app, new RefreshTokenGrant(token), null, said);
  }

  static Object grant(App app, JSONObject said) throws Exception {
    String type = JSONObjectUtils.getString(said, "type");
    AuthorizationGrant grant = switch (type) {
      case "client_credentials" -> new ClientCredentialsGrant();
      case "jwt_bearer" -> new JWTBearerGrant(assertion(app, said));
      case "device_code" -> new DeviceCodeGrant(new DeviceCode(JSONObjectUtils.getString(said, "device_code")));
      case "token_exchange" -> exchange(said);
      default -> throw new IllegalArgumentException(type);
    };
    return token(app, grant, null, said);
  }

  /** An assertion of this issuer about this person, by the app's own key (RFC 7523 §3). */
  private static SignedJWT assertion(App app, JSONObject said) throws Exception {
    JWTAssertionDetails details = new JWTAssertionDetails(
        new Issuer(JSONObjectUtils.getString(said, "issuer")),
        new Subject(JSONObjectUtils.getString(said, "subject")),
        new Audience(app.metadata.getIssuer()));
    return JWTAssertionFactory.create(
        details, app.keyAlg(), ((AsymmetricJWK) app.key).toPrivateKey(), app.key.getKeyID(), null, null, null);
  }

  private static TokenExchangeGrant exchange(JSONObject said) throws Exception {
    Token actor = said.containsKey("actor_token")
        ? new TypelessAccessToken(JSONObjectUtils.getString(said, "actor_token"))
        : null;
    List<Audience> audience = said.containsKey("audience")
        ? Audience.create(JSONObjectUtils.getStringList(said, "audience"))
        : null;
    return new TokenExchangeGrant(
        new TypelessAccessToken(JSONObjectUtils.getString(said, "subject_token")), tokenType(said, "subject_token_type"),
        actor, actor == null ? null : tokenType(said, "actor_token_type"),
        said.containsKey("requested_token_type") ? tokenType(said, "requested_token_type") : null, audience);
  }

  private static TokenTypeURI tokenType(JSONObject said, String name) throws Exception {
    return TokenTypeURI.parse(JSONObjectUtils.getString(said, name, TokenTypeURI.ACCESS_TOKEN.getURI().toString()));
  }

  static Object device(App app, JSONObject said) throws Exception {
    ClientAuthentication proof = app.authentication();
    DeviceAuthorizationRequest.Builder building =
        proof == null ? new DeviceAuthorizationRequest.Builder(app.id) : new DeviceAuthorizationRequest.Builder(proof);
    DeviceAuthorizationRequest request = building
        .scope(Scope.parse(JSONObjectUtils.getString(said, "scope")))
        .endpointURI(app.metadata.getDeviceAuthorizationEndpointURI())
        .build();
    DeviceAuthorizationResponse answer = DeviceAuthorizationResponse.parse(app.send(request.toHTTPRequest()));
    if (!answer.indicatesSuccess()) {
      throw new Driver.Refused(answer.toErrorResponse().getErrorObject());
    }
    return answer.toSuccessResponse().toJSONObject();
  }

  // ── The token endpoint ──────────────────────────────────────────────────────────────────────

  static JSONObject token(App app, AuthorizationGrant grant, Nonce nonce, JSONObject said) throws Exception {
    ClientAuthentication proof = app.authentication();
    TokenRequest.Builder building = proof == null
        ? new TokenRequest.Builder(app.tokenEndpoint(), app.id, grant)
        : new TokenRequest.Builder(app.tokenEndpoint(), proof, grant);
    if (said.containsKey("scope")) {
      building.scope(Scope.parse(JSONObjectUtils.getString(said, "scope")));
    }
    if (said.containsKey("resources")) {
      building.resources(resources(said));
    }
    if (said.containsKey("authorization_details")) {
      building.authorizationDetails(
          AuthorizationDetail.parseList(JSONObjectUtils.getJSONArray(said, "authorization_details").toJSONString()));
    }
    TokenResponse answer =
        OIDCTokenResponseParser.parse(app.sendProved(building.build().toHTTPRequest(), null));
    if (!answer.indicatesSuccess()) {
      throw new Driver.Refused(answer.toErrorResponse().getErrorObject());
    }
    return told(app, (OIDCTokenResponse) answer.toSuccessResponse(), nonce);
  }

  private static JSONObject told(App app, OIDCTokenResponse answer, Nonce nonce) throws Exception {
    AccessToken access = answer.getTokens().getAccessToken();
    if (app.proves() && !(access instanceof DPoPAccessToken)) {
      throw new IllegalStateException("the token is not bound to the key: " + access.getType());
    }
    JSONObject told = answer.toJSONObject();
    JWT idToken = answer.getOIDCTokens().getIDToken();
    if (idToken != null) {
      IDTokenClaimsSet claims = new IDTokenValidator(
              app.metadata.getIssuer(), app.id, app.verifying(app.idTokenAlg),
              app.decrypting("id_token_encrypted_response_alg", "id_token_encrypted_response_enc"))
          .validate(idToken, nonce);
      if (claims.getAccessTokenHash() != null) {
        AccessTokenValidator.validate(access, app.idTokenAlg, claims.getAccessTokenHash());
      }
      told.put("claims", claims.toJSONObject());
    }
    String alg = app.of("access_token_signing_alg");
    if (alg != null) {
      told.put("access_claims", accessClaims(app, access, JWSAlgorithm.parse(alg)));
    }
    return told;
  }

  /** What an API that uses the SDK reads in an access token (RFC 9068 §4). */
  private static Object accessClaims(App app, AccessToken token, JWSAlgorithm alg) throws Exception {
    DefaultJWTProcessor<SecurityContext> reading = new DefaultJWTProcessor<>();
    reading.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt")));
    reading.setJWSKeySelector(app.verifying(alg));
    return reading.process(token.getValue(), null).toJSONObject();
  }

  // ── With a token ────────────────────────────────────────────────────────────────────────────

  static Object userinfo(App app, JSONObject said) throws Exception {
    String value = JSONObjectUtils.getString(said, "access_token");
    AccessToken token = app.proves() ? new DPoPAccessToken(value) : new BearerAccessToken(value);
    UserInfoRequest request = new UserInfoRequest(app.userinfoEndpoint(), token);
    HTTPResponse sent = app.sendProved(
        request.toHTTPRequest(), token instanceof DPoPAccessToken bound ? bound : null);
    UserInfoResponse answer = UserInfoResponse.parse(sent);
    if (!answer.indicatesSuccess()) {
      throw new Driver.Refused(answer.toErrorResponse().getErrorObject());
    }
    JWT jwt = answer.toSuccessResponse().getUserInfoJWT();
    return jwt == null ? answer.toSuccessResponse().getUserInfo().toJSONObject() : signed(app, jwt);
  }

  private static Object signed(App app, JWT jwt) throws Exception {
    DefaultJWTProcessor<SecurityContext> reading = new DefaultJWTProcessor<>();
    reading.setJWSKeySelector(app.verifying(JWSAlgorithm.parse(app.of("userinfo_signed_response_alg"))));
    reading.setJWEKeySelector(
        app.decrypting("userinfo_encrypted_response_alg", "userinfo_encrypted_response_enc"));
    return reading.process(jwt, null).toJSONObject();
  }

  static Object introspect(App app, JSONObject said) throws Exception {
    TokenIntrospectionRequest request = new TokenIntrospectionRequest(
        app.metadata.getIntrospectionEndpointURI(), app.authentication(), named(said));
    TokenIntrospectionResponse answer = TokenIntrospectionResponse.parse(app.send(request.toHTTPRequest()));
    if (!answer.indicatesSuccess()) {
      throw new Driver.Refused(answer.toErrorResponse().getErrorObject());
    }
    return answer.toSuccessResponse().toJSONObject();
  }

  static Object revoke(App app, JSONObject said) throws Exception {
    ClientAuthentication proof = app.authentication();
    URI endpoint = app.metadata.getRevocationEndpointURI();
    TokenRevocationRequest request = proof == null
        ? new TokenRevocationRequest(endpoint, app.id, named(said))
        : new TokenRevocationRequest(endpoint, proof, named(said));
    HTTPResponse answer = app.send(request.toHTTPRequest());
    answer.ensureStatusCode(200);
    return null;
  }

  /** The token with its kind, which the SDK tells as the hint. */
  private static Token named(JSONObject said) throws Exception {
    return said.containsKey("refresh_token")
        ? new RefreshToken(JSONObjectUtils.getString(said, "refresh_token"))
        : new BearerAccessToken(JSONObjectUtils.getString(said, "access_token"));
  }
}
