package webapp;

import java.util.Map;
import java.util.TreeMap;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.ApplicationRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.core.annotation.Order;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.Authentication;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClient;
import org.springframework.security.oauth2.client.annotation.RegisteredOAuth2AuthorizedClient;
import org.springframework.security.oauth2.client.oidc.web.logout.OidcClientInitiatedLogoutSuccessHandler;
import org.springframework.security.oauth2.client.registration.ClientRegistrationRepository;
import org.springframework.security.oauth2.core.oidc.user.OidcUser;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.security.oauth2.server.resource.introspection.OpaqueTokenIntrospector;
import org.springframework.security.oauth2.server.resource.introspection.SpringOpaqueTokenIntrospector;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/**
 * A web app and two APIs, as the documentation of Spring Security has them.
 *
 * <p>People sign in under "/"; "/api" takes access tokens that it checks by itself, "/asking" those that it asks the broker
 * about. Everything that is particular to an issuer comes as a property.
 */
@SpringBootApplication
@RestController
public class App {
  public static void main(String[] arguments) {
    SpringApplication.run(App.class, arguments);
  }

  @Bean
  ApplicationRunner ready() {
    return arguments -> System.out.println("{\"ready\":true}");
  }

  // ── The APIs ────────────────────────────────────────────────────────────────────────────────

  @Bean
  @Order(1)
  SecurityFilterChain checking(HttpSecurity http, JwtDecoder decoder) throws Exception {
    return http.securityMatcher("/api/**")
        .authorizeHttpRequests(requests -> requests
            .requestMatchers("/api/invoices").hasAuthority("SCOPE_invoices.read")
            .anyRequest().authenticated())
        .oauth2ResourceServer(server -> server.jwt(jwt -> jwt.decoder(decoder)))
        .build();
  }

  @Bean
  JwtDecoder decoder(
      @Value("${broker.issuer}") String issuer,
      @Value("${broker.audience}") String audience,
      @Value("${spring.security.oauth2.client.registration.broker.client-id}") String client) {
    NimbusJwtDecoder decoder = NimbusJwtDecoder.withIssuerLocation(issuer).validateType(false).build();
    decoder.setJwtValidator(
        JwtValidators.createAtJwtValidator().issuer(issuer).audience(audience).clientId(client).build());
    return decoder;
  }

  @Bean
  @Order(2)
  SecurityFilterChain asking(HttpSecurity http, OpaqueTokenIntrospector introspector) throws Exception {
    return http.securityMatcher("/asking/**")
        .authorizeHttpRequests(requests -> requests.anyRequest().hasAuthority("SCOPE_invoices.read"))
        .oauth2ResourceServer(server -> server.opaqueToken(token -> token.introspector(introspector)))
        .build();
  }

  @Bean
  OpaqueTokenIntrospector introspector(
      @Value("${broker.issuer}") String issuer,
      @Value("${broker.api-id}") String id,
      @Value("${broker.api-secret}") String secret) {
    return SpringOpaqueTokenIntrospector.withIntrospectionUri(issuer + "/introspect")
        .clientId(id)
        .clientSecret(secret)
        .build();
  }

  @GetMapping({"/api/me", "/api/invoices", "/asking/invoices"})
  Map<String, Object> me(Authentication caller) {
    return Map.of("name", caller.getName());
  }

  // ── The web app ─────────────────────────────────────────────────────────────────────────────

  @Bean
  @Order(3)
  SecurityFilterChain people(HttpSecurity http, ClientRegistrationRepository clients) throws Exception {
    OidcClientInitiatedLogoutSuccessHandler out = new OidcClientInitiatedLogoutSuccessHandler(clients);
    out.setPostLogoutRedirectUri("{baseUrl}/out");
    return http
        .authorizeHttpRequests(requests -> requests.requestMatchers("/out").permitAll().anyRequest().authenticated())
        .oauth2Login(Customizer.withDefaults())
        .oidcLogout(logout -> logout.backChannel(Customizer.withDefaults()))
        .logout(logout -> logout.logoutSuccessHandler(out))
        .build();
  }

  @GetMapping("/")
  Map<String, Object> who(@AuthenticationPrincipal OidcUser person) {
    Map<String, Object> told = new TreeMap<>(person.getClaims());
    told.put("iss", person.getIssuer().toString());
    return told;
  }

  @GetMapping("/tokens")
  Map<String, Object> tokens(@RegisteredOAuth2AuthorizedClient("broker") OAuth2AuthorizedClient client) {
    return Map.of(
        "access_token", client.getAccessToken().getTokenValue(),
        "refresh_token", client.getRefreshToken().getTokenValue());
  }

  @GetMapping("/out")
  String out() {
    return "You are signed out.";
  }
}
