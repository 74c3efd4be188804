# What the benchmarks share: directories, ports and processes. A benchmark
# sources this file and calls bench_begin; a trap ends the processes.
#
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
HERE=$ROOT/bench/reload.d
CRR=${CRR:-$ROOT/crr}
BUILD=$ROOT/build
SERVERS=$BUILD/servers
NPM=$BUILD/bench/npm
SERVER=$BUILD/test/server
LOAD=$BUILD/test/load
DIR=
STARTED=()		# pid:start time of what the end must find gone

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

note() {
	echo "$*" >&2
}

have() {
	type -P "$1" >/dev/null
}

# bench_begin: builds crr and the tools, and makes a directory.
bench_begin() {
	make -s -C "$ROOT" crr build/test/server build/test/load \
	    build/bench/start >&2 || die "make failed"
	[ -x "$CRR" ] || die "$CRR: no such program"
	CRR=$(realpath "$CRR")
	DIR=$(mktemp -d /tmp/crr-bench.XXXXXX) || exit 1
	export CRR_SOCKET=$DIR/crr.sock
	trap bench_end EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# A second signal must not leave anything running.
bench_end() {
	trap '' INT TERM HUP
	end_all
	rm -rf "$DIR"
}

# Prints a line about this machine.
machine() {
	local load

	read -r load _ </proc/loadavg
	echo "$(nproc) CPUs, Linux $(uname -r), load average $load at the" \
	    "beginning, $("$CRR" --version)"
}

# Time.

now_ms() {
	local us=${EPOCHREALTIME/[.,]/}

	echo $((us / 1000))
}

# wait_for SECONDS COMMAND [ARGUMENT ...]
wait_for() {
	local end=$((SECONDS + $1 + 1))

	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.03
	done
}

# Ports. One below the ephemeral range can't belong to a client by chance.

is_port_used() {
	local hex

	printf -v hex ':%04X ' "$1"
	awk '{ print $2 " " }' /proc/net/tcp /proc/net/tcp6 2>/dev/null |
	    grep -q "$hex"
}

free_port() {
	local port try

	for ((try = 0; try < 200; try++)); do
		port=$((10000 + RANDOM % 20000))
		is_port_used "$port" && continue
		echo "$port"
		return 0
	done
	die "no free port"
}

# Processes. A pid may be used again, so its start time is kept with it.

start_time() {
	local stat

	read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
	stat=${stat##*) }
	read -ra stat <<<"$stat"
	[ "${stat[0]}" != Z ] && echo "${stat[19]}"
}

is_running() {
	start_time "$1" >/dev/null
}

is_gone() {
	! is_running "$1"
}

# Forks nothing, because it is called again and again during a reload.
children() {
	local list=

	read -r list 2>/dev/null <"/proc/$1/task/$1/children"
	echo "$list"
}

# Prints the process and its descendants, one a line.
tree() {
	local pid

	echo "$1"
	for pid in $(children "$1"); do
		tree "$pid"
	done
}

remember() {
	local pid at

	for pid; do
		at=$(start_time "$pid") && STARTED+=("$pid:$at")
	done
}

remember_tree() {
	# shellcheck disable=SC2046
	remember $(tree "$1")
}

# background OUTPUT COMMAND [ARGUMENT ...]: starts it; its pid is in $!.
background() {
	local output=$1

	shift
	"$@" >"$output" 2>&1 </dev/null &
	remember $!
}

# end PID: ends it by TERM, or by KILL after ten seconds.
end() {
	is_running "$1" || return 0
	kill -TERM "$1" 2>/dev/null
	wait_for 10 is_gone "$1" && return 0
	kill -KILL "$1" 2>/dev/null
	wait_for 5 is_gone "$1"
	return 0
}

# Ends everything that has been started and still runs.
end_all() {
	local i process pid

	for ((i = 0; i < ${#STARTED[@]}; i++)); do
		process=${STARTED[i]}
		pid=${process%:*}
		[ "$(start_time "$pid")" = "${process#*:}" ] || continue
		remember_tree "$pid"
		end "$pid"
	done
	STARTED=()
}

rss_kb() {
	local pid total=0 kb

	for pid; do
		kb=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$pid/status" \
		    2>/dev/null)
		total=$((total + ${kb:-0}))
	done
	echo "$total"
}

# value KEY FILE: prints a value from the report of the load client.
value() {
	awk -v key="$1" '$1 == key { print $2 }' "$2"
}

# median: prints the median of the numbers on stdin.
median() {
	sort -n | awk '{ v[NR] = $1 }
	    END { if (NR) print (v[int((NR + 1) / 2)] + v[int(NR / 2 + 1)]) / 2 }'
}
