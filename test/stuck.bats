# Workers that leave connections in their queues.

# shellcheck disable=SC2016,SC2153,SC2154

load helper

# Four workers, one of them stopped by SIGSTOP, in $STUCK.
one_stopped() {
	crr_start -w 4 "$@" -- "$SERVER" --port "$PORT"
	STUCK=$(worker_pid 2)
	kill -STOP "$STUCK"
}

not_steered() {
	status_is --argjson pid "$STUCK" '(.workers[] |
	    select(.pid == $pid) | .seat) as $seat |
	    .listeners[0].queues[] | select(.seat == $seat) | .steered | not'
}

steered() {
	! not_steered
}

@test "nothing new is steered to a stuck worker while others are ready" {
	one_stopped
	background "$LOAD" -c 8 -t 60 -T 60000 "127.0.0.1:$PORT" >out
	local load=$!
	wait_for not_steered
	wait_for grep -F "waited for a second" "$ERR"
	not_steered
	run -0 "$LOAD" -c 8 -n 400 "127.0.0.1:$PORT"
	[[ "$output" == *"answered 400"* ]]
	# It accepts again, so that it is steered to again.
	kill -CONT "$STUCK"
	wait_for grep -F "accepts again" "$ERR"
	wait_for steered
	kill -TERM "$load"
	wait_end "$load"
	[ "$CODE" -eq 0 ]
}

@test "with --hang a stuck worker is replaced, and its successor serves its queue" {
	one_stopped --hang 2s
	run -0 "$LOAD" -c 32 -n 2000 -T 60000 "127.0.0.1:$PORT"
	[[ "$output" == *"answered 2000"* ]]
	wait_for worker_is 2 ready
	[ "$(worker_pid 2)" != "$STUCK" ]
	[ "$(worker_field 2 restarts)" -eq 1 ]
	[[ "$(worker_field 2 last_exit)" == *"left connections waiting"* ]]
}

@test "with --hang a cluster of one that is stuck is replaced, too" {
	crr_start -w 1 --hang 1s -- "$SERVER" --port "$PORT"
	kill -STOP "$(worker_pid 0)"
	run -0 "$LOAD" -c 8 -n 100 -T 60000 "127.0.0.1:$PORT"
	[[ "$output" == *"answered 100"* ]]
}

@test "a busy worker that goes on accepting is not called stuck" {
	crr_start -w 2 -- "$SERVER" --port "$PORT" --work 50
	run -0 "$LOAD" -c 64 -t 3 "127.0.0.1:$PORT"
	run ! grep -F "waited for a second" "$ERR"
}
