"""Clients that pipeline, with a window of $WINDOW requests. Prints how many
answers came, and how many of them were not the next one; the exit code is that."""
import os
import random
import socket
import sys
import threading
import time

PORT, WINDOW = int(os.environ["PORT"]), int(os.environ["WINDOW"])
END = time.time() + float(os.environ.get("SEC", "10"))
sums = {"answered": 0, "wrong": 0}


def read_answer(f):
    line = f.readline()
    if not line:
        return None
    length, close = 0, False
    while (line := f.readline().strip()):
        name, _, value = line.lower().partition(b":")
        if name == b"content-length":
            length = int(value)
        close = close or (name == b"connection" and b"close" in value)
    return f.read(length), close


def client(c):
    n = 0
    while time.time() < END:
        try:
            with socket.create_connection(("127.0.0.1", PORT)) as s:
                s.settimeout(20)
                f, sent = s.makefile("rb"), []
                while time.time() < END:
                    while len(sent) < WINDOW:
                        sent.append(b"id %d-%d" % (c, n))
                        s.sendall(b"GET /work?ms=%d&id=%d-%d HTTP/1.1\r\n"
                                  b"Host: x\r\n\r\n" %
                                  (random.choice((10, 10, 30, 100, 1200)),
                                   c, n))
                        n += 1
                    answer = read_answer(f)
                    if answer is None:
                        break
                    sums["answered"] += 1
                    sums["wrong"] += answer[0] != sent.pop(0)
                    if answer[1]:
                        break
        except OSError:
            pass


threads = [threading.Thread(target=client, args=(c,)) for c in range(16)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(sums)
sys.exit(sums["wrong"])
