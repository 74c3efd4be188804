# Workers that are not one process that listens: they fork twice, become
# another program, vanish in the middle.

# shellcheck disable=SC2016,SC2086,SC2153,SC2154

load helper

# What crr starts slowly here is Python.
export WAIT_LIMIT=60

# A server whose process has left its worker's group, session and ancestors,
# below a leader that stays, or does not.
write_daemon() {
	need python3
	cat >daemon.py <<-'EOF'
		import http.server, os, signal, sys, time
		class Handler(http.server.BaseHTTPRequestHandler):
		    protocol_version = "HTTP/1.1"
		    def log_message(self, *args):
		        pass
		    def do_GET(self):
		        time.sleep(0.02)
		        body = b"pid %d\n" % os.getpid()
		        self.send_response(200)
		        self.send_header("Content-Length", str(len(body)))
		        self.end_headers()
		        self.wfile.write(body)
		if os.fork() == 0:
		    os.setsid()
		    if os.fork() != 0:
		        os._exit(0)
		    http.server.ThreadingHTTPServer(
		        ("127.0.0.1", int(os.environ["PORT"])),
		        Handler).serve_forever()
		if sys.argv[1] == "stay":
		    signal.pause()
		while not os.path.exists("leave"):
		    time.sleep(0.02)
	EOF
}

@test "a server that has forked twice is drained and ended with its worker" {
	write_daemon
	crr_start -w 2 --soak 100ms -- "$(python)" daemon.py stay
	reloads 3 -c 8
	none_failed
	[ "$(load_value pids)" -ge 8 ]
	[ "$(worker_processes | wc -l)" -eq 4 ]
	crr_stop
	no_worker_processes
}

@test "a server that goes into the background by itself is told to stay" {
	write_daemon
	crr_start -w 1 -- "$(python)" daemon.py leave
	: >leave
	wait_for grep -F "have it stay in the foreground" "$ERR"
	wait_for grep -E "^worker down .*: exited with 0, again" "$LOG"
	is_running "$MASTER"
}

@test "a worker that becomes another program keeps its place" {
	need python3
	cat >become.py <<-'EOF'
		import os, signal, socket
		s = socket.socket()
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		s.bind(("127.0.0.1", int(os.environ["PORT"])))
		s.listen()
		def become(*args):
		    os.execv(os.environ["SERVER"],
		        ["server", "--port", os.environ["PORT"]])
		signal.signal(signal.SIGUSR1, become)
		while True:
		    signal.pause()
	EOF
	export SERVER
	crr_start -w 2 --soak 100ms -- "$(python)" become.py
	local pids
	pids=$(ready_pids)
	# What is queued before is served by what it becomes.
	load_start -c 4 -n 400
	kill -USR1 $pids
	load_wait
	none_failed
	[ "$(load_value pids)" -eq 2 ]
	[ "$(ready_pids)" = "$pids" ]
	reload -q
}

# Binds in one thread, ends in another: the master finds the call, and then
# neither descriptor nor memory nor process of it.
@test "processes that vanish in the middle of bind cost nobody anything" {
	need python3
	cat >vanish.py <<-'EOF'
		import os, socket, sys, threading, time
		end = time.time() + 5
		while time.time() < end:
		    pid = os.fork()
		    if pid == 0:
		        s = socket.socket()
		        where = ("127.0.0.1", int(sys.argv[1]))
		        threading.Thread(target=s.bind, args=(where,)).start()
		        chance = os.urandom(2)
		        time.sleep(chance[0] / 1e6)
		        if chance[1] % 2:
		            os.close(s.fileno())
		        os._exit(0)
		    os.waitpid(pid, 0)
	EOF
	local pids
	crr_start -w 2 --soak 100ms -v -- sh -c '
	    "$0" vanish.py "$1" & "$0" vanish.py "$1" &
	    exec "$2" --port "$3"
	' "$(python)" "$(free_port)" "$SERVER" "$PORT"
	pids=$(ready_pids)
	load_start -c 8 -t 3
	load_wait
	none_failed
	[ "$(ready_pids)" = "$pids" ]
	reload -q
}

# Children come and go while their descriptors are looked at.
@test "processes that vanish in the middle of a drain cost nobody anything" {
	need python3
	cat >forking.py <<-'EOF'
		import http.server, os, socketserver
		class Handler(http.server.BaseHTTPRequestHandler):
		    def log_message(self, *args):
		        pass
		    def do_GET(self):
		        body = b"pid %d\n" % os.getppid()
		        self.send_response(200)
		        self.send_header("Content-Length", str(len(body)))
		        self.end_headers()
		        self.wfile.write(body)
		class Server(socketserver.ForkingMixIn, http.server.HTTPServer):
		    pass
		Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
	EOF
	crr_start -w 2 --soak 100ms -- "$(python)" forking.py
	reloads 4 -c 16
	none_failed
	[ "$(load_value pids)" -eq 10 ]
}

@test "a hundred reloads under load leave the master's descriptors and memory flat" {
	local i fds kb

	# A sanitizer keeps what was freed for a while.
	! grep -qa __asan_init "$CRR" || skip "crr is built with a sanitizer"
	crr_start -w 2 --soak 0 -- "$SERVER" --port "$PORT" --work 1
	load_start -c 8
	for ((i = 0; i < 10; i++)); do
		reload -q
	done
	fds=$(open_descriptors)
	kb=$(resident)
	for ((i = 0; i < 100; i++)); do
		reload -q
	done
	[ "$(open_descriptors)" -eq "$fds" ]
	[ "$(resident)" -le $((kb + 64)) ]
	load_stop
	none_failed
	[ -z "$(pgrep -P "$MASTER" -r Z)" ]
}

open_descriptors() {
	find "/proc/$MASTER/fd" -type l | wc -l
}

resident() {
	awk '$1 == "VmRSS:" { print $2 }' "/proc/$MASTER/status"
}
