# Kept connections outlive their workers: clients that never send again what
# failed, and servers that know nothing of their end.

# shellcheck disable=SC2016,SC2030,SC2031,SC2153,SC2154

load helper

export WAIT_LIMIT=60

setup_file() {
	export BATS_TEST_TIMEOUT=300
}

KEPT=$ROOT/test/servers/kept

# start_kept [OPTION ...]: two workers of Node, with $EXPRESS of Express.
start_kept() {
	need node
	crr_start -w 2 --soak 100ms "$@" -- node "$KEPT/server.js"
}

# agents: Node's client, in the background; the load has begun.
agents() {
	background node "$KEPT/client.js" >sum
	AGENTS=$!
	sleep 1
}

# three_reloads PID: under a load that goes on behind them.
three_reloads() {
	for _ in 1 2 3; do
		reload -q || return 1
	done
	is_running "$1"
}

agents_end() {
	kill -TERM "$AGENTS"
	wait_end "$AGENTS"
	cat sum
}

agents_lost_nothing() {
	agents_end
	[ "$(jq .failed sum)" -eq 0 ] && [ "$(jq .wrong sum)" -eq 0 ] &&
	    [ "$(jq .answered sum)" -gt 0 ]
}

# nginx before $PORT, on $FRONT, which sends nothing again.
front() {
	FRONT=$(free_port)
	nginx_start "$FRONT" "server 127.0.0.1:$PORT; keepalive 64;" \
	    "$KEEPALIVE proxy_next_upstream off;"
}

# hammer METHOD: wrk with 32 clients of $FRONT, in the background.
hammer() {
	need wrk
	cat >wrk.lua <<-END
		wrk.method = "$1"
		if wrk.method == "POST" then wrk.body = "hello" end
	END
	: >access
	background wrk -t 1 -c 32 -d 120s --timeout 60s -s wrk.lua \
	    "http://127.0.0.1:$FRONT/" >wrk.out
	WRK=$!
	sleep 1
}

# Each answer that nginx had from the workers was theirs.
front_lost_nothing() {
	kill -INT "$WRK"
	wait_end "$WRK"
	cat wrk.out
	[ "$(wc -l <access)" -gt 0 ]
	run awk '$9 != 200 && $9 != 499' access
	[ -z "$output" ] || {
		echo "$output"
		cat front.err
		status .kept
		return 1
	}
}

# behind_nginx METHOD: three reloads of what runs.
behind_nginx() {
	hammer "$1"
	three_reloads "$WRK"
	front_lost_nothing
}

# Each request that is handed on says to Node's agents, which keep connections,
# that theirs ends with it.
hear_of_each_end() {
	local before

	before=$(status .kept.handed_on)
	GAP=1 agents
	three_reloads "$AGENTS"
	agents_end
	[ "$(jq .failed sum)" -eq 0 ]
	status_is --argjson n "$(jq .closes sum)" --argjson before "$before" \
	    '.kept.handed_on - $before == $n and $n > 0'
}

@test "nginx in front of Express loses no POST that takes 20 ms" {
	need_server express
	export EXPRESS=1 NODE_PATH=$SERVERS/express/node_modules WORK_MS=20
	start_kept
	front
	behind_nginx POST
	status_is '.kept.handed_on > 0 and .kept.broken == 0 and
	    .kept.held >= .kept.handed_on and .kept.held_now == 0'
	grep -E "^reload complete: .* held, .* handed on ✅" "$LOG"
}

@test "nginx in front of Express loses no POST that is answered at once" {
	need_server express
	export EXPRESS=1 NODE_PATH=$SERVERS/express/node_modules
	start_kept
	front
	behind_nginx POST
}

@test "nginx in front of Go with Shutdown loses no POST and no GET" {
	need_server go
	export WORK_MS=20
	crr_start -w 2 --soak 100ms -- "$SERVERS/go/server"
	front
	behind_nginx POST
	behind_nginx GET
}

@test "nginx in front of Java loses no POST and no GET" {
	need java
	export WORK_MS=20
	crr_start -w 2 --soak 100ms -- java "$ROOT/test/servers/java/Server.java"
	front
	behind_nginx POST
	behind_nginx GET
	hear_of_each_end
}

@test "nginx in front of gunicorn's threads loses no POST and no GET" {
	need gunicorn
	cat >app.py <<-'END'
		import time

		def app(environ, start_response):
		    environ["wsgi.input"].read()
		    time.sleep(0.02)
		    start_response("200 OK", [("Content-Length", "2")])
		    return [b"ok"]
	END
	crr_start -w 2 --soak 100ms -- gunicorn -k gthread --threads 32 -w 1 \
	    --keep-alive 60 -b "127.0.0.1:$PORT" app:app
	front
	behind_nginx POST
	behind_nginx GET
	hear_of_each_end
}

@test "nginx in front of puma loses no POST and no GET" {
	need puma
	cat >config.ru <<-'END'
		run lambda { |env|
			env["rack.input"].read
			sleep 0.02
			[200, { "content-type" => "text/plain" }, ["ok"]]
		}
	END
	crr_start -w 2 --soak 100ms -- puma -t 32:32 -w 0 \
	    -b "tcp://127.0.0.1:$PORT" config.ru
	front
	behind_nginx POST
	behind_nginx GET
	hear_of_each_end
}

@test "Node's agents lose no POST, whatever the pause between two" {
	for GAP in 0 1 20; do
		export GAP IDS=$PWD/ids.$GAP
		[ "$GAP" = 0 ] || crr_stop
		start_kept
		agents
		three_reloads "$AGENTS"
		reload -q
		agents_lost_nothing
		# What was handed on said that its connection ends with it.
		status_is --argjson n "$(jq .closes sum)" \
		    '.kept.handed_on == $n and $n > 0'
		# Each was executed once.
		[ "$(wc -l <"$IDS")" -eq "$(jq .answered sum)" ]
		[ -z "$(sort "$IDS" | uniq -d)" ]
	done
}

@test "bodies of up to 400 kB, a third of them chunked, arrive whole" {
	export BODIES=400000 CHUNKED=1 GAP=1 CLIENTS=8
	start_kept
	agents
	three_reloads "$AGENTS"
	agents_lost_nothing
}

@test "answers in two parts are not torn" {
	export GAP=1 PARTS
	for PARTS in "3 9" "60 140" "150 400"; do
		[ "$PARTS" = "3 9" ] || crr_stop
		start_kept
		agents
		three_reloads "$AGENTS"
		agents_lost_nothing
	done
}

@test "a stream with an event each second goes on to its end" {
	start_kept
	for n in 1 2 3 4; do
		background curl -sN "http://127.0.0.1:$PORT/events?n=7" \
		    >"events.$n"
		STREAMS+=("$!")
	done
	sleep 1.5
	reload -q
	for pid in "${STREAMS[@]}"; do
		wait_end "$pid"
		[ "$CODE" -eq 0 ]
	done
	for n in 1 2 3 4; do
		[ "$(tail -n 1 "events.$n")" = over ]
	done
}

@test "a body that follows 100 Continue a second later arrives" {
	need python3
	start_kept
	cat >continue.py <<-'END'
		import hashlib, os, socket, sys, threading, time

		wrong = []

		def client():
		    s = socket.create_connection(("127.0.0.1",
		        int(os.environ["PORT"])))
		    end = time.time() + 8
		    while time.time() < end:
		        s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n"
		            b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
		        if not s.recv(4096).startswith(b"HTTP/1.1 100"):
		            wrong.append("no 100")
		            return
		        time.sleep(1)
		        s.sendall(b"hello")
		        text = s.recv(4096)
		        if hashlib.md5(b"hello").hexdigest().encode() not in text:
		            wrong.append(text)
		            return
		        if b"Connection: close" in text:
		            s.close()
		            s = socket.create_connection(("127.0.0.1",
		                int(os.environ["PORT"])))

		threads = [threading.Thread(target=client) for i in range(12)]
		for t in threads:
		    t.start()
		for t in threads:
		    t.join()
		print(wrong)
		sys.exit(len(wrong))
	END
	background python3 continue.py >sum
	AGENTS=$!
	sleep 1.3
	reload -q
	wait_end "$AGENTS"
	cat sum
	[ "$CODE" -eq 0 ]
}

@test "requests and ab, with kept connections, lose nothing" {
	local python

	need python3 ab
	for python in python3 /usr/bin/python3 ""; do
		"$python" -c 'import requests' 2>/dev/null && break
	done
	[ -n "$python" ] || skip "python3-requests is not installed"
	start_kept
	cat >client.py <<-'END'
		import os, requests, time

		session, n = requests.Session(), 0
		url = "http://127.0.0.1:%s/" % os.environ["PORT"]
		end = time.time() + 6
		while time.time() < end:
		    session.post(url, data="hello", timeout=30).raise_for_status()
		    n += 1
		print(n)
	END
	background "$python" client.py
	AGENTS=$!
	head -c 5 /dev/zero >body
	background ab -q -k -l -c 8 -t 6 -n 1000000 -p body \
	    "http://127.0.0.1:$PORT/" >ab.out
	AB=$!
	sleep 1
	three_reloads "$AGENTS"
	wait_end "$AGENTS"
	[ "$CODE" -eq 0 ]
	wait_end "$AB"
	cat ab.out
	[ "$CODE" -eq 0 ]
	grep -E "^Failed requests: +0$" ab.out
	run ! grep "Non-2xx" ab.out
}

# What was in hand is lost with it, what was held is not.
@test "a worker that is killed while it drains takes with it what it had in hand" {
	local old

	export WORK_MS=20 CLIENTS=16
	start_kept --drain 30s
	old=$(worker_pid 0)
	# Long answers keep it draining.
	for _ in {1..8}; do
		background curl -s "http://127.0.0.1:$PORT/?ms=20000"
	done
	agents
	reload_start under
	wait_for grep -q "worker up" under.out
	sleep 0.5
	kill -KILL "$old"
	sleep 1
	agents_end
	[ "$(jq .failed sum)" -le 16 ]
	[ "$(jq .wrong sum)" -eq 0 ]
}

# many: 5,000 connections of one client, which have each had an answer.
many() {
	need python3
	ulimit -n 12000 || skip "no 12,000 descriptors can be had"
	export N=5000 KEEP_MS=60000
	background python3 "$KEPT/many.py"
	MANY=$!
	wait_for [ -e state ]
}

# What the kernel may keep for them, in bytes.
receive_buffers() {
	ss -tmH "sport = :$PORT" | grep -o ',rb[0-9]*' |
	    awk '{ sum += substr($0, 4) } END { print sum }'
}

show_cost() {
	echo "master: $(ps -o rss=,time= "$MASTER") (kB, CPU time)"
	ps -o rss=,time=,args= --ppid "$MASTER" | awk '/porter$/'
}

@test "5,000 kept connections that have proven themselves outlive their worker" {
	local buffers

	need ss
	KEEP_MS=60000 start_kept -w 1 --idle 10s --drain 60s
	GAP=0.1 many
	reload_start under
	wait_for grep -q "worker up" under.out
	wait_for status_is '.kept.held_now > 4000'
	buffers=$(receive_buffers)
	echo 4 >ask
	wait_for -t 90 is_gone "$CLIENT"
	# The porter has them for --idle.
	echo 5 >ask
	cat under.out
	show_cost
	status '.kept'
	wait_for status_is '.kept.handed_on > 4000 and .kept.broken == 0'
	wait_for status_is '.kept.handed_on_now == 0'
	touch end
	wait_end "$MANY"
	cat state
	echo "receive buffers: $buffers bytes"
	[ "$(awk '{ print $3 }' state)" -eq 0 ]
	[ "$buffers" -le $((5000 * 131072)) ]
}

@test "5,000 clients that ask once a second lose nothing in a reload" {
	KEEP_MS=60000 start_kept
	echo 1000000 >ask
	GAP=1 many
	sleep 2
	reload -q
	show_cost
	status '.kept'
	status_is '.kept.handed_on > 4000'
	touch end
	wait_end "$MANY"
	cat state
	[ "$(awk '{ print $3 }' state)" -eq 0 ]
}
