# The control socket: whose it is, what it survives, what it answers.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2086,SC2153,SC2154
# A dollar in quotes is a shell's, variables are each test's own or bats', and
# an unquoted one is words.

load helper

setup() {
	crr_setup
	HOME_OF_OTHERS=
}

teardown() {
	crr_teardown || return 1
	if [ -n "$HOME_OF_OTHERS" ]; then
		rm -rf "$HOME_OF_OTHERS" "/tmp/crr-$OTHER"
	fi
}

serve() {
	local n=$1

	shift
	crr_start -w "$n" --soak 50ms "$@" -- "$SERVER" --port "$PORT" \
	    --signal-log "$PWD/signals" --flags-file "$PWD/flags"
}

# refused TEXT [OPTION ...]: crr run ends with 1 and a line with TEXT.
refused() {
	local text=$1

	shift
	run -1 --separate-stderr timeout 20 "$CRR" run -w 1 "$@" -- sleep 60
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ "$stderr" == "crr: "*"$text"* ]]
}

# Its place.

@test "the control socket is 0600, whatever the umask, and its mode is never changed" {
	need strace
	background bash -c 'umask 0; exec "$@"' bash strace -o trace \
	    -e trace=bind,listen,umask,chmod,fchmod,fchmodat \
	    "$CRR" run -w 1 -s "$CRR_SOCKET" -- "$SERVER" --port "$PORT"
	wait_for all_ready
	MASTER=$(master_pid)
	[ "$(stat -c %a "$CRR_SOCKET")" = 600 ]
	[ "$(stat -c %a "$CRR_SOCKET.lock")" = 600 ]
	# The socket's file is made by bind: what it is not there, it never is.
	grep -A 1 'umask(0177' trace | grep "bind(.*crr\.sock"
	run ! grep chmod trace
}

@test "a live control socket is never taken" {
	serve 1
	run -1 --separate-stderr timeout 20 "$CRR" run -s "$CRR_SOCKET" -- \
	    sleep 60
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ "$stderr" == "crr: $CRR_SOCKET: a master is running there"* ]]
	[ "$(master_pid)" = "$MASTER" ]
	crr reload -q
}

@test "another program's live socket is never taken" {
	need python3
	# It has its name when it listens, not before.
	background python3 -c "import os, signal, socket
s = socket.socket(socket.AF_UNIX)
s.bind('new'); s.listen(); os.rename('new', 'other'); signal.pause()"
	wait_for -t 60 [ -S other ]
	refused "$PWD/other: another program listens there" -s other
	[ -S other ]
	[ ! -e other.lock ]
}

@test "a stale control socket is replaced" {
	need python3
	python3 -c "import socket
socket.socket(socket.AF_UNIX).bind('$CRR_SOCKET')"
	[ -S "$CRR_SOCKET" ]
	run -3 crr status
	serve 1
	[ "$(master_pid)" = "$MASTER" ]
	crr_stop
	[ ! -e "$CRR_SOCKET" ]
}

@test "what is no socket is left alone" {
	echo mine >file
	refused "$PWD/file: is there and not a socket" -s file
	[ "$(cat file)" = mine ]
	ln -s file link
	refused "$PWD/link: is there and not a socket" -s link
	[ -L link ]
	[ ! -e file.lock ]
	[ ! -e link.lock ]
}

@test "a lock that is a link is not followed" {
	ln -s elsewhere link.lock
	refused "$PWD/link.lock: " -s link
	[ ! -e elsewhere ]
}

@test "a directory that others may write, or that is none, is no place for it" {
	mkdir -m 777 open
	refused "$PWD/open: others may write there" -s open/sock
	chmod 770 open
	refused "$PWD/open: others may write there" -s open/sock
	refused "/tmp: others may write there" -s /tmp/crr-test.sock
	[ -z "$(ls -A open)" ]
	refused "$PWD/none: can't use the control socket's directory; make " \
	    -s none/sock
	echo >file
	refused "$PWD/file: not a directory" -s file/sock
}

@test "a path that is too long is a usage error" {
	local path

	path=$(printf '%0120d' 0)
	run -2 --separate-stderr "$CRR" run -s "$path" -- sleep 60
	[[ "$stderr" == "crr: $PWD/$path: too long for the path of a socket"* ]]
	[ "${#stderr_lines[@]}" -eq 1 ]
	run -2 --separate-stderr "$CRR" run -n "$path" -- sleep 60
	[[ "$stderr" == "crr: $path: too long for the path of a socket"* ]]
	CRR_SOCKET=$path run -2 --separate-stderr "$CRR" run -- sleep 60
	[[ "$stderr" == "crr: $PWD/$path: too long for the path of a socket"* ]]
	run -2 --separate-stderr "$CRR" run -n a/b -- sleep 60
	[[ "$stderr" == "crr: -n a/b: a name "* ]]
	run -2 --separate-stderr "$CRR" run -s "" -- sleep 60
	[[ "$stderr" == "crr: -s: "* ]]
	[ -z "$(find . -type s -o -name '*.lock')" ]
}

# An ordinary user with a number that nobody has, in $OTHER.
as_other() {
	timeout 60 env -u CRR_SOCKET setpriv --reuid "$OTHER" \
	    --regid "$OTHER" --clear-groups "$@"
}

become_other() {
	[ "$(id -u)" -eq 0 ] || skip "this needs root"
	need setpriv
	HOME_OF_OTHERS=$(mktemp -d /tmp/crr-test.XXXXXX)
	OTHER=$((100000 + PORT))
	rm -rf "/tmp/crr-$OTHER"
	chmod 755 "$HOME_OF_OTHERS"
	cp "$CRR" "$HOME_OF_OTHERS/crr"
	cd "$HOME_OF_OTHERS" || return 1
	DIR=/tmp/crr-$OTHER
}

@test "an ordinary user's default directory is made private, and found by clients" {
	become_other
	background bash -c 'umask 0; exec "$@"' bash env -u CRR_SOCKET \
	    setpriv --reuid "$OTHER" --regid "$OTHER" --clear-groups \
	    ./crr run -w 1 --ready alive:0 -- sleep 60
	wait_for as_other ./crr status
	[ "$(stat -c '%a %u %F' "$DIR")" = "700 $OTHER directory" ]
	[ "$(stat -c '%a %u %F' "$DIR/default.sock")" = "600 $OTHER socket" ]
	as_other env -i ./crr stop
	[ -z "$(ls -A "$DIR")" ]
}

other_refused() {
	run -1 --separate-stderr as_other ./crr run -w 1 -- sleep 60
	[[ "$stderr" == "crr: $DIR: $1"* ]]
	[ "${#stderr_lines[@]}" -eq 1 ]
}

@test "an ordinary user's default directory that is a link, or another's, is refused" {
	become_other
	mkdir -m 700 real
	chown "$OTHER" real
	ln -s "$PWD/real" "$DIR"
	chown -h "$OTHER" "$DIR"
	other_refused "not a directory"
	[ -z "$(ls -A real)" ]
	rm "$DIR"

	mkdir -m 755 "$DIR"
	other_refused "others may write there"
	chown "$OTHER" "$DIR"
	chmod 720 "$DIR"
	other_refused "others may write there"
	[ -z "$(ls -A "$DIR")" ]
	chmod 700 "$DIR"
	as_other ./crr run -w 1 --ready alive:0 -- sleep 60 &
	wait_for as_other ./crr status
	as_other ./crr stop -q
	wait "$!"
}

@test "a client trusts no default directory that is another's" {
	become_other
	mkdir -m 755 "$DIR"
	run -1 --separate-stderr as_other ./crr status
	[[ "$stderr" == "crr status: $DIR: not trusted"* ]]
	run -1 --separate-stderr as_other env CRR_SOCKET= ./crr status
	[[ "$stderr" == "crr status: $DIR: not trusted"* ]]
	chown "$OTHER" "$DIR"
	run -3 as_other ./crr status
}

@test "another user is not served, and told nothing" {
	become_other
	serve 1
	chmod 711 "$BATS_RUN_TMPDIR" "${BATS_TEST_TMPDIR%/*}" \
	    "$BATS_TEST_TMPDIR"
	chmod 666 "$CRR_SOCKET"
	run -1 as_other ./crr stop -s "$CRR_SOCKET"
	run -1 as_other ./crr status -s "$CRR_SOCKET"
	[ "$(master_pid)" = "$MASTER" ]
	crr status
}

# Hostile clients.

# hold CODE: a program in Python that has done CODE and stays. In it, connect()
# is a new connection and head(type, len) a frame's header.
hold() {
	need python3
	cat >hold.py <<-EOF
	import signal, socket, struct, sys
	kept = []
	def connect():
	    s = socket.socket(socket.AF_UNIX)
	    s.connect('$CRR_SOCKET')
	    kept.append(s)
	    return s
	def head(type, len, version=1):
	    return struct.pack('>4sHHII', b'crr\0', version, type, len, 7)
	${1//$'\n\t'/$'\n'}
	open('held', 'w').close()
	signal.pause()
	EOF
	background python3 hold.py
	wait_for -t 60 [ -e held ]
}

crashed() {
	[ "$(worker_pid 0)" != "$1" ] && worker_is 0 ready
}

# Requests, signals, crashes and clients are answered as if nobody was there.
undisturbed() {
	local begun pid

	# Silent ones are closed after 10 s: to wait for that is no answer.
	begun=$(now_ms)
	crr status
	[ $(($(now_ms) - begun)) -lt 7000 ]
	pid=$(worker_pid 0)
	crr reload -q
	[ "$(worker_pid 0)" != "$pid" ]
	kill -USR1 "$MASTER"
	wait_for grep -q USR1 signals
	pid=$(worker_pid 0)
	kill -KILL "$pid"
	wait_for crashed "$pid"
	[[ "$(get /)" == "pid "* ]]
	crr_stop
	[ "$CODE" -eq 0 ]
}

@test "half a header, or half a frame, disturbs nobody" {
	serve 1
	hold "connect().send(b'c')
	connect().send(head(5, 4)[:9])
	connect().send(head(5, 4))"
	undisturbed
}

@test "a huge length disturbs nobody" {
	serve 1
	hold "for size in 5, 1 << 24, 0x7fffffff, 0xffffffff:
	    s = connect()
	    s.send(head(5, size) + b'x' * 100)
	    s = connect()
	    s.send(head(5, size, version=9) + b'x' * 100)"
	undisturbed
}

@test "a client that never reads disturbs nobody" {
	serve 1
	hold "for i in range(4):
	    s = connect()
	    s.setblocking(False)
	    try:
	        for n in range(20000):
	            s.send(head(6, 0))
	    except OSError:
	        pass"
	undisturbed
}

@test "a client that waits for a reload and never reads disturbs nobody" {
	serve 1
	hold "connect().send(head(5, 4) + bytes(4))"
	wait_for status_is '.master.reloads == 1'
	undisturbed
}

@test "a client that sends nothing more is answered all the same" {
	serve 1
	hold "s = connect()
	s.send(head(5, 4) + bytes(4))
	s.shutdown(socket.SHUT_WR)
	got = b''.join(iter(lambda: s.recv(4096), b''))
	assert got[-16:] == head(2, 0), got"
	status_is '.master.reloads == 1'
}

@test "hundreds of silent connections disturb nobody" {
	serve 1
	hold "for i in range(600):
	    connect()"
	undisturbed
}

@test "hundreds of connections that are dropped at once disturb nobody" {
	serve 1
	hold "for i in range(600):
	    s = connect()
	    s.send(head(6, 0) if i % 2 else b'')
	    s.close()"
	undisturbed
}

@test "crr status answers while a reload goes on and a client has stopped reading" {
	serve 2
	hold "s = connect()
	s.setblocking(False)
	try:
	    for n in range(20000):
	        s.send(head(6, 0))
	except OSError:
	    pass"
	echo --never-ready >flags
	crr reload --no-wait -q
	wait_for status_is 'any(.workers[]; .state == "starting")'
	run -0 crr status
	[[ "${lines[0]}" == "master $MASTER ("*") reloading, generation 2, 2"* ]]
}

# Protocol misuse.

# exchange CODE: as hold, and answers(s) prints the frames that come on s, and
# how it ends.
exchange() {
	need python3
	cat >exchange.py <<-EOF
	import socket, struct
	def connect():
	    s = socket.socket(socket.AF_UNIX)
	    s.settimeout(20)
	    s.connect('$CRR_SOCKET')
	    return s
	def head(type, len, version=1, magic=b'crr\0'):
	    return struct.pack('>4sHHII', magic, version, type, len, 7)
	def read(s, n):
	    data = b''
	    while len(data) < n:
	        more = s.recv(n - len(data))
	        if not more:
	            raise EOFError
	        data += more
	    return data
	def answer(s):
	    magic, version, type, len, id = struct.unpack('>4sHHII', read(s, 16))
	    text = read(s, len)
	    print(version, type, id, text.decode() if type == 3 else '')
	    return type
	def answers(s):
	    try:
	        while True:
	            answer(s)
	    except (EOFError, ConnectionResetError):
	        print('end')
	${1//$'\n\t'/$'\n'}
	EOF
	python3 exchange.py
}

@test "what is not the protocol is closed without a word" {
	serve 1
	run -0 exchange "s = connect()
	s.send(b'GET / HTTP/1.0\r\n\r\n')
	answers(s)
	s = connect()
	s.send(head(6, 0, magic=b'crr1'))
	answers(s)"
	[ "${lines[*]}" = "end end" ]
	crr status
}

@test "another version is answered with VERSION, then closed" {
	serve 1
	run -0 exchange "s = connect()
	s.send(head(6, 0, version=2))
	answers(s)"
	[ "${lines[*]}" = "1 1 7  end" ]
}

@test "an unknown type, an answer's type and a wrong length are told apart, then closed" {
	serve 1
	run exchange "for type, size in (99, 0), (2, 0), (6, 1), (5, 1 << 31):
	    s = connect()
	    s.send(head(type, size))
	    answers(s)"
	echo "$output"
	diff - <(echo "$output") <<-EOF
	1 3 7 type 99 is no request
	end
	1 3 7 DONE is no request
	end
	1 3 7 STATUS can't have 1 bytes of payload
	end
	1 3 7 RELOAD can't have 2147483648 bytes of payload
	end
	EOF
}

@test "flags and modes that are not known are refused, and the connection goes on" {
	serve 1
	run -0 exchange "s = connect()
	for type, payload in (5, b'\0\0\0\x80'), (8, b'\x80\0\0\0'), \\
	    (7, b'\0\0\0\x09\0\0\0\x01'), (9, b''), (7, bytes(8)):
	    s.send(head(type, len(payload)) + payload)
	    answer(s)
	s.send(head(6, 0))
	while answer(s) != 2: pass"
	[ "$(grep -c '^1 3 7 ' <<<"$output")" -eq 5 ]
	grep 'RELOAD has no flags' <<<"$output"
	grep 'STOP has no flags' <<<"$output"
	grep 'SCALE has no mode 9' <<<"$output"
	grep "process [0-9]* is not a worker's" <<<"$output"
	grep "can't scale to 0 workers" <<<"$output"
	[ "${lines[-1]}" = "1 2 7 " ]
	status_is '.master.generation == 1 and .master.workers == 1'
}

@test "a frame in pieces and frames in one piece are requests all the same" {
	serve 1
	run -0 exchange "s = connect()
	for byte in head(6, 0):
	    s.send(bytes([byte]))
	while answer(s) != 2: pass
	s.send(head(6, 0) * 3)
	for i in range(3):
	    while answer(s) != 2: pass"
	[ "$(grep -cx '1 2 7 ' <<<"$output")" -eq 4 ]
	[ "$(grep -cx '1 10 7 ' <<<"$output")" -eq 4 ]
}

@test "a request while another one waits is refused, and the first is answered" {
	serve 1
	run -0 exchange "s = connect()
	s.send(head(5, 4) + bytes(4) + head(6, 0))
	while answer(s) != 2: pass"
	grep 'wait for the answer' <<<"$output"
	[ "${lines[-1]}" = "1 2 7 " ]
	status_is '.master.reloads == 1'
}
