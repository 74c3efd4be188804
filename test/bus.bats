# The bus: what one worker says, all others hear, in one order.

# shellcheck disable=SC2016,SC2086,SC2153,SC2154

load helper

MEMBER=${MEMBER:-$BUILD/test/member}

# members N [OPTION ...]: workers that take part.
members() {
	local workers=$1

	shift
	crr_start -w "$workers" --ready notify "$@" -- "$MEMBER"
	wait_for status_is --argjson n "$workers" \
	    '[.bus.subscribers[] | select(.worker != null)] | length == $n'
}

# go MESSAGES BYTES SENDERS: until all members have written what they heard.
go() {
	crr broadcast -q --name go "$*"
	wait_for -t 60 reported "$(status .master.workers)"
}

reported() {
	local n

	n=$(find . -name 'out.*' | wc -l)
	[ "$n" -eq "$1" ]
}

# A field of what members wrote, in the order of the ids from the first one.
heard() {
	local field=$1

	shift
	cat "${@/#/out.}" | awk -v field="$field" '{ print $field }'
}

hello() {
	printf 'crr\0\0\1%b%b\0\0\0\7' "$1" "$2"
}

# python_client: the code is on stdin; s is a connection, send and next are
# what a client needs. Written from doc/protocol.md alone.
python_client() {
	need python3
	cat >client.py <<-'EOF'
		import os, socket, struct, sys, time
		s = socket.socket(socket.AF_UNIX)
		s.connect(os.environ["CRR_SOCKET"])
		s.settimeout(30)
		f = s.makefile("rb")
		def send(type, payload, id=7):
		    s.sendall(b"crr\0" + struct.pack(">HHII", 1, type,
		        len(payload), id) + payload)
		def message(name=b"", id=b"", data=b"", pid=0, worker=0, flags=0,
		    seq=0, zero=0):
		    return struct.pack(">QIiHHHH", seq, pid, worker, flags,
		        len(name), len(id), zero) + name + id + data
		def next():
		    head = f.read(16)
		    if not head:
		        return None, None, None
		    magic, version, type, len, id = struct.unpack(">4sHHII", head)
		    return type, id, f.read(len)
		def parse(p):
		    seq, pid, worker, flags, n, i, z = struct.unpack(">QIiHHHH",
		        p[:24])
		    return (seq, pid, worker, flags, p[24:24 + n],
		        p[24 + n:24 + n + i], p[24 + n + i:])
	EOF
	cat >>client.py
	"$(python)" client.py
}

@test "every other worker hears all that one saves, in order" {
	members 4
	go 20000 100 1
	[ "$(heard 1 0 1 2 3 | xargs)" = "0 20000 20000 20000" ]
	[ "$(heard 3 0 1 2 3 | xargs)" = "0 0 0 0" ]
	[ "$(heard 2 1 2 3 | sort -u | wc -l)" -eq 1 ]
}

@test "eight workers, one of them saving 200,000 times: the others hear all, in order" {
	members 8
	go 200000 100 1
	[ "$(heard 1 1 2 3 4 5 6 7 | sort -u)" -eq 200000 ]
	[ "$(heard 2 1 2 3 4 5 6 7 | sort -u | wc -l)" -eq 1 ]
	[ "$(heard 3 1 2 3 4 5 6 7 | sort -u)" -eq 0 ]
}

@test "of two senders all receivers hear the same interleaving" {
	members 5
	go 20000 100 2
	[ "$(heard 1 2 3 4 | sort -u)" -eq 40000 ]
	[ "$(heard 2 2 3 4 | sort -u | wc -l)" -eq 1 ]
	[ "$(status .bus.seq)" -eq $((1 + 40000 + 2)) ]
}

@test "one that does not read is dropped from, told how many it lost, and alone" {
	export STUCK=3
	members 4
	crr broadcast -q --name go "200000 100 1"
	wait_for -t 60 reported 3
	[ "$(heard 1 1 2 | sort -u)" -eq 200000 ]
	[ "$(heard 3 1 2 | sort -u)" -eq 0 ]
	# Its queue is bounded, and so is the master.
	status_is '.bus.lost > 0 and (.bus.subscribers[] | select(.worker == 3) |
	    .lost > 0 and .queued_bytes <= 8388608)'
	[ "$(awk '/VmHWM/ { print $2 }' "/proc/$MASTER/status")" -lt 65536 ] ||
	    grep -qa __asan_init "$CRR"
	: >wake
	wait_for -t 60 reported 4
	[ "$(heard 3 3)" -gt 0 ]
	[ $(($(heard 1 3) + $(heard 3 3))) -ge 200000 ]
	[ $(($(heard 1 3) + $(heard 3 3))) -le 200001 ]
}

@test "the answer counts the workers it was queued for, each once" {
	members 3
	[ "$(crr broadcast x)" = "sent to 3 workers" ]
	[ "$(crr broadcast --save --id 1 x)" = "sent to 3 workers" ]
	[ "$(crr broadcast --delete --id 1)" = "sent to 3 workers" ]
	crr_stop
	crr_start -w 2 -- "$SERVER" --port "$PORT"
	[ "$(crr broadcast x)" = "sent to 0 workers" ]
}

@test "workers that start or drain are told, those in backoff are not" {
	need python3
	cp "$ROOT/examples/cache.py" .
	echo 'import os, time
while os.path.exists("gate"): time.sleep(0.02)' |
	    cat - cache.py >gated.py
	crr_start -w 1 --soak 0 --drain 30s -- "$(python)" gated.py
	# It has answered this client, and waits for the next request.
	background "$(python)" -c 'import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
open("connected", "w").close()
time.sleep(60)' "$PORT"
	wait_for test -e connected
	reload_start client
	wait_for status_is 'any(.workers[]; .state == "draining") and
	    any(.workers[]; .state == "ready")'
	[ "$(crr broadcast x)" = "sent to 2 workers" ]
	crr reload --reset
	crr_stop

	# One that starts is told as soon as it has subscribed.
	sed -i 's/^http.server.Threading/while os.path.exists("late"):\
    time.sleep(0.02)\
http.server.Threading/' gated.py
	: >late
	crr_start_raw -w 1 -- "$(python)" gated.py
	wait_for status_is '.bus.subscribers | length == 1'
	status_is '.workers[0].state == "starting"'
	[ "$(crr broadcast x)" = "sent to 1 worker" ]
	rm late
	wait_for all_ready
	: >gate
	kill -KILL "$(worker_pid 0)"
	wait_for status_is '.workers[0].restarts == 1'
	kill -KILL "$(worker_pid 0)"
	wait_for worker_is 0 backoff
	[ "$(crr broadcast x)" = "sent to 0 workers" ]
}

@test "a worker does not hear what comes from its own processes" {
	need python3
	cat >family.py <<-'EOF'
		import os, socket, struct, time
		def connect():
		    s = socket.socket(socket.AF_UNIX)
		    s.connect(os.environ["CRR_SOCKET"])
		    return s
		def frame(type, payload, id):
		    return b"crr\0" + struct.pack(">HHII", 1, type,
		        len(payload), id) + payload
		def get(f):
		    head = f.read(16)
		    return f.read(struct.unpack(">I", head[8:12])[0])
		s = connect()
		f = s.makefile("rb")
		s.sendall(frame(17, struct.pack(">I", 1), 7))
		get(f)
		pid = os.fork()
		if pid == 0:
		    while not os.path.exists("speak"):
		        time.sleep(0.02)
		    c = connect()
		    g = c.makefile("rb")
		    c.sendall(frame(14, bytes(24) + b"own", 7))
		    n = struct.unpack(">I", get(g)[:4])[0]
		    open("count." + os.environ["CRR_WORKER_ID"], "w").write(str(n))
		    time.sleep(60)
		connect().sendall(frame(9, b"", 7))
		heard = [get(f)[24:], get(f)[24:]]
		open("heard." + os.environ["CRR_WORKER_ID"], "wb").write(
		    b" ".join(sorted(heard)))
		time.sleep(60)
	EOF
	crr_start -w 2 --ready notify -- "$(python)" family.py
	crr broadcast -q all
	: >speak
	wait_for test -s heard.0 -a -s heard.1
	# Each has heard the client and the other's child, not its own.
	[ "$(cat heard.0)" = "all own" ]
	[ "$(cat heard.1)" = "all own" ]
	[ "$(cat count.0)" -eq 1 ]
	[ "$(cat count.1)" -eq 1 ]
}

@test "any bytes pass: empty data, an empty name, NUL bytes, no UTF-8" {
	crr_start -w 1 -- "$SERVER" --port "$PORT"
	background "$CRR" watch --json --type saved,message >watched
	wait_for status_is '.bus.subscribers | length == 1'
	crr broadcast -q ""
	crr broadcast -q --save --name "" --id k ""
	printf 'a\0\377b' | crr broadcast -q --save --name n --id "$(printf 'k\377')" -
	wait_for grep -q data64 watched
	jq -c '[.event, .name, .id, .id64, .data, .data64]' watched >got
	diff got - <<-'EOF'
		["message","",null,null,"",null]
		["saved","","k",null,"",null]
		["saved","n",null,"a/8=",null,"YQD/Yg=="]
	EOF
}

@test "16 MiB pass, one byte more is refused with a line" {
	crr_start -w 1 -- "$SERVER" --port "$PORT"
	background "$CRR" watch >watched
	wait_for status_is '.bus.subscribers | length == 1'
	head -c 16777216 /dev/zero | crr broadcast -q -
	wait_for grep -q ^message watched
	run -1 --separate-stderr crr broadcast - < <(head -c 16777217 /dev/zero)
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ "$stderr" == *16777216* ]]
	# Who does not look says so to the master: it refuses, and goes on.
	python_client <<-'EOF'
		send(14, message(data=bytes(16777217)))
		type, id, text = next()
		assert (type, id) == (3, 7) and b"16777216" in text, text
		send(14, message(data=b"x"))
		assert next()[0] == 23
	EOF
}

@test "who a sender is, the kernel says" {
	members 1
	background "$CRR" watch --json --type message >watched
	wait_for status_is '.bus.subscribers | length == 2'
	python_client <<-'EOF'
		send(14, message(data=b"x", pid=1, worker=5, seq=99))
		assert next()[0] == 23
		open("pid", "w").write(str(os.getpid()))
	EOF
	wait_for test -s watched
	[ "$(jq -r .pid watched)" = "$(cat pid)" ]
	[ "$(jq -r .worker watched)" = null ]
	[ "$(jq -r .seq watched)" -eq 1 ]
}

# A directory of root's where others can find the socket, and nothing more.
open_directory() {
	user_directory
	chown 0:0 "$USER_DIR"
	export CRR_SOCKET=$USER_DIR/crr.sock
}

@test "who is neither a worker nor of our uid is refused" {
	open_directory
	crr_start -w 1 -- "$SERVER" --port "$PORT"
	chmod 666 "$CRR_SOCKET"
	cat >stranger.py <<-'EOF'
		import os, socket, struct
		s = socket.socket(socket.AF_UNIX)
		s.connect(os.environ["CRR_SOCKET"])
		s.sendall(b"crr\0" + struct.pack(">HHII", 1, 14, 25, 7) + bytes(25))
		try:
		    print(len(s.recv(100)))
		except ConnectionResetError:
		    print(0)
	EOF
	need python3
	[ "$(as_user "$(python)" stranger.py)" = 0 ]
	status_is '.bus.seq == 0'
}

@test "a worker of another user may use the bus" {
	open_directory
	cp "$MEMBER" member
	crr_start -w 2 --user nobody --ready notify -- ./member
	[ "$(crr broadcast x)" = "sent to 2 workers" ]
}

@test "what makes no sense is refused in a line, and concerns its sender alone" {
	members 2
	background "$CRR" watch --json --type message,saved >watched
	wait_for status_is '.bus.subscribers | length == 3'
	python_client <<-'EOF'
		def refused(type, payload, text):
		    send(type, payload)
		    t, id, said = next()
		    assert t == 3 and text in said, said
		refused(15, message(name=b"n", data=b"x"), b"needs an id")
		refused(16, message(name=b"n"), b"needs an id")
		refused(14, message(flags=1), b"flags")
		refused(14, message(zero=1), b"flags")
		refused(14, message()[:18] + b"\xff\xff\0\0\0\0", b"longer")
		refused(17, struct.pack(">I", 8), b"flags")
		send(17, struct.pack(">I", 1))
		assert next()[0] == 22
		refused(17, struct.pack(">I", 1), b"already")
		# Cut off anywhere: nothing is delivered.
		whole = b"crr\0" + struct.pack(">HHII", 1, 14, 29, 7) + message(
		    data=b"never")
		for n in range(1, len(whole)):
		    c = socket.socket(socket.AF_UNIX)
		    c.connect(os.environ["CRR_SOCKET"])
		    c.sendall(whole[:n])
		    c.close()
		open("cuts", "w").write(str(len(whole) - 1))
		# Too short for a message: refused before it has come, and closed.
		send(14, bytes(23))
		assert next()[0] == 3
		assert next()[0] is None
	EOF
	[ "$(crr broadcast last)" = "sent to 2 workers" ]
	wait_for grep -q last watched
	[ "$(wc -l <watched)" -eq 1 ]
	# A line for each in the log.
	[ "$(grep -c "needs an id: ignored" "$ERR")" -eq 2 ]
	[ "$(grep -c "in the middle of a message" "$ERR")" -eq "$(cat cuts)" ]
	is_running "$MASTER"
}

# What is kept.

@test "with --retain a new subscriber gets the newest values, then what is new" {
	crr_start -w 1 --retain 1M -- "$SERVER" --port "$PORT"
	crr broadcast -q --save --name a --id 1 old
	crr broadcast -q --save --name a --id 2 two
	crr broadcast -q --save --name b --id 1 other
	crr broadcast -q --save --name a --id 1 new
	crr broadcast -q --save --name a --id 3 gone
	crr broadcast -q --delete --name a --id 3
	crr broadcast -q not kept 2>/dev/null || crr broadcast -q "not kept"
	python_client <<-'EOF'
		send(17, struct.pack(">I", 3))
		got = []
		while True:
		    type, id, p = next()
		    if type == 22:
		        break
		    seq, pid, worker, flags, name, key, data = parse(p)
		    assert type == 19 and flags == 1, (type, flags)
		    got.append((seq, name, key, data))
		assert got == [(2, b"a", b"2", b"two"), (3, b"b", b"1", b"other"),
		    (4, b"a", b"1", b"new")], got
		assert (id, struct.unpack(">Q", p)[0]) == (7, 7), (id, p)
	EOF
	status_is '.bus.retained == 3 and .bus.retain_max == 1048576'
}

@test "over --retain's size the least recently saved go" {
	local i

	crr_start -w 1 --retain 1000 -- "$SERVER" --port "$PORT"
	for i in 1 2 3 4 5; do
		crr broadcast -q --save --id "$i" "$(printf '%0160d' "$i")"
	done
	# 16 and 24 bytes before each: 201 and no more than four.
	status_is '.bus.retained == 4 and .bus.retained_bytes == 804'
	[ "$(ids_kept)" = "2 3 4 5" ]
	crr broadcast -q --save --id 2 "$(printf '%0160d' 2)"
	crr broadcast -q --save --id 6 "$(printf '%0160d' 6)"
	[ "$(ids_kept)" = "4 5 2 6" ]
	# One that is too large takes its old value with it.
	crr broadcast -q --save --id 5 "$(printf '%02000d' 5)"
	[ "$(ids_kept)" = "4 2 6" ]
}

ids_kept() {
	python_client <<-'EOF'
		send(17, struct.pack(">I", 2))
		ids = []
		while True:
		    type, id, p = next()
		    if type == 22:
		        break
		    ids.append(parse(p)[5].decode())
		print(" ".join(ids))
	EOF
}

@test "after a reload new workers have what they never heard" {
	need python3
	cp "$ROOT/examples/cache.py" .
	crr_start -w 2 --soak 100ms --retain 1M -- "$(python)" cache.py
	[ "$(get /save/7/Ada)" = saved ]
	wait_for all_have 7 Ada
	reload -q
	all_have 7 Ada
	[ "$(get /delete/7)" = deleted ]
	wait_for all_have 7 ""
	reload -q
	all_have 7 ""
}

# crr watch.

@test "crr watch writes events and messages, a line each" {
	crr_start -w 1 --soak 0 -- "$SERVER" --port "$PORT"
	background "$CRR" watch >watched
	wait_for status_is '.bus.subscribers | length == 1'
	crr broadcast -q "$(printf 'two\nlines')"
	crr broadcast -q --save --name users --id 7 Ada
	reload -q
	wait_for grep -q "^reload complete" watched
	grep -E '^message [0-9]+: two\?lines$' watched
	grep -E '^saved [0-9]+ users 7: Ada$' watched
	grep -E '^worker up [0-9]+$' watched
}

@test "crr watch shows no other types than those asked for" {
	crr_start -w 1 --soak 0 -- "$SERVER" --port "$PORT"
	background "$CRR" watch --json --type worker-up,saved >watched
	wait_for status_is '.bus.subscribers | length == 1'
	crr broadcast -q no
	crr broadcast -q --save --id 1 yes
	reload -q
	wait_for grep -q worker-up watched
	[ "$(jq -r .event watched | sort | xargs)" = "saved worker-up" ]
	run -2 --separate-stderr crr watch --type nothing
	[[ "$stderr" == *nothing*"no such type"* ]]
}

@test "crr watch begins with what is kept, where it is asked to" {
	crr_start -w 1 --retain 1M -- "$SERVER" --port "$PORT"
	crr broadcast -q --save --name n --id 1 kept
	background "$CRR" watch --json --retained >watched
	wait_for grep -q kept watched
	[ "$(jq .retained watched)" = true ]
}

@test "crr watch ends with 0 when the master stops, with 1 when it is killed" {
	local watch

	crr_start -w 1 -- "$SERVER" --port "$PORT"
	background "$CRR" watch >watched 2>err.watch
	watch=$!
	wait_for status_is '.bus.subscribers | length == 1'
	crr_stop
	wait_end "$watch"
	[ "$CODE" -eq 0 ]
	grep '^master stopped' watched
	[ ! -s err.watch ]

	crr_start -w 1 -- "$SERVER" --port "$PORT"
	background "$CRR" watch >watched 2>err.watch
	watch=$!
	wait_for status_is '.bus.subscribers | length == 1'
	kill -KILL "$MASTER"
	wait_end "$watch"
	[ "$CODE" -eq 1 ]
	[ "$(wc -l <err.watch)" -eq 1 ]
}

@test "crr watch ends when its reader has gone" {
	crr_start -w 1 -- "$SERVER" --port "$PORT"
	background sh -c '"$0" watch 2>err.watch | head -n 1' "$CRR"
	local pipe=$!
	wait_for status_is '.bus.subscribers | length == 1'
	crr broadcast -q one
	crr broadcast -q two
	wait_end "$pipe"
	wait_for status_is '.bus.subscribers | length == 0'
	[ ! -s err.watch ]
}

@test "crr broadcast says what is wrong with its arguments" {
	run -2 --separate-stderr crr broadcast
	[[ "$stderr" == *"no data"* ]]
	run -2 --separate-stderr crr broadcast --save x
	[[ "$stderr" == *"--id"* ]]
	run -2 --separate-stderr crr broadcast --id 1 x
	[[ "$stderr" == *"--save"* ]]
	run -2 --separate-stderr crr broadcast --save --delete --id 1
	[[ "$stderr" == *"either"* ]]
	run -2 --separate-stderr crr broadcast a b
	[[ "$stderr" == *'"b"'* ]]
	run -3 --separate-stderr crr broadcast x
	[[ "$stderr" == *"no master"* ]]
	run -2 --separate-stderr crr run --retain lots -- true
	[[ "$stderr" == *"--retain lots"* ]]
}
