# What a drain must not do: take a body for a request, swap answers, leave a
# reader asleep, cut what other protocols have to say; and bad input.

# shellcheck disable=SC2016,SC2030,SC2031,SC2153,SC2154

load helper

export WAIT_LIMIT=60

setup_file() {
	export BATS_TEST_TIMEOUT=300
}

KEPT=$ROOT/test/servers/kept

# uploads: in the background, with what the server sees in $SEEN.
uploads() {
	need python3
	background python3 "$KEPT/upload.py" >uploads
	UPLOADS=$!
	sleep 1
}

early_server() {
	need node
	export SEEN=$PWD/seen
	crr_start -w 1 --soak 0 "$@" -- node "$KEPT/early.js"
}

reload_until_gone() {
	RELOADS=0
	while is_running "$1" && [ "$RELOADS" -lt 20 ]; do
		reload -q || return 1
		RELOADS=$((RELOADS + 1))
	done
}

no_body_was_executed() {
	wait_end "$UPLOADS"
	echo "$(cat uploads) uploads, $RELOADS reloads"
	[ "$CODE" -eq 0 ] && [ "$(cat uploads)" -gt 70 ] && [ "$RELOADS" -gt 6 ] &&
	    status_is ".kept.handed_on > 0"
	grep -q "^POST /plain$" "$SEEN"
	run ! grep /admin "$SEEN"
}

@test "no body that reads like a request becomes one, sent directly" {
	early_server --drain 2s --handoff any
	uploads
	reload_until_gone "$UPLOADS"
	no_body_was_executed
}

@test "no body that reads like a request becomes one, through HAProxy" {
	local front

	early_server --drain 2s
	front=$(free_port)
	haproxy_start "$front" "" "server one 127.0.0.1:$PORT"
	PORT=$front uploads
	reload_until_gone "$UPLOADS"
	no_body_was_executed
}

@test "no body that reads like a request becomes one, through nginx unbuffered" {
	local front

	early_server --drain 2s
	front=$(free_port)
	nginx_start "$front" "server 127.0.0.1:$PORT; keepalive 64;" \
	    "$KEEPALIVE proxy_request_buffering off;"
	PORT=$front uploads
	reload_until_gone "$UPLOADS"
	no_body_was_executed
}

@test "clients that pipeline get their answers in the right order" {
	need python3
	early_server --drain 4s
	for WINDOW in 3 8; do
		export WINDOW
		background python3 "$KEPT/pipeline.py" >sum.$WINDOW
		UPLOADS=$!
		sleep 1
		reload -q
		reload -q
		wait_end "$UPLOADS"
		cat "sum.$WINDOW"
		[ "$CODE" -eq 0 ]
	done
}

# Its threads sleep in a blocking recv(2), where no mark wakes them.
@test "a reload lets no thread of Python's http.server sleep on" {
	need python3
	cat >server.py <<-'END'
		import os
		from http.server import *

		class Handler(BaseHTTPRequestHandler):
		    protocol_version = "HTTP/1.1"

		    def do_POST(self):
		        self.rfile.read(int(self.headers["Content-Length"]))
		        self.send_response(200)
		        self.send_header("Content-Length", "2")
		        self.end_headers()
		        self.wfile.write(b"ok")

		    def log_message(self, *args):
		        pass

		ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])),
		    Handler).serve_forever()
	END
	cat >client.py <<-'END'
		import os, socket, threading, time

		longest, lost, answered = [0], [0], [0]
		address = ("127.0.0.1", int(os.environ["PORT"]))
		end = time.time() + 8

		def client():
		    s = None
		    while time.time() < end:
		        began = time.time()
		        try:
		            s = s or socket.create_connection(address)
		            s.settimeout(30)
		            s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n"
		                b"Content-Length: 10\r\n\r\nhello")
		            time.sleep(0.02)
		            s.sendall(b"hello")
		            text = b""
		            while not text.endswith(b"\r\n\r\nok"):
		                some = s.recv(4096)
		                if not some:
		                    raise OSError
		                text += some
		            answered[0] += 1
		        except OSError:
		            lost[0] += 1
		            s = None
		        longest[0] = max(longest[0], time.time() - began)

		threads = [threading.Thread(target=client) for i in range(8)]
		for t in threads:
		    t.start()
		for t in threads:
		    t.join()
		print(answered[0], "answered", lost[0], "lost", longest[0], "s")
		open("longest", "w").write(str(int(longest[0])))
	END
	crr_start -w 2 --soak 100ms --drain 2s -- python3 server.py
	background python3 client.py
	UPLOADS=$!
	sleep 1
	reload -q
	wait_end "$UPLOADS"
	[ "$CODE" -eq 0 ]
	[ "$(cat longest)" -lt 3 ]
	grep -E "^reload complete: .*could not be held, and may have lost" \
	    "$LOG"
}

# talk PROGRAM [OPTION ...]: two workers of a server of test/servers/talk.
talk() {
	need_server talk
	crr_start -w 2 --soak 100ms "${@:2}" -- node "$SERVERS/talk/$1.js"
}

# chat PROGRAM: its client, in the background.
chat() {
	background node "$SERVERS/talk/$1.js" client >chat.out 2>chat.err
	CHAT=$!
}

# all_heard N: each WebSocket's client was told 1001.
all_heard() {
	wait_end "$CHAT"
	cat chat.out
	[ "$(cat chat.out)" = "{\"1001\":$1}" ]
}

@test "WebSocket's clients hear 1001 in reload, scale and stop" {
	export CLIENTS=20
	talk ws --drain 3s
	chat ws
	wait_for grep -q open chat.err
	reload -q
	all_heard 20
	chat ws
	wait_for grep -q open chat.err
	crr scale -q 1
	crr stop -q
	all_heard 20
}

@test "no stream of HTTP/2 is lost over two reloads, with TLS and without" {
	need openssl
	openssl req -x509 -newkey rsa:2048 -nodes -keyout cert.key \
	    -out cert.pem -days 2 -subj /CN=localhost 2>/dev/null
	for CERT in "" "$PWD/cert"; do
		export CERT SEC=12
		[ -z "$CERT" ] || crr_stop
		talk h2 --drain 4s
		chat h2
		sleep 1
		reload -q
		reload -q
		wait_end "$CHAT"
		cat chat.out
		[ "$(jq .lost chat.out)" -eq 0 ]
		[ "$(jq .whole chat.out)" -gt 200 ]
	done
}

@test "gRPC with tryShutdown loses no call, long or short" {
	export SEC=14
	talk grpc --drain 5s
	chat grpc
	sleep 2
	reload -q
	reload -q
	wait_end "$CHAT"
	cat chat.out
	[ "$(jq .lost chat.out)" -eq 0 ]
	[ "$(jq .answered chat.out)" -gt 400 ]
}

# A server that speaks first, and answers each line after 20 ms.
lines() {
	need python3
	cat >lines.py <<-'END'
		import os, socketserver, time

		class Lines(socketserver.StreamRequestHandler):
		    def handle(self):
		        self.wfile.write(b"220 ready\r\n")
		        for line in self.rfile:
		            time.sleep(0.02)
		            self.wfile.write(b"250 " + line)

		class Server(socketserver.ThreadingTCPServer):
		    allow_reuse_address = daemon_threads = True

		Server(("127.0.0.1", int(os.environ["PORT"])),
		    Lines).serve_forever()
	END
	crr_start -w 2 --soak 0 -- python3 lines.py
}

@test "transactions of six lines, 150 ms apart, are not cut" {
	lines
	cat >client.py <<-'END'
		import os, socket, sys, threading, time

		cut = []

		def client():
		    s = socket.create_connection(("127.0.0.1",
		        int(os.environ["PORT"])))
		    f = s.makefile("rb")
		    f.readline()
		    for i in range(6):
		        s.sendall(b"line\r\n")
		        if f.readline() != b"250 line\r\n":
		            cut.append(i)
		            return
		        time.sleep(0.15)

		threads = [threading.Thread(target=client) for i in range(8)]
		for t in threads:
		    t.start()
		for t in threads:
		    t.join()
		print(cut)
		sys.exit(len(cut))
	END
	background python3 client.py
	CHAT=$!
	sleep 0.3
	reload -q
	wait_end "$CHAT"
	[ "$CODE" -eq 0 ]
}

@test "a connection with nothing but a banner delays no worker" {
	local began

	lines
	for _ in {1..4}; do
		background bash -c "exec 9<>/dev/tcp/127.0.0.1/$PORT && sleep 60"
	done
	sleep 0.5
	began=$(now_ms)
	reload -q
	# --drain is 10 s for each of the two.
	[ $(($(now_ms) - began)) -lt 9000 ]
	run ! grep "in hand after" "$LOG"
}

@test "a drain that runs out says so" {
	crr_start -w 1 --soak 0 --drain 1s -- "$SERVER" --port "$PORT"
	background curl -s --max-time 30 "http://127.0.0.1:$PORT/slow?8000"
	sleep 0.5
	run -0 crr reload
	[[ "$output" == *"worker 0: 1 connection still in hand after 1 s"* ]]
	grep -F "still in hand after 1 s" "$LOG"
}

@test "a POST whose head and body are two writes does not hold up Go's Shutdown" {
	need_server go
	need python3
	crr_start -w 2 --soak 100ms -- "$SERVERS/go/server"
	cat >client.py <<-'END'
		import http.client, os, sys, threading, time

		longest, failed = [0], [0]
		end = time.time() + 7

		def client():
		    c = http.client.HTTPConnection("127.0.0.1",
		        int(os.environ["PORT"]), timeout=60)
		    while time.time() < end:
		        began = time.time()
		        try:
		            c.putrequest("POST", "/")
		            c.putheader("Content-Length", "5")
		            c.endheaders()
		            time.sleep(0.02)
		            c.send(b"hello")
		            r = c.getresponse()
		            r.read()
		            if r.getheader("Connection") == "close":
		                c.close()
		        except Exception as e:
		            print(repr(e))
		            failed[0] += 1
		            c.close()
		        longest[0] = max(longest[0], time.time() - began)

		threads = [threading.Thread(target=client) for i in range(8)]
		for t in threads:
		    t.start()
		for t in threads:
		    t.join()
		print(failed[0], "failed, longest", longest[0])
		sys.exit(failed[0] > 0 or longest[0] > 5)
	END
	background python3 client.py
	CHAT=$!
	sleep 1
	reload -q
	wait_end "$CHAT"
	[ "$CODE" -eq 0 ]
}
