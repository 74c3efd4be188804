# What the tests share: a directory, a control socket and a port for each test,
# a master started and ended, and its state asked by `crr status --json`.
#
# A file of tests begins with `load helper`. One that has its own setup or
# teardown calls crr_setup or crr_teardown in it.
#
# SC2016: a dollar in an expression of jq's is jq's.
# shellcheck shell=bash disable=SC2034,SC2016

bats_require_minimum_version 1.8.0

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-$ROOT/build}
CRR=${CRR:-$ROOT/crr}
SERVER=${SERVER:-$BUILD/test/server}
LOAD=${LOAD:-$BUILD/test/load}
DENY=${DENY:-$BUILD/test/deny}
SERVERS=${SERVERS:-$ROOT/build/servers}

setup() {
	crr_setup
}

teardown() {
	crr_teardown
}

crr_setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	export CRR_SOCKET=$BATS_TEST_TMPDIR/crr.sock
	LOG=$BATS_TEST_TMPDIR/log
	ERR=$BATS_TEST_TMPDIR/err
	MASTER=
	CODE=
	SHOWN=
	USER_DIR=
	PORT=$(free_port) || return 1
	export PORT
}

# Time and waiting.

now_ms() {
	local us=${EPOCHREALTIME/[.,]/}

	echo $((us / 1000))
}

# wait_for [-t SECONDS] COMMAND [ARGUMENT ...]; $WAIT_LIMIT is for tests whose
# servers take long to start.
wait_for() {
	local limit=${WAIT_LIMIT:-15} end

	if [ "$1" = -t ]; then
		limit=$2
		shift 2
	fi
	end=$(($(now_ms) + limit * 1000))
	until "$@" >/dev/null 2>&1; do
		if [ "$(now_ms)" -ge "$end" ]; then
			echo "after $limit s still not: $*" >&2
			show_logs >&2
			return 1
		fi
		sleep 0.02
	done
}

show_logs() {
	local file

	[ -z "$SHOWN" ] || return 0
	SHOWN=1
	for file in "$LOG" "$ERR"; do
		[ -s "$file" ] || continue
		echo "--- $(basename "$file")"
		tail -n 50 "$file"
	done
	if [ -S "$CRR_SOCKET" ]; then
		echo "--- status"
		timeout 2 "$CRR" status 2>&1
	fi
	return 0
}

# Ports. One below the ephemeral range can't be some client's by chance.

is_port_used() {
	local hex

	printf -v hex ':%04X ' "$1"
	awk '{ print $2 " " }' /proc/net/tcp /proc/net/tcp6 /proc/net/udp \
	    /proc/net/udp6 2>/dev/null | grep -q "$hex"
}

free_port() {
	local low port try

	read -r low _ </proc/sys/net/ipv4/ip_local_port_range || low=32768
	[ "$low" -gt 12000 ] || low=32768
	for ((try = 0; try < 200; try++)); do
		port=$((10000 + (RANDOM * 32768 + RANDOM) % (low - 10000)))
		# mkdir is the lock: one test alone makes the directory.
		mkdir "$BATS_RUN_TMPDIR/port.$port" 2>/dev/null || continue
		is_port_used "$port" && continue
		echo "$port"
		return 0
	done
	echo "no free port" >&2
	return 1
}

# Processes.

close_fds() {
	local fd

	for fd in "/proc/$BASHPID/fd"/*; do
		fd=${fd##*/}
		if [ "$fd" -gt 2 ] && [ "$fd" -ne 255 ]; then
			eval "exec $fd>&-"
		fi
	done
}

# Starts a program that the teardown ends; its pid is in $!.
background() {
	(
		close_fds
		exec "$@"
	) &
	echo "$!" >>"$BATS_TEST_TMPDIR/pids"
}

is_running() {
	local stat

	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	stat=${stat##*) }
	[ "${stat%% *}" != Z ]
}

is_gone() {
	! is_running "$1"
}

# end PID [SECONDS]: by TERM, then by KILL.
end() {
	is_running "$1" || return 0
	kill -TERM "$1" 2>/dev/null
	wait_for -t "${2:-5}" is_gone "$1" 2>/dev/null && return 0
	kill -KILL "$1" 2>/dev/null
	wait_for -t 5 is_gone "$1"
}

# The processes of this test's workers, daemons included, also after their
# master has gone: the environment that the master gave them tells.
worker_processes() {
	local file pid

	grep -sl "CRR_SOCKET=$CRR_SOCKET" /proc/[0-9]*/environ |
	    while read -r file; do
		grep -sq CRR_WORKER_ID= "$file" || continue
		pid=${file#/proc/}
		pid=${pid%/environ}
		if is_running "$pid"; then
			echo "$pid"
		fi
	    done
}

no_worker_processes() {
	[ -z "$(worker_processes)" ]
}

# The master.

# crr_start_raw [OPTION ...] -- COMMAND [ARGUMENT ...]
crr_start_raw() {
	: >"$LOG"
	: >"$ERR"
	background "$CRR" run -s "$CRR_SOCKET" "$@" >"$LOG" 2>"$ERR"
	MASTER=$!
}

# The same, and waits until all workers are ready.
crr_start() {
	crr_start_raw "$@"
	wait_for settled "$MASTER"
	if is_gone "$MASTER"; then
		echo "the master ended:" >&2
		show_logs >&2
		return 1
	fi
}

settled() {
	is_gone "$1" || all_ready
}

# Ends the master by TERM; its exit code is in $CODE.
crr_stop() {
	kill -TERM "$MASTER"
	wait_master "$@"
}

# wait_end PID: until a program in the background has ended; its exit code is
# in $CODE.
wait_end() {
	wait_for -t 60 is_gone "$1" || return 1
	CODE=0
	wait "$1" || CODE=$?
}

# wait_master [-t SECONDS]: until it has ended; its exit code is in $CODE.
wait_master() {
	wait_for "$@" is_gone "$MASTER" || return 1
	CODE=0
	wait "$MASTER" || CODE=$?
}

crr() {
	"$CRR" "$@" 3>&- 4>&-
}

# Releases and reloads.

# release [FLAG ...]: what start_release's server does at its next start.
release() {
	echo "$*" >flags
}

# start_release N [OPTION ...]: N workers of a server that release changes.
# While there is a file gate.ID, the start of that worker waits.
start_release() {
	local workers=$1

	shift
	[ -e flags ] || : >flags
	crr_start -w "$workers" --soak 100ms "$@" -- sh -c '
	    while [ -e "gate.$CRR_WORKER_ID" ]; do
		sleep 0.02
	    done
	    exec "$0" "$@"
	' "$SERVER" --port "$PORT" --flags-file flags
}

# One that would hang ends with 124.
reload() {
	timeout -k 1 60 "$CRR" reload "$@" 3>&- 4>&-
}

# reload_start NAME [OPTION ...]: in the background, its lines in NAME.out and
# NAME.err, its pid in $CLIENT.
reload_start() {
	local name=$1

	shift
	background "$CRR" reload "$@" >"$name.out" 2>"$name.err"
	CLIENT=$!
}

# Its state. An expression is jq's, asked of `crr status --json`.

status() {
	"$CRR" status --json 3>&- | jq -r "$@"
}

# Succeeds where the expression is true.
status_is() {
	local json

	# Of no input at all, jq 1.6 says that it is true.
	json=$("$CRR" status --json 3>&-) || return 1
	jq -e "$@" <<<"$json" >/dev/null
}

all_ready() {
	status_is '.master.workers as $n | .master.state == "serving" and
	    ([.workers[] | select(.state == "ready")] | length) == $n'
}

# A generation of its own for all, and nothing left of an older one.
all_of_generation() {
	status_is --argjson g "$1" '.master.workers == (.workers | length) and
	    all(.workers[]; .generation == $g and .state == "ready")'
}

is_reloading() {
	status_is '.master.state == "reloading"'
}

# The generations of the workers that are ready, in the order of their ids.
generations_are() {
	status_is --arg g "$*" '[.workers | sort_by(.id)[] |
	    select(.state == "ready") | .generation | tostring] |
	    join(" ") == $g'
}

master_pid() {
	status .master.pid
}

# Every worker's pid, in the order of their ids.
worker_pids() {
	status '.workers | sort_by(.id, .generation)[] | .pid |
	    select(. != null and . > 0)'
}

ready_pids() {
	status '.workers | sort_by(.id, .generation)[] |
	    select(.state == "ready") | .pid'
}

# Of two with one id, these ask for the newer one.
worker_field() {
	status --argjson id "$1" "[.workers[] | select(.id == \$id)] |
	    max_by(.generation) | .$2"
}

worker_pid() {
	worker_field "$1" pid
}

worker_state() {
	worker_field "$1" state
}

worker_generation() {
	worker_field "$1" generation
}

worker_is() {
	[ "$(worker_state "$1")" = "$2" ]
}

# Requests.

get() {
	curl -sg --max-time "${TIMEOUT:-10}" "http://127.0.0.1:$PORT/${1#/}"
}

# The pids that answer, each once.
answering_pids() {
	"$LOAD" -n "${1:-200}" -c 8 -v "127.0.0.1:$PORT" |
	    awk '$1 == "pid" { print $2 }' | sort -n
}

# Before it catches SIGTERM, load_stop would kill it without figures.
load_has_begun() {
	local caught

	is_running "$LOAD_PID" || return 0
	caught=$(awk '$1 == "SigCgt:" { print $2 }' "/proc/$LOAD_PID/status")
	[ "/proc/$LOAD_PID/exe" -ef "$LOAD" ] &&
	    [ $((0x$caught & 1 << 14)) -ne 0 ]
}

# load_start [OPTION ...]: the load client on $PORT, until load_stop.
load_start() {
	LOAD_OUT=$BATS_TEST_TMPDIR/load.out
	background "$LOAD" -t 120 "$@" "127.0.0.1:$PORT" \
	    >"$LOAD_OUT" 2>&1
	LOAD_PID=$!
	wait_for load_has_begun
}

# Ends the load and waits for its figures; its exit code is in $CODE.
load_stop() {
	kill -TERM "$LOAD_PID" 2>/dev/null || true
	load_wait
}

load_wait() {
	wait_for -t 130 is_gone "$LOAD_PID" || return 1
	CODE=0
	wait "$LOAD_PID" || CODE=$?
	cat "$LOAD_OUT"
}

load_value() {
	awk -v key="$1" '$1 == key { print $2 }' "$LOAD_OUT"
}

# reload_under_load TIMES [OPTION ...]: each time every pid is new. The
# options are the load's, of 32 clients.
reload_under_load() {
	local times=$1 i before after

	shift
	load_start -c 32 -g 100 -t 600 "$@"
	for ((i = 0; i < times; i++)); do
		before=$(ready_pids)
		crr reload -q || return 1
		after=$(ready_pids)
		[ "$(wc -l <<<"$after")" -eq "$(wc -l <<<"$before")" ] &&
		    ! grep -xF "$before" <<<"$after" || return 1
	done
	is_running "$LOAD_PID" || return 1
	load_stop
}

# reloads TIMES LOAD-OPTION ...: under that load.
reloads() {
	local times=$1 i

	shift
	load_start -t 600 "$@"
	for ((i = 0; i < times; i++)); do
		reload -q || return 1
	done
	is_running "$LOAD_PID" || return 1
	load_stop
}

none_failed() {
	[ "$(load_value answered)" -gt 0 ] && [ "$(load_value failed)" -eq 0 ]
}

# all_have ID VALUE: each worker of a server with a cache says so.
all_have() {
	local i

	for ((i = 0; i < 20; i++)); do
		[ "$(get "/get/$1")" = "$2" ] || return 1
	done
}

# all_pids_answer N
all_pids_answer() {
	[ "$(ready_pids | wc -l)" -eq "$1" ] &&
	    [ "$(answering_pids 400)" = "$(ready_pids | sort -n)" ]
}

# An ordinary user, whom only root can be.

as_user() {
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

# The test goes on in a directory of the user's, in $USER_DIR.
user_directory() {
	[ "$(id -u)" -eq 0 ] || skip "only root can act as somebody else"
	need setpriv
	USER_DIR=$(mktemp -d /tmp/crr-test.XXXXXX) || return 1
	chmod 755 "$USER_DIR"
	chown 65534:65534 "$USER_DIR"
	cd "$USER_DIR" || return 1
}

# There, crr is the user's own, too.
be_ordinary_user() {
	user_directory || return 1
	cp "$CRR" "$USER_DIR/crr"
	cat >"$USER_DIR/crr-as-user" <<-EOF
		#!/bin/sh
		exec setpriv --reuid 65534 --regid 65534 --clear-groups \
		    $USER_DIR/crr "\$@"
	EOF
	chmod 755 "$USER_DIR/crr-as-user"
	CRR=$USER_DIR/crr-as-user
	CRR_SOCKET=$USER_DIR/crr.sock
}

# The first such command in $PATH that the user can start.
command_of_user() {
	local file

	while read -r file; do
		as_user "$file" --version >/dev/null 2>&1 || continue
		echo "$file"
		return 0
	done < <(type -aP "$1")
	return 1
}

# What a test needs.

# Python itself, not a script that finds it.
python() {
	python3 -c "import sys; print(sys.executable)"
}

need() {
	local tool

	for tool; do
		command -v "$tool" >/dev/null || skip "$tool is not installed"
	done
}

# need_server NAME, one that test/servers/build makes.
need_server() {
	local file

	case $1 in
	express | seed | talk) need node; file=$1/node_modules ;;
	node-*) file=nodes/${1#node-} ;;
	go) file=go/server ;;
	*) echo "no server $1" >&2; return 1 ;;
	esac
	[ -e "$SERVERS/$file" ] ||
	    skip "$SERVERS/$file is missing: run test/servers/build"
}

# The end.

end_master() {
	[ -n "$MASTER" ] && is_running "$MASTER" || return 0
	kill -TERM "$MASTER" 2>/dev/null
	wait_for -t 10 is_gone "$MASTER" 2>/dev/null && return 0
	# The second one hurries.
	end "$MASTER"
}

end_background() {
	local pid

	[ -e "$BATS_TEST_TMPDIR/pids" ] || return 0
	while read -r pid; do
		end "$pid"
	done <"$BATS_TEST_TMPDIR/pids"
}

no_worker_left() {
	local pid

	wait_for -t 2 no_worker_processes 2>/dev/null && return 0
	for pid in $(worker_processes); do
		echo "a worker outlived the master: $pid" \
		    "$(tr '\0' ' ' <"/proc/$pid/cmdline")"
		kill -KILL "$pid"
	done
	return 1
}

crr_teardown() {
	local bad=0

	[ -n "$BATS_TEST_COMPLETED" ] || show_logs
	# Behind ||, because errexit must not leave anything running.
	end_master || bad=1
	end_background || bad=1
	no_worker_left || bad=1
	[ -z "$USER_DIR" ] || rm -rf "$USER_DIR"
	return "$bad"
}

# Proxies before what runs.

# KEEPALIVE: for nginx_start, so that it keeps connections to its upstream.
# shellcheck disable=SC2034
KEEPALIVE='proxy_http_version 1.1; proxy_set_header Connection "";'

# nginx_start PORT UPSTREAM [LOCATION]: with these directives in its upstream and
# its location. Notes requests in the file access, errors in front.err.
nginx_start() {
	need nginx
	mkdir -p nginx
	cat >nginx.conf <<-END
		worker_processes 1;
		daemon off;
		error_log $PWD/front.err warn;
		pid $PWD/nginx/pid;
		events { worker_connections 1024; }
		http {
			access_log $PWD/access;
			client_body_temp_path $PWD/nginx/b;
			proxy_temp_path $PWD/nginx/p;
			fastcgi_temp_path $PWD/nginx/f;
			uwsgi_temp_path $PWD/nginx/u;
			scgi_temp_path $PWD/nginx/s;
			upstream shop { $2 }
			server {
				listen 127.0.0.1:$1;
				location / { proxy_pass http://shop; ${3-} }
			}
		}
	END
	background nginx -c "$PWD/nginx.conf" -e "$PWD/front.err"
	wait_for curl -s -o /dev/null "http://127.0.0.1:$1/"
}

# haproxy_start PORT DEFAULTS SERVERS: with these lines in those sections.
haproxy_start() {
	need haproxy
	cat >haproxy.cfg <<-END
		defaults
			mode http
			timeout connect 10s
			timeout client 60s
			timeout server 60s
			$2
		listen shop
			bind 127.0.0.1:$1
			$3
	END
	background haproxy -db -f haproxy.cfg
	wait_for curl -s -o /dev/null "http://127.0.0.1:$1/"
}
