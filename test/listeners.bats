# All kinds of listeners: Unix paths and abstract names, datagrams, sockets
# from a service manager, addresses that change from release to release.

# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154

load helper

get_unix() {
	curl -s --max-time 10 --unix-socket "$1" "http://x/${2#/}"
}

# pids_on LOAD-ARGUMENT ...: the pids that answer there, each once.
pids_on() {
	"$LOAD" -n 200 -c 8 -v "$@" | awk '$1 == "pid" { print $2 }' | sort -n
}

all_on() {
	wait_for same_pids "$@"
}

same_pids() {
	[ "$(pids_on "$@")" = "$(ready_pids | sort -n)" ]
}

# unix_load_start PATH: the load client, until load_stop.
unix_load_start() {
	LOAD_OUT=$BATS_TEST_TMPDIR/load.out
	background "$LOAD" -t 120 -c 8 -g 20 -n 1000000 -u "$1" \
	    >"$LOAD_OUT" 2>&1
	LOAD_PID=$!
	wait_for load_has_begun
}

inode() {
	stat -c %d:%i "$1"
}

nothing_hidden() {
	[ -z "$(find . -maxdepth 1 -type s ! -name crr.sock)" ]
}

# Unix paths given by -l.

@test "a Unix path of -l is handed over, reloaded without a loss and removed at the end" {
	local before

	crr_start -w 2 --soak 100ms -l unix:sock -- \
	    "$SERVER" --listen-fds --graceful
	[ "$(get_unix sock "/env?LISTEN_FDNAMES")" = listen0 ]
	[ "$(get_unix sock "/env?SERVER_STARTER_PORT")" = "$PWD/sock=3" ]
	[ "$(status '.listeners[0].address')" = "unix:$PWD/sock" ]
	before=$(inode sock)
	unix_load_start sock
	crr reload -q
	crr reload -q
	load_stop
	none_failed
	[ "$(inode sock)" = "$before" ]
	crr_stop
	[ "$CODE" -eq 0 ]
	nothing_hidden
}

@test "a relative Unix path of -l is in the directory that workers start in" {
	mkdir dir
	crr_start -w 1 -C dir -l unix:sock -- "$SERVER" --listen-fds
	get_unix dir/sock /
}

@test "an abstract name of -l is handed over" {
	crr_start -w 2 -l "unix:@crr-$PORT" -- "$SERVER" --listen-fds
	curl -s --max-time 10 --abstract-unix-socket "crr-$PORT" http://x/
}

@test "the mode of a Unix path is as the umask says" {
	(umask 007 && crr_start_raw -w 1 -l unix:sock -- "$SERVER" --listen-fds &&
	    wait_for test -S sock)
	[ "$(stat -c %a sock)" = 770 ]
	MASTER=$(tail -n 1 "$BATS_TEST_TMPDIR/pids")
}

# refused_by_line TEXT OPTION ...: crr run is, in one line with the text.
refused_by_line() {
	local text=$1

	shift
	run -1 --separate-stderr crr run "$@" -- "$SERVER" --listen-fds
	[ -z "$output" ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == *"$text"* ]]
	[ ! -e "$CRR_SOCKET" ]
}

@test "a Unix path that somebody serves is refused, and nothing is left" {
	background "$SERVER" --unix "$PWD/sock"
	wait_for get_unix sock /
	refused_by_line "-l unix:$PWD/sock (somebody serves it" \
	    -l "127.0.0.1:$PORT" -l unix:other -l unix:sock
	[ ! -e other ]
	run -1 is_port_used "$PORT"
	get_unix sock /
}

@test "a stale Unix path is replaced" {
	background "$SERVER" --unix "$PWD/sock"
	wait_for get_unix sock /
	kill -KILL "$!"
	wait_for is_gone "$!"
	[ -S sock ]
	crr_start -w 1 -l unix:sock -- "$SERVER" --listen-fds
	get_unix sock /
}

@test "a file, a link and a missing directory are refused by -l unix:" {
	echo mine >file
	refused_by_line "something else than a socket" -l unix:file
	[ "$(cat file)" = mine ]
	ln -s nowhere link
	refused_by_line "something else than a socket" -l unix:link
	refused_by_line "no such directory" -l unix:none/sock
	refused_by_line "given twice" -l unix:sock -l "unix:./sock"
	nothing_hidden
}

@test "a Unix path that has become somebody else's is not removed" {
	crr_start -w 1 -l unix:sock -- "$SERVER" --listen-fds
	rm sock
	echo mine >sock
	crr_stop
	[ "$CODE" -eq 0 ]
	[ "$(cat sock)" = mine ]
}

# Unix paths that workers bind themselves.

@test "workers that unlink a path and bind it share one queue" {
	local before

	crr_start -w 4 --soak 100ms -- "$SERVER" --unix sock --graceful
	all_on -u sock
	[ "$(status '.listeners | length')" -eq 1 ]
	[ "$(status '.listeners[0].address')" = "unix:$PWD/sock" ]
	before=$(inode sock)
	unix_load_start sock
	crr reload -q
	crr reload -q
	load_stop
	none_failed
	[ "$(inode sock)" = "$before" ]
	all_on -u sock
	[ ! -s "$ERR" ]
	crr_stop
	nothing_hidden
}

@test "without pidfd_getfd they share it as well" {
	cat >crr-denied <<-EOF
		#!/bin/sh
		exec $DENY pidfd_getfd -- $CRR "\$@"
	EOF
	chmod +x crr-denied
	CRR=$PWD/crr-denied
	crr_start -w 2 --soak 100ms -- "$SERVER" --unix sock --graceful \
	    --unix-dgram dgram
	crr reload -q
	all_on -u sock
	[ "$(status '.listeners | length')" -eq 2 ]
}

@test "workers that don't unlink a path first share it, too" {
	crr_start -w 2 --soak 100ms -- "$SERVER" --unix sock --keep-path
	crr reload -q
	all_on -u sock
}

# loops_and_one PATH-OR-EMPTY: event loops, and from then on a server that
# blocks in accept(2).
write_loop_and_blocking() {
	cat >loop.js <<-'EOF'
		const where = process.env.SERVE_PATH || +process.env.PORT;
		require("http").createServer((req, res) => {
		    res.end(`loop ${process.pid}\n`);
		}).listen(where);
	EOF
	cat >blocking.py <<-'EOF'
		import os, socket, sys
		path = os.environ.get("SERVE_PATH")
		s = socket.socket(socket.AF_UNIX if path else socket.AF_INET6)
		s.bind(path or ("::", int(os.environ["PORT"])))
		s.listen()
		while True:
		    try:
		        c = s.accept()[0]
		    except BlockingIOError:
		        import select
		        select.select([s], [], [])
		        continue
		    c.setblocking(True)
		    c.recv(1000)
		    body = b"blocking %d\n" % os.getpid()
		    c.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
		        b"Content-Length: %d\r\n\r\n" % len(body) + body)
		    c.close()
	EOF
	cat >either.sh <<-EOF
		if [ -e blocking ]; then
			exec "$(python)" blocking.py
		fi
		exec node loop.js
	EOF
}

# Each loop must come by again after an accept that finds nothing.
all_answered() {
	local i

	for ((i = 0; i < 40; i++)); do
		curl -s --max-time 5 "$@" >/dev/null || return 1
	done
}

@test "a newcomer that blocks does not make event loops block: a path" {
	need node python3
	write_loop_and_blocking
	export SERVE_PATH=$PWD/shared.sock
	crr_start -w 2 --soak 0 -- sh either.sh
	touch blocking
	crr scale 3 -q
	all_answered --unix-socket "$SERVE_PATH" http://x/
	grep "worker 2: .*shared.sock: workers that share the socket have made it non-blocking, so it stays so" "$ERR"
}

@test "a newcomer that blocks does not make event loops block: one queue" {
	need node python3
	write_loop_and_blocking
	crr_start -w 2 --soak 0 --queue shared -- sh either.sh
	touch blocking
	crr scale 3 -q
	all_answered "http://127.0.0.1:$PORT/"
	[ "$(grep -c "so it stays so" "$ERR")" -eq 1 ]
}

@test "a path that a worker removes at its end is put back" {
	crr_start -w 2 --soak 100ms -- \
	    "$SERVER" --unix sock --graceful --remove-path
	crr reload -q
	wait_for test -S sock
	all_on -u sock
	unix_load_start sock
	crr reload -q
	crr reload -q
	load_stop
	none_failed
	[ "$(find . -name '.sock.crr-*' | wc -l)" -eq 1 ]
}

@test "workers share an abstract name" {
	crr_start -w 2 --soak 100ms -- "$SERVER" --unix "@crr-$PORT"
	crr reload -q
	[ "$(status '.listeners[0].address')" = "unix:@crr-$PORT" ]
	[ "$(status '.listeners | length')" -eq 1 ]
	curl -s --max-time 10 --abstract-unix-socket "crr-$PORT" http://x/
}

@test "a path that a stranger serves is refused to a worker" {
	background "$SERVER" --unix "$PWD/sock"
	wait_for get_unix sock /
	crr_start_raw -w 2 -- "$SERVER" --unix sock --keep-path
	wait_master
	[ "$CODE" -eq 1 ]
	# The workers' own lines may come behind it.
	grep -F "crr: " "$ERR" | tail -n 1 |
	    grep -F "bind unix:$PWD/sock: Address already in use"
	get_unix sock /
}

@test "a path has the worker's umask and owner, and needs its rights" {
	user_directory
	cp "$SERVER" server
	crr_start -w 2 --soak 100ms --user 65534:65534 -- \
	    ./server --unix sock --umask 027
	[ "$(stat -c '%a %u %g' sock)" = "750 65534 65534" ]
	crr reload -q
	all_on -u sock
	crr_stop
	[ ! -e sock ]

	mkdir -m 755 roots
	crr_start_raw -w 1 --user 65534:65534 -- \
	    ./server --unix roots/sock --keep-path
	wait_master
	[ "$CODE" -eq 1 ]
	grep -F "Permission denied" "$ERR"
	[ ! -e roots/sock ]
}

@test "a path is found within a worker's own root" {
	[ "$(id -u)" -eq 0 ] || skip "only root can change the root"
	need chroot python3
	mkdir -p root/run
	ln -s /run root/link
	cat >jail.py <<-'PY'
		import os, signal, socket
		os.chroot("root")
		os.chdir("/")
		try:
		    os.unlink("/link/sock")
		except FileNotFoundError:
		    pass
		s = socket.socket(socket.AF_UNIX)
		s.bind("/link/sock")
		s.listen()
		while True:
		    c, _ = s.accept()
		    c.recv(4096)
		    c.sendall(b"HTTP/1.0 200 OK\r\n\r\npid %d\n" % os.getpid())
		    c.close()
	PY
	crr_start -w 2 --soak 100ms -- "$(python)" jail.py
	[ -S root/run/sock ]
	crr reload -q
	get_unix root/run/sock /
	[ "$(status '.listeners | length')" -eq 1 ]
	crr_stop
	[ -z "$(ls -A root/run)" ]
}

# Datagrams.

write_udp_client() {
	cat >udp.py <<-'PY'
		import socket, sys, time
		count, end = 0, time.time() + float(sys.argv[2])
		while time.time() < end:
		    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		    s.settimeout(5)
		    s.sendto(b"x", ("127.0.0.1", int(sys.argv[1])))
		    try:
		        s.recv(99)
		    except TimeoutError:
		        print("lost", flush=True)
		    s.close()
		    count += 1
		print("answered", count, flush=True)
	PY
}

@test "a server of datagrams is reloaded without a loss" {
	need python3
	write_udp_client
	crr_start -w 2 --soak 100ms -- \
	    "$SERVER" --udp "$PORT" --work 5
	for i in 1 2 3 4 5 6; do
		background "$(python)" udp.py "$PORT" 4 >"udp.$i" 2>&1
	done
	crr reload -q
	crr reload -q
	for i in 1 2 3 4 5 6; do
		wait_for grep -q answered "udp.$i"
	done
	run ! grep -h lost udp.?
	run ! grep -h Traceback udp.?
}

@test "datagrams to a Unix path are shared" {
	need python3
	crr_start -w 2 --soak 100ms -- "$SERVER" --unix-dgram sock
	crr reload -q
	[ "$(status '.listeners | length')" -eq 1 ]
	cat >dgram.py <<-'PY'
		import socket
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind("client")
		s.settimeout(5)
		s.sendto(b"x", "sock")
		print(s.recv(99))
	PY
	"$(python)" dgram.py
	rm client
	crr_stop
	nothing_hidden
}

# Sockets from a service manager.

write_activator() {
	cat >activate.py <<-'PY'
		import os, socket, sys
		fds = []
		for text in sys.argv[1].split(","):
		    kind, where = text.split(":", 1)
		    if kind == "unix":
		        s = socket.socket(socket.AF_UNIX)
		        s.bind(where)
		    else:
		        s = socket.socket(socket.AF_INET)
		        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		        s.bind(("127.0.0.1", int(where)))
		    s.listen()
		    fds.append(os.dup(s.fileno()))
		    s.detach()
		high = [os.dup2(fd, 50 + i) for i, fd in enumerate(fds)]
		for i, fd in enumerate(high):
		    os.dup2(fd, 3 + i)
		    os.set_inheritable(3 + i, True)
		os.environ["LISTEN_PID"] = str(os.getpid())
		os.environ["LISTEN_FDS"] = str(len(fds))
		os.environ["LISTEN_FDNAMES"] = sys.argv[2]
		os.execv(sys.argv[3], sys.argv[3:])
	PY
	cat >crr-activated <<-EOF
		#!/bin/sh
		[ "\$1" = run ] || exec $CRR "\$@"
		exec $(python) activate.py "\$SOCKETS" "\$NAMES" $CRR "\$@"
	EOF
	chmod +x crr-activated
	CRR=$PWD/crr-activated
}

@test "sockets from a service manager are passed on with their names" {
	local before

	need python3
	write_activator
	export SOCKETS="tcp:$PORT,unix:$PWD/sock" NAMES=web:admin
	crr_start -w 2 --soak 100ms -- "$SERVER" --listen-fds --graceful
	[ "$(get "/env?LISTEN_FDS")" = 2 ]
	[ "$(get "/env?LISTEN_FDNAMES")" = web:admin ]
	[ "$(get "/env?LISTEN_PID")" = "$(get / | cut -d' ' -f2)" ] || true
	status_is 'all(.listeners[]; .handed)'
	before=$(inode sock)
	load_start -c 8 -g 50 -t 60
	crr reload -q
	load_stop
	none_failed
	all_on -u sock
	[ "$(inode sock)" = "$before" ]
	crr_stop
	[ -S sock ]
	[ -z "$(find . -name '.sock.crr-*')" ]
}

@test "a worker that binds a service manager's address gets that socket" {
	need python3
	write_activator
	export SOCKETS="tcp:$PORT,unix:$PWD/sock" NAMES=web:admin
	crr_start -w 2 --soak 100ms -- \
	    "$SERVER" --port "$PORT" --unix sock
	crr reload -q
	get /
	all_on -u sock
	status_is '.listeners | length == 2'
}

@test "what a service manager gave to somebody else is left alone" {
	LISTEN_PID=1 LISTEN_FDS=1 crr_start -w 1 -- "$SERVER" --port "$PORT"
	status_is '.listeners | length == 1'
}

@test "a service manager's descriptor that is no socket is named" {
	cat >crr-with-file <<-EOF
		#!/bin/sh
		exec 3</dev/null
		export LISTEN_PID=\$\$ LISTEN_FDS=1
		exec $CRR "\$@"
	EOF
	chmod +x crr-with-file
	CRR=$PWD/crr-with-file
	run -1 --separate-stderr crr run -- "$SERVER" --listen-fds
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == *"LISTEN_FDS: descriptor 3 is not a socket"* ]]
}

# Several, and others in the next release.

@test "two addresses of each worker are shared, and both are waited for" {
	local also

	also=$(free_port)
	crr_start -w 2 --soak 100ms -- \
	    "$SERVER" --port "$PORT" --also "$also" --unix sock --graceful
	crr reload -q
	all_pids_answer 2
	PORT=$also all_pids_answer 2
	all_on -u sock
}

@test "a release adds an address, and it is served by all" {
	local also

	also=$(free_port)
	start_release 2
	release --also "$also"
	crr reload -q
	all_pids_answer 2
	PORT=$also all_pids_answer 2
	crr reload -q
	status_is '.listeners | length == 2'
}

@test "a release that says READY=1 may drop an address" {
	local also

	also=$(free_port)
	release --also "$also"
	start_release 2
	status_is '.listeners | length == 2'
	release --notify 0
	crr reload -q
	status_is '.listeners | length == 1'
	run -1 is_port_used "$also"
	crr reload -q
}

@test "a server that binds its port twice has one queue a worker" {
	crr_start -w 2 --soak 100ms -- \
	    "$SERVER" --port "$PORT" --twice --reuseport --graceful
	reload_under_load 1
	none_failed
	all_pids_answer 2
	status_is '.listeners | length == 1 and (.[0].queues | length) == 3'
}

both_families() {
	local first=$1 second=$2

	grep -qs ' lo$' /proc/net/if_inet6 || skip "no IPv6 on loopback"
	crr_start -w 2 --soak 100ms -- sh -c '
	    "$0" --port "$PORT" '"$first"' &
	    sleep 0.2
	    exec "$0" --port "$PORT" '"$second" "$SERVER"
	crr reload -q
	wait_for "$LOAD" -n 1 "[::1]:$PORT"
	get /
	wait_for status_is '.listeners | length == 2'
}

@test "IPv4 and V6ONLY of one port are two listeners" {
	both_families "--bind 0.0.0.0" "--bind :: --v6only"
}

@test "V6ONLY and IPv4 of one port are, too" {
	both_families "--bind :: --v6only" "--bind 0.0.0.0"
}

@test "a name with a worker's pid in it is not asked of its successor" {
	crr_start -w 2 --soak 100ms -- sh -c '
	    exec "$0" --port "$PORT" --unix "$$.sock"' "$SERVER"
	status_is '.listeners | length == 3'
	crr reload -q
	status_is '.listeners | length == 3'
	crr_stop
	nothing_hidden
}

