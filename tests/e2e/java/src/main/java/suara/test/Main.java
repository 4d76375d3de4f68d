package suara.test;

import io.socket.client.Ack;
import io.socket.client.IO;
import io.socket.client.Manager;
import io.socket.client.Socket;
import io.socket.engineio.client.Transport;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Field;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/** A Socket.IO client that is driven by JSON lines; the dialogue is described in {@code kit/legacy/subprocess.js}. */
public final class Main {
    private static final long ANSWER_SECONDS = 10;

    /** 1.x has no listener for every event, so those of the contract are named. */
    private static final List<String> EVENTS = List.of(
            "voice_packet", "floor_granted", "floor_denied", "floor_taken", "floor_idle", "floor_revoked", "disconnect",
            "existing_peers", "new_peer", "signal", "peer_disconnected", "notification", "ticket_created");

    private Socket socket;

    public static void main(String[] arguments) throws Exception {
        Main client = new Main();
        ExecutorService pool = Executors.newCachedThreadPool();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            JSONObject command = new JSONObject(line);
            pool.submit(() -> client.carryOut(command));
        }
        System.exit(0);
    }

    private void carryOut(JSONObject command) {
        JSONObject answer = new JSONObject();
        try {
            answer.put("id", command.getInt("id"));
            try {
                Object result = perform(command);
                answer.put("result", result == null ? JSONObject.NULL : result);
            } catch (Exception failure) {
                answer.put("error", failure.toString());
            }
        } catch (JSONException impossible) {
            throw new IllegalStateException(impossible);
        }
        Json.write(answer);
    }

    private Object perform(JSONObject command) throws Exception {
        return switch (command.getString("op")) {
            case "connect" -> connect(command);
            case "emit" -> emit(command);
            case "voice" -> voice(command);
            case "transport" -> transport();
            case "disconnect" -> socket == null ? null : socket.disconnect().id();
            default -> throw new IllegalArgumentException("unknown operation");
        };
    }

    private JSONObject connect(JSONObject command) throws Exception {
        socket = open(command);
        EVENTS.forEach(name -> socket.on(name, arguments -> Json.event(name, arguments)));

        CompletableFuture<JSONObject> outcome = new CompletableFuture<>();
        socket.on("connect", none -> outcome.complete(Json.object("connected", true, "id", socket.id())));
        for (String refusal : List.of("connect_error", "error")) {
            socket.on(refusal, why -> outcome.complete(Json.object("connected", false, "message", message(why))));
        }
        socket.connect();
        return outcome.get(ANSWER_SECONDS, TimeUnit.SECONDS);
    }

    private static Socket open(JSONObject command) throws JSONException, URISyntaxException, ReflectiveOperationException {
        IO.Options options = new IO.Options();
        options.forceNew = true;
        options.reconnection = command.getBoolean("reconnect");
        options.transports = Json.strings(command.getJSONArray("transports"));
        String token = command.getString("token");
        switch (command.getString("authMode")) {
            case "query" -> options.query = "token=" + token;
            // Only 2.x has this field: named at run time, so that the source compiles against 1.x too.
            case "auth" -> IO.Options.class.getField("auth").set(options, Map.of("token", token));
            default -> { }
        }
        String namespace = command.getString("namespace");
        return IO.socket(command.getString("url") + (namespace.equals("/") ? "" : namespace), options);
    }

    /** The library doesn't say which transport is in use: its events tell of a probe, whether it succeeds or not. */
    private String transport() throws ReflectiveOperationException {
        Field engine = Manager.class.getDeclaredField("engine");
        engine.setAccessible(true);
        Field transport = io.socket.engineio.client.Socket.class.getDeclaredField("transport");
        transport.setAccessible(true);
        return ((Transport) transport.get(engine.get(socket.io()))).name;
    }

    private static String message(Object[] why) {
        Object first = why.length == 0 ? "" : why[0];
        if (first instanceof JSONObject object) {
            return object.optString("message");
        }
        return first instanceof Throwable failure ? failure.getMessage() : String.valueOf(first);
    }

    private Object emit(JSONObject command) throws Exception {
        Object[] arguments = Json.fromJson(command.getJSONArray("args"));
        String event = command.getString("event");
        if (!command.getBoolean("ack")) {
            socket.emit(event, arguments);
            return null;
        }
        CompletableFuture<Object> answer = new CompletableFuture<>();
        Ack ack = values -> answer.complete(values.length == 0 ? JSONObject.NULL : Json.toJson(values[0]));
        socket.emit(event, arguments, ack);
        return answer.get(ANSWER_SECONDS, TimeUnit.SECONDS);
    }

    private Object voice(JSONObject command) throws Exception {
        byte[] voice = Files.readAllBytes(Path.of(command.getString("file")));
        JSONArray sizes = command.getJSONArray("sizes");
        double bytesPerSecond = command.getDouble("bytes_per_second");
        long start = System.nanoTime();
        int offset = 0;
        for (int index = 0; index < sizes.length(); index++) {
            long due = start + (long) (offset / bytesPerSecond * 1e9);
            TimeUnit.NANOSECONDS.sleep(due - System.nanoTime());
            int end = offset + sizes.getInt(index);
            socket.emit("voice_packet", (Object) Arrays.copyOfRange(voice, offset, end));
            offset = end;
        }
        return null;
    }
}
