# A server whose workers each have a cache, which crr keeps in step, without a
# library: what one worker saves can be read from all of them.
#
#	PORT=8080 crr run --retain 64M -- python3 cache.py
#
# doc/protocol.md explains the numbers of the types.
import http.server, os, socket, struct, threading

cache = {}
bus = socket.socket(socket.AF_UNIX)
bus.connect(os.environ["CRR_SOCKET"])
sending = threading.Lock()


def send(type, payload, id=0):
    with sending:
        bus.sendall(b"crr\0" + struct.pack(">HHII", 1, type, len(payload), id)
                    + payload)


def message(id, data=b""):
    name = b"demo"
    return struct.pack(">QIiHHHH", 0, 0, 0, 0, len(name), len(id), 0) + \
        name + id + data


def listen():
    f = bus.makefile("rb")
    while head := f.read(16):
        type, length = struct.unpack(">4xxxHI4x", head)
        payload = f.read(length)
        if type == 21:
            cache.clear()
        if type == 22:
            synced.set()
        if type in (19, 20):
            n, i = struct.unpack(">HH", payload[18:22])
            id, data = payload[24 + n:24 + n + i], payload[24 + n + i:]
            if type == 19:
                cache[id] = data
            else:
                cache.pop(id, None)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        verb, id, data = (self.path[1:].encode().split(b"/") + [b"", b""])[:3]
        answer = cache.get(id, b"")
        if verb == b"save":
            cache[id] = data
            send(15, message(id, data))
            answer = b"saved"
        if verb == b"delete":
            cache.pop(id, None)
            send(16, message(id))
            answer = b"deleted"
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


synced = threading.Event()
threading.Thread(target=listen, daemon=True).start()
send(17, struct.pack(">I", 3), 1)
synced.wait()
http.server.ThreadingHTTPServer(
    ("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
