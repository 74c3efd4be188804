"""$CLIENTS kept connections that ask again $GAP s after each answer, for $SEC
seconds or until SIGTERM. Prints what became of their requests."""
import json
import os
import signal
import socket
import threading
import time

env = os.environ
address = ("127.0.0.1", int(env["PORT"]))
end = time.time() + float(env.get("SEC", "6"))
gap, patience = float(env.get("GAP", "0.02")), float(env.get("PATIENCE", "30"))
sums = {"well": 0, "old": 0, "ended": 0, "late": 0}
lock = threading.Lock()


def stop(*_):
    global end
    end = 0


def note(what):
    with lock:
        sums[what] += 1


def ask(s):
    s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
    text = b""
    while not (text.endswith(b"well") or text.endswith(b"whole")):
        some = s.recv(4096)
        if not some:
            raise OSError
        text += some
    note("well" if text.endswith(b"well") else "old")
    return b"connection: close" in text.lower() or text.startswith(b"HTTP/1.0")


def client(n):
    s = None
    while time.time() < end:
        try:
            if s is None:
                s = socket.socket()
                s.bind(("127.0.0.%d" % (2 + n % 8), 0))
                s.connect(address)
                s.settimeout(patience)
            if ask(s):
                s.close()
                s = None
        except socket.timeout:
            note("late")
            s.close()
            s = None
        except OSError:
            note("ended")
            s.close()
            s = None
        time.sleep(gap)


signal.signal(signal.SIGTERM, stop)
threads = [threading.Thread(target=client, args=(n,))
           for n in range(int(env.get("CLIENTS", "12")))]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(json.dumps(sums))
