# How bind(2) and listen(2) are caught, where they can't be, and what is passed
# on.

# shellcheck disable=SC2154

load helper

# What crr starts slowly here is Node.
export WAIT_LIMIT=60

# deny CALL ...: from now on crr runs where each of these calls is forbidden.
deny() {
	cat >crr-denied <<-EOF
		#!/bin/sh
		exec $DENY $* -- $CRR "\$@"
	EOF
	chmod +x crr-denied
	CRR=$PWD/crr-denied
}

# said LINES TEXT: this many lines of crr's on stderr, one of them with the text.
said() {
	[ "$(grep -c "^crr: " "$ERR")" -eq "$1" ] && grep -F -- "$2" "$ERR"
}

# Without pidfd_getfd.

@test "without pidfd_getfd a cluster is shared and reloaded without a loss" {
	deny pidfd_getfd
	crr_start -w 4 --soak 100ms -- "$SERVER" --port "$PORT" --graceful
	all_pids_answer 4
	reload_under_load 3
	none_failed
	all_pids_answer 4
	[ ! -s "$ERR" ]
}

@test "without pidfd_open a cluster is shared all the same" {
	deny pidfd_open
	crr_start -w 2 -- "$SERVER" --port "$PORT"
	all_pids_answer 2
}

@test "without pidfd_getfd sockets of IPv6 are shared, with V6ONLY or without" {
	grep -qs ' lo$' /proc/net/if_inet6 || skip "no IPv6 on loopback"
	deny pidfd_getfd
	# shellcheck disable=SC2016 # For the shell.
	crr_start_raw -w 2 -- sh -c '
	    "$0" --port "$PORT" --bind 0.0.0.0 &
	    while [ ! -e bound ]; do
		sleep 0.02
	    done
	    exec "$0" --port "$PORT" --bind :: --v6only
	' "$SERVER"
	wait_for all_ready
	touch bound
	wait_for "$LOAD" -n 1 "[::1]:$PORT"
	[ "$(answering_pids | wc -l)" -eq 2 ]
	[ "$(status '.listeners | length')" -eq 2 ]
}

@test "without pidfd_getfd Node is shared and reloaded" {
	need node
	deny pidfd_getfd
	crr_start -w 2 --soak 100ms -- node "$ROOT/test/servers/node/server.js"
	all_pids_answer 2
	crr reload -q
	all_pids_answer 2
}

@test "without pidfd_getfd Go is shared and reloaded without a loss" {
	need_server go
	deny pidfd_getfd
	crr_start -w 4 --soak 100ms -- "$SERVERS/go/server"
	all_pids_answer 4
	reload_under_load 3
	none_failed
}

@test "without pidfd_getfd Python is shared and reloaded" {
	need python3
	deny pidfd_getfd
	crr_start -w 2 --soak 100ms -- "$(python)" \
	    "$ROOT/test/servers/python/pid.py"
	all_pids_answer 2
	crr reload -q
	all_pids_answer 2
}

# Without the filter.

# refused_naming TEXT: a cluster is, in one line, and nothing is left.
refused_naming() {
	crr_start_raw -w 2 -- "$SERVER" --port "$PORT"
	wait_master
	[ "$CODE" -eq 1 ]
	said 1 "$1"
	said 1 "-l"
	[ ! -s "$LOG" ]
	[ ! -e "$CRR_SOCKET" ]
	no_worker_processes
}

# goes_on_naming TEXT: one worker does, and so do workers that are handed
# sockets.
goes_on_naming() {
	crr_start -w 1 --soak 100ms -- "$SERVER" --port "$PORT"
	said 1 "$1"
	all_pids_answer 1
	crr reload -q
	all_pids_answer 1
	crr_stop
	[ "$CODE" -eq 0 ]

	crr_start -w 2 --soak 100ms -l "127.0.0.1:$PORT" -- \
	    "$SERVER" --listen-fds --graceful
	said 1 "$1"
	all_pids_answer 2
	reload_under_load 1
	none_failed
	all_pids_answer 2
}

@test "where seccomp is forbidden a cluster is refused in a line that names -l" {
	deny seccomp
	refused_naming "Operation not permitted"
}

@test "where seccomp is forbidden one worker goes on, and so does -l" {
	deny seccomp
	goes_on_naming "Operation not permitted"
}

@test "within another's filter a cluster is refused in a line that names -l" {
	deny listener
	refused_naming "another program catches calls around us"
}

@test "within another's filter one worker goes on, and so does -l" {
	deny listener
	goes_on_naming "another program catches calls around us"
}

# What is not shared.

@test "a bind to port 0 gets each worker a port of its own" {
	need python3
	cat >any_port.py <<-'EOF'
		import os, signal, socket

		s = socket.socket()
		s.bind(("127.0.0.1", 0))
		s.listen()
		with open("port." + os.environ["CRR_WORKER_ID"], "w") as file:
		    file.write("%d\n" % s.getsockname()[1])
		signal.pause()
	EOF
	crr_start -w 2 --ready alive:100ms -- "$(python)" any_port.py
	wait_for test -s port.0
	wait_for test -s port.1
	[ "$(cat port.0)" -ne "$(cat port.1)" ]
	is_port_used "$(cat port.0)"
	is_port_used "$(cat port.1)"
	status_is '.listeners | length == 0'
}

@test "a program that can't be read is named, and others are not disturbed" {
	local other

	other=$(free_port)
	be_ordinary_user
	cp "$SERVER" server
	cp "$SERVER" secret
	chown 65534 secret
	chmod 0111 secret
	# shellcheck disable=SC2016 # For the shell.
	crr_start -w 1 --soak 100ms -- sh -c '
	    ./secret --port "$0" &
	    exec ./server --port "$1"
	' "$other" "$PORT"
	wait_for "$LOAD" -n 1 "127.0.0.1:$other"
	grep -E "^crr: worker 0: bind of pid [0-9]+: .*not shared" "$ERR"
	all_pids_answer 1
	status_is '.listeners | length == 1'
}

@test "a cluster of a program that can't be read says so and ends" {
	be_ordinary_user
	cp "$SERVER" secret
	chown 65534 secret
	chmod 0111 secret
	crr_start_raw -w 2 -- ./secret --port "$PORT"
	wait_master
	[ "$CODE" -eq 1 ]
	grep -E "^crr: worker [01]: bind of pid [0-9]+: .*not shared" "$ERR"
	no_worker_processes
}

# What is answered with an error.

# starts_not_naming TEXT: the first start fails, its last line has the text.
starts_not_naming() {
	wait_master
	[ "$CODE" -eq 1 ]
	grep -F "crr: " "$ERR" | tail -n 1 | grep -F -- "$1"
	no_worker_processes
}

@test "a privileged port is refused to a worker without rights, -l named" {
	[ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" -gt 640 ] ||
	    skip "port 640 needs no rights"
	user_directory
	cp "$SERVER" server
	crr_start_raw -w 2 --user 65534:65534 -- ./server --port 640
	starts_not_naming "bind 127.0.0.1:640: Permission denied"
	grep -F "crr: " "$ERR" | tail -n 1 | grep -F -- "-l"
	grep -F "server: bind 127.0.0.1 port 640: Permission denied" "$ERR"
}

@test "an address of another machine is named" {
	crr_start_raw -w 2 -- "$SERVER" --port "$PORT" --bind 192.0.2.1
	starts_not_naming \
	    "bind 192.0.2.1:$PORT: Cannot assign requested address"
}

# start_second [FLAG ...]: beside a master that serves $PORT, one that wants it.
start_second() {
	crr_start -w 2 --soak 100ms -- "$SERVER" --port "$PORT" "$@"
	background "$CRR" run -s second.sock -w 2 -- \
	    "$SERVER" --port "$PORT" "$@" >second.log 2>second.err
	wait_end $!
}

second_was_refused() {
	[ "$CODE" -eq 1 ]
	# A worker may write between this line and its own SIGKILL.
	grep -F "crr: " second.err | tail -n 1 |
	    grep -F "bind 127.0.0.1:$PORT: Address already in use"
	all_pids_answer 2
	crr reload -q
	all_pids_answer 2
}

@test "a second master is told that the port is in use, the first serves on" {
	start_second
	second_was_refused
}

@test "a second master is told so, too, where servers set SO_REUSEPORT" {
	start_second --reuseport
	second_was_refused
}

@test "a port that somebody else serves is named" {
	background "$SERVER" --port "$PORT"
	wait_for get /
	crr_start_raw -w 2 -- "$SERVER" --port "$PORT"
	starts_not_naming "bind 127.0.0.1:$PORT: Address already in use"
	get /
}

# Ready without a socket.

@test "with --ready alive, a program without a socket is ready in that time" {
	local begun

	begun=$(now_ms)
	crr_start -w 2 --ready alive:700ms -- sleep 1000
	[ $(($(now_ms) - begun)) -ge 700 ]
	crr reload -q --timeout 60
	all_of_generation 2
}

@test "with --ready alive, one that ends before has failed" {
	crr_start_raw -w 1 --ready alive:60s -- sh -c "exit 7"
	wait_master
	[ "$CODE" -eq 1 ]
	grep -F "exited with 7 before any worker was ready" "$ERR"
}

@test "with --ready notify, a worker that listens is not ready until it says so" {
	# shellcheck disable=SC2016 # For the shell.
	crr_start_raw -w 1 --ready notify -- sh -c '
	    "$0" --port "$PORT" &
	    server=$!
	    while [ ! -e go ]; do
		sleep 0.02
	    done
	    "$0" --port 0 --notify 0 &
	    wait "$server"
	' "$SERVER"
	wait_for get /
	worker_is 0 starting
	touch go
	wait_for all_ready
}

@test "with --ready notify, a worker that only listens is never ready" {
	crr_start_raw -w 1 --ready notify --start-timeout 500ms -- \
	    "$SERVER" --port "$PORT"
	starts_not_naming "not ready"
}
