# The unit tests, each program one test here. On failure its sentences that
# are not so are shown.

# shellcheck disable=SC2154

load helper

UNITS="address bus channel claim clients conn cork event family group"
UNITS="$UNITS hold http1 inhand ipc json listener parse passfd pile poller post"
UNITS="$UNITS reload steering timers trap words worker"

unit() {
	# One reads doc/protocol.md.
	cd "$ROOT" || return 1
	run "$BUILD/test/unit_$1"
	echo "$output" | grep -v "^ok " || true
	[ "$status" -eq 0 ]
	[[ ${lines[-1]} =~ ^1\.\.[1-9] ]]
}

@test "every unit test is run here" {
	local file names=

	for file in "$ROOT"/test/unit_*.c; do
		file=${file##*/unit_}
		names="$names ${file%.c}"
	done
	[ "${names# }" = "$UNITS" ]
	for file in $UNITS; do
		grep -qx "	unit $file" "$BATS_TEST_FILENAME"
	done
}

@test "addresses (unit)" {
	unit address
}

@test "clients (unit)" {
	unit clients
}

@test "events (unit)" {
	unit event
}

@test "sockets for an address (unit)" {
	unit claim
}

@test "the bus (unit)" {
	unit bus
}

@test "which processes are a worker's" {
	unit family
}

@test "queues of one address (unit)" {
	unit group
}

@test "Node's channel (unit)" {
	unit channel
}

@test "connections on the control socket (unit)" {
	unit conn
}

@test "a gap in a connection whose server blocks (unit)" {
	unit cork
}

@test "what a connection has in hand, and what is done about it" {
	unit inhand
}

@test "the wire (unit)" {
	unit ipc
}

@test "lines of JSON (unit)" {
	unit json
}

@test "listeners (unit)" {
	unit listener
}

@test "parsing (unit)" {
	unit parse
}

@test "descriptors that are watched (unit)" {
	unit poller
}

@test "passing descriptors (unit)" {
	unit passfd
}

@test "piles of bytes (unit)" {
	unit pile
}

@test "the bus for connections (unit)" {
	unit post
}

@test "the reload (unit)" {
	unit reload
}

@test "which seats connections go to (unit)" {
	unit steering
}

@test "deadlines, the nearest first (unit)" {
	unit timers
}

@test "the trap (unit)" {
	unit trap
}

@test "the words of Node's channel (unit)" {
	unit words
}

@test "workers (unit)" {
	unit worker
}

@test "HTTP/1, as much of it as is read (unit)" {
	unit http1
}

@test "what is held and handed on, by a random scheduler (unit)" {
	unit hold
}
