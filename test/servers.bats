# Real servers, unchanged, and what servers do with their sockets.

load helper

# Node and Java take seconds to start where the machine is busy.
export WAIT_LIMIT=60

setup_file() {
	export BATS_TEST_TIMEOUT=600
}

# After a number of stops, each of a server that dies at once.
only_what_was_in_hand_failed() {
	local outcome

	[ "$(load_value answered)" -gt 0 ]
	for outcome in refused timeout wrong error; do
		[ "$(load_value $outcome)" -eq 0 ]
	done
	[ "$(load_value failed)" -le $(($1 * 32)) ]
}

# Express 4.

start_express() {
	need_server express
	crr_start -w 4 --soak 100ms "$@" -- node "$SERVERS/express/graceful.js"
}

@test "ten reloads of Express lose no request, a connection each" {
	start_express
	all_pids_answer 4
	reload_under_load 10
	none_failed
	all_pids_answer 4
}

# Node leaves a connection open that is busy when the server closes.
@test "ten reloads of Express lose no request, connections kept alive" {
	start_express --stop-timeout 1s
	reload_under_load 10 -k
	none_failed
	[ "$(load_value closed)" -gt 0 ]
}

@test "an ordinary user's Express is reloaded without a loss" {
	local node

	need_server express
	be_ordinary_user
	node=$(command_of_user node) || skip "no node for an ordinary user"
	cp -r "$SERVERS/express" "$USER_DIR/express"
	crr_start -w 4 --soak 100ms -- "$node" express/graceful.js
	all_pids_answer 4
	reload_under_load 1
	none_failed
}

@test "the stop goes to node behind npm and a shell, exactly once" {
	need npm node
	mkdir app
	echo '{ "scripts": { "start": "node server.js && true" } }' \
	    >app/package.json
	cat >app/server.js <<-'EOF'
		const fs = require("fs"), http = require("http");
		const server = http.createServer((req, res) =>
			res.end(`pid ${process.pid}`)).listen(process.env.PORT);

		process.on("SIGTERM", () => {
			fs.appendFileSync("../stops", `${process.pid}\n`);
			server.close();
		});
	EOF
	export npm_config_cache=$PWD/npm npm_config_update_notifier=false
	crr_start -w 2 --soak 100ms -C app -- npm start
	answering_pids >served
	[ "$(wc -l <served)" -eq 2 ]

	reload_under_load 1
	none_failed
	answering_pids >>served
	crr_stop

	[ "$CODE" -eq 0 ]
	[ "$(wc -l <served)" -eq 4 ]
	[ "$(sort -n stops)" = "$(sort -n served)" ]
}

# Go: static, asks for MPTCP, signals itself.

start_go() {
	crr_start -w 4 --soak 100ms -- "$@"
}

@test "ten reloads of a static Go server lose no request, a connection each" {
	need_server go
	start_go "$SERVERS/go/server"
	all_pids_answer 4
	reload_under_load 10
	none_failed
	all_pids_answer 4
}

@test "ten reloads of a static Go server lose no request, kept alive" {
	need_server go
	start_go "$SERVERS/go/server"
	reload_under_load 10 -k
	none_failed
	[ "$(load_value closed)" -gt 0 ]
}

@test "an ordinary user's Go server is reloaded without a loss" {
	need_server go
	be_ordinary_user
	cp "$SERVERS/go/server" "$USER_DIR/server"
	start_go ./server
	all_pids_answer 4
	reload_under_load 3
	none_failed
}

# Without shutdown code: who stops these ends what they have in flight.

@test "reloads of Python's servers refuse nobody and lose what was in hand" {
	need python3
	crr_start -w 4 --soak 100ms -- "$(python)" \
	    "$ROOT/test/servers/python/pid.py"
	all_pids_answer 4
	reload_under_load 3
	only_what_was_in_hand_failed 12
	reload_under_load 1 -k
	only_what_was_in_hand_failed 4
}

# In the directory that it lists, a server's own pid is the first entry.
every_pid_is_listed() {
	curl -s --max-time 30 "http://127.0.0.1:$PORT/?[1-60]" >listings
	sed -n '/<ul>/ { n; s/.*href="\([0-9]*\)\/".*/\1/p }' listings |
	    sort -nu >listed
	[ "$(cat listed)" = "$(ready_pids | sort -n)" ]
}

@test "python3 -m http.server is reloaded and refuses nobody" {
	need python3
	crr_start -w 4 --soak 100ms -- \
	    "$(python)" -m http.server "$PORT" -d /proc/self/task
	wait_for every_pid_is_listed
	reload_under_load 3 --expect "<!DOCTYPE"
	only_what_was_in_hand_failed 12
	wait_for every_pid_is_listed
}

@test "an ordinary user's Python server is reloaded and refuses nobody" {
	local python

	need python3
	be_ordinary_user
	python=$(command_of_user python3) ||
	    skip "no python3 for an ordinary user"
	cp "$ROOT/test/servers/python/pid.py" "$USER_DIR/pid.py"
	crr_start -w 4 --soak 100ms -- "$python" pid.py
	all_pids_answer 4
	reload_under_load 1
	only_what_was_in_hand_failed 4
}

@test "a Java server is reloaded and refuses nobody" {
	need java
	crr_start -w 2 --soak 100ms -- java "$ROOT/test/servers/java/Server.java"
	all_pids_answer 2
	reload_under_load 1
	only_what_was_in_hand_failed 2
	all_pids_answer 2
}

@test "an ordinary user's Java server is reloaded and refuses nobody" {
	local java

	need java
	be_ordinary_user
	java=$(command_of_user java) || skip "no java for an ordinary user"
	cp "$ROOT/test/servers/java/Server.java" "$USER_DIR"
	crr_start -w 2 --soak 100ms -- "$java" Server.java
	all_pids_answer 2
	reload_under_load 1
	only_what_was_in_hand_failed 2
}

# What servers do with sockets.

start_server() {
	crr_start -w 4 --soak 100ms -- "$SERVER" --port "$PORT" --graceful "$@"
}

# The pids that answer at an address, in order.
pids_at() {
	"$LOAD" -n 400 -c 8 -v "$1" | awk '$1 == "pid" { print $2 }' | sort -n
}

need_ipv6() {
	grep -qs ' lo$' /proc/net/if_inet6 || skip "no IPv6 on loopback"
}

@test "load is even: of 4,000 connections no worker gets fewer than 700" {
	start_server
	run -0 "$LOAD" -n 4000 -c 16 -v "127.0.0.1:$PORT"
	echo "$output" >even
	[ "$(awk '$1 == "pids" { print $2 }' even)" -eq 4 ]
	[ "$(awk '$1 == "least" { print $2 }' even)" -ge 700 ]
}

@test "a server with two ports is shared and reloaded at both" {
	local also

	also=$(free_port)
	start_server --also "$also"
	[ "$(pids_at "127.0.0.1:$also")" = "$(ready_pids | sort -n)" ]
	all_pids_answer 4
	[ "$(status '.listeners | length')" -eq 2 ]
	reload_under_load 3
	none_failed
	PORT=$also reload_under_load 3
	none_failed
}

@test "one socket for IPv6 and IPv4 is shared and reloaded for both" {
	need_ipv6
	start_server --bind ::
	[ "$(pids_at "[::1]:$PORT")" = "$(ready_pids | sort -n)" ]
	all_pids_answer 4
	reload_under_load 3
	none_failed
	[ "$(pids_at "[::1]:$PORT")" = "$(ready_pids | sort -n)" ]
}

@test "a server of IPv6 alone is shared, and leaves IPv4 alone" {
	need_ipv6
	start_server --bind ::1
	[ "$(pids_at "[::1]:$PORT")" = "$(ready_pids | sort -n)" ]
	crr reload -q
	[ "$(pids_at "[::1]:$PORT")" = "$(ready_pids | sort -n)" ]
	run -1 "$LOAD" -n 1 "127.0.0.1:$PORT"
	[[ $output == *"refused 1"* ]]
}

@test "IPv6 with V6ONLY leaves the same port of IPv4 to another server" {
	need_ipv6
	background "$SERVER" --port "$PORT" --bind 0.0.0.0
	wait_for get /
	start_server --bind :: --v6only
	[ "$(pids_at "[::1]:$PORT")" = "$(ready_pids | sort -n)" ]
	[ "$(answering_pids | wc -l)" -eq 1 ]
}

@test "a server that sets SO_REUSEPORT itself is shared all the same" {
	start_server --reuseport
	all_pids_answer 4
	reload_under_load 3
	none_failed
	all_pids_answer 4
}

@test "a server whose first bind is followed by the last listen is shared" {
	need python3
	cat >late.py <<-'EOF'
		import os, signal, socket, time

		first = os.environ["CRR_WORKER_ID"] == "0"
		while not first and not os.path.exists("bound"):
		    time.sleep(0.01)
		s = socket.socket()
		s.bind(("127.0.0.1", int(os.environ["PORT"])))
		if first:
		    open("bound", "w").close()
		    while not os.path.exists("go"):
		        time.sleep(0.01)
		s.listen()
		signal.pause()
	EOF
	crr_start_raw -w 3 -- "$(python)" late.py
	wait_for status_is '[.workers[] | select(.state == "ready")] |
	    length == 2'
	touch go
	wait_for all_ready
	[ "$(status '[.workers[].restarts] | add')" -eq 0 ]
}

# shutdown(2) of a listening socket ends it for all who hold it.
@test "a server that shuts its listening socket down is followed by one" {
	start_server --shutdown-listener
	reload_under_load 4
	none_failed
	all_pids_answer 4
}

@test "a worker alone that shuts its listening socket down is followed" {
	crr_start -w 1 --surge 0 --soak 100ms -- \
	    "$SERVER" --port "$PORT" --graceful --shutdown-listener
	crr reload -q
	all_pids_answer 1
}
