# What happens while a reload is in progress.
#
# SC2016: a dollar in a script of sh's is sh's. SC2030, SC2031: a test is a
# subshell, and meant to be.
# shellcheck disable=SC2016,SC2030,SC2031

load helper

# stall N [OPTION ...]: a reload whose first replacement waits to be let
# through; its client's pid is in $STALLED, its lines are in stalled.out.
stall() {
	start_release "$@"
	OLD=$(worker_pids)
	touch gate.0
	reload_start stalled
	STALLED=$CLIENT
	wait_for worker_is 0 starting
}

# From the next check on.
let_through() {
	rm gate.0
}

# No orphan: as many processes as status shows.
nothing_but_workers() {
	diff <(worker_pids | sort -n) <(worker_processes | sort -n)
}

# Other reloads.

@test "a reload during a reload says so, and both clients are told when theirs is done" {
	stall 2
	reload_start second
	second=$CLIENT
	wait_for grep -qx "reload already in progress" second.out
	let_through
	wait_end "$STALLED"
	[ "$CODE" -eq 0 ]
	wait_end "$second"
	[ "$CODE" -eq 0 ]
	all_of_generation 3
	nothing_but_workers
	[ "$(wc -l <stalled.out)" -eq 6 ]
	# Of its own reload alone, behind that line.
	[ "$(wc -l <second.out)" -eq 7 ]
}

@test "two more reloads during a reload make one more" {
	stall 2
	reload_start second
	second=$CLIENT
	reload_start third
	third=$CLIENT
	wait_for grep -q "already in progress" second.out
	wait_for grep -q "already in progress" third.out
	let_through
	for pid in "$STALLED" "$second" "$third"; do
		wait_end "$pid"
		[ "$CODE" -eq 0 ]
	done
	all_of_generation 3
	status_is '.master.reloads == 2'
	nothing_but_workers
}

# two_reloads: one behind the other; $STALLED and $CLIENT are theirs. What
# generation 2 and 3 do is in the files flags.2 and flags.3.
two_reloads() {
	touch gate.0
	crr_start_raw -w 2 --soak 100ms -- sh -c '
	    while [ "$CRR_GENERATION" -gt 1 ] && [ -e gate.0 ]; do
		sleep 0.02
	    done
	    exec "$0" --port "$PORT" --flags-file "flags.$CRR_GENERATION"
	' "$SERVER"
	wait_for all_ready
	reload_start stalled
	STALLED=$CLIENT
	wait_for worker_is 0 starting
	reload_start second
	wait_for grep -q "already in progress" second.out
	let_through
}

@test "a failed reload is told to its own client, not to that of the good one behind it" {
	echo --exit-at-start 6 >flags.2
	two_reloads
	wait_end "$STALLED"
	[ "$CODE" -eq 1 ]
	grep -q "worker 0: exited with 6" stalled.err
	wait_end "$CLIENT"
	[ "$CODE" -eq 0 ]
	all_of_generation 3
	nothing_but_workers
}

@test "a failed reload is told to its own client, not to that of the good one before it" {
	echo --exit-at-start 6 >flags.3
	two_reloads
	wait_end "$STALLED"
	[ "$CODE" -eq 0 ]
	wait_end "$CLIENT"
	[ "$CODE" -eq 1 ]
	grep -q "worker 0: exited with 6; 0 of 2 workers are new" second.err
	all_of_generation 2
	nothing_but_workers
}

# The client.

@test "a client that is killed locks nothing, and its reload goes on" {
	stall 2
	kill -KILL "$STALLED"
	wait_for is_gone "$STALLED"
	let_through
	wait_for all_of_generation 2
	reload
	all_of_generation 3
}

@test "the next reload does not wait for ever behind that of a killed client" {
	stall 2
	kill -KILL "$STALLED"
	reload_start second
	wait_for grep -q "already in progress" second.out
	let_through
	wait_end "$CLIENT"
	[ "$CODE" -eq 0 ]
	all_of_generation 3
}

@test "two masters don't wait for each other" {
	stall 1
	CRR_SOCKET=$PWD/other.sock
	mkdir other
	cd other
	first=$PORT
	PORT=$(free_port)
	[ "$PORT" -ne "$first" ]
	start_release 1
	reload
	all_of_generation 2
	is_running "$STALLED"
	crr_stop
}

@test "a client whose master is killed in the middle ends with 1" {
	stall 2
	kill -KILL "$MASTER"
	wait_end "$STALLED"
	[ "$CODE" -eq 1 ]
	grep -q "the master ended" stalled.err
}

@test "a client gives up after --timeout with 5, and the reload goes on" {
	stall 2
	run -5 --separate-stderr reload --timeout 200ms
	# shellcheck disable=SC2154
	[[ $stderr == *"not finished after --timeout 200ms; the reload goes on"* ]]
	is_reloading
	let_through
	wait_for all_of_generation 3
}

@test "a client does not wait with --no-wait" {
	start_release 2
	touch gate.0
	reload --no-wait
	is_reloading
	generations_are 1 1
	rm gate.0
	wait_for all_of_generation 2
}

@test "a reload without a master is status 3" {
	run -3 --separate-stderr reload
	[[ $stderr == *"no master at $CRR_SOCKET"* ]]
}

# Reset.

@test "a reset ends a reload where it stands, and the next one works" {
	stall 2
	new=$(worker_pid 0)
	reload --reset
	wait_end "$STALLED"
	[ "$CODE" -eq 1 ]
	grep -q "the reload was reset" stalled.err
	wait_for is_gone "$new"
	[ "$(worker_pids)" = "$OLD" ]
	rm gate.0
	reload
	all_of_generation 3
	nothing_but_workers
}

@test "a reset keeps the workers that are new already" {
	start_release 2 --wait 10m
	reload_start reload
	wait_for generations_are 2 1
	reload --reset
	wait_end "$CLIENT"
	[ "$CODE" -eq 1 ]
	generations_are 2 1
	status_is '.master.state == "serving"'
}

@test "a reset without a reload changes nothing" {
	start_release 1
	reload --reset
	all_of_generation 1
	reload
	all_of_generation 2
}

# Stop.

# stopped_both: master and workers of both generations are gone at once.
stopped_both() {
	wait_master
	[ "$CODE" -eq 0 ]
	no_worker_processes
	wait_end "$STALLED"
	[ "$CODE" -eq 1 ]
	grep -q "the master was stopped" stalled.err
}

@test "a stop during a reload is acted on at once, and both generations are gone" {
	stall 2
	run -0 timeout 20 "$CRR" stop
	stopped_both
}

@test "TERM during a reload is acted on at once, and both generations are gone" {
	stall 2
	kill -TERM "$MASTER"
	stopped_both
}

# Scale.

@test "more workers are started at once during a reload" {
	start_release 2 --wait 10m
	reload_start reload
	wait_for generations_are 2 1
	background "$CRR" scale +1 >scale.out 2>&1
	scale=$!
	wait_for generations_are 2 1 2
	is_reloading
	reload --reset
	wait_end "$CLIENT"
	[ "$CODE" -eq 1 ]
	wait_end "$scale"
	[ "$CODE" -eq 0 ]
}

@test "workers too many are stopped at once during a reload, which goes on" {
	start_release 3 --wait 10m
	reload_start reload
	wait_for generations_are 2 1 1
	timeout 20 "$CRR" scale 1
	wait_end "$CLIENT"
	[ "$CODE" -eq 0 ]
	all_of_generation 2
	nothing_but_workers
}

@test "a reload brings workers that were added meanwhile to its generation" {
	stall 2
	background "$CRR" scale 3 >scale.out 2>&1
	scale=$!
	wait_for worker_is 2 ready
	let_through
	wait_end "$STALLED"
	[ "$CODE" -eq 0 ]
	wait_end "$scale"
	[ "$CODE" -eq 0 ]
	all_of_generation 2
	status_is '.workers | length == 3'
}

# Crashes.

# is_back ID PID: with another pid than that, and ready.
is_back() {
	worker_is "$1" ready && [ "$(worker_pid "$1")" -ne "$2" ]
}

@test "an old worker that crashes during a stalled reload is back at once in its id, the others untouched" {
	stall 3
	victim=$(worker_pid 1)
	others=$(worker_pid 0; worker_pid 2)
	kill -KILL "$victim"
	wait_for -t 5 is_back 1 "$victim"
	is_reloading
	[ "$(worker_pid 0; worker_pid 2)" = "$others" ]
	back=$(worker_pid 1)
	let_through
	wait_end "$STALLED"
	[ "$CODE" -eq 0 ]
	all_of_generation 2
	# It was new already.
	[ "$(worker_pid 1)" -eq "$back" ]
}

two_start_as_0() {
	status_is '[.workers[] | select(.id == 0 and .state == "starting")] |
	    length == 2'
}

@test "an old worker that crashes while its own replacement starts does not fail the reload" {
	crr_start -w 2 --soak 100ms -- sh -c '
	    while [ "$CRR_GENERATION$CRR_WORKER_ID" = 20 ] &&
		[ ! -e "go.$$" ]; do
		sleep 0.02
	    done
	    exec "$0" --port "$PORT"
	' "$SERVER"
	old=$(worker_pid 0)
	reload_start reload
	wait_for worker_is 0 starting
	new=$(worker_pid 0)
	kill -KILL "$old"
	wait_for two_start_as_0
	touch "go.$new"
	wait_end "$CLIENT"
	[ "$CODE" -eq 0 ]
	# The one that started in the old one's place has gone again.
	all_of_generation 2
	[ "$(worker_pid 0)" -eq "$new" ]
	nothing_but_workers
}
