# The servers that are measured. For each NAME of $PEERS:
#
#   NAME_needs     the commands or files that it needs
#   NAME_start     starts $WORKERS workers on $PORT; the master's pid is in
#                  $MASTER, and each child of the master is a worker
#   NAME_reload    asks for a reload; may return before the reload is over
#   NAME_reloaded  optional: succeeds when the master says that the reload is
#                  over; bench/reload itself checks that the old workers ended
#   NAME_stop      optional: stops it, if TERM to the master is not enough
#
# Each request takes $WORK_MS without using the CPU. Behind a proxy one plain Node
# server does that, which is never restarted.
#
# shellcheck shell=bash disable=SC2034

PEERS=(crr_express package pm2 crr_python starter gunicorn puma crr_go nginx
	haproxy)
APT=(nginx:nginx-light haproxy:haproxy start_server:libserver-starter-perl
	gunicorn:gunicorn puma:puma wrk:wrk gnuplot:gnuplot-nox node:nodejs
	npm:npm python3:python3 go:golang-go)
NPM_PACKAGES=(express@4.21.2 cluster-rolling-restart@1.0.12 pm2@7.0.4)

declare -A LABEL=(
	[crr_express]="crr, Express"
	[package]="Node package, Express"
	[pm2]="pm2 reload, Express"
	[crr_python]="crr, Python"
	[starter]="Server::Starter, Python"
	[gunicorn]="gunicorn HUP"
	[puma]="puma phased restart"
	[crr_go]="crr, Go"
	[nginx]="nginx reload (proxy)"
	[haproxy]="HAProxy reload (proxy)"
)
declare -A ABOUT=(
	[crr_express]="test/servers/express/server.js, Express 4 without any
	    signal handler; crr run -w 2, all else as it comes, a soak of 1 s
	    in each reload included"
	[package]="cluster-rolling-restart 1.0.12 from npm, startCluster() with
	    the same Express handler, GET /reload"
	[pm2]="pm2 start -i 2 of the same server.js, pm2 reload"
	[crr_python]="bench/reload.d/server.py: http.server, a thread for each
	    connection, no signal handler"
	[starter]="start_server with the same server.py; one process by its
	    nature, HUP"
	[gunicorn]="-k gthread --threads 32, HUP"
	[puma]="-w 2 -t 32:32, USR1; ends a kept connection in its own way
	    after some requests while others wait, without a reload too"
	[crr_go]="test/servers/go: net/http with Shutdown() on TERM"
	[nginx]="a proxy before one plain Node server that is not restarted;
	    HUP starts new processes of nginx alone"
	[haproxy]="the same, master-worker mode with listeners passed on; USR2;
	    one process with as many threads"
)

run_crr() {
	rm -f "$CRR_SOCKET"
	background "$LOG" "$CRR" run -w "$WORKERS" -- "$@"
	MASTER=$!
}

crr_stop() {
	"$CRR" stop -q
}

# Express, in three ways.

crr_express_needs() {
	echo node "$NPM/node_modules/express"
}

crr_express_start() {
	run_crr node "$ROOT/test/servers/express/server.js"
}

crr_express_reload() {
	"$CRR" reload -q
}

package_needs() {
	echo node "$NPM/node_modules/cluster-rolling-restart"
}

package_start() {
	background "$LOG" node "$HERE/package.js"
	MASTER=$!
}

# Asks on a connection of its own, as the package's README does.
package_reload() {
	"$LOAD" -n 1 -p /reload "127.0.0.1:$PORT" >/dev/null
}

package_reloaded() {
	[ "$(grep -c "^reload complete" "$LOG")" -ge "$RELOADS" ]
}

pm2_needs() {
	echo node "$NPM/node_modules/.bin/pm2"
}

run_pm2() {
	PM2_HOME=$DIR/pm2 timeout 60 "$NPM/node_modules/.bin/pm2" "$@" \
	    </dev/null >>"$LOG" 2>&1
}

pm2_start() {
	rm -rf "$DIR/pm2"
	run_pm2 start "$ROOT/test/servers/express/server.js" -i "$WORKERS"
	MASTER=$(cat "$DIR/pm2/pm2.pid" 2>/dev/null)
	[ -z "$MASTER" ] || remember "$MASTER"
}

pm2_reload() {
	run_pm2 reload server
}

pm2_stop() {
	run_pm2 kill
}

# Python, in three ways.

crr_python_needs() {
	echo python3
}

crr_python_start() {
	run_crr "$PYTHON" "$HERE/server.py"
}

crr_python_reload() {
	"$CRR" reload -q
}

starter_needs() {
	echo python3 start_server
}

starter_start() {
	background "$LOG" start_server --port="127.0.0.1:$PORT" -- \
	    "$PYTHON" "$HERE/server.py"
	MASTER=$!
}

starter_reload() {
	kill -HUP "$MASTER"
}

gunicorn_needs() {
	echo gunicorn
}

gunicorn_start() {
	background "$LOG" gunicorn -w "$WORKERS" -k gthread --threads 32 \
	    -b "127.0.0.1:$PORT" --chdir "$HERE" wsgi:app
	MASTER=$!
}

gunicorn_reload() {
	kill -HUP "$MASTER"
}

# Ruby and Go.

puma_needs() {
	echo puma
}

puma_start() {
	background "$LOG" puma -w "$WORKERS" -t 32:32 \
	    -b "tcp://127.0.0.1:$PORT" --dir "$HERE" "$HERE/config.ru"
	MASTER=$!
}

puma_reload() {
	kill -USR1 "$MASTER"
}

puma_reloaded() {
	[ "$(grep -c "booted.*phase: $RELOADS" "$LOG")" -ge "$WORKERS" ]
}

crr_go_needs() {
	echo "$SERVERS/go/server"
}

crr_go_start() {
	run_crr "$SERVERS/go/server"
}

crr_go_reload() {
	"$CRR" reload -q
}

# Proxies.

run_backend() {
	BACKEND_PORT=$(free_port)
	PORT=$BACKEND_PORT background "$LOG.backend" \
	    node "$ROOT/test/servers/node/server.js"
	BACKEND=$!
}

nginx_needs() {
	echo node nginx
}

nginx_start() {
	run_backend
	mkdir -p "$DIR/nginx"
	cat >"$DIR/nginx/nginx.conf" <<-END
		daemon off;
		pid $DIR/nginx/pid;
		worker_processes $WORKERS;
		error_log stderr;
		events { worker_connections 1024; }
		http {
			access_log off;
			client_body_temp_path $DIR/nginx/body;
			proxy_temp_path $DIR/nginx/proxy;
			fastcgi_temp_path $DIR/nginx/fastcgi;
			uwsgi_temp_path $DIR/nginx/uwsgi;
			scgi_temp_path $DIR/nginx/scgi;
			keepalive_requests 1000000;
			upstream backend {
				server 127.0.0.1:$BACKEND_PORT;
				keepalive 64;
			}
			server {
				listen 127.0.0.1:$PORT;
				location / {
					proxy_pass http://backend;
					proxy_http_version 1.1;
					proxy_set_header Connection "";
				}
			}
		}
	END
	background "$LOG" nginx -p "$DIR/nginx" -c "$DIR/nginx/nginx.conf"
	MASTER=$!
}

nginx_reload() {
	kill -HUP "$MASTER"
}

haproxy_needs() {
	echo node haproxy
}

haproxy_start() {
	run_backend
	cat >"$DIR/haproxy.cfg" <<-END
		global
			nbthread $WORKERS
			stats socket $DIR/haproxy.sock mode 600 expose-fd listeners
		defaults
			mode http
			timeout connect 5s
			timeout client 30s
			timeout server 30s
		listen web
			bind 127.0.0.1:$PORT
			server node 127.0.0.1:$BACKEND_PORT
	END
	background "$LOG" haproxy -W -f "$DIR/haproxy.cfg"
	MASTER=$!
}

haproxy_reload() {
	kill -USR2 "$MASTER"
}
