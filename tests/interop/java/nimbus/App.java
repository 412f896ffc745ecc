import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.AsymmetricJWK;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.source.ImmutableJWKSet;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.JWEDecryptionKeySelector;
import com.nimbusds.jose.proc.JWEKeySelector;
import com.nimbusds.jose.proc.JWSKeySelector;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jose.JWEAlgorithm;
import com.nimbusds.jose.EncryptionMethod;
import com.nimbusds.oauth2.sdk.auth.ClientAuthentication;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.ClientSecretJWT;
import com.nimbusds.oauth2.sdk.auth.ClientSecretPost;
import com.nimbusds.oauth2.sdk.auth.PKITLSClientAuthentication;
import com.nimbusds.oauth2.sdk.auth.PrivateKeyJWT;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.auth.SelfSignedTLSClientAuthentication;
import com.nimbusds.oauth2.sdk.dpop.DPoPProofFactory;
import com.nimbusds.oauth2.sdk.dpop.DefaultDPoPProofFactory;
import com.nimbusds.oauth2.sdk.dpop.JWKThumbprintConfirmation;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.token.DPoPAccessToken;
import com.nimbusds.oauth2.sdk.util.JSONObjectUtils;
import com.nimbusds.openid.connect.sdk.Nonce;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import java.net.URI;
import java.net.URL;
import javax.net.ssl.SSLSocketFactory;
import net.minidev.json.JSONObject;

/** One client app: who it is, how it proves that, what it expects, and how it sends. */
final class App {
  final OIDCProviderMetadata metadata;
  final ClientID id;
  final URI redirectURI;
  final JWK key;
  final JWSAlgorithm idTokenAlg;
  Logins.Begun begun;

  private final JSONObject said;
  private final String method;
  private final SSLSocketFactory tls;
  private final DPoPProofFactory proofs;
  private Nonce nonce;

  App(JSONObject said) throws Exception {
    this.said = said;
    tls = Tls.factory(said);
    String issuer = JSONObjectUtils.getString(said, "issuer");
    metadata = OIDCProviderMetadata.resolve(
        new com.nimbusds.oauth2.sdk.id.Issuer(issuer), request -> request.setSSLSocketFactory(tls));
    id = new ClientID(JSONObjectUtils.getString(said, "client_id"));
    method = JSONObjectUtils.getString(said, "method", "none");
    redirectURI = JSONObjectUtils.getURI(said, "redirect_uri", null);
    key = said.containsKey("key") ? JWK.parse(JSONObjectUtils.getJSONObject(said, "key")) : null;
    idTokenAlg = JWSAlgorithm.parse(JSONObjectUtils.getString(said, "id_token_signed_response_alg", "RS256"));
    proofs = said.containsKey("dpop")
        ? new DefaultDPoPProofFactory(JWK.parse(JSONObjectUtils.getJSONObject(said, "dpop")), JWSAlgorithm.ES256)
        : null;
  }

  String of(String name) throws Exception {
    return JSONObjectUtils.getString(said, name, null);
  }

  /** Its proof of who it is, made anew for each request; null for a public app. */
  ClientAuthentication authentication() throws Exception {
    URI audience = URI.create(JSONObjectUtils.getString(said, "audience", metadata.getIssuer().getValue()));
    return switch (method) {
      case "none" -> null;
      case "client_secret_basic" -> new ClientSecretBasic(id, secret());
      case "client_secret_post" -> new ClientSecretPost(id, secret());
      case "client_secret_jwt" -> new ClientSecretJWT(id, audience, JWSAlgorithm.HS256, secret());
      case "private_key_jwt" -> new PrivateKeyJWT(
          id, audience, keyAlg(), ((AsymmetricJWK) key).toPrivateKey(), key.getKeyID(), null);
      case "tls_client_auth" -> new PKITLSClientAuthentication(id, tls);
      case "self_signed_tls_client_auth" -> new SelfSignedTLSClientAuthentication(id, tls);
      default -> throw new IllegalArgumentException(method);
    };
  }

  JWSAlgorithm keyAlg() {
    return JWSAlgorithm.parse(key.getAlgorithm().getName());
  }

  private Secret secret() throws Exception {
    return new Secret(of("secret"));
  }

  /** Where it sends token requests: over mutual TLS to the address that the issuer says for it (RFC 8705 §5). */
  URI tokenEndpoint() {
    boolean aliased = tls != null && metadata.getMtlsEndpointAliases() != null;
    return aliased ? metadata.getMtlsEndpointAliases().getTokenEndpointURI() : metadata.getTokenEndpointURI();
  }

  URI userinfoEndpoint() {
    boolean aliased = tls != null && metadata.getReadOnlyMtlsEndpointAliases() != null;
    URI alias = aliased ? metadata.getReadOnlyMtlsEndpointAliases().getUserInfoEndpointURI() : null;
    return alias != null ? alias : metadata.getUserInfoEndpointURI();
  }

  URI pushEndpoint() {
    boolean aliased = tls != null && metadata.getMtlsEndpointAliases() != null;
    URI alias = aliased ? metadata.getMtlsEndpointAliases().getPushedAuthorizationRequestEndpointURI() : null;
    return alias != null ? alias : metadata.getPushedAuthorizationRequestEndpointURI();
  }

  // ── Sending ─────────────────────────────────────────────────────────────────────────────────

  HTTPResponse send(HTTPRequest request) throws Exception {
    if (request.getSSLSocketFactory() == null) {
      request.setSSLSocketFactory(tls);
    }
    return request.send();
  }

  /** With a proof of its key where it has one, and once more with the nonce that it is told (RFC 9449 §8). */
  HTTPResponse sendProved(HTTPRequest request, DPoPAccessToken token) throws Exception {
    if (proofs == null) {
      return send(request);
    }
    HTTPResponse answer = sendWithProof(request, token);
    Nonce wanted = answer.getDPoPNonce();
    boolean again = wanted != null && !wanted.equals(nonce) && answer.getStatusCode() >= 400;
    nonce = wanted != null ? wanted : nonce;
    return again ? sendWithProof(request, token) : answer;
  }

  private HTTPResponse sendWithProof(HTTPRequest request, DPoPAccessToken token) throws Exception {
    String name = request.getMethod().name();
    request.setDPoP(token == null
        ? proofs.createDPoPJWT(name, request.getURI(), nonce)
        : proofs.createDPoPJWT(name, request.getURI(), token, nonce));
    return send(request);
  }

  boolean proves() {
    return proofs != null;
  }

  JWKThumbprintConfirmation thumbprint() throws Exception {
    return JWKThumbprintConfirmation.of(((DefaultDPoPProofFactory) proofs).getPublicJWK());
  }

  // ── What it checks answers with ─────────────────────────────────────────────────────────────

  JWSKeySelector<SecurityContext> verifying(JWSAlgorithm alg) throws Exception {
    URL keys = metadata.getJWKSetURI().toURL();
    JWKSource<SecurityContext> source = JWKSourceBuilder.create(keys, new Tls.Retriever(tls)).build();
    return new JWSVerificationKeySelector<>(alg, source);
  }

  /** The keys by which it reads what is encrypted for it; null where it asked for no encryption. */
  JWEKeySelector<SecurityContext> decrypting(String alg, String enc) throws Exception {
    if (of(alg) == null) {
      return null;
    }
    JWK reading = JWK.parse(JSONObjectUtils.getJSONObject(said, "decryption_key"));
    return new JWEDecryptionKeySelector<>(
        JWEAlgorithm.parse(of(alg)), EncryptionMethod.parse(of(enc)), new ImmutableJWKSet<>(new JWKSet(reading)));
  }
}
