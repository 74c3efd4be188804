# Every way out drains: what was begun is answered, whoever ends the worker.

# shellcheck disable=SC2016,SC2153,SC2154

load helper

export WAIT_LIMIT=60

# plain N [OPTION ...]: our server, which dies of SIGTERM at once.
plain() {
	local workers=$1

	shift
	crr_start -w "$workers" --soak 0 "$@" -- "$SERVER" --port "$PORT"
}

# begin_slow N MS: requests that take so long, all begun when it returns.
begin_slow() {
	local i

	CURLS=()
	for ((i = 0; i < $1; i++)); do
		background curl -s --max-time 30 -o "slow.$i" -w '%{http_code}' \
		    "http://127.0.0.1:$PORT/slow?$2" >"code.$i"
		CURLS+=("$!")
	done
	wait_for all_begun "$1"
}

# Each is a connection that its worker has accepted and is busy with.
all_begun() {
	local n

	n=$(for pid in $(ready_pids); do
		find "/proc/$pid/fd" -lname 'socket:*'
	done | wc -l)
	[ "$n" -ge $(($1 + $(ready_pids | wc -l))) ]
}

all_slow_answered() {
	local i

	for ((i = 0; i < ${#CURLS[@]}; i++)); do
		wait_end "${CURLS[i]}"
		[ "$CODE" -eq 0 ] && [ "$(cat "code.$i")" = 200 ] || return 1
	done
}

none_answered() {
	local i

	for ((i = 0; i < ${#CURLS[@]}; i++)); do
		wait_end "${CURLS[i]}"
		[ "$CODE" -ne 0 ] || return 1
	done
}

master_is_gone() {
	is_gone "$MASTER"
}

# Without the right to have a program in the kernel refuse them.
without_bpf() {
	[ "$(id -u)" -eq 0 ] || return 0
	need setpriv
	cat >crr-unprivileged <<-EOF
		#!/bin/sh
		drop=-bpf,-sys_admin,-net_admin
		exec setpriv --bounding-set "\$drop" --inh-caps "\$drop" \
		    "$CRR" "\$@"
	EOF
	chmod +x crr-unprivileged
	CRR=$PWD/crr-unprivileged
}

@test "crr stop answers what was begun" {
	plain 2
	begin_slow 6 2000
	run -0 crr stop
	[ "${lines[0]}" = "master stopping: at most 40 s" ]
	[ "${lines[-1]}" = "master stopped" ]
	all_slow_answered
}

@test "SIGTERM and SIGINT answer what was begun" {
	local signal

	for signal in TERM INT; do
		plain 2
		begin_slow 6 1500
		kill "-$signal" "$MASTER"
		wait_for master_is_gone
		all_slow_answered
	done
}

@test "a second SIGTERM, SIGQUIT and --now wait for nothing" {
	plain 1
	begin_slow 2 20000
	kill -TERM "$MASTER"
	wait_for status_is '.master.state == "stopping"'
	kill -TERM "$MASTER"
	wait_for master_is_gone
	none_answered

	plain 1
	begin_slow 2 20000
	kill -QUIT "$MASTER"
	wait_for master_is_gone
	none_answered

	plain 1
	begin_slow 2 20000
	crr stop --now
	none_answered
}

@test "a worker fewer, by a signal and by a client, answers what was begun" {
	plain 2
	begin_slow 6 1500
	kill -TTOU "$MASTER"
	wait_for status_is '.workers | length == 1'
	all_slow_answered

	crr scale 3
	begin_slow 6 1500
	crr scale 1
	all_slow_answered
}

@test "a drain that runs out says so, and the stop ends in time" {
	plain 1 --drain 1s --stop-timeout 1s
	begin_slow 2 30000
	run -0 crr stop
	[ "${lines[0]}" = "master stopping: at most 2 s" ]
	[ "${lines[1]}" = "worker 0: 2 connections still in hand after 1 s" ]
	none_answered
	grep -x "worker 0: 2 connections still in hand after 1 s" "$LOG"
}

@test "a reload says when a drain has run out" {
	plain 1 --drain 1s
	begin_slow 1 30000
	run -0 crr reload
	grep -x "worker 0: 1 connection still in hand after 1 s" <<<"$output"
}

@test "crr stop says what it waits for" {
	plain 1
	begin_slow 2 5000
	run -0 crr stop
	grep -x "waiting for worker 0: 2 connections in hand" <<<"$output"
	all_slow_answered
	[ -z "$(crr_start -w 1 -- "$SERVER" --port "$PORT"
	    crr stop -q)" ]
}

refused() {
	local code=0

	curl -s --max-time 5 "http://127.0.0.1:$PORT/" >/dev/null || code=$?
	[ "$code" -eq 7 ]
}

@test "new clients are refused at once while a stop waits, where crr may" {
	[ "$(id -u)" -eq 0 ] || skip "only root may refuse them"
	plain 2
	begin_slow 2 3000
	background "$CRR" stop
	wait_for refused
	status_is '.master.state == "stopping"'
	refused
	all_slow_answered
}

@test "new clients are served on while a stop waits, where crr may not" {
	without_bpf
	plain 2
	begin_slow 2 3000
	background "$CRR" stop -q
	wait_for status_is '.master.state == "stopping"'
	[[ "$(get /)" == "pid "* ]]
	[[ "$(get /)" == "pid "* ]]
	all_slow_answered
	wait_for master_is_gone
}

@test "load during a stop: what was begun is answered, also without the right to refuse" {
	without_bpf
	crr_start -w 2 --soak 0 -- "$SERVER" --port "$PORT" --work 50 \
	    --count-file "$PWD/counts"
	load_start -c 16
	wait_for test -s counts
	sleep 0.5
	crr stop -q
	[ "$(od -A n -t u8 -N 8 counts)" = "$(od -A n -t u8 -j 8 counts)" ]
	load_stop || true
}

# They never pause, so the stop has to leave some requests where they are.
@test "a stop with busy kept connections answers all that was begun" {
	local client

	need node
	export IDS=$PWD/ids WORK_MS=20 GAP=1
	crr_start -w 2 --drain 4s -- node "$ROOT/test/servers/kept/server.js"
	background node "$ROOT/test/servers/kept/client.js" >sum
	client=$!
	wait_for test -s ids
	sleep 0.5
	run -0 crr stop
	[[ "$output" != *"still in hand"* ]]
	sleep 0.5
	kill -TERM "$client"
	wait_end "$client"
	cat sum
	[ "$(wc -l <ids)" -eq "$(jq .answered sum)" ]
}

@test "--stop-new wait: a client that comes during a stop finds the next master" {
	local client

	plain 1 --stop-new wait
	begin_slow 1 4000
	background "$CRR" stop -q
	wait_for status_is '.master.state == "stopping"'
	background curl -s --max-time 30 "http://127.0.0.1:$PORT/" >late
	client=$!
	all_slow_answered
	wait_for master_is_gone
	plain 1
	wait_end "$client"
	[ "$CODE" -eq 0 ]
	[ "$(cat late)" = "pid $(ready_pids)" ]
}

@test "--stop-delay serves on, and says that it stops" {
	plain 1 --stop-delay 2s
	background "$CRR" stop -q
	wait_for status_is '.master.state == "stopping"'
	[ "$(get /)" = "pid $(ready_pids)" ]
	run -1 --separate-stderr crr reload
	[ "$stderr" = "crr reload: the master is stopping" ]
	wait_for master_is_gone
}

# twin: a second master on $OTHER, beside the one on $PORT.
twin() {
	OTHER=$(free_port)
	background "$CRR" run -q -w 2 -s "$PWD/other.sock" -- \
	    "$SERVER" --port "$OTHER"
	wait_for curl -s -o /dev/null "http://127.0.0.1:$OTHER/"
}

nginx_balances() {
	nginx_start "$1" "server 127.0.0.1:$PORT; server 127.0.0.1:$OTHER;"
}

haproxy_balances() {
	haproxy_start "$1" $'retries 3\n\toption redispatch 1' \
	    "server one 127.0.0.1:$PORT
	server two 127.0.0.1:$OTHER"
}

# stop_one_of_two PROXY: one is stopped with requests in hand; what clients of the
# proxy wait for, at most, in $WAITED, in ms.
stop_one_of_two() {
	plain 2
	twin
	FRONT=$(free_port)
	"${1}_balances" "$FRONT"
	begin_slow 3 6000
	LOAD_OUT=$BATS_TEST_TMPDIR/load.out
	background "$LOAD" -c 4 -g 100 -t 8 "127.0.0.1:$FRONT" >"$LOAD_OUT"
	# shellcheck disable=SC2034 # load_wait has it
	LOAD_PID=$!
	sleep 0.5
	crr stop -q
	all_slow_answered
	load_wait
	[ "$CODE" -eq 0 ]
	[ "$(load_value failed)" -eq 0 ] && [ "$(load_value answered)" -gt 20 ]
	WAITED=$(load_value max_ms)
}

# With first segments dropped a client waits for up to 7 s.
@test "one of two behind nginx is stopped: no client waits" {
	stop_one_of_two nginx
	[ "${WAITED%.*}" -lt 2500 ]
}

@test "one of two behind HAProxy is stopped: no client waits" {
	stop_one_of_two haproxy
	[ "${WAITED%.*}" -lt 2500 ]
}

@test "one of two behind nginx is stopped by an ordinary user: no client waits" {
	without_bpf
	stop_one_of_two nginx
	[ "${WAITED%.*}" -lt 2500 ]
}
