import com.nimbusds.oauth2.sdk.ErrorObject;
import com.nimbusds.oauth2.sdk.GeneralException;
import com.nimbusds.oauth2.sdk.util.JSONObjectUtils;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import net.minidev.json.JSONObject;
import net.minidev.json.JSONValue;

/**
 * Client apps made of the Nimbus SDK, told what to do line by line.
 *
 * <p>Reads one JSON object a line, {"do": "begin", "no": 1, "app": "billing", ...}, and answers each with one line,
 * {"no":1,"ok":...} or {"no":1,"error":{...}}. Every answer goes through the SDK's own parsers and validators.
 */
public final class Driver {
  /** One thing that an app can be told to do. */
  interface Deed {
    Object of(App app, JSONObject said) throws Exception;
  }

  /** What the broker refused, as the SDK read it. */
  static final class Refused extends Exception {
    private static final long serialVersionUID = 1;

    final transient ErrorObject error;

    Refused(ErrorObject error) {
      super(error == null ? "an answer without an error" : error.getDescription());
      this.error = error;
    }
  }

  private static final Map<String, Deed> DEEDS = new HashMap<>();

  static {
    DEEDS.put("metadata", (app, said) -> Metadata.read(JSONObjectUtils.getString(said, "issuer")));
    DEEDS.put("begin", Logins::begin);
    DEEDS.put("finish", Logins::finish);
    DEEDS.put("logout", Logins::logout);
    DEEDS.put("logout_token", Logins::logoutToken);
    DEEDS.put("refresh", Tokens::refresh);
    DEEDS.put("grant", Tokens::grant);
    DEEDS.put("device", Tokens::device);
    DEEDS.put("userinfo", Tokens::userinfo);
    DEEDS.put("introspect", Tokens::introspect);
    DEEDS.put("revoke", Tokens::revoke);
    DEEDS.put("register", Registration::register);
    DEEDS.put("read", Registration::read);
    DEEDS.put("update", Registration::update);
    DEEDS.put("delete", Registration::delete);
  }

  private final Map<String, App> apps = new HashMap<>();

  public static void main(String[] arguments) throws Exception {
    Driver driver = new Driver();
    System.out.println("{\"ready\":true}");
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      JSONObject said = JSONObjectUtils.parse(line);
      System.out.println("{\"no\":" + said.get("no") + "," + driver.answer(said) + "}");
    }
  }

  private String answer(JSONObject said) {
    try {
      return "\"ok\":" + JSONValue.toJSONString(done(said));
    } catch (Exception error) {
      return "\"error\":" + told(error).toJSONString();
    }
  }

  private Object done(JSONObject said) throws Exception {
    String deed = JSONObjectUtils.getString(said, "do");
    String name = JSONObjectUtils.getString(said, "app", null);
    if (deed.equals("app")) {
      apps.put(name, new App(said));
      return null;
    }
    return DEEDS.get(deed).of(apps.get(name), said);
  }

  private static JSONObject told(Exception error) {
    JSONObject told = new JSONObject();
    told.put("name", error.getClass().getSimpleName());
    told.put("message", String.valueOf(error.getMessage()));
    if (error.getCause() != null) {
      told.put("cause", String.valueOf(error.getCause().getMessage()));
    }
    ErrorObject object = null;
    if (error instanceof Refused refused) {
      object = refused.error;
    } else if (error instanceof GeneralException general) {
      object = general.getErrorObject();
    }
    if (object != null) {
      told.put("error", object.getCode());
      told.put("status", object.getHTTPStatusCode());
    }
    return told;
  }
}
