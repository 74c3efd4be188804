# crr run: the first start, options, bad input.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2086,SC2153,SC2154
# A dollar in quotes is a shell's, variables are each test's own or bats', and
# an unquoted one is words.

load helper

# start_with CODE [OPTION ...] -- COMMAND: as crr_start_raw, by a shell whose
# CODE ends in exec "$@".
start_with() {
	local code=$1

	shift
	: >"$LOG"
	: >"$ERR"
	background bash -c "$code" bash "$CRR" run -s "$CRR_SOCKET" "$@" \
	    >"$LOG" 2>"$ERR"
	MASTER=$!
}

# ends CODE [OPTION ...] -- COMMAND: the master ends by itself, with CODE.
ends() {
	local code=$1

	shift
	crr_start_raw "$@"
	wait_master
	[ "$CODE" -eq "$code" ] || show_logs
	[ "$CODE" -eq "$code" ]
}

nothing_left() {
	[ ! -e "$CRR_SOCKET" ]
	[ ! -e "$CRR_SOCKET.lock" ]
	wait_for no_worker_processes
}

# refused CODE TEXT [OPTION ...]: one line on stderr with TEXT in it.
refused() {
	local code=$1 text=$2

	shift 2
	ends "$code" "$@"
	cat "$ERR"
	[ "$(wc -l <"$ERR")" -eq 1 ]
	[[ "$(<"$ERR")" == "crr"*": "*"$text"* ]]
	nothing_left
}

need_root() {
	[ "$(id -u)" -eq 0 ] || skip "this needs root"
}

# Files that any user may run, in $OPEN.
open_to_all() {
	need_root
	OPEN=$(mktemp -d /tmp/crr-test.XXXXXX)
	chmod 755 "$OPEN"
	cp "$CRR" "$OPEN/crr"
	cp "$SERVER" "$OPEN/server"
}

teardown() {
	crr_teardown || return 1
	[ -z "$OPEN" ] || rm -r "$OPEN"
}

free_low_port() {
	local port

	[ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" -ge 1024 ] ||
	    skip "every port is open to every user here"
	for port in $(shuf -i 600-1023); do
		mkdir "$BATS_RUN_TMPDIR/port.$port" 2>/dev/null || continue
		is_port_used "$port" || break
	done
	echo "$port"
}

# The first start.

starting() {
	status_is --argjson n "$1" '[.workers[] | select(.state == "starting" and
	    .pid != null) | .pid] | unique | length == $n'
}

@test "the first start starts all workers at once" {
	crr_start_raw -w 4 -- "$SERVER" --never-ready
	wait_for starting 4
	status_is '.master.state == "starting" and .listeners == []'
}

@test "the first start fails loudly: an address in use is named" {
	background "$SERVER" --port "$PORT"
	wait_for get /

	ends 1 -w 3 -- "$SERVER" --port "$PORT"
	grep "^crr: .*127\.0\.0\.1:$PORT.*in use" "$ERR"
	[ "$(grep -c '^crr: ' "$ERR")" -eq 1 ]
	nothing_left
}

@test "no worker ever ready is 1, not a loop" {
	ends 1 -w 3 -- sh -c "echo >>$PWD/starts; exit 7"
	grep '^crr: worker [012]: exited with 7 before any' "$ERR"
	[ "$(wc -l <starts)" -le 3 ]
	[ "$(cat "$LOG")" = "$(grep '^master starting' "$LOG")" ]
	nothing_left
}

@test "an exit with 0 before any worker is ready fails the first start too" {
	refused 1 "exited with 0 before any" -w 2 -- true
}

@test "a signal that ends the first start is named" {
	refused 1 "killed by SIGABRT" -w 1 -- "$SERVER" --abort-at-start
}

@test "the first start that is never ready ends, with a way out for programs that serve nothing" {
	refused 1 "--ready alive:TIME" -w 2 --start-timeout 200ms -- sleep 60
}

@test "one failure at the first start stops the workers that still start" {
	ends 1 -w 3 -- sh -c '[ $CRR_WORKER_ID = 1 ] && exit 9
	    exec "$@"' sh "$SERVER" --never-ready --children 2 --daemon-child
	grep 'worker 1: exited with 9' "$ERR"
	nothing_left
}

@test "an unknown command is 127, one that can't be executed 126, as of a shell" {
	refused 127 "no-such-command (check its path and \$PATH)" -w 3 -- no-such-command
	refused 127 "$PWD/none" -w 1 -- "$PWD/none"
	echo >file
	chmod 644 file
	refused 126 "$PWD/file (is it executable?)" -w 3 -- "$PWD/file"
	refused 126 "$PWD" -w 1 -- "$PWD"
}

# What a worker gets.

@test "-w auto counts the CPUs that this process may use" {
	local cpu

	need taskset
	cpu=$(sed -n 's/^Cpus_allowed_list:[^0-9]*\([0-9]*\).*/\1/p' \
	    /proc/self/status)
	start_with "exec taskset -c $cpu \"\$@\"" -- "$SERVER" --port "$PORT"
	wait_for all_ready
	status_is '.master.workers == 1'
}

entries() {
	tr '\0' '\n' <"/proc/$1/environ" | sort
}

@test "a worker's environment is the master's, with crr's own and nothing else added" {
	local pid

	start_with 'unset CRR_SOCKET; export WATCHDOG_USEC=5 LISTEN_PID=1 \
	    LISTEN_FDS=1 CRR_WORKER_ID=7 NOTIFY_SOCKET=/none; exec "$@"' \
	    -w 2 -- "$SERVER" --port "$PORT"
	wait_for all_ready
	pid=$(worker_pid 1)
	diff - <(comm -13 <(entries "$MASTER") <(entries "$pid") |
	    sed 's/^\(NOTIFY_SOCKET=@\).*/\1/') <<-EOF
	CRR_GENERATION=1
	CRR_SOCKET=$CRR_SOCKET
	CRR_WORKERS=2
	CRR_WORKER_ID=1
	NOTIFY_SOCKET=@
	EOF
	diff - <(comm -23 <(entries "$MASTER") <(entries "$pid") |
	    sed 's/=.*//') <<-EOF
	CRR_WORKER_ID
	LISTEN_FDS
	LISTEN_PID
	NOTIFY_SOCKET
	WATCHDOG_USEC
	EOF
}

@test "a worker's descriptors are 0, 1, 2 and its own" {
	start_with 'exec 3<"$0" 7<>out 12>&1; exec "$@"' -w 2 -- \
	    "$SERVER" --port "$PORT"
	wait_for all_ready
	# Its listener and the connection that asks are its own.
	run -0 get /fds
	[ "${lines[0]%% *}" = 0 ]
	[ "${lines[1]}" = "1 $LOG" ]
	[ "${lines[2]}" = "2 $ERR" ]
	[[ "${lines[3]}" == "3 socket:"* ]]
	[[ "${lines[4]}" == *" socket:"* ]]
	[ "${#lines[@]}" -eq 5 ]
}

@test "a worker reads the master's stdin" {
	echo hello >input
	start_with 'exec "$@" <input' -w 1 -- sh -c \
	    "read -r line; echo \"\$line\" >$PWD/read; exec \"\$@\"" sh \
	    "$SERVER" --port "$PORT"
	wait_for all_ready
	[ "$(cat read)" = hello ]
}

# ignores_and_blocks_nothing PID: of the signals that have names; the two that
# are the C library's own can't be set by anybody else.
ignores_and_blocks_nothing() {
	local mask

	grep Sig "/proc/$1/status" >sig
	while read -r mask; do
		[ $((0x$mask & 0x7fffffff)) -eq 0 ] || return 1
	done < <(awk '/^Sig(Ign|Blk)/ { print $2 }' sig)
	[ "$(wc -l <sig)" -ge 4 ]
}

@test "signals that the master was told to ignore or block are a worker's to use" {
	start_with 'trap "" INT HUP PIPE USR1 CHLD; exec "$@"' -w 1 -- sleep 60
	wait_for starting 1
	wait_for ignores_and_blocks_nothing "$(worker_pid 0)" || {
		cat sig
		false
	}
}

@test "-C is where workers start" {
	mkdir there
	crr_start -w 1 -C there -- "$SERVER" --port "$PORT"
	[ "$(get /cwd)" = "$PWD/there" ]
	[ "$(get '/env?PWD')" = "$PWD/there" ]
	[ "$(status .master.directory)" = "$PWD/there" ]
}

@test "--env-file gives variables to workers" {
	printf '# no variable\n\nexport A=one two\nB="quoted"\n' >vars
	crr_start -w 1 --env-file vars -- "$SERVER" --port "$PORT"
	[ "$(get '/env?A')" = "one two" ]
	[ "$(get '/env?B')" = quoted ]
}

@test "--user makes workers somebody else's, whom the master binds for" {
	local pid

	open_to_all
	crr_start -w 2 --user nobody -- "$OPEN/server" --port "$PORT"
	pid=$(worker_pid 0)
	[ "$(stat -c %U "/proc/$pid")" = nobody ]
	grep "^Uid:$(printf '\t%d' "$(id -u nobody)"{,,,})" "/proc/$pid/status"
	grep "^Gid:$(printf '\t%d' "$(id -g nobody)"{,,,})" "/proc/$pid/status"
	run ! grep -E '^Groups:.*\<0\>' "/proc/$pid/status"
	[ "$(stat -c %u "/proc/$MASTER")" -eq 0 ]
	[ "$(answering_pids)" = "$(ready_pids | sort -n)" ]
}

@test "the master's right to low ports is not lent to --user, except by -l" {
	open_to_all
	PORT=$(free_low_port)
	ends 1 -w 1 --user nobody -- "$OPEN/server" --port "$PORT"
	grep "127\.0\.0\.1:$PORT: Permission denied" "$ERR"
	nothing_left

	crr_start -w 2 --user nobody -l "127.0.0.1:$PORT" -- \
	    "$OPEN/server" --port "$PORT"
	[[ "$(get /)" == "pid "* ]]
}

# Lines.

@test "the master writes the lines of the Node package" {
	start_with 'LC_ALL=C.UTF-8 exec "$@"' -w 1 -- "$SERVER" --port "$PORT"
	wait_for all_ready
	diff - "$LOG" <<-EOF
	master starting 1 worker 🌎
	worker up $(worker_pid 0)
	EOF
}

@test "--quiet leaves stdout to the workers" {
	crr_start -w 1 --quiet -- sh -c 'echo mine; exec "$@"' sh \
	    "$SERVER" --port "$PORT"
	crr reload -q
	crr_stop
	[ "$CODE" -eq 0 ]
	diff - "$LOG" <<-EOF
	mine
	mine
	EOF
	[ ! -s "$ERR" ]
}

# Whatever became of its stdout, a master does all that it should.
serves_on() {
	wait_for all_ready
	crr reload -q
	kill -KILL "$(worker_pid 0)"
	wait_for status_is '[.workers[].restarts] | add == 1'
	wait_for all_ready
	[[ "$(get /)" == "pid "* ]]
	crr_stop
	[ "$CODE" -eq 0 ]
}

@test "a full disk under stdout and stderr stops nothing" {
	start_with 'exec "$@" >/dev/full 2>&1' -w 2 --soak 50ms -- \
	    "$SERVER" --port "$PORT"
	serves_on
}

@test "a closed stdout and stderr stop nothing" {
	start_with 'exec "$@" >&- 2>&-' -w 2 --soak 50ms -- \
	    "$SERVER" --port "$PORT"
	serves_on
}

@test "a full pipe that nobody reads stops nothing" {
	mkfifo pipe
	exec 9<>pipe
	run dd if=/dev/zero of=pipe bs=4096 count=1000 oflag=nonblock
	start_with 'exec "$@" >pipe 2>&1' -w 2 --soak 50ms -- \
	    "$SERVER" --port "$PORT"
	serves_on
}

@test "a pipe whose reader has gone stops nothing" {
	start_with '"$@" > >(head -n 1) 2>&1 & echo $! >pid; wait' -w 2 \
	    --soak 50ms -- "$SERVER" --port "$PORT"
	wait_for all_ready
	MASTER=$(cat pid)
	crr reload -q
	crr stop -q
	wait_for is_gone "$MASTER"
}

@test "a full socket that nobody reads stops nothing" {
	need python3
	cat >full.py <<-'EOF'
	import os, socket, sys
	reader, writer = socket.socketpair()
	writer.setblocking(False)
	try:
	    while True:
	        writer.send(b'x' * 1000)
	except BlockingIOError:
	    pass
	writer.setblocking(True)
	reader.set_inheritable(True)
	os.dup2(writer.fileno(), 1)
	os.dup2(writer.fileno(), 2)
	os.execv(sys.argv[1], sys.argv[1:])
	EOF
	start_with 'exec python3 full.py "$@"' -w 2 --soak 50ms -- \
	    "$SERVER" --port "$PORT"
	wait_for -t 60 all_ready
	serves_on
}

# Bad input.

@test "no command is refused" {
	refused 2 "no command"
	refused 2 "no command" -w 2 --
}

@test "a number of workers that is none is refused" {
	local n

	for n in 0 -1 99999 99999999999999999999 1.5 4x many ""; do
		refused 2 "-w $n: give auto or a number from 1 to " -w "$n" \
		    -- sleep 60
	done
}

@test "a signal name or a time that is none is refused" {
	refused 2 "--stop-signal NOPE" --stop-signal NOPE -- sleep 60
	refused 2 "--stop-signal 0" --stop-signal 0 -- sleep 60
	refused 2 "--soak 5y: give a time" --soak 5y -- sleep 60
	refused 2 "--drain -1: give a time" --drain -1 -- sleep 60
	refused 2 "--ready alive:x" --ready alive:x -- sleep 60
	refused 2 "--ready soon: give listen" --ready soon -- sleep 60
	refused 2 "--surge 1000: give a number" --surge 1000 -- sleep 60
	refused 2 "--queue two: give seat or shared" --queue two -- sleep 60
}

@test "an address that is malformed is refused" {
	local address

	for address in "" port 0 65536 127.0.0.1 127.0.0.1:0 127.0.0.1:http \
	    300.0.0.1:80 nowhere.test:80 "[::1:80" "[::g]:80" "::1" unix:; do
		refused 2 "-l $address: " -l "$address" -- sleep 60
	done
	refused 2 "path too long" -l "unix:$(printf '%0200d' 0)" -- sleep 60
}

@test "an address in use, or not ours, is refused with what to do" {
	background "$SERVER" --port "$PORT"
	wait_for get /
	refused 1 "-l 127.0.0.1:$PORT (in use: " -w 2 \
	    -l "127.0.0.1:$PORT" -- sleep 60
	refused 1 "-l 192.0.2.1:$PORT (no address of this machine" -w 2 \
	    -l "192.0.2.1:$PORT" -- sleep 60
	touch path
	refused 1 "-l unix:$PWD/path (" -w 2 -l "unix:$PWD/path" -- sleep 60
	[ -f path ]
}

@test "a privileged port without rights is refused with what to do" {
	open_to_all
	PORT=$(free_low_port)
	mkdir -m 777 "$OPEN/run"
	chown 65534 "$OPEN/run"
	chmod 700 "$OPEN/run"
	cd /
	run -1 --separate-stderr timeout 20 setpriv --reuid 65534 \
	    --clear-groups "$OPEN/crr" run -s "$OPEN/run/sock" \
	    -l "127.0.0.1:$PORT" -- sleep 60
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ "$stderr" == "crr: -l 127.0.0.1:$PORT (ports below "*"root"* ]]
	[ -z "$(ls -A "$OPEN/run")" ]
}

@test "a directory that is missing, or none, is refused" {
	refused 2 "-C $PWD/none" -C none -- sleep 60
	refused 2 "-C /dev/null: not a directory" -C /dev/null -- sleep 60
}

@test "an env file that is missing or makes no sense is refused" {
	refused 2 "--env-file $PWD/none" --env-file none -- sleep 60
	printf 'A=1\nB 2\n' >vars
	refused 1 "--env-file $PWD/vars, line 2" --env-file vars -- sleep 60
}

@test "a user that is unknown, or whom we can't become, is refused" {
	refused 2 "--user no-such-user" --user no-such-user -- sleep 60
	refused 2 "no group no-such-group" --user "$(id -u):no-such-group" -- \
	    sleep 60
	open_to_all
	cd /
	run -2 --separate-stderr timeout 20 setpriv --reuid 65534 \
	    --clear-groups "$OPEN/crr" run -s "$OPEN/sock" --user 0 -- sleep 60
	[[ "$stderr" == "crr: --user 0: only root can "* ]]
}

@test "what can't be shared without the trap is refused" {
	refused 2 "--no-share" --no-share -w 2 -- "$SERVER" --port "$PORT"
}
