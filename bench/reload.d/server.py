# Python's own HTTP server. It takes its socket from Server::Starter if there is
# one, else it binds $PORT.
import os
import socket
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

work = int(os.environ.get("WORK_MS", "0")) / 1000


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        time.sleep(work)
        body = f"pid {os.getpid()}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    # The default of 5 is too few for 32 clients that come at once.
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


address = ("127.0.0.1", int(os.environ.get("PORT", "8080")))
given = os.environ.get("SERVER_STARTER_PORT")
server = Server(address, Handler, bind_and_activate=not given)
if given:
    server.socket.close()
    server.socket = socket.socket(fileno=int(given.split("=")[1]))
server.serve_forever()
