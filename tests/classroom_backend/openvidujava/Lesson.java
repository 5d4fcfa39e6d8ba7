import com.google.gson.Gson;
import io.openvidu.java.client.*;
import java.io.*;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;

/**
 * A classroom's life as an application server drives it, with OpenVidu's own client.
 * Arguments: the server's URL, its secret, a session id. Prints what came of each step as one
 * JSON line; after the tokens it waits for a line on standard input.
 */
public class Lesson {
  interface Act { void act() throws Exception; }

  static void step(String title, Callable<Object> work) {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("step", title);
    try {
      line.put("result", work.call());
    } catch (OpenViduHttpException refused) {
      line.put("error", String.valueOf(refused.getStatus()));
    } catch (Exception other) {
      line.put("error", other.toString());
    }
    System.out.println(new Gson().toJson(line));
  }

  static void act(String title, Act work) {
    step(title, () -> { work.act(); return null; });
  }

  static Map<String, Object> shown(Connection connection) {
    Map<String, Object> found = new LinkedHashMap<>();
    found.put("id", connection.getConnectionId());
    found.put("role", connection.getRole());
    found.put("serverData", connection.getServerData());
    found.put("publishers", connection.getPublishers().stream()
        .map(Publisher::getStreamId).collect(Collectors.toList()));
    found.put("subscribers", connection.getSubscribers());
    return found;
  }

  public static void main(String[] args) throws Exception {
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    OpenVidu stranger = new OpenVidu(args[0], "not-the-secret");
    step("wrong secret", () -> stranger.createSession().getSessionId());

    OpenVidu openvidu = new OpenVidu(args[0], args[1]);
    SessionProperties named = new SessionProperties.Builder().customSessionId(args[2]).build();
    Session session = openvidu.createSession(named);
    step("create", session::getSessionId);
    step("create again", () -> openvidu.createSession(named).getSessionId());
    step("bad id", () -> openvidu.createSession(
        new SessionProperties.Builder().customSessionId("bad id!").build()));
    step("teacher", () -> session.generateToken(
        new TokenOptions.Builder().role(OpenViduRole.PUBLISHER).data("Ms A").build()));
    step("student", () -> session.generateToken(
        new TokenOptions.Builder().role(OpenViduRole.SUBSCRIBER).kurentoOptions(
            new KurentoOptions.Builder().videoMaxRecvBandwidth(500)
                .allowedFilters(new String[] {"ZBarFilter"}).build()).build()));
    act("ready", () -> { });
    input.readLine();

    step("fetch", session::fetch);
    step("fetch again", session::fetch);
    step("connections", () -> session.getActiveConnections().stream()
        .map(Lesson::shown).collect(Collectors.toList()));
    step("fetch all", openvidu::fetch);
    act("start recording", () -> openvidu.startRecording(args[2]));
    step("recordings", openvidu::listRecordings);
    Connection teacher = session.getActiveConnections().stream()
        .filter(one -> !one.getPublishers().isEmpty()).findFirst().get();
    act("unpublish", () -> session.forceUnpublish(teacher.getPublishers().get(0)));
    act("unpublish again", () -> session.forceUnpublish("str_CAM_none_con_none"));
    act("disconnect", () -> session.forceDisconnect(teacher));
    act("disconnect again", () -> session.forceDisconnect("con_none"));
    act("close", session::close);
    act("close again", session::close);
    step("token after close", session::generateToken);
    System.exit(0);
  }
}
