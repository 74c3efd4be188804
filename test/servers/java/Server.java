import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;

public class Server {
	static String variable(String name, String otherwise) {
		String value = System.getenv(name);

		return value == null ? otherwise : value;
	}

	public static void main(String[] args) throws Exception {
		int port = Integer.parseInt(variable("PORT", "8080"));
		int work = Integer.parseInt(variable("WORK_MS", "0"));
		byte[] body = ("pid " + ProcessHandle.current().pid() + "\n")
		    .getBytes(StandardCharsets.US_ASCII);
		HttpServer server = HttpServer.create(
		    new InetSocketAddress(port), 0);

		server.createContext("/", exchange -> {
			try {
				Thread.sleep(work);
			} catch (InterruptedException e) {
				Thread.currentThread().interrupt();
			}
			exchange.sendResponseHeaders(200, body.length);
			exchange.getResponseBody().write(body);
			exchange.close();
		});
		server.setExecutor(Executors.newCachedThreadPool());
		server.start();
	}
}
