# --node-cluster: the primary's part of Node's cluster module. The program of
# the Node package's README runs as it stands there, as crr's workers.

# shellcheck disable=SC2016,SC2153,SC2154

load helper

# What crr starts slowly here is Node.
export WAIT_LIMIT=60

# The README's program has a port of its own.
setup_file() {
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
}

# seed N NODE [OPTION ...]: N workers of it, by a node.
seed() {
	local workers=$1 node=$2

	shift 2
	need_server seed
	PORT=8080
	crr_start -w "$workers" --soak 100ms --node-cluster "$@" -- \
	    "$node" "$SERVERS/seed/server.js"
}

# program N [OPTION ...]: of the text on stdin.
program() {
	local workers=$1

	shift
	need node
	cat >program.js
	crr_start -w "$workers" --soak 100ms --node-cluster "$@" -- \
	    node program.js
}

is_word_for_word() {
	# From the README, what stands between its first two lines of ```.
	diff "$ROOT/test/servers/seed/server.js" - <<-'EOF'
		const cluster = require("cluster-rolling-restart");
		const express = require("express");
		const app = express();

		app.get("/", (req, res) => res.send(`I'm pid ${process.pid}`));
		app.get("/reload", (req, res) => process.send({ cmd: "reload" }));
		app.get("/reload-reset", (req, res) => process.send({ cmd: "reload-reset" }));

		cluster.startCluster(() => app.listen(8080));
	EOF
}

# Its GET /reload has no answer.
ask_reload() {
	curl -s --max-time 0.5 "http://localhost:8080/reload" || true
}

# runs_on VERSION: of Node.
runs_on() {
	local before

	is_word_for_word
	need_server "node-$1"
	seed 2 "$SERVERS/nodes/$1"
	before=$(ready_pids)
	load_start -c 8 --expect "I'm pid"
	ask_reload
	wait_for all_of_generation 2
	wait_for grep "^reload complete" "$LOG"
	load_stop
	none_failed
	run ! grep -xF "$before" <<<"$(ready_pids)"
	[ "$(status '.listeners[0].queues | length')" -eq 3 ]
	run ! grep -i error "$ERR"
}

@test "the package's own program runs on Node 18, and is reloaded without a loss" {
	runs_on 18
}

@test "the package's own program runs on Node 20, and is reloaded without a loss" {
	runs_on 20
}

@test "the package's own program runs on Node 22, and is reloaded without a loss" {
	runs_on 22
}

@test "the package's own program runs on Node 24, and is reloaded without a loss" {
	runs_on 24
}

@test "its lines are those of its README; with --surge 0 in that order, too" {
	seed 4 node --surge 0
	ask_reload
	wait_for grep "^reload complete" "$LOG"
	sed 's/ [0-9][0-9]*$/ PID/; s/ 🌎$//; s/ 👍$//; s/ ✅$//' "$LOG" >lines
	diff lines - <<-'EOF'
		master starting 4 workers
		worker up PID
		worker up PID
		worker up PID
		worker up PID
		reload requested
		worker down PID
		worker up PID
		worker down PID
		worker up PID
		worker down PID
		worker up PID
		worker down PID
		worker up PID
		reload complete
	EOF
}

@test "its reload-reset ends a reload" {
	seed 2 node --wait 60s
	ask_reload
	wait_for is_reloading
	curl -s --max-time 0.5 "http://localhost:8080/reload-reset" || true
	wait_for grep "^reload reset" "$LOG"
	wait_for all_ready
}

@test "a program that forks if it is the primary serves two ports, a path and UDP" {
	local udp

	OTHER=$(free_port)
	UDP=$(free_port)
	export OTHER UDP
	program 2 <<-'EOF'
		const cluster = require("cluster");
		const dgram = require("dgram");
		const http = require("http");
		if (cluster.isPrimary)
		    throw new Error("nobody should be it");
		const serve = () => http.createServer((req, res) =>
		    res.end("pid " + process.pid));
		serve().listen(process.env.PORT);
		serve().listen(process.env.OTHER, "127.0.0.1");
		serve().listen(process.cwd() + "/sock");
		const u = dgram.createSocket("udp4");
		u.on("message", (m, from) => u.send("pid " + process.pid,
		    from.port, from.address));
		u.bind(process.env.UDP, "127.0.0.1");
	EOF
	wait_for status_is '.listeners | length == 4'
	all_pids_answer 2
	load_start -c 8
	reload -q
	load_stop
	none_failed
	[[ "$(curl -s "http://127.0.0.1:$OTHER/")" == "pid "* ]]
	[[ "$(curl -s --unix-socket sock http://x/)" == "pid "* ]]
	udp=$("$(python)" -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.sendto(b"x", ("127.0.0.1", int(sys.argv[1])))
print(s.recv(99).decode())' "$UDP")
	[[ "$udp" == "pid "* ]]
	status_is '[.listeners[] | .queues | length] | sort == [1, 3, 3, 3]'
}

@test "port 0 is one port for all, and stays it over a reload" {
	program 2 <<-'EOF'
		const http = require("http");
		const s = http.createServer((req, res) => res.end("ok"));
		s.listen(0, "127.0.0.1", () => require("fs").appendFileSync(
		    "ports", s.address().port + "\n"));
	EOF
	reload -q
	[ "$(wc -l <ports)" -eq 4 ]
	[ "$(sort -u ports | wc -l)" -eq 1 ]
	[ "$(curl -s "http://127.0.0.1:$(head -n 1 ports)/")" = ok ]
}

@test "exclusive, and an address that the program serves already" {
	OTHER=$(free_port)
	export OTHER
	program 2 <<-'EOF'
		const fs = require("fs");
		const http = require("http");
		const serve = () => http.createServer((req, res) =>
		    res.end("pid " + process.pid));
		serve().listen(process.env.PORT, "127.0.0.1");
		serve().listen({ port: process.env.OTHER, host: "127.0.0.1",
		    exclusive: true });
		const twice = serve();
		twice.on("error", (e) => fs.writeFileSync("error." +
		    process.env.CRR_WORKER_ID, e.code));
		twice.listen(process.env.PORT, "127.0.0.1");
	EOF
	wait_for test -s error.0 -a -s error.1
	[ "$(cat error.0 error.1)" = EADDRINUSEEADDRINUSE ]
	all_pids_answer 2
	[[ "$(curl -s "http://127.0.0.1:$OTHER/")" == "pid "* ]]
	reload -q
}

@test "an address that somebody else serves is an error to the program" {
	background "$SERVER" --port "$PORT"
	wait_for get /
	need node
	cat >program.js <<-'EOF'
		require("http").createServer().listen(process.env.PORT, "127.0.0.1");
	EOF
	crr_start_raw -w 2 --node-cluster -- node program.js
	wait_master
	[ "$CODE" -eq 1 ]
	grep EADDRINUSE "$ERR"
}

# beats: the program's event loop has turned since.
beats() {
	rm -f beat
	wait_for test -e beat
}

@test "an address that -l gives does not block the event loop of Node 18" {
	need_server node-18
	cat >program.js <<-'EOF'
		require("http").createServer((req, res) =>
		    res.end("pid " + process.pid)).listen(process.env.PORT,
		    "127.0.0.1");
		setInterval(() => require("fs").writeFileSync("beat", ""), 20);
	EOF
	crr_start -w 1 --soak 100ms --node-cluster -l "127.0.0.1:$PORT" -- \
	    "$SERVERS/nodes/18" program.js
	[[ "$(get /)" == "pid "* ]]
	beats
	[[ "$(get /)" == "pid "* ]]
}

# path_program: one that listens on $SOCKET_PATH and says how that went.
path_program() {
	cat >program.js <<-'EOF'
		const fs = require("fs");
		const server = require("http").createServer((req, res) =>
		    res.end("pid " + process.pid));
		server.on("error", (e) => fs.writeFileSync("error." +
		    process.env.CRR_WORKER_ID, e.code));
		server.listen(process.env.SOCKET_PATH);
	EOF
}

@test "a path gets to be the worker's own, in a directory that it may write" {
	local path

	user_directory
	NODE=$(command_of_user node) || skip "node is not for every user"
	path_program
	path=$USER_DIR/sock
	crr_start -w 2 --soak 100ms --node-cluster --user 65534:65534 -- \
	    env "SOCKET_PATH=$path" "$NODE" program.js
	[ "$(stat -c %u "$path")" -eq 65534 ]
	[[ "$(curl -s --unix-socket "$path" http://x/)" == "pid "* ]]
	reload -q
	[[ "$(curl -s --unix-socket "$path" http://x/)" == "pid "* ]]
}

@test "a path in a directory that only root may write is refused to others" {
	local path

	user_directory
	NODE=$(command_of_user node) || skip "node is not for every user"
	path_program
	mkdir -m 755 closed
	path=$USER_DIR/closed/sock
	crr_start_raw -w 1 --node-cluster --user 65534:65534 -- \
	    env "SOCKET_PATH=$path" "$NODE" program.js
	wait_for test -s error.0
	[ "$(cat error.0)" = EACCES ]
	[ ! -e "$path" ]
}

@test "a worker that disconnects answers what it has, ends and is started again" {
	local pid

	program 2 <<-'EOF'
		const cluster = require("cluster");
		const fs = require("fs");
		const http = require("http");
		http.createServer((req, res) => {
		    if (req.url === "/leave") {
		        cluster.worker.disconnect();
		        setTimeout(() => res.end("pid " + process.pid), 300);
		    } else
		        res.end("pid " + process.pid);
		}).listen(process.env.PORT, "127.0.0.1");
		cluster.worker.on("disconnect", () => fs.writeFileSync("left",
		    String(cluster.worker.exitedAfterDisconnect)));
	EOF
	pid=$(get /leave)
	wait_for test -s left
	[ "$(cat left)" = true ]
	wait_for is_gone "${pid#pid }"
	wait_for all_ready
	all_pids_answer 2
}

@test "a server with shutdown code that listens to messages ends in time" {
	program 1 --stop-timeout 100s <<-'EOF'
		const http = require("http");
		const server = http.createServer((req, res) => res.end("ok"));
		server.listen(process.env.PORT, "127.0.0.1");
		process.on("message", () => {});
		process.on("SIGTERM", () => server.close());
	EOF
	reload -q --timeout 50s
}

@test "process.send goes back and forth beside it" {
	program 2 <<-'EOF'
		const fs = require("fs");
		const http = require("http");
		http.createServer((req, res) => {
		    process.send({ cmd: "saveBroadcast", pid: process.pid,
		        id: "k", data: "v", name: "n" });
		    res.end("ok");
		}).listen(process.env.PORT, "127.0.0.1");
		process.on("message", (m) => fs.writeFileSync("got." +
		    process.env.CRR_WORKER_ID, JSON.stringify(m)));
	EOF
	get /
	wait_for eval '[ -s got.0 ] || [ -s got.1 ]'
	jq -e '.cmd == "saveCommand" and .id == "k" and .data == "v"' got.?
	[ "$(find . -name 'got.?' | wc -l)" -eq 1 ]
}

@test "with a filter around it, what the primary hands out is shared all the same" {
	cat >crr-denied <<-EOF
		#!/bin/sh
		exec $DENY seccomp -- $CRR "\$@"
	EOF
	chmod +x crr-denied
	CRR=$PWD/crr-denied
	need node
	cat >program.js <<-'EOF'
		require("http").createServer((req, res) =>
		    res.end("pid " + process.pid)).listen(process.env.PORT,
		    "127.0.0.1");
	EOF
	crr_start -w 2 --soak 100ms --node-cluster -- node program.js
	all_pids_answer 2
	load_start -c 8
	reload -q
	load_stop
	none_failed
}
