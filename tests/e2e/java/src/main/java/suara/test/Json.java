package suara.test;

import java.util.Base64;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/** Values between Socket.IO and the JSON lines: binary ones travel as {@code {"$binary": "<base64>"}}. */
final class Json {
    private static final String BINARY = "$binary";

    private Json() {}

    static Object toJson(Object value) {
        return value instanceof byte[] bytes ? object(BINARY, Base64.getEncoder().encodeToString(bytes)) : value;
    }

    static Object[] fromJson(JSONArray values) throws JSONException {
        Object[] objects = new Object[values.length()];
        for (int index = 0; index < objects.length; index++) {
            Object value = values.get(index);
            boolean binary = value instanceof JSONObject object && object.has(BINARY);
            objects[index] = binary ? Base64.getDecoder().decode(((JSONObject) value).getString(BINARY)) : value;
        }
        return objects;
    }

    static String[] strings(JSONArray values) throws JSONException {
        String[] strings = new String[values.length()];
        for (int index = 0; index < strings.length; index++) {
            strings[index] = values.getString(index);
        }
        return strings;
    }

    static JSONObject object(Object... keysAndValues) {
        try {
            JSONObject object = new JSONObject();
            for (int index = 0; index < keysAndValues.length; index += 2) {
                object.put((String) keysAndValues[index], keysAndValues[index + 1]);
            }
            return object;
        } catch (JSONException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    static void event(String name, Object... arguments) {
        JSONArray values = new JSONArray();
        for (Object argument : arguments) {
            values.put(toJson(argument));
        }
        write(object("event", name, "args", values, "at", System.currentTimeMillis()));
    }

    static synchronized void write(JSONObject message) {
        System.out.println(message);
    }
}
