# What a drain must not do: take a body for a request, swap answers, leave a
# reader asleep, cut what other protocols have to say; and bad input.

# shellcheck disable=SC2016,SC2153,SC2154

load helper

export WAIT_LIMIT=60

setup_file() {
	export BATS_TEST_TIMEOUT=300
}

KEPT=$ROOT/test/servers/kept

# uploads: in the background, with what the server sees in $SEEN.
uploads() {
	need python3
	background python3 "$KEPT/upload.py" >uploads
	UPLOADS=$!
	sleep 1
}

early_server() {
	need node
	export SEEN=$PWD/seen
	crr_start -w 1 --soak 0 "$@" -- node "$KEPT/early.js"
}

reload_until_gone() {
	RELOADS=0
	while is_running "$1" && [ "$RELOADS" -lt 20 ]; do
		reload -q || return 1
		RELOADS=$((RELOADS + 1))
	done
}

no_body_was_executed() {
	wait_end "$UPLOADS"
	echo "$(cat uploads) uploads, $RELOADS reloads"
	[ "$CODE" -eq 0 ] && [ "$(cat uploads)" -gt 70 ] && [ "$RELOADS" -gt 6 ] &&
	    status_is ".kept.handed_on > 0"
	grep -q "^POST /plain$" "$SEEN"
	run ! grep /admin "$SEEN"
}

# proxy_start: nginx without request buffering, or HAProxy as it comes.
nginx_start() {
	need nginx
	mkdir -p nginx
	cat >nginx.conf <<-END
		worker_processes 1;
		daemon off;
		error_log $PWD/front.err;
		pid $PWD/nginx/pid;
		events { }
		http {
			access_log off;
			client_body_temp_path $PWD/nginx/b;
			proxy_temp_path $PWD/nginx/p;
			fastcgi_temp_path $PWD/nginx/f;
			uwsgi_temp_path $PWD/nginx/u;
			scgi_temp_path $PWD/nginx/s;
			upstream shop { server 127.0.0.1:$PORT; keepalive 64; }
			server {
				listen 127.0.0.1:$1;
				location / {
					proxy_pass http://shop;
					proxy_http_version 1.1;
					proxy_set_header Connection "";
					proxy_request_buffering off;
				}
			}
		}
	END
	background nginx -c "$PWD/nginx.conf" -e "$PWD/front.err"
	wait_for curl -s -o /dev/null "http://127.0.0.1:$1/"
}

haproxy_start() {
	need haproxy
	cat >haproxy.cfg <<-END
		defaults
			mode http
			timeout connect 10s
			timeout client 60s
			timeout server 60s
		frontend front
			bind 127.0.0.1:$1
			default_backend shop
		backend shop
			server one 127.0.0.1:$PORT
	END
	background haproxy -db -f haproxy.cfg
	wait_for curl -s -o /dev/null "http://127.0.0.1:$1/"
}

@test "no body that reads like a request becomes one, sent directly" {
	early_server --drain 2s --handoff any
	uploads
	reload_until_gone "$UPLOADS"
	no_body_was_executed
}

@test "no body that reads like a request becomes one, through HAProxy" {
	local front

	early_server --drain 2s
	front=$(free_port)
	haproxy_start "$front"
	PORT=$front uploads
	reload_until_gone "$UPLOADS"
	no_body_was_executed
}

@test "no body that reads like a request becomes one, through nginx unbuffered" {
	local front

	early_server --drain 2s
	front=$(free_port)
	nginx_start "$front"
	PORT=$front uploads
	reload_until_gone "$UPLOADS"
	no_body_was_executed
}

@test "clients that pipeline get their answers in the right order" {
	need python3
	early_server --drain 4s
	for WINDOW in 3 8; do
		export WINDOW
		background python3 "$KEPT/pipeline.py" >sum.$WINDOW
		UPLOADS=$!
		sleep 1
		reload -q
		reload -q
		wait_end "$UPLOADS"
		cat "sum.$WINDOW"
		[ "$CODE" -eq 0 ]
	done
}

# Its threads sleep in a blocking recv(2), where no mark wakes them.
@test "a reload lets no thread of Python's http.server sleep on" {
	need python3
	cat >server.py <<-'END'
		import os
		from http.server import *

		class Handler(BaseHTTPRequestHandler):
		    protocol_version = "HTTP/1.1"

		    def do_POST(self):
		        self.rfile.read(int(self.headers["Content-Length"]))
		        self.send_response(200)
		        self.send_header("Content-Length", "2")
		        self.end_headers()
		        self.wfile.write(b"ok")

		    def log_message(self, *args):
		        pass

		ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])),
		    Handler).serve_forever()
	END
	cat >client.py <<-'END'
		import os, socket, threading, time

		longest, lost, answered = [0], [0], [0]
		address = ("127.0.0.1", int(os.environ["PORT"]))
		end = time.time() + 8

		def client():
		    s = None
		    while time.time() < end:
		        began = time.time()
		        try:
		            s = s or socket.create_connection(address)
		            s.settimeout(30)
		            s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n"
		                b"Content-Length: 10\r\n\r\nhello")
		            time.sleep(0.02)
		            s.sendall(b"hello")
		            text = b""
		            while not text.endswith(b"\r\n\r\nok"):
		                some = s.recv(4096)
		                if not some:
		                    raise OSError
		                text += some
		            answered[0] += 1
		        except OSError:
		            lost[0] += 1
		            s = None
		        longest[0] = max(longest[0], time.time() - began)

		threads = [threading.Thread(target=client) for i in range(8)]
		for t in threads:
		    t.start()
		for t in threads:
		    t.join()
		print(answered[0], "answered", lost[0], "lost", longest[0], "s")
		open("longest", "w").write(str(int(longest[0])))
	END
	crr_start -w 2 --soak 100ms --drain 2s -- python3 server.py
	background python3 client.py
	UPLOADS=$!
	sleep 1
	reload -q
	wait_end "$UPLOADS"
	[ "$CODE" -eq 0 ]
	[ "$(cat longest)" -lt 3 ]
}
