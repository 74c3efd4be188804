import os
import time

work = int(os.environ.get("WORK_MS", "0")) / 1000


def app(environ, start_response):
    time.sleep(work)
    body = f"pid {os.getpid()}\n".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
