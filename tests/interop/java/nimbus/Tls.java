import com.nimbusds.jose.util.DefaultResourceRetriever;
import com.nimbusds.oauth2.sdk.util.JSONObjectUtils;
import java.io.FileInputStream;
import java.io.InputStream;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocketFactory;
import javax.net.ssl.TrustManagerFactory;
import net.minidev.json.JSONObject;

/** The TLS of one app: whom it trusts ("ca", a PEM file), and its own certificate ("store", PKCS #12 with "password"). */
final class Tls {
  private Tls() {}

  static SSLSocketFactory factory(JSONObject said) throws Exception {
    if (!said.containsKey("ca")) {
      return null;
    }
    KeyManager[] own = null;
    if (said.containsKey("store")) {
      char[] password = JSONObjectUtils.getString(said, "password").toCharArray();
      KeyStore store = KeyStore.getInstance("PKCS12");
      try (InputStream content = new FileInputStream(JSONObjectUtils.getString(said, "store"))) {
        store.load(content, password);
      }
      KeyManagerFactory managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
      managers.init(store, password);
      own = managers.getKeyManagers();
    }
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, null);
    try (InputStream content = new FileInputStream(JSONObjectUtils.getString(said, "ca"))) {
      trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(content));
    }
    TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(trusted);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(own, trust.getTrustManagers(), null);
    return context.getSocketFactory();
  }

  /** Reads key sets, over the app's TLS where it has one. */
  static final class Retriever extends DefaultResourceRetriever {
    Retriever(SSLSocketFactory tls) {
      super(5000, 5000, 100_000, false, tls);
    }
  }
}
