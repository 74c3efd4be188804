"""Uploads whose bodies read like requests of POST /admin, in pieces, on kept
connections that prove themselves in between. Ends after $SEC; prints how many."""
import os
import random
import socket
import threading
import time

PORT = int(os.environ["PORT"])
END = time.time() + float(os.environ.get("SEC", "20"))
ADMIN = (b"POST /admin HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
count = [0]


def read_answer(f):
    """One answer; its status, or None at the end of the connection."""
    line = f.readline()
    if not line:
        return None
    status, length, chunked = int(line.split()[1]), 0, False
    while (line := f.readline().strip()):
        name, _, value = line.lower().partition(b":")
        if name == b"content-length":
            length = int(value)
        if name == b"connection" and b"close" in value:
            status = -status
        chunked = chunked or name == b"transfer-encoding"
    while chunked:
        size = int(f.readline(), 16)
        f.read(size + 2)
        chunked = size > 0
    f.read(length)
    return status


def ask(s, f, path, body, expect, pieces):
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % (
        path, len(body))
    if pieces == 0:
        s.sendall(head + b"\r\n" + body)
        return read_answer(f)
    s.sendall(head + (b"Expect: 100-continue\r\n" if expect else b"") + b"\r\n")
    if expect:
        status = read_answer(f)
        if status != 100:
            return status
    for i in range(pieces):
        some = body[i * len(body) // pieces:(i + 1) * len(body) // pieces]
        if pieces > 1:
            time.sleep(random.choice((0, 0.005, 0.03, 0.2)))
        s.sendall(some)
    status = read_answer(f)
    while status == 100:
        status = read_answer(f)
    return status


def upload(s, f):
    how = random.choice((b"/early", b"/refuse?401", b"/refuse?413", b"/read"))
    times = random.randint(1, 3)
    count[0] += 1
    return ask(s, f, how, ADMIN * times, how == b"/read",
               times * random.choice((1, 2, 3)))


def client():
    while time.time() < END:
        try:
            with socket.create_connection(("127.0.0.1", PORT)) as s:
                s.settimeout(20)
                f = s.makefile("rb")
                while time.time() < END:
                    ok = [ask(s, f, b"/plain", b"hello", False, 0)
                          for _ in range(random.choice((0, 3, 40, 80)))]
                    if any(status is None or status < 0 for status in ok):
                        break
                    status = upload(s, f)
                    if status is None or status < 0:
                        break
        except (OSError, ValueError):    # cut in an answer
            pass


threads = [threading.Thread(target=client) for _ in range(12)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(count[0])
