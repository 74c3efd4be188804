"""$N kept connections in one thread. Each asks every $GAP s after its answer
until it has asked as often as the file `ask` says. Writes to `state`, every
0.2 s, how many are open, requests that were answered, and requests that failed:
sent, and closed or reset without an answer. Ends when the file `end` is there."""
import os
import selectors
import socket
import time

N, PORT = int(os.environ["N"]), int(os.environ["PORT"])
GAP = float(os.environ.get("GAP", "1"))
REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
selector = selectors.DefaultSelector()
due, waiting, asked = {}, {}, {}
answered = failed = 0


def drop(s):
    global failed
    failed += s in waiting
    waiting.pop(s, None)
    due.pop(s, None)
    selector.unregister(s)
    s.close()


def ask(s):
    waiting[s] = b""
    asked[s] = asked.get(s, 0) + 1
    try:
        s.sendall(REQUEST)
    except OSError:
        drop(s)


def hear(s):
    global answered
    try:
        some = s.recv(4096)
    except OSError:
        some = b""
    if not some:
        drop(s)
        return
    if s not in waiting:
        return
    waiting[s] += some
    head, _, body = waiting[s].partition(b"\r\n\r\n")
    if len(body) < 32:
        return
    answered += 1
    close = b"connection: close" in head.lower()
    del waiting[s]
    due[s] = time.time() + GAP
    if close:
        drop(s)


def read_times():
    try:
        return int(open("ask").read() or 0)
    except OSError:
        return 0


def write_state():
    with open("state.new", "w") as f:
        f.write("%d %d %d\n" % (len(due.keys() | waiting.keys()), answered, failed))
    os.rename("state.new", "state")


for i in range(N):
    s = socket.create_connection(("127.0.0.1", PORT))
    selector.register(s, selectors.EVENT_READ)
    ask(s)
    if i % 50 == 0:
        for key, _ in selector.select(0):
            hear(key.fileobj)
shown = 0
while not os.path.exists("end"):
    for key, _ in selector.select(0.02):
        hear(key.fileobj)
    now = time.time()
    times = read_times()
    for s in [s for s, at in due.items() if at <= now and s not in waiting and
              asked[s] < times]:
        ask(s)
    if now - shown > 0.2:
        write_state()
        shown = now
write_state()
