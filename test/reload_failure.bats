# Reloads of a bad release: it changes nothing, or stops where it fails.
#
# SC2016: a dollar in a script of sh's is sh's.
# shellcheck disable=SC2016

load helper

# serving PIDS: these answer, and no others.
serving() {
	diff <(sort -n <<<"$1") <(answering_pids)
}

# fails_with PATTERN PIDS: a reload says so and ends with 1; these serve on.
fails_with() {
	run -1 --separate-stderr reload
	# shellcheck disable=SC2154
	[[ $stderr == *$1* ]] || {
		echo "not in: $stderr"
		return 1
	}
	[ "$(ready_pids)" = "$2" ]
	status_is '(.workers | length) == .master.workers'
	serving "$2"
}

@test "a release that exits at start leaves every old worker serving" {
	start_release 2
	release --exit-at-start 9
	fails_with "worker 0: exited with 9; 0 of 2 workers are new" \
	    "$(worker_pids)"
	[ "$(tail -n 1 <<<"$output" | cut -d : -f 1)" = "reload failed" ]
	status_is '.master.reloads_failed == 1 and .master.reloads == 0'
}

@test "a release that is killed by a signal at start leaves every old worker serving" {
	start_release 2
	release --abort-at-start
	fails_with "worker 0: killed by SIGABRT" "$(worker_pids)"
}

@test "a release that exits with 0 before it is ready fails the reload" {
	start_release 2
	release --exit-at-start 0
	fails_with "worker 0: exited with 0" "$(worker_pids)"
}

@test "a command that has gone fails the reload and is named" {
	cp "$SERVER" server
	crr_start -w 2 -- ./server --port "$PORT"
	rm server
	fails_with "worker 0: *./server*: No such file or directory" \
	    "$(worker_pids)"
}

@test "a directory that has gone fails the reload and is named" {
	mkdir app
	crr_start -w 2 -C app -- "$SERVER" --port "$PORT"
	mv app app.old
	fails_with "worker 0: directory $PWD/app: No such file" \
	    "$(worker_pids)"
}

@test "one that is never ready is killed at its deadline and the old one kept" {
	start_release 2 --start-timeout 3s
	release --never-ready --ignore-term
	fails_with "worker 0: not ready within 3 s" "$(worker_pids)"
	new=$(sed -n 's/^worker down \([0-9]*\): not ready.*/\1/p' <<<"$output")
	is_gone "$new"
	run ! grep "worker up" <<<"$output"
}

@test "one that is ready and dies while it is watched fails the reload before its predecessor is touched" {
	release --signal-log signals
	start_release 2 --soak 10m
	old=$(worker_pids)
	release --die-after 500
	reload_start reload
	wait_for grep -q "worker up" reload.out
	serving "$old"
	wait_end "$CLIENT"
	[ "$CODE" -eq 1 ]
	grep -q "worker 0: exited with 3; 0 of 2 workers are new" reload.err
	[ "$(worker_pids)" = "$old" ]
	serving "$old"
	# Nobody was told to stop.
	[ ! -e signals ]
}

waits_to_start() {
	status_is "[.workers[] | select(.id == 0)][0] |
	    .state == \"backoff\" and .next_start_ms > $1"
}

@test "a short life in readiness doesn't reset the backoff" {
	start_release 1
	release --die-after 300
	kill -KILL "$(worker_pid 0)"
	# At once the first time; then after 0.8 s to 1 s, and 1.6 s to 2 s.
	wait_for waits_to_start 100
	wait_for waits_to_start 1200
}

# Failures in the middle.

# start_picky N [OPTION ...]: N workers. The one whose id is in the file
# picked takes the flags that are in the file flags.
start_picky() {
	local workers=$1

	shift
	crr_start -w "$workers" --soak 100ms "$@" -- sh -c '
	    if [ "$CRR_WORKER_ID" = "$(cat picked 2>/dev/null)" ]; then
		exec "$0" "$@" --flags-file flags
	    fi
	    exec "$0" "$@"
	' "$SERVER" --port "$PORT"
}

@test "a failure at a later worker stops there, and a good reload brings all to one generation" {
	start_picky 4
	old=$(worker_pids)
	echo 2 >picked
	release --exit-at-start 7
	run -1 --separate-stderr reload
	[[ $stderr == *"worker 2: exited with 7; 2 of 4 workers are new"* ]]
	generations_are 2 2 1 1
	diff <(tail -n 2 <<<"$old") <(worker_pids | tail -n 2)
	rm picked
	reload
	all_of_generation 3
}

@test "a new worker that dies soon after it took over stops the reload" {
	start_release 3 --wait 10m
	old=$(worker_pids)
	reload_start reload
	wait_for generations_are 2 1 1
	wait_for grep -q "worker down" reload.out
	kill -KILL "$(worker_pid 0)"
	wait_end "$CLIENT"
	[ "$CODE" -eq 1 ]
	grep -q "worker 0: killed by SIGKILL; 0 of 3 workers are new" reload.err
	# It starts again, and the others are not touched.
	wait_for generations_are 2 1 1
	diff <(tail -n 2 <<<"$old") <(worker_pids | tail -n 2)
	reload_start next
	wait_for generations_are 3 1 1
}

# Ready is told, not guessed.

# start_told N [OPTION ...]: workers that listen at once, and say that they
# are ready when there is no file gate. Does not wait for them.
start_told() {
	local workers=$1

	shift
	crr_start_raw -v -w "$workers" --ready notify --soak 100ms "$@" -- \
	    sh -c '
	    "$0" --port "$PORT" &
	    server=$!
	    while [ -e gate ]; do
		sleep 0.02
	    done
	    "$0" --port 0 --notify 0 &
	    wait "$server"
	' "$SERVER"
}

# READY on the control socket; prints the answer: done, or an error's text.
say_ready() {
	perl -e '
		use Socket;
		socket(my $fd, AF_UNIX, SOCK_STREAM, 0) or die;
		connect($fd, pack_sockaddr_un($ENV{CRR_SOCKET})) or die;
		syswrite($fd, pack("a4nnNN", "crr", 1, 9, 0, 1));
		sysread($fd, my $head, 16) == 16 or die;
		my (undef, undef, $type, $len) = unpack("a4nnN", $head);
		my $text = "done";
		sysread($fd, $text, $len) if $len > 0;
		print "$text\n";
	'
}

# In both ways, and heard by the master.
stranger_says_ready() {
	background env NOTIFY_SOCKET="$(get '/env?NOTIFY_SOCKET')" \
	    "$SERVER" --port 0 --notify 0
	wait_for grep -q "READY=1 of process $!" "$ERR"
	[[ $(say_ready) == "process "*" is not a worker's" ]]
}

listening_sockets() {
	awk -v port="$(printf ':%04X' "$PORT")" '
	    index($2, port) && $4 == "0A" { n++ }
	    END { print n + 0 }' /proc/net/tcp
}

two_listen() {
	[ "$(listening_sockets)" -eq 2 ]
}

@test "with --ready notify a worker that listens is not ready until it says so, and a stranger can't say it" {
	need perl
	touch gate
	start_told 1
	wait_for get /
	worker_is 0 starting
	stranger_says_ready
	worker_is 0 starting
	rm gate
	wait_for all_ready
}

@test "a replacement that listens takes nothing over until it says that it is ready" {
	need perl
	start_told 1
	wait_for all_ready
	old=$(worker_pids)
	served=$(answering_pids)
	touch gate
	reload_start reload
	wait_for two_listen
	stranger_says_ready
	worker_is 0 starting
	[ "$(ready_pids)" = "$old" ]
	serving "$served"
	rm gate
	wait_end "$CLIENT"
	[ "$CODE" -eq 0 ]
	all_of_generation 2
}

@test "a replacement that has started takes nothing over until it listens" {
	start_release 2
	old=$(worker_pids)
	touch gate.0
	reload_start reload
	wait_for worker_is 0 starting
	serving "$old"
	[ "$(ready_pids)" = "$old" ]
	rm gate.0
	wait_end "$CLIENT"
	[ "$CODE" -eq 0 ]
	all_of_generation 2
}

@test "a second READY of a worker changes nothing" {
	need perl
	export -f say_ready
	crr_start -w 1 --ready notify --soak 100ms -- bash -c '
	    "$0" --port "$PORT" &
	    server=$!
	    (say_ready; say_ready) >said.$CRR_GENERATION
	    wait "$server"
	' "$SERVER"
	wait_for diff said.1 <(printf 'done\ndone\n')
	LC_ALL=C reload >lines
	wait_for diff said.2 <(printf 'done\ndone\n')
	all_of_generation 2
	[ "$(grep -c "worker up" "$LOG")" -eq 2 ]
	[ "$(sed 's/ *[0-9]*$//' lines)" = "$(printf '%s\n' \
	    "reload requested" "worker up" "worker down" "reload complete")" ]
}
