# No request is lost, whatever the server does: plain Express has no code for
# SIGTERM and dies of it at once.

# shellcheck disable=SC2016,SC2153,SC2154

load helper

# What crr starts slowly here is Node.
export WAIT_LIMIT=60

# plain_express N [OPTION ...]
plain_express() {
	local workers=$1

	shift
	need_server express
	crr_start -w "$workers" --soak 100ms "$@" -- \
	    node "$SERVERS/express/server.js"
}

# Each request begun was answered, as the servers themselves count.
all_answered() {
	[ "$(od -A n -t u8 -N 8 counts)" = "$(od -A n -t u8 -j 8 counts)" ]
}

# counting N [OPTION ...]: our server without shutdown code, which counts.
counting() {
	local workers=$1

	shift
	crr_start -w "$workers" --soak 100ms "$@" -- \
	    "$SERVER" --port "$PORT" --work "${WORK_MS:-20}" \
	    --count-file "$PWD/counts"
}

@test "ten reloads of plain Express lose no request, a connection each" {
	WORK_MS=20 plain_express 2
	reloads 10 -c 32
	none_failed
}

@test "a cluster of one of plain Express loses no request" {
	WORK_MS=20 plain_express 1
	reloads 5 -c 32
	none_failed
}

@test "four workers of plain Express with 200 clients and slow requests lose none" {
	WORK_MS=500 plain_express 4
	reloads 2 -c 200
	none_failed
}

@test "each request that a server without shutdown code begins, it answers" {
	counting 2
	reloads 5 -c 32
	none_failed
	all_answered
}

@test "connections kept alive end between two requests, and their clients fail never" {
	counting 2
	reloads 3 -c 16 -k -g 100
	none_failed
	all_answered
	[ "$(load_value closed)" -gt 0 ]
}

# The drain would take --drain, and the stop signal hit what is in flight, if
# their next requests were not kept out.
@test "clients that leave no gap between requests get each answer that was begun" {
	counting 2 --drain 60s
	reloads 3 -c 16 -k
	none_failed
	all_answered
	[ "$(load_value pids)" -ge 6 ]
}

@test "plain Express and clients without a gap: none fails, blind ones neither" {
	WORK_MS=20 plain_express 2 --drain 60s
	reloads 2 -c 32 -k
	none_failed
	reloads 2 -c 32 -k --blind
	none_failed
}

@test "a request begun before the reload is answered whole by the old pid, one after it by the new" {
	local old

	crr_start -w 1 --soak 0 -- "$SERVER" --port "$PORT"
	old=$(worker_pid 0)
	background curl -s "http://127.0.0.1:$PORT/slow?3000" >slow
	local curl=$!
	wait_for worker_counts 1 0
	reload_start client
	wait_for worker_of_generation 2
	[ "$(get /)" = "pid $(ready_pids)" ]
	is_running "$curl"
	wait_end "$curl"
	[ "$(cat slow)" = "pid $old" ]
	wait_end "$CLIENT"
	[ "$CODE" -eq 0 ]
}

# worker_counts BEGUN ANSWERED
worker_counts() {
	[ "$(get /count)" = "$1 $2" ]
}

worker_of_generation() {
	status_is --argjson g "$1" 'any(.workers[]; .state == "draining") and
	    any(.workers[]; .generation == $g and .state == "ready")'
}

@test "a client that has connected and not spoken is answered 200 ms into the reload" {
	crr_start -w 1 --soak 0 -- "$SERVER" --port "$PORT"
	background "$LOAD" -c 8 -n 8 --speak-after 600 "127.0.0.1:$PORT" >out
	local load=$!
	wait_for worker_has_connections 8
	reload -q
	wait_end "$load"
	[ "$CODE" -eq 0 ]
	grep -x "answered 8" out
}

# The server's own descriptors, by /proc.
worker_has_connections() {
	[ "$(find "/proc/$(worker_pid 0)/fd" -lname 'socket:*' | wc -l)" -gt \
	    "$1" ]
}

@test "an upload that is slow arrives whole" {
	crr_start -w 1 --soak 0 -- "$SERVER" --port "$PORT"
	head -c 400000 /dev/zero >zeros
	background curl -s --limit-rate 200k --data-binary @zeros \
	    "http://127.0.0.1:$PORT/" >out
	local curl=$! old
	old=$(worker_pid 0)
	wait_for worker_has_connections 1
	reload -q
	wait_end "$curl"
	[ "$CODE" -eq 0 ]
	[ "$(cat out)" = "pid $old" ]
}

@test "a download in progress is not cut" {
	crr_start -w 1 --soak 0 -- "$SERVER" --port "$PORT"
	background curl -s --limit-rate 4M \
	    "http://127.0.0.1:$PORT/big?16000000" >big
	local curl=$!
	wait_for test -s big
	reload -q
	wait_end "$curl"
	[ "$CODE" -eq 0 ]
	[ "$(wc -c <big)" -eq 16000000 ]
}

@test "with --drain 0 the rest is left to the server" {
	crr_start -w 1 --soak 0 --drain 0 -- "$SERVER" --port "$PORT"
	background curl -s "http://127.0.0.1:$PORT/slow?5000" >slow
	local curl=$!
	wait_for worker_counts 1 0
	reload -q
	wait_end "$curl"
	[ "$CODE" -ne 0 ]
}

@test "a drain ends when --drain is over" {
	crr_start -w 1 --soak 0 --drain 500ms -- "$SERVER" --port "$PORT"
	background curl -s "http://127.0.0.1:$PORT/slow?60000" >slow
	wait_for worker_counts 1 0
	reload -q
	all_of_generation 2
}

@test "draining shows in status, with its age and what is in hand" {
	crr_start -w 1 --soak 0 -- "$SERVER" --port "$PORT"
	background curl -s "http://127.0.0.1:$PORT/slow?3000" >slow
	wait_for worker_counts 1 0
	reload_start client
	wait_for status_is 'any(.workers[]; .state == "draining" and
	    .connections == 1 and .state_ms > 100)'
	wait_end "$CLIENT"
}

@test "quick reloads with a client that is stuck don't pile up processes" {
	local i

	crr_start -w 1 --soak 0 --drain 300ms -- "$SERVER" --port "$PORT"
	background curl -s "http://127.0.0.1:$PORT/slow?60000" >slow
	wait_for worker_counts 1 0
	for ((i = 0; i < 5; i++)); do
		reload -q
	done
	[ "$(worker_processes | wc -l)" -eq 1 ]
}

@test "handshakes half done at the moment of steering are not lost" {
	crr_start -w 2 --soak 0 -- "$SERVER" --port "$PORT" --defer 5
	reloads 5 -c 16 --speak-after 300
	none_failed
}

@test "five thousand idle connections delay no answer, and the drain ends" {
	need_server go
	ulimit -n 12000 || skip "no 12,000 descriptors can be had"
	crr_start -w 1 --soak 0 -- "$SERVERS/go/server"
	cat >idle.py <<-'EOF'
		import socket, sys, time
		where = ("127.0.0.1", int(sys.argv[1]))
		kept = []
		for i in range(5000):
		    s = socket.create_connection(where)
		    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		    kept.append(s)
		for s in kept:
		    s.recv(1000)
		open("connected", "w").close()
		time.sleep(60)
	EOF
	background "$(python)" idle.py "$PORT"
	wait_for -t 60 test -e connected
	reload_start client
	wait_for status_is 'any(.workers[]; .state == "draining")'
	status_is '.master.pid > 0'
	wait_end "$CLIENT"
	[ "$CODE" -eq 0 ]
}

@test "what a draining worker's children have in hand is waited for" {
	need python3
	cat >forking.py <<-'EOF'
		import http.server, os, socketserver, time
		class Handler(http.server.BaseHTTPRequestHandler):
		    def do_GET(self):
		        time.sleep(2)
		        body = b"pid %d\n" % os.getppid()
		        self.send_response(200)
		        self.send_header("Content-Length", str(len(body)))
		        self.end_headers()
		        self.wfile.write(body)
		class Server(socketserver.ForkingMixIn, http.server.HTTPServer):
		    pass
		Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
	EOF
	crr_start -w 1 --soak 0 -- "$(python)" forking.py
	local old
	old=$(worker_pid 0)
	background curl -s "http://127.0.0.1:$PORT/" >out
	local curl=$!
	wait_for has_child "$old"
	reload -q
	wait_end "$curl"
	[ "$CODE" -eq 0 ]
	[ "$(cat out)" = "pid $old" ]
}

has_child() {
	[ -n "$(cat "/proc/$1/task/$1/children")" ]
}

@test "without pidfd_getfd what is in hand is waited for all the same" {
	cat >crr-denied <<-EOF
		#!/bin/sh
		exec $DENY pidfd_getfd -- $CRR "\$@"
	EOF
	chmod +x crr-denied
	CRR=$PWD/crr-denied
	counting 2
	reloads 3 -c 16
	none_failed
	all_answered
}

@test "a server that talks first: its idle clients are ended, not waited for" {
	need python3
	cat >banner.py <<-'EOF'
		import os, socket, threading
		def serve(c):
		    c.sendall(b"hello %d\n" % os.getpid())
		    while True:
		        line = c.recv(100)
		        if not line:
		            break
		        c.sendall(b"+" + line)
		    c.close()
		s = socket.socket()
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		s.bind(("127.0.0.1", int(os.environ["PORT"])))
		s.listen()
		while True:
		    threading.Thread(target=serve, args=s.accept()[:1]).start()
	EOF
	crr_start -w 1 --soak 0 --drain 2s --stop-timeout 1s -- \
	    "$(python)" banner.py
	cat >talk.py <<-'EOF'
		import socket, sys
		s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
		f = s.makefile()
		f.readline()
		s.sendall(b"ping\n")
		assert f.readline() == "+ping\n"
		open("connected", "w").close()
		print("ended" if f.readline() == "" else "more")
	EOF
	background "$(python)" talk.py "$PORT" >ended
	local client=$!
	wait_for test -e connected
	reload -q
	wait_end "$client"
	[ "$(cat ended)" = ended ]
}
