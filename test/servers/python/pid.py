import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

work = int(os.environ.get("WORK_MS", "0")) / 1000


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        time.sleep(work)
        body = f"pid {os.getpid()}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


address = ("", int(os.environ.get("PORT", "8080")))
ThreadingHTTPServer(address, Handler).serve_forever()
