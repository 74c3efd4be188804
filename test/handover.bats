# Sockets that -l hands over to workers.

# shellcheck disable=SC2154,SC2030,SC2031

load helper

start_handed() {
	crr_start -w 2 --soak 100ms -l "127.0.0.1:$PORT" "$@"
}

# A Python program that takes what it is handed, as systemd's convention has
# it, and ends behind the request that it is at.
write_python_server() {
	cat >server.py <<-'EOF'
		import fcntl, os, signal, socket
		from http.server import BaseHTTPRequestHandler, HTTPServer

		assert os.environ["LISTEN_PID"] == str(os.getpid())
		assert os.environ["LISTEN_FDS"] == "1"
		flags = fcntl.fcntl(3, fcntl.F_GETFL)
		with open("modes", "a") as file:
		    file.write("%d\n" % (flags & os.O_NONBLOCK))
		stopped = False


		class Handler(BaseHTTPRequestHandler):
		    def do_GET(self):
		        body = b"pid %d\n" % os.getpid()
		        self.send_response(200)
		        self.send_header("Content-Length", str(len(body)))
		        self.end_headers()
		        self.wfile.write(body)

		    def log_message(self, *args):
		        pass


		def stop(*args):
		    global stopped
		    stopped = True


		signal.signal(signal.SIGTERM, stop)
		server = HTTPServer(("", 0), Handler, bind_and_activate=False)
		server.socket.close()
		server.socket = socket.socket(fileno=3)
		server.socket.setblocking("NONBLOCK" not in os.environ)
		server.timeout = 0.05
		while not stopped:
		    server.handle_request()
	EOF
}

@test "a worker finds its sockets by LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES" {
	crr_start -w 1 -l "127.0.0.1:$PORT" -- "$SERVER" --listen-fds
	[ "$(get "/env?LISTEN_FDS")" = 1 ]
	[ "$(get "/env?LISTEN_PID")" = "$(worker_pid 0)" ]
	[ "$(get "/env?LISTEN_FDNAMES")" = listen0 ]
}

@test "it finds them as Server::Starter and einhorn would name them, too" {
	local also

	also=$(free_port)
	crr_start -w 1 -l "127.0.0.1:$PORT" -l "127.0.0.1:$also" -- \
	    "$SERVER" --listen-fds
	[ "$(get "/env?SERVER_STARTER_PORT")" = \
	    "127.0.0.1:$PORT=3;127.0.0.1:$also=4" ]
	[ "$(get "/env?EINHORN_FD_COUNT")" = 2 ]
	[ "$(get "/env?EINHORN_FD_0")" = 3 ]
	[ "$(get "/env?EINHORN_FD_1")" = 4 ]
}

@test "LISTEN_PID is the worker's own, not what crr was given itself" {
	LISTEN_PID=1 LISTEN_FDS=7 LISTEN_FDNAMES=x EINHORN_FD_COUNT=7 \
	    crr_start -w 2 -- "$SERVER" --port "$PORT"
	[ -z "$(get "/env?LISTEN_PID")" ]
	[ -z "$(get "/env?LISTEN_FDS")" ]
	[ -z "$(get "/env?LISTEN_FDNAMES")" ]
	[ -z "$(get "/env?EINHORN_FD_COUNT")" ]
}

# Numbers of its descriptors from 3 on; the last one is this request's.
open_fds() {
	get /fds | awk '$1 > 2 { printf "%s%s", sep, $1; sep = " " }'
}

@test "a worker's descriptors are those handed to it, nothing else" {
	local also

	also=$(free_port)
	cat >crr-with-more <<-EOF
		#!/bin/sh
		exec 3</dev/null 7</dev/null 9>more
		exec $CRR "\$@"
	EOF
	chmod +x crr-with-more
	CRR=$PWD/crr-with-more crr_start -w 2 --soak 100ms \
	    -l "127.0.0.1:$PORT" -l "127.0.0.1:$also" -- "$SERVER" --listen-fds
	[ "$(open_fds)" = "3 4 5" ]
	get /fds | awk '$1 == 3 || $1 == 4' >handed
	[ "$(grep -c socket: handed)" -eq 2 ]

	crr reload -q
	[ "$(open_fds)" = "3 4 5" ]
}

@test "a worker that is handed nothing has no descriptor of crr's" {
	crr_start -w 2 --soak 100ms -- "$SERVER" --port "$PORT"
	crr reload -q
	[ "$(open_fds)" = "3 4" ]
}

@test "handed sockets are blocking, also behind a worker that made them not so" {
	need python3
	write_python_server
	export NONBLOCK=1
	crr_start -w 1 --surge 0 -l "127.0.0.1:$PORT" --ready alive:100ms \
	    -- "$(python)" server.py
	wait_for get /
	crr reload -q
	wait_for get /
	crr reload -q
	wait_for get /
	[ "$(sort modes | uniq -c | tr -s ' ')" = " 3 0" ]
}

@test "several addresses are handed over, and served by every worker" {
	local also

	also=$(free_port)
	start_handed -l "127.0.0.1:$also" -- "$SERVER" --listen-fds
	[ "$(get "/env?LISTEN_FDS")" = 2 ]
	[ "$(get "/env?LISTEN_FDNAMES")" = listen0:listen1 ]
	all_pids_answer 2
	PORT=$also all_pids_answer 2
}

@test "a worker that binds an address of -l itself gets that socket" {
	crr_start -w 4 --soak 100ms -l "127.0.0.1:$PORT" -- \
	    "$SERVER" --port "$PORT" --graceful
	all_pids_answer 4
	status_is '.listeners | length == 1 and .[0].handed'
	reload_under_load 2
	none_failed
	all_pids_answer 4
}

@test "a worker that binds the port of -l by another address is told which" {
	grep -qs ' lo$' /proc/net/if_inet6 || skip "no IPv6 on loopback"
	crr_start_raw -w 2 -l "$PORT" -- "$SERVER" --port "$PORT"
	wait_master
	[ "$CODE" -eq 1 ]
	grep -F "say -l 127.0.0.1:$PORT" "$ERR"
}

take_low_port() {
	for PORT in {611..630}; do
		mkdir "$BATS_RUN_TMPDIR/port.$PORT" 2>/dev/null || continue
		is_port_used "$PORT" || return 0
	done
	return 1
}

# start_low OPTION ...: workers with an ordinary user's rights.
start_low() {
	[ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" -gt "$PORT" ] ||
	    skip "port $PORT needs no rights"
	user_directory
	cp "$SERVER" server
	crr_start -w 2 --soak 100ms --user 65534:65534 \
	    -l "127.0.0.1:$PORT" -- ./server "$@"
}

@test "an ordinary user's worker is handed a privileged port" {
	take_low_port
	start_low --listen-fds
	all_pids_answer 2
	[ "$(stat -c %u "/proc/$(worker_pid 0)")" -eq 65534 ]
}

@test "an ordinary user's worker binds a privileged port that -l names" {
	take_low_port
	start_low --port "$PORT"
	all_pids_answer 2
	crr reload -q
	all_pids_answer 2
}

@test "a server that knows LISTEN_FDS is reloaded without a loss" {
	need python3
	write_python_server
	start_handed -- "$(python)" server.py
	all_pids_answer 2
	reload_under_load 3
	none_failed
	all_pids_answer 2
}

@test "with --no-share, what is handed over is reloaded without a loss" {
	start_handed --no-share -- "$SERVER" --listen-fds --graceful
	all_pids_answer 2
	reload_under_load 2
	none_failed
}

@test "with --no-share, an address that a worker binds itself is not shared" {
	local own

	own=$(free_port)
	crr_start_raw -w 2 --no-share -l "127.0.0.1:$PORT" -- \
	    "$SERVER" --listen-fds --also "$own"
	wait_for grep -F "bind 127.0.0.1 port $own: Address already in use" \
	    "$ERR"
}

@test "with --no-share, -l or another sign of readiness has to be given" {
	run -2 --separate-stderr crr run --no-share -- "$SERVER"
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == *"-l"*"--ready"* ]]
}

@test "one queue for all is shared and reloaded without a loss" {
	crr_start -w 4 --soak 100ms --queue shared -- \
	    "$SERVER" --port "$PORT" --graceful
	all_pids_answer 4
	status_is '.listeners[0].queues | length == 1'
	reload_under_load 3
	none_failed
}

@test "one queue for all is handed over and reloaded without a loss" {
	start_handed --queue shared -- "$SERVER" --listen-fds --graceful
	all_pids_answer 2
	status_is '.listeners[0].queues | length == 1'
	reload_under_load 3
	none_failed
}

@test "a worker that never calls listen is ready when it has lived a second" {
	local begun

	begun=$(now_ms)
	crr_start -w 1 -l "127.0.0.1:$PORT" -- "$SERVER" --listen-fds
	[ $(($(now_ms) - begun)) -ge 1000 ]
	get /
}

@test "a worker that never calls listen and dies within a second is not ready" {
	crr_start_raw -w 1 -l "127.0.0.1:$PORT" -- sh -c "exit 3"
	wait_master
	[ "$CODE" -eq 1 ]
	grep -F "exited with 3 before any worker was ready" "$ERR"
}
