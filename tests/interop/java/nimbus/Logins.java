import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.factories.DefaultJWSSignerFactory;
import com.nimbusds.jwt.JWT;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.JWTParser;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.oauth2.sdk.AuthorizationCodeGrant;
import com.nimbusds.oauth2.sdk.AuthorizationRequest;
import com.nimbusds.oauth2.sdk.AuthorizationResponse;
import com.nimbusds.oauth2.sdk.PushedAuthorizationRequest;
import com.nimbusds.oauth2.sdk.PushedAuthorizationResponse;
import com.nimbusds.oauth2.sdk.ResponseMode;
import com.nimbusds.oauth2.sdk.ResponseType;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.auth.ClientAuthentication;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.id.State;
import com.nimbusds.oauth2.sdk.jarm.JARMValidator;
import com.nimbusds.oauth2.sdk.pkce.CodeChallengeMethod;
import com.nimbusds.oauth2.sdk.pkce.CodeVerifier;
import com.nimbusds.oauth2.sdk.rar.AuthorizationDetail;
import com.nimbusds.oauth2.sdk.util.JSONObjectUtils;
import com.nimbusds.oauth2.sdk.util.URLUtils;
import com.nimbusds.openid.connect.sdk.AuthenticationRequest;
import com.nimbusds.openid.connect.sdk.LogoutRequest;
import com.nimbusds.openid.connect.sdk.Nonce;
import com.nimbusds.openid.connect.sdk.Prompt;
import com.nimbusds.openid.connect.sdk.validators.LogoutTokenValidator;
import java.net.URI;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import net.minidev.json.JSONObject;

/** The browser's part of a login: requests as they may be sent, answers as they may come, and the way out. */
final class Logins {
  private Logins() {}

  /** What is remembered between a request and its answer. */
  record Begun(State state, Nonce nonce, CodeVerifier verifier) {}

  // ── Requests ────────────────────────────────────────────────────────────────────────────────

  static Object begin(App app, JSONObject said) throws Exception {
    app.begun = new Begun(new State(), new Nonce(), new CodeVerifier());
    AuthorizationRequest request = request(app, said);
    if (JSONObjectUtils.getBoolean(said, "signed", false)) {
      request = signed(app, request);
    }
    if (JSONObjectUtils.getBoolean(said, "pushed", false)) {
      request = pushed(app, request);
    }
    return Map.of("url", request.toURI().toString());
  }

  private static AuthorizationRequest request(App app, JSONObject said) throws Exception {
    AuthenticationRequest.Builder building = new AuthenticationRequest.Builder(
            new ResponseType(ResponseType.Value.CODE),
            Scope.parse(JSONObjectUtils.getString(said, "scope", "openid")), app.id, app.redirectURI)
        .endpointURI(app.metadata.getAuthorizationEndpointURI())
        .state(app.begun.state())
        .nonce(app.begun.nonce())
        .codeChallenge(app.begun.verifier(), CodeChallengeMethod.S256);
    if (said.containsKey("response_mode")) {
      building.responseMode(new ResponseMode(JSONObjectUtils.getString(said, "response_mode")));
    }
    if (said.containsKey("prompt")) {
      building.prompt(Prompt.parse(JSONObjectUtils.getString(said, "prompt")));
    }
    if (said.containsKey("max_age")) {
      building.maxAge(JSONObjectUtils.getInt(said, "max_age"));
    }
    if (said.containsKey("resources")) {
      building.resources(Tokens.resources(said));
    }
    if (said.containsKey("authorization_details")) {
      building.authorizationDetails(
          AuthorizationDetail.parseList(JSONObjectUtils.getJSONArray(said, "authorization_details").toJSONString()));
    }
    if (app.proves()) {
      building.dPoPJWKThumbprintConfirmation(app.thumbprint());
    }
    return building.build();
  }

  /** The request as a JWT by value (RFC 9101 §5.1). */
  private static AuthorizationRequest signed(App app, AuthorizationRequest request) throws Exception {
    Instant now = Instant.now();
    JWTClaimsSet claims = new JWTClaimsSet.Builder(request.toJWTClaimsSet())
        .issuer(app.id.getValue())
        .audience(app.metadata.getIssuer().getValue())
        .notBeforeTime(Date.from(now))
        .expirationTime(Date.from(now.plusSeconds(60)))
        .build();
    JWSHeader header = new JWSHeader.Builder(app.keyAlg())
        .keyID(app.key.getKeyID())
        .type(new JOSEObjectType("oauth-authz-req+jwt"))
        .build();
    SignedJWT jwt = new SignedJWT(header, claims);
    jwt.sign(new DefaultJWSSignerFactory().createJWSSigner(app.key, app.keyAlg()));
    return new AuthorizationRequest.Builder(jwt, app.id)
        .endpointURI(app.metadata.getAuthorizationEndpointURI())
        .build();
  }

  /** The request sent ahead (RFC 9126 §2.1), and what of it goes through the browser. */
  private static AuthorizationRequest pushed(App app, AuthorizationRequest request) throws Exception {
    ClientAuthentication proof = app.authentication();
    URI endpoint = app.pushEndpoint();
    PushedAuthorizationRequest pushing = proof == null
        ? new PushedAuthorizationRequest(endpoint, request)
        : new PushedAuthorizationRequest(endpoint, proof, request);
    PushedAuthorizationResponse answer =
        PushedAuthorizationResponse.parse(app.sendProved(pushing.toHTTPRequest(), null));
    if (!answer.indicatesSuccess()) {
      throw new Driver.Refused(answer.toErrorResponse().getErrorObject());
    }
    return new AuthorizationRequest.Builder(answer.toSuccessResponse().getRequestURI(), app.id)
        .endpointURI(app.metadata.getAuthorizationEndpointURI())
        .build();
  }

  // ── Answers ─────────────────────────────────────────────────────────────────────────────────

  static Object finish(App app, JSONObject said) throws Exception {
    AuthorizationResponse answer = answer(app, said);
    // It came from the issuer that was asked (RFC 9207 §2.4), to the request that was made.
    if (!app.metadata.getIssuer().equals(answer.getIssuer()) && answer.getJWTResponse() == null) {
      throw new IllegalStateException("the answer is of the issuer " + answer.getIssuer());
    }
    if (!app.begun.state().equals(answer.getState())) {
      throw new IllegalStateException("the answer has the state " + answer.getState());
    }
    if (!answer.indicatesSuccess()) {
      throw new Driver.Refused(answer.toErrorResponse().getErrorObject());
    }
    AuthorizationCodeGrant grant = new AuthorizationCodeGrant(
        answer.toSuccessResponse().getAuthorizationCode(), app.redirectURI, app.begun.verifier());
    return Tokens.token(app, grant, app.begun.nonce(), said);
  }

  private static AuthorizationResponse answer(App app, JSONObject said) throws Exception {
    String alg = app.of("authorization_signed_response_alg");
    JARMValidator jarm = alg == null ? null : new JARMValidator(
        app.metadata.getIssuer(), app.id,
        app.verifying(com.nimbusds.jose.JWSAlgorithm.parse(alg)),
        app.decrypting("authorization_encrypted_response_alg", "authorization_encrypted_response_enc"));
    URI url = JSONObjectUtils.getURI(said, "url");
    if (!said.containsKey("form")) {
      return jarm == null ? AuthorizationResponse.parse(url) : AuthorizationResponse.parse(url, jarm);
    }
    Map<String, List<String>> form = new TreeMap<>();
    JSONObjectUtils.getJSONObject(said, "form").forEach((name, value) -> form.put(name, List.of((String) value)));
    HTTPRequest posted = new HTTPRequest(HTTPRequest.Method.POST, url);
    posted.setContentType("application/x-www-form-urlencoded");
    posted.setBody(URLUtils.serializeParameters(form));
    return jarm == null ? AuthorizationResponse.parse(posted) : AuthorizationResponse.parse(posted, jarm);
  }

  // ── The way out ─────────────────────────────────────────────────────────────────────────────

  static Object logout(App app, JSONObject said) throws Exception {
    JWT hint = JWTParser.parse(JSONObjectUtils.getString(said, "id_token"));
    app.begun = new Begun(new State(), null, null);
    LogoutRequest request = new LogoutRequest(
        app.metadata.getEndSessionEndpointURI(), hint,
        JSONObjectUtils.getURI(said, "post_logout_redirect_uri"), app.begun.state());
    return Map.of("url", request.toURI().toString(), "state", app.begun.state().getValue());
  }

  /** The claims of a logout token that came over the back channel, once the SDK has checked it. */
  static Object logoutToken(App app, JSONObject said) throws Exception {
    LogoutTokenValidator validator =
        new LogoutTokenValidator(app.metadata.getIssuer(), app.id, true, app.verifying(app.idTokenAlg), null);
    return validator.validate(JWTParser.parse(JSONObjectUtils.getString(said, "token"))).toJSONObject();
  }
}
