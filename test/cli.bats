# The command line: usage, help, exit codes, status.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2086,SC2153,SC2154
# A dollar in quotes is a shell's, variables are each test's own or bats', and
# an unquoted one is words.

load helper

COMMANDS=(run reload status scale stop help)

# refused CODE LINE ARGUMENT ...: nothing on stdout and one line on stderr.
refused() {
	local code=$1 line=$2

	shift 2
	run "-$code" --separate-stderr crr "$@"
	echo "$stderr"
	[ -z "$output" ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	# shellcheck disable=SC2053 # A pattern.
	[[ "$stderr" == $line ]]
}

serve() {
	crr_start -w "$@" -- "$SERVER" --port "$PORT"
}

# Usage and help.

@test "crr alone shows its usage as an error, crr help shows it as asked" {
	run -2 --separate-stderr crr
	[ -z "$output" ]
	[[ "${stderr_lines[0]}" == "usage: crr COMMAND"* ]]
	usage=$stderr
	for option in help --help -h; do
		run -0 --separate-stderr crr "$option"
		[ "$output" = "$usage" ]
		[ -z "$stderr" ]
	done
}

@test "crr help lists every command" {
	local command

	run -0 crr help
	for command in "${COMMANDS[@]}"; do
		grep -E "^  $command +[a-z]" <<<"$output"
	done
}

@test "each command has its usage, with an example, by help, --help and -h" {
	local command text

	for command in "${COMMANDS[@]}"; do
		run -0 --separate-stderr crr help "$command"
		[[ "${lines[0]}" == "usage: crr $command "* ]]
		[ -z "$stderr" ]
		grep -A 1 '^example:$' <<<"$output" | grep '^  crr '
		text=$output
		for option in --help -h; do
			run -0 crr "$command" "$option"
			[ "$output" = "$text" ]
		done
	done
}

@test "no line of the usage is wider than a terminal" {
	local command

	for command in "" "${COMMANDS[@]}"; do
		run ! grep -E '^.{81}' <(crr help $command)
	done
}

@test "the version is a line on stdout" {
	run -0 --separate-stderr crr --version
	[[ "$output" =~ ^crr\ [0-9]+\.[0-9]+ ]]
	[ -z "$stderr" ]
	[ "$(crr -V)" = "$output" ]
}

@test "help that can't be written is an error" {
	run -1 --separate-stderr bash -c '"$1" help >/dev/full' bash "$CRR"
	[ "$stderr" = "crr: stdout: No space left on device" ]
}

# The blocks of README.md that "<!-- crr help ... -->" announces.
readme_block() {
	awk -v mark="<!-- $1 -->" '
		$0 == mark { marked = 1; next }
		marked && /^```/ { if (inside) exit; inside = 1; next }
		inside { print }
	' "$ROOT/README.md"
}

@test "the usage in the README is what crr help says" {
	local marks mark

	[ -e "$ROOT/README.md" ]
	mapfile -t marks < <(sed -n 's/^<!-- \(crr help.*\) -->$/\1/p' \
	    "$ROOT/README.md")
	[ "${#marks[@]}" -gt 0 ]
	for mark in "${marks[@]}"; do
		diff <(crr ${mark#crr }) <(readme_block "$mark")
	done
	# No other usage stands there that nobody compares.
	[ "$(awk '/^```/ { fence = 1; next }
	    fence && /^usage:/ { n++ }
	    { fence = 0 }
	    END { print n + 0 }' "$ROOT/README.md")" -eq "${#marks[@]}" ]
}

@test "the usage names the options that there are" {
	local option

	for option in $(crr help run | grep -o -- '^ *\(-., \)\?--[a-z-]*' |
	    grep -o -- '--[a-z-]*'); do
		run -2 --separate-stderr crr run "$option"
		[[ "$stderr" != *"unknown option"* ]]
	done
}

# Usage errors: 2.

@test "an unknown command names the nearest" {
	refused 2 'crr: unknown command "relaod"; did you mean "reload"?' relaod
	refused 2 'crr: unknown command "stat"; did you mean "status"?' stat
	refused 2 'crr: unknown command "frobnicate"; crr help lists the commands' \
	    frobnicate
	refused 2 'crr: unknown command ""; crr help lists the commands' ""
	refused 2 'crr: unknown command "sacle"; did you mean "scale"?' \
	    help sacle
	refused 2 'crr: unknown option --name; give the command first *' \
	    --name x status
}

@test "an unknown option names the nearest" {
	refused 2 'crr run: unknown option --wrokers; did you mean --workers?' \
	    run --wrokers 2 -- true
	refused 2 'crr reload: unknown option --nowait; did you mean --no-wait?' \
	    reload --nowait
	refused 2 'crr status: unknown option --jsno; did you mean --json?' \
	    status --jsno
	refused 2 'crr stop: unknown option --frobnicate' stop --frobnicate
	refused 2 'crr status: unknown option -x' status -x
	refused 2 'crr scale: unknown option --by' scale --by 2
}

@test "an option that lacks its argument, or has one too many, is a usage error" {
	refused 2 'crr run: option --soak needs an argument' run --soak
	refused 2 'crr reload: option --timeout needs an argument' \
	    reload --timeout
	refused 2 'crr status: option --json takes no argument' status --json=1
	refused 2 'crr run: option --s* is ambiguous' run --s 1 true
}

@test "an argument that a command has no use for is a usage error" {
	refused 2 'crr reload: unexpected argument "now"' reload now
	refused 2 'crr status: unexpected argument "x"' status x
	refused 2 'crr stop: unexpected argument "x"' stop x
	refused 2 'crr scale: unexpected argument "3"' scale 2 3
	refused 2 'crr: help takes one command; "stop" is one too many' help run stop
}

@test "a number or time that is none is a usage error, master or not" {
	local n

	refused 2 'crr scale: give a number of workers: N, +N or -N' scale
	for n in 0 +0 -0 many 1.5 2x 99999 -99999 99999999999999999999 ""; do
		refused 2 "crr scale: \"$n\" is not a number of workers from 1 to *" \
		    scale "$n"
	done
	for n in x -1 5y ""; do
		refused 2 "crr reload: --timeout $n: give a time such as *" \
		    reload --timeout "$n"
	done
	refused 2 'crr reload: --timeout 99999h: *' reload --timeout 99999h
}

@test "a name or a path that can't be a socket's is a usage error" {
	refused 2 'crr status: "a/b" is not a name: *' status -n a/b
	refused 2 'crr status: "" is not a name: *' status -n ""
	refused 2 'crr status: -s needs a path' status -s ""
}

# No master: 3. Another version: 4.

@test "3: no master there, at a path or a name that the line names" {
	local command

	for command in reload status stop "scale 2"; do
		refused 3 "crr ${command%% *}: no master at $CRR_SOCKET *" \
		    $command
		refused 3 "crr ${command%% *}: no master at */none.$$.sock *" \
		    $command -n "none.$$"
	done
	refused 3 "crr status: no master at $PWD/none *" status -s "$PWD/none"
}

@test "3: a socket that a killed master left is no master" {
	serve 1
	kill -KILL "$MASTER"
	wait_for is_gone "$MASTER"
	[ -S "$CRR_SOCKET" ]
	refused 3 "crr status: no master at $CRR_SOCKET *" status
}

# answer_with BYTES: a master that answers anything with these, in Python.
answer_with() {
	need python3
	# It has its name when it listens, not before.
	background python3 -c "import os, socket
s = socket.socket(socket.AF_UNIX)
s.bind('new')
s.listen()
os.rename('new', '$CRR_SOCKET')
while True:
    c = s.accept()[0]
    c.recv(100)
    c.send($1)
    c.close()"
	wait_for -t 60 [ -S "$CRR_SOCKET" ]
}

@test "4: the master speaks another version of the protocol" {
	local command

	answer_with 'b"crr\0\0\x09\0\x01\0\0\0\x03\0\0\0\x01" + b"9.0"'
	for command in reload status stop "scale 2"; do
		refused 4 "crr ${command%% *}: the master speaks version 9 *" \
		    $command
	done
}

@test "1: an answer that makes no sense, or none at all" {
	answer_with 'b"HTTP/1.0 200 OK"'
	refused 1 "crr status: the master's answer makes no sense" status
	rm "$CRR_SOCKET"
	answer_with 'b""'
	refused 1 "crr status: the master ended before it answered" status
	refused 1 "crr reload: the master ended before it answered" reload
}

@test "1: a socket that we may not use" {
	[ "$(id -u)" -eq 0 ] || skip "this needs root"
	serve 1
	cp "$CRR" "$BATS_RUN_TMPDIR/crr.$$"
	chmod 711 "$BATS_RUN_TMPDIR" "${BATS_TEST_TMPDIR%/*}" \
	    "$BATS_TEST_TMPDIR"
	run -1 --separate-stderr setpriv --reuid 65534 --clear-groups \
	    "$BATS_RUN_TMPDIR/crr.$$" status
	[ "$stderr" = "crr status: $CRR_SOCKET: Permission denied" ]
}

# Which master.

@test "inside a worker, crr knows its master" {
	crr_start -w 1 -- sh -c "unset PWD; '$CRR' status --json >seen ||
	    :; exec \"\$@\"" sh "$SERVER" --port "$PORT"
	[ "$(jq .master.pid seen)" -eq "$MASTER" ]
}

@test "-s and -n say which master, whatever the environment says" {
	local socket=$CRR_SOCKET

	serve 1
	export CRR_SOCKET=/nowhere
	run -0 crr status -s "$socket"
	[[ "$output" == "master $MASTER "* ]]
	run -3 crr status
	run -3 crr status -n "none.$$"
}

@test "a relative path of -s is the same for master and clients" {
	mkdir -m 700 there
	background "$CRR" run -w 1 -s there/sock -C / -- "$SERVER" \
	    --port "$PORT" >"$LOG" 2>"$ERR"
	MASTER=$!
	export CRR_SOCKET=$PWD/there/sock
	wait_for all_ready
	[ "$(crr status --json -s there/sock | jq -r .master.socket)" = \
	    "$CRR_SOCKET" ]
}

@test "a relative path in CRR_SOCKET is the same for master and workers" {
	mkdir -m 700 there
	CRR_SOCKET=there/sock background "$CRR" run -w 1 -C / -- "$SERVER" \
	    --port "$PORT" >"$LOG" 2>"$ERR"
	MASTER=$!
	export CRR_SOCKET=$PWD/there/sock
	wait_for all_ready
	[ "$(get '/env?CRR_SOCKET')" = "$CRR_SOCKET" ]
}

# Status.

@test "crr status is a table for people" {
	local pid

	serve 2 -l "[::1]:$PORT" -l "127.0.0.1:$PORT"
	pid=$(worker_pid 1)
	run -0 crr status
	[[ "${lines[0]}" == "master $MASTER ("*") serving, generation 1, 2 workers, up "* ]]
	grep -E '^LISTENER +TYPE +QUEUED' <<<"$output"
	grep -E "^\[::1\]:$PORT +tcp +0 0" <<<"$output"
	grep -E "^127\.0\.0\.1:$PORT +tcp +0 0" <<<"$output"
	grep -E '^ID +PID +GEN +STATE +UPTIME +RESTARTS +LAST EXIT$' \
	    <<<"$output"
	grep -E "^1 +$pid +1 +ready +[0-9]+s +0 +-$" <<<"$output"
	[ "$(grep -c ' ready ' <<<"$output")" -eq 2 ]
}

@test "crr status --json is one line of JSON with all that is known" {
	crr_start -w 2 -n shop -- "$SERVER" --port "$PORT" --signal-log \
	    $'a "quoted" \\ name\twith é'
	run -0 crr status --json
	[ "${#lines[@]}" -eq 1 ]
	status_is --arg port "$PORT" --argjson pid "$MASTER" \
	    --arg socket "$CRR_SOCKET" --arg dir "$PWD" '
	    (.master | .pid == $pid and .name == "shop" and
	    .socket == $socket and .directory == $dir and .workers == 2 and
	    .generation == 1 and .reloads == 0 and .reloads_failed == 0 and
	    (.version | type) == "string" and
	    .command[-1] == "a \"quoted\" \\ name\twith é") and
	    (.listeners | length == 1 and .[0].type == "tcp" and
	    .[0].address == "127.0.0.1:" + $port and
	    .[0].handed == false) and
	    ([.listeners[0].queues[] | select(.steered)] | length == 2) and
	    (.workers | length == 2 and all(.[]; .state == "ready" and
	    .next_start_ms == null and .last_exit == null and
	    .restarts == 0 and .uptime_ms >= .state_ms))'
}

# Quiet.

@test "-q writes nothing but errors" {
	serve 1 --soak 0
	for command in reload status "scale 2" stop; do
		run -0 --separate-stderr crr $command -q
		[ -z "$output$stderr" ]
	done
	refused 3 "crr status: no master at *" status -q
}
