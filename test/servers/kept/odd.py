"""A server with a thread a connection, which answers as the file `how` says when
it starts: well, or in an odd way. A selector waits for requests, so that its
connections can be held."""
import os
import selectors
import socket
import sys
import threading
import time

HOW = open("how").read().strip()


def read_request(s):
    selector = selectors.DefaultSelector()
    selector.register(s, selectors.EVENT_READ)
    text = b""
    while b"\r\n\r\n" not in text or not text.endswith(b"hello"):
        selector.select()
        some = s.recv(65536)
        if not some:
            return None
        text += some
    return text


def wait_for_end(s):
    s.setblocking(True)
    s.recv(1)
    s.close()


def serve(s):
    s.setblocking(False)
    while read_request(s) is not None:
        if HOW == "dies":
            os._exit(3)
        if HOW == "resets":
            s.close()
            return
        if HOW == "silent":
            wait_for_end(s)
            return
        if HOW == "1.0":
            s.sendall(b"HTTP/1.0 200 OK\r\n\r\nold and whole")
            s.close()
            return
        while HOW == "waits" and not os.path.exists("go"):
            time.sleep(0.01)
        time.sleep(0.005)
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell")
    s.close()


listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],),
                     daemon=True).start()
