# Requests that are handed on: what the server and the client see of it, new
# workers that fail, a porter that is killed, and bad input.

# shellcheck disable=SC2016,SC2030,SC2031,SC2153,SC2154

load helper

export WAIT_LIMIT=60

setup_file() {
	export BATS_TEST_TIMEOUT=300
}

KEPT=$ROOT/test/servers/kept

# odd HOW [OPTION ...]: a worker whose successors answer in that way.
odd() {
	need python3
	echo well >how
	crr_start -w 1 --soak 0 "${@:2}" -- python3 "$KEPT/odd.py"
	echo "$1" >how
}

asks() {
	background python3 "$KEPT/asks.py" >sum
	ASKS=$!
	sleep 1
}

asks_end() {
	wait_end "$ASKS"
	cat sum
}

porter() {
	local pid

	for pid in $(pgrep -P "$(master_pid)"); do
		if [ "$(tr -d '\0' <"/proc/$pid/cmdline")" = porter ]; then
			echo "$pid"
			return 0
		fi
	done
	return 1
}

@test "the porter has nothing but its connections, no rights to gain, and goes" {
	local pid

	odd well --idle 5s
	asks
	reload -q
	wait_for porter
	pid=$(porter)
	grep -E "^NoNewPrivs:\s+1" "/proc/$pid/status"
	grep -E "^Seccomp:\s+2" "/proc/$pid/status"
	# Behind the standard ones it has no file.
	[ -z "$(find "/proc/$pid/fd" -lname '/*' ! -name '[012]')" ]
	asks_end
	[ "$(jq .ended sum)" -eq 0 ]
	wait_for is_gone "$pid"
}

@test "a new worker that answers with HTTP/1.0 has its answer carried whole" {
	export SEC=4
	odd 1.0
	asks
	reload -q
	asks_end
	[ "$(jq .old sum)" -gt 0 ] && [ "$(jq .ended sum)" -eq 0 ]
}

@test "a new worker that dies with a request that was handed on ends that one" {
	export SEC=5
	odd well
	asks
	# It dies at its first request.
	echo dies >how
	reload -q --timeout 20s || true
	asks_end
	[ "$(jq .well sum)" -gt 100 ]
	crr status -q
}

@test "a new worker that closes on a request ends that connection alone" {
	export SEC=4
	odd resets
	asks
	reload -q
	asks_end
	[ "$(jq .ended sum)" -gt 0 ] && [ "$(jq .late sum)" -eq 0 ]
}

@test "a new worker that never answers is the client's to give up" {
	export SEC=6 PATIENCE=2
	odd silent
	asks
	reload -q
	asks_end
	[ "$(jq .late sum)" -gt 0 ] && [ "$(jq .ended sum)" -eq 0 ]
	wait_for status_is '.kept.handed_on_now == 0'
}

@test "a porter that is killed takes its own connections with it, and the next comes" {
	local pid

	export SEC=120
	odd waits
	asks
	reload_start under
	wait_for status_is '.kept.handed_on_now > 0'
	pid=$(porter)
	kill -KILL "$pid"
	touch go
	wait_for grep -E "the porter has ended with [0-9]+ connection" "$ERR"
	wait_end "$CLIENT"
	[ "$CODE" -eq 0 ]
	# Their clients come again.
	sleep 2
	reload -q
	wait_for porter
	[ "$(porter)" != "$pid" ]
	kill -TERM "$ASKS"
	asks_end
	[ "$(jq .ended sum)" -gt 0 ] && [ "$(jq .ended sum)" -le 24 ]
	[ "$(jq .late sum)" -eq 0 ]
}

@test "--handoff off hands nothing on" {
	export SEC=4
	odd well --handoff off
	asks
	reload -q
	asks_end
	status_is '.kept.handed_on == 0'
	run ! porter
}

# Each client has an address of its own; the server sees no other.
@test "the server sees each client's own address in what was handed on" {
	need node python3
	cat >client.py <<-'END'
		import os, socket, sys, threading, time

		wrong, closes = [], []
		address = ("127.0.0.1", int(os.environ["PORT"]))
		end = time.time() + 5

		def client(n):
		    mine, s = "127.0.0.%d" % n, None
		    while time.time() < end:
		        if s is None:
		            s = socket.socket()
		            s.bind((mine, 0))
		            s.connect(address)
		        s.sendall(b"GET /when HTTP/1.1\r\nHost: x\r\n\r\n")
		        text = s.recv(4096)
		        while not text.endswith(b"\r\n0\r\n\r\n") and \
		                b"Content-Length" not in text:
		            text += s.recv(4096)
		        if mine.encode() not in text.split(b"\r\n\r\n")[1]:
		            wrong.append(text)
		        if b"onnection: close" in text:
		            closes.append(n)
		            s = None
		        time.sleep(0.01)

		threads = [threading.Thread(target=client, args=(n,))
		    for n in range(2, 10)]
		for t in threads:
		    t.start()
		for t in threads:
		    t.join()
		print(wrong, closes)
		sys.exit(len(wrong) + (len(closes) == 0))
	END
	HOST=127.0.0.1 crr_start -w 2 --soak 100ms -- node "$KEPT/server.js"
	background python3 client.py
	ASKS=$!
	sleep 1
	reload -q
	wait_end "$ASKS"
	[ "$CODE" -eq 0 ]
}

# remote: a network namespace with a client of ours in it.
remote_up() {
	need ip
	[ "$(id -u)" -eq 0 ] || skip "a network namespace needs root"
	NS=crr$$
	ip netns add "$NS" || skip "no network namespace can be had"
	ip link add "v$$" type veth peer name "w$$" netns "$NS"
	ip addr add 10.97.1.1/24 dev "v$$"
	ip link set "v$$" up
	ip -n "$NS" addr add 10.97.1.2/24 dev "w$$"
	ip -n "$NS" link set "w$$" up
	ip -n "$NS" link set lo up
}

teardown() {
	[ -z "${NS:-}" ] || ip netns del "$NS"
	crr_teardown
}

@test "another machine's request is handed on with --handoff any alone" {
	local how

	remote_up
	for how in local any; do
		[ $how = local ] || crr_stop
		HOST=0.0.0.0 crr_start -w 2 --soak 100ms --drain 4s \
		    --handoff $how -- node "$KEPT/server.js"
		cat >client.py <<-'END'
			import http.client, os, time

			seen, end = set(), time.time() + 8
			c = http.client.HTTPConnection("10.97.1.1",
			    int(os.environ["PORT"]), timeout=30)
			while time.time() < end:
			    try:
			        c.request("GET", "/when")
			        seen.add(c.getresponse().read().decode())
			    except (OSError, http.client.HTTPException):
			        c.close()
			    time.sleep(0.01)
			print(" ".join(sorted(seen)))
		END
		background ip netns exec "$NS" python3 client.py >seen
		ASKS=$!
		sleep 1
		reload -q
		wait_end "$ASKS"
		cat seen
		if [ $how = local ]; then
			grep -E "^(::ffff:)?10.97.1.2$" seen
			status_is '.kept.handed_on == 0'
			grep -F "other machine's connection closed" "$LOG"
		else
			status_is '.kept.handed_on > 0'
		fi
	done
}

# half_heads and the like: clients that do what none should, while a worker
# drains. crr and the rest go on.
@test "heads that stop, heads of 100 kB, bodies of 10 MB and resets break nothing" {
	need node python3
	export SEC=8 GAP=1
	cat >bad.py <<-'END'
		import os, socket, struct, threading, time

		address = ("127.0.0.1", int(os.environ["PORT"]))
		end = time.time() + 6
		answers = []

		def connect():
		    s = socket.create_connection(address)
		    s.settimeout(20)
		    return s

		def whole(s):
		    s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n"
		        b"Content-Length: 5\r\n\r\nhello")
		    return s.recv(65536)

		def half():
		    s = connect()
		    whole(s)
		    s.sendall(b"POST / HTTP/1.1\r\nHos")
		    time.sleep(3)

		def long():
		    s = connect()
		    whole(s)
		    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100000)
		    try:
		        s.recv(100)
		    except OSError:
		        pass

		def large():
		    s = connect()
		    for i in range(3):
		        s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n"
		            b"Content-Length: 10000000\r\n\r\n")
		        s.sendall(b"x" * 10000000)
		        answers.append(b"200 OK" in s.recv(65536))

		def many():
		    s = connect()
		    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
		    text = b""
		    try:
		        while text.count(b"200 OK") < 1000:
		            some = s.recv(65536)
		            if not some:
		                break
		            text += some
		    except OSError:
		        pass
		    answers.append(text.count(b"200 OK") == 1000)

		def reset():
		    s = connect()
		    for i in range(4):
		        whole(s)
		    s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n"
		        b"Content-Length: 5\r\n\r\nhello")
		    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
		        struct.pack("ii", 1, 0))
		    s.close()

		def loop(what):
		    while time.time() < end:
		        try:
		            what()
		        except OSError:
		            pass

		threads = [threading.Thread(target=loop, args=(what,))
		    for what in (half, long, large, many, reset, reset)]
		for t in threads:
		    t.start()
		for t in threads:
		    t.join()
		print(len(answers), answers.count(False))
	END
	crr_start -w 2 --soak 100ms --drain 3s -- node "$KEPT/server.js"
	background python3 bad.py >bad
	BAD=$!
	background node "$KEPT/client.js" >sum
	ASKS=$!
	sleep 0.5
	reload -q
	wait_end "$BAD"
	wait_end "$ASKS"
	cat bad sum
	[ "$(jq .failed sum)" -eq 0 ] && [ "$(jq .answered sum)" -gt 100 ]
	all_ready
	run ! grep -F "porter has ended" "$ERR"
}

@test "a master without descriptors waits for what it can't see, and says so" {
	local master n

	need prlimit
	export SEC=6 CLIENTS=4
	echo well >how
	crr_start -w 2 --drain 3s -- python3 "$KEPT/odd.py"
	asks
	master=$(master_pid)
	n=$(find "/proc/$master/fd" -type l | wc -l)
	prlimit --pid "$master" --nofile="$n:"
	kill -TTOU "$master"
	wait_for grep -F "can't see all that it has in hand" "$ERR"
	prlimit --pid "$master" --nofile=1000:
	asks_end
	[ "$(jq .ended sum)" -le 4 ] && [ "$(jq .well sum)" -gt 100 ]
	crr status -q
}
