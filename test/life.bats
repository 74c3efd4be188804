# What becomes of a worker: crashes, stops, signals, ids, scale.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2086,SC2153,SC2154
# A dollar in quotes is a shell's, variables are each test's own or bats', and
# an unquoted one is words.

load helper

# serve N [FLAG ...]: a master of N test servers that log their signals.
serve() {
	local n=$1

	shift
	crr_start -w "$n" "${OPTIONS[@]}" -- "$SERVER" --port "$PORT" \
	    --signal-log "$PWD/signals" "$@"
}

OPTIONS=()

signals_are() {
	[ "$(sort -n signals)" = "$(sort -n <<<"$1")" ]
}

# each NAME PID ...: what the log says where each has got NAME, once.
each() {
	local name=$1

	shift
	printf "%s $name\n" "$@"
}

id_is_new() {
	local pid

	pid=$(worker_pid "$1")
	[ "$pid" != "$2" ] && worker_is "$1" ready
}

crash() {
	local pid

	pid=$(worker_pid "$1")
	kill -KILL "$pid"
	wait_for id_is_new "$1" "$pid"
}

ended_as_asked() {
	wait_master "$@"
	[ "$CODE" -eq 0 ]
	[ ! -e "$CRR_SOCKET" ]
	[ ! -e "$CRR_SOCKET.lock" ]
}

all_gone() {
	local pid

	for pid; do
		is_gone "$pid" || return 1
	done
}

# Stopping.

@test "a stop sends the chosen signal exactly once, to each worker" {
	local pids

	OPTIONS=(--stop-signal USR1)
	serve 3 --graceful --children 1
	pids=$(ready_pids)
	# It doesn't end by this one: SIGKILL has to, and only a stop's end.
	kill -TERM "$MASTER"
	wait_for status_is 'all(.workers[]; .state == "stopping")'
	kill -QUIT "$MASTER"
	ended_as_asked
	signals_are "$(each USR1 $pids)"
}

@test "a worker that has not stopped in time is killed with its whole group" {
	local pid children

	OPTIONS=(--stop-timeout 200ms)
	serve 2 --ignore-term --children 2
	pid=$(worker_pid 0)
	children=$(get /children)
	[ "$(wc -w <<<"$children")" -eq 2 ]
	crr_stop -t 10
	[ "$CODE" -eq 0 ]
	grep "^worker down $pid: not stopped within 0.2 s, killed" "$LOG"
	[ "$(grep -c "^$pid TERM" signals)" -eq 1 ]
	[ "$(wc -l <signals)" -eq 2 ]
	all_gone $children
}

@test "a second TERM hurries, and is not passed on" {
	local pids

	OPTIONS=(--stop-timeout 100s)
	serve 2 --ignore-term --children 1
	pids=$(ready_pids)
	kill -TERM "$MASTER"
	wait_for signals_are "$(each TERM $pids)"
	is_running "$MASTER"
	kill -TERM "$MASTER"
	ended_as_asked -t 20
	signals_are "$(each TERM $pids)"
}

@test "INT stops as TERM does" {
	local pids

	serve 2
	pids=$(ready_pids)
	kill -INT "$MASTER"
	ended_as_asked
	signals_are "$(each TERM $pids)"
}

@test "QUIT stops now: nobody is asked first" {
	OPTIONS=(--stop-timeout 100s)
	serve 2 --graceful --children 1
	kill -QUIT "$MASTER"
	ended_as_asked -t 20
	[ ! -e signals ]
}

@test "crr stop waits until workers and master are gone" {
	local pids

	serve 2 --ignore-term --children 1
	pids=$(ready_pids)
	crr stop >out &
	wait_for signals_are "$(each TERM $pids)"
	is_running "$!"
	kill -KILL $pids
	wait "$!"
	is_gone "$MASTER"
	all_gone $pids
	no_worker_processes
	grep '^master stopped' out
	ended_as_asked
}

@test "crr stop --now asks no worker, also where a stop goes on already" {
	OPTIONS=(--stop-timeout 100s)
	serve 2 --ignore-term --children 1
	kill -TERM "$MASTER"
	wait_for status_is '.master.state == "stopping"'
	crr stop --now
	is_gone "$MASTER"
	ended_as_asked

	rm signals
	serve 2 --graceful --children 1
	crr stop --now
	is_gone "$MASTER"
	[ ! -e signals ]
	ended_as_asked
}

@test "a stop before any worker is ready is no failure" {
	crr_start_raw -w 2 -- "$SERVER" --never-ready --children 1
	wait_for status_is '[.workers[].pid | numbers] | length == 2'
	crr_stop
	ended_as_asked
	[ ! -s "$ERR" ]
}

@test "a stop while a worker waits for its next start acts at once" {
	start_crashing
	wait_for worker_is 0 backoff
	crr_stop
	[ "$CODE" -eq 0 ]
}

@test "the stop signal goes to the process that listens, not to the shell before it" {
	local shell server

	crr_start -w 1 -- sh -c 'trap "echo shell TERM >>signals" TERM
	    "$@"; exit' sh "$SERVER" --port "$PORT" \
	    --signal-log "$PWD/signals"
	shell=$(worker_pid 0)
	server=$(get / | sed 's/pid //')
	[ "$shell" != "$server" ]
	crr_stop
	[ "$CODE" -eq 0 ]
	signals_are "$server TERM"
}

@test "npm start is stopped by its server" {
	local server

	need npm
	printf '{ "scripts": { "start": "%s" } }\n' "'$SERVER' --port $PORT \
--signal-log '$PWD/signals' --graceful" >package.json
	crr_start_raw -w 1 -- npm start
	wait_for -t 60 all_ready
	server=$(get / | sed 's/pid //')
	[ "$(worker_pid 0)" != "$server" ]
	crr_stop -t 30
	[ "$CODE" -eq 0 ]
	signals_are "$server TERM"
	grep -x "worker down [0-9]*" "$LOG"
}

# Crashes.

@test "a crash is answered at once in the same id, and the others' pids are unchanged" {
	local before pid

	serve 3
	before=$(ready_pids)
	pid=$(worker_pid 1)
	crash 1
	grep "^worker down $pid: killed by SIGKILL, again at once" "$LOG"
	wait_for all_ready
	[ "$(ready_pids | sed 2d)" = "$(sed 2d <<<"$before")" ]
	[ "$(status -c '[.workers[].id]')" = '[0,1,2]' ]
	[ "$(worker_field 1 restarts)" -eq 1 ]
	[ "$(worker_field 1 last_exit)" = "killed by SIGKILL" ]
	[ "$(answering_pids)" = "$(ready_pids | sort -n)" ]
}

@test "a crash is answered during a stalled reload, by the new generation" {
	local others

	OPTIONS=(--soak 0 --wait 100s)
	serve 3
	crr reload --no-wait
	wait_for status_is '.workers[0] | .generation == 2 and
	    .state == "ready"'
	wait_for status_is '.workers | length == 3'
	others=$(worker_pid 0; worker_pid 1)
	crash 2
	[ "$(worker_generation 2)" -eq 2 ]
	[ "$(worker_pid 0; worker_pid 1)" = "$others" ]
	status_is '.master.state == "reloading"'
}

queued() {
	status_is --argjson n "$1" '[.listeners[].queues[].depth] | add == $n'
}

@test "a cluster of one loses no connection by a crash: its successor answers" {
	local pid

	crr_start -w 1 -- sh -c '[ ! -e fifo ] || read -r _ <fifo
	    exec "$@"' sh "$SERVER" --port "$PORT"
	pid=$(worker_pid 0)
	mkfifo fifo
	kill -KILL "$pid"
	load_start -n 20 -c 20 -v
	wait_for queued 20
	worker_is 0 starting
	echo >fifo
	load_wait
	[ "$CODE" -eq 0 ]
	[ "$(load_value answered)" -eq 20 ]
	[ "$(load_value refused)" -eq 0 ]
	[ "$(worker_pid 0)" -ne "$pid" ]
	grep "^pid $(worker_pid 0) 20$" "$LOAD_OUT"
}

# A worker that dies soon after it was ready, each time.
start_crashing() {
	crr_start_raw -w 2 -- sh -c '[ "$CRR_WORKER_ID" = 1 ] ||
	    set -- "$@" --die-after 20; exec "$@"' sh \
	    "$SERVER" --port "$PORT"
}

downs() {
	[ "$(grep -c '^worker down .* again in' "$LOG")" -ge "$1" ]
}

cpu_ms() {
	awk -v hz="$(getconf CLK_TCK)" '{ print ($14 + $15) * 1000 / hz }' \
	    "/proc/$MASTER/stat"
}

@test "in a crash loop the pause grows, shows in status and costs no time" {
	local pid pauses cpu wall

	start_crashing
	wait_for worker_is 1 ready
	pid=$(worker_pid 1)
	wait_for downs 2
	cpu=$(cpu_ms)
	wall=$(now_ms)
	wait_for status_is '.workers[0] | .state == "backoff" and .pid == null
	    and .next_start_ms > 0 and .next_start_ms <= 30000 and
	    .restarts >= 3 and .last_exit == "exited with 3"'
	wait_for downs 3
	# One that turns in circles takes most of the time.
	cpu=$(($(cpu_ms) - cpu))
	wall=$(($(now_ms) - wall))
	[ "$wall" -ge 500 ]
	[ $((cpu * 10)) -le "$wall" ]
	[ "$(worker_pid 1)" -eq "$pid" ]

	run -0 sed -n 's/^worker down .* again //p' "$LOG"
	[ "${lines[0]}" = "at once" ]
	pauses=$(printf '%s\n' "${lines[@]:1}" | sed 's/in \(.*\) s/\1/')
	awk 'NR > 1 && $1 <= before { exit 1 } { before = $1 }' <<<"$pauses"
}

@test "crr status answers in the middle of a crash loop" {
	start_crashing
	wait_for downs 1
	run -0 crr status
	grep -E '^0 .* backoff .* exited with 3, again in [0-9]+ s' \
	    <<<"$output"
	grep -E '^1 .* ready ' <<<"$output"
}

@test "no failure after the first worker was ready ends the master" {
	crr_start_raw -w 2 -- sh -c '[ "$CRR_WORKER_ID" = 0 ] || exec "$@"
	    until [ -e up ]; do sleep 0.05; done; exit 5' sh \
	    "$SERVER" --port "$PORT"
	wait_for worker_is 1 ready
	touch up
	wait_for downs 1
	grep "^worker down .*: exited with 5, again at once" "$LOG"
	is_running "$MASTER"
	[[ "$(get /)" == "pid "* ]]
}

# What a worker leaves behind.

@test "what a crashed worker had started is gone: its group, and daemons" {
	local others

	serve 1 --children 2 --daemon-child
	others=$(get /children)
	[ "$(wc -w <<<"$others")" -eq 3 ]
	crash 0
	wait_for all_gone $others
}

@test "what a stopped worker had started is gone: its group, and daemons" {
	local others

	serve 1 --children 2 --daemon-child
	others=$(get /children)
	[ "$(wc -w <<<"$others")" -eq 3 ]
	crr_stop
	[ "$CODE" -eq 0 ]
	all_gone $others
}

@test "strangers that the master inherits are reaped quietly" {
	local stranger

	mkfifo fifo
	crr_start -w 1 -- sh -c "(setsid sh -c 'echo \$\$ >stranger
	    read -r _ <fifo' &); exec \"\$@\"" sh "$SERVER" --port "$PORT"
	wait_for [ -s stranger ]
	stranger=$(cat stranger)
	[ "$(awk '{ print $4 }' "/proc/$stranger/stat")" -eq "$MASTER" ]
	echo >fifo
	wait_for [ ! -e "/proc/$stranger" ]
	[ "$(wc -l <"$LOG")" -eq 2 ]
	[ ! -s "$ERR" ]
}

children_of() {
	tr ' ' '\n' <"/proc/$1/task/$1/children" | grep .
}

has_children() {
	[ "$(children_of "$1" | wc -l)" -eq "$2" ]
}

@test "as PID 1 it reaps strangers, answers a crash and stops" {
	local space

	need unshare
	unshare -p -f --mount-proc true || skip "no PID namespace can be had"
	mkfifo fifo
	background unshare -p -f --mount-proc --kill-child "$CRR" run \
	    -s "$CRR_SOCKET" -w 1 -- sh -c '(setsid sh -c "read -r _ <fifo" &)
	    exec "$@"' sh "$SERVER" --port "$PORT" >"$LOG" 2>"$ERR"
	space=$!
	wait_for all_ready
	[ "$(master_pid)" -eq 1 ]
	MASTER=$(children_of "$space")
	has_children "$MASTER" 2
	echo >fifo
	wait_for has_children "$MASTER" 1
	kill -KILL "$(children_of "$MASTER")"
	wait_for status_is '.workers[0] | .restarts == 1 and .state == "ready"'
	crr stop -q
	wait_for is_gone "$space"
	[ ! -s "$ERR" ]
}

# Signals that are not the workers'.

@test "USR1 is passed on to each worker once" {
	local pids

	serve 3
	pids=$(ready_pids)
	kill -USR1 "$MASTER"
	wait_for signals_are "$(each USR1 $pids)"
	[ "$(ready_pids)" = "$pids" ]
}

@test "SIGKILL to the master: its workers get their stop signal" {
	local pids

	OPTIONS=(--stop-signal INT)
	serve 3
	pids=$(ready_pids)
	kill -KILL "$MASTER"
	wait_for signals_are "$(each INT $pids)"
	# They did not end by it, as they would by another.
	kill -USR1 $pids
	kill -KILL $pids
}

@test "SIGKILL to the master: what is left behind a shell goes when a new one comes" {
	crr_start -w 2 -- sh -c '"$0" "$@"; exit 3' "$SERVER" --port "$PORT"
	kill -KILL "$MASTER"
	wait_for is_gone "$MASTER"

	crr_start -w 2 -- "$SERVER" --port "$PORT"
	[ "$(answering_pids)" = "$(ready_pids | sort -n)" ]
}

@test "SIGKILL to the master: a new one takes its stale socket and binds at once" {
	local pids

	serve 2 --ignore-term
	pids=$(ready_pids)
	kill -KILL "$MASTER"
	wait_for is_gone "$MASTER"
	[ -S "$CRR_SOCKET" ]

	crr_start_raw -w 2 -- "$SERVER" --port "$PORT"
	wait_for status_is --argjson pid "$MASTER" '.master.pid == $pid'
	kill -KILL $pids
	wait_for settled "$MASTER"
	signals_are "$(each TERM $pids)"
	[ "$(answering_pids)" = "$(ready_pids | sort -n)" ]
}

# start_on_terminal COMMAND: a session of its own on a terminal, whose keys are
# read from the fifo keys; "x" closes it.
start_on_terminal() {
	need python3
	mkfifo keys
	cat >terminal.py <<-'EOF'
	import os, pty, select, sys
	pid, terminal = pty.fork()
	if pid == 0:
	    os.execvp(sys.argv[1], sys.argv[1:])
	keys = os.open('keys', os.O_RDWR)
	while True:
	    ready = select.select([terminal, keys], [], [])[0]
	    if terminal in ready:
	        try:
	            os.read(terminal, 4096)
	        except OSError:
	            break
	    if keys in ready:
	        key = os.read(keys, 1)
	        if key == b'x':
	            break
	        os.write(terminal, key)
	os.close(terminal)
	EOF
	background python3 terminal.py "$@"
	wait_for -t 60 all_ready
	MASTER=$(master_pid)
}

# hears_once KEY [COMMAND]: each worker hears of KEY by one TERM alone.
hears_once() {
	local key=$1 pids

	shift
	start_on_terminal "$@" "$CRR" run -w 2 -- "$SERVER" \
	    --port "$PORT" --signal-log "$PWD/signals"
	pids=$(ready_pids)
	printf '%s' "$key" >keys
	wait_for is_gone "$MASTER"
	signals_are "$(each TERM $pids)"
	[ ! -e "$CRR_SOCKET" ]
}

@test "Ctrl-C in the terminal reaches workers through the master alone" {
	hears_once $'\003'
}

@test "Ctrl-C reaches workers through the master alone, also below a shell" {
	hears_once $'\003' sh -c '"$@"; :' sh
}

@test "a closed terminal reaches workers through the master alone" {
	hears_once x
}

@test "a closed terminal reaches workers through the master alone, also below a shell" {
	hears_once x sh -c '"$@"; :' sh
}

@test "a worker does not read the master's terminal" {
	start_on_terminal "$CRR" run -w 1 -- sh -c \
	    'readlink /proc/$$/fd/0 >stdin; exec "$@"' sh \
	    "$SERVER" --port "$PORT"
	[ "$(cat stdin)" = /dev/null ]
}

# Ids and generations.

@test "ids are 0 to N-1, stable over crash and reload; generations only go up" {
	local ids='[.workers[] | [.id, .generation]]' id

	OPTIONS=(--soak 0)
	serve 3
	[ "$(status -c "$ids")" = '[[0,1],[1,1],[2,1]]' ]
	crr reload -q
	[ "$(status -c "$ids")" = '[[0,2],[1,2],[2,2]]' ]
	crash 2
	[ "$(status -c "$ids")" = '[[0,2],[1,2],[2,2]]' ]
	crash 0
	crr reload -q
	[ "$(status -c "$ids")" = '[[0,3],[1,3],[2,3]]' ]
	for id in 0 1 2; do
		[ "$(tr '\0' '\n' <"/proc/$(worker_pid "$id")/environ" |
		    grep -c "^CRR_WORKER_ID=$id\$\|^CRR_GENERATION=3\$")" \
		    -eq 2 ]
	done
}

# Scale.

@test "crr scale changes the number of workers, up and down, to a number and by a number" {
	local first

	serve 2
	first=$(ready_pids)
	[ "$(crr scale 5 | tail -n 1)" = "scaled to 5 workers" ]
	all_ready
	[ "$(status -c '[.workers[].id]')" = '[0,1,2,3,4]' ]
	[ "$(ready_pids | head -n 2)" = "$first" ]
	[ "$(answering_pids 500)" = "$(ready_pids | sort -n)" ]

	crr scale -3
	[ "$(ready_pids)" = "$first" ]
	[ "$(status '.workers | length')" -eq 2 ]
	crr scale +1
	[ "$(status '.workers | length')" -eq 3 ]
	crr scale 1
	[ "$(ready_pids)" = "$(head -n 1 <<<"$first")" ]
	[ "$(answering_pids)" = "$(ready_pids)" ]
}

@test "scaling loses no request" {
	serve 2 --graceful
	load_start -c 8
	crr scale 6
	crr scale 2
	crr scale +1
	load_stop
	[ "$CODE" -eq 0 ]
	[ "$(load_value answered)" -gt 0 ]
}

@test "crr scale refuses what makes no cluster, with 1, and changes nothing" {
	local before

	serve 2
	before=$(ready_pids)
	run -1 --separate-stderr crr scale -2
	[ "$stderr" = "crr scale: can't scale to 0 workers: from 1 to 1024" ]
	run -1 crr scale +1023
	[ "$(ready_pids)" = "$before" ]
	status_is '.master.workers == 2 and .master.state == "serving"'
}

@test "crr scale waits for its own: a later one ends it with 1" {
	serve 1 --flags-file "$PWD/flags"
	echo --never-ready >flags
	crr scale 2 >out 2>err &
	wait_for worker_is 1 starting
	crr scale 1
	wait "$!" || CODE=$?
	[ "$CODE" -eq 1 ]
	[ "$(cat err)" = \
	    "crr scale: another number of workers was asked for" ]
}

wanted_is() {
	status_is --argjson n "$1" '.master.workers == $n' && all_ready
}

@test "TTIN is one worker more, TTOU one fewer, never none" {
	serve 1
	kill -TTIN "$MASTER"
	wait_for wanted_is 2
	kill -TTIN "$MASTER"
	wait_for wanted_is 3
	[ "$(answering_pids)" = "$(ready_pids | sort -n)" ]
	kill -TTOU "$MASTER"
	wait_for wanted_is 2
	kill -TTOU "$MASTER"
	wait_for wanted_is 1
	kill -TTOU "$MASTER"
	# One that was obeyed would be seen before what comes after it.
	kill -USR1 "$MASTER"
	wait_for grep -q USR1 signals
	wanted_is 1
}

# At rest.

@test "a master at rest does not wake up" {
	need strace
	OPTIONS=(--queue shared)
	serve 2
	run -124 timeout 2 strace -f -p "$MASTER" -o trace
	cat trace
	# All that is in it is the call in which it was found.
	[ "$(wc -l <trace)" -eq 1 ]
	run ! grep ' = ' trace
}
