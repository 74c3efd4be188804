# Node's channel: process.send() and process.on("message") of an unchanged
# program, with the words of the Node package.

# shellcheck disable=SC2016,SC2153,SC2154

load helper

# What crr starts slowly here is Node.
export WAIT_LIMIT=60

# cached N [OPTION ...]: the example with a cache.
cached() {
	local workers=$1

	shift
	need_server express
	export NODE_PATH=$SERVERS/express/node_modules
	crr_start -w "$workers" --soak 100ms "$@" -- \
	    node "$ROOT/examples/express/server.js"
}

# node_program N [OPTION ...]: workers of the program on stdin.
node_program() {
	local workers=$1

	shift
	need node
	cat >program.js
	crr_start -w "$workers" --soak 100ms "$@" -- node program.js
}

watch_start() {
	background "$CRR" watch --json >watched
	wait_for status_is --argjson n "$1" '.bus.subscribers | length == $n'
}

@test "what one worker saves is read from all, what it deletes from none" {
	cached 3
	[ "$(get /save/7/Ada)" = saved ]
	wait_for all_have 7 Ada
	[ "$(get /delete/7)" = deleted ]
	wait_for all_have 7 ""
}

@test "a reload asked for by process.send replaces all, and keeps the cache" {
	local before

	cached 2 --retain 1M
	[ "$(get /save/7/Ada)" = saved ]
	wait_for all_have 7 Ada
	before=$(ready_pids)
	[ "$(get /reload)" = "reload requested" ]
	wait_for all_of_generation 2
	wait_for grep "^reload complete" "$LOG"
	run ! grep -xF "$before" <<<"$(ready_pids)"
	all_have 7 Ada
}

@test "both spellings of the reset end a reload" {
	local word

	for word in reload-reset reset-reload; do
		echo "process.send({cmd: '$word'})" >word.js
		node_program 1 <<-'EOF'
			const http = require("http");
			http.createServer((req, res) => {
			    if (req.url === "/reset")
			        eval(require("fs").readFileSync("word.js", "utf8"));
			    res.end("ok");
			}).listen(process.env.PORT);
		EOF
		mv program.js serving.js
		cp serving.js program.js
		echo 'setTimeout(() => process.exit(), 60000)' >program.js
		reload_start client
		wait_for is_reloading
		get /reset
		wait_end "$CLIENT"
		[ "$CODE" -eq 1 ]
		grep "^reload reset" "$LOG"
		crr_stop
	done
}

@test "Node's and other workers share one bus" {
	cached 2
	watch_start 3
	[ "$(crr broadcast --save --name demo --id n native)" = \
	    "sent to 2 workers" ]
	wait_for all_have n native
	crr broadcast -q --save --name demo --id j '"string of JSON"'
	wait_for all_have j "string of JSON"
	[ "$(get /save/k/v)" = saved ]
	wait_for grep -q '"id":"k"' watched
	jq -e -s '.[-1] | .event == "saved" and .name == "demo" and
	    (.data | fromjson | .cmd == "saveCommand" and .id == "k" and
	    .data == "v" and .pid > 1)' watched
	[ "$(crr broadcast --delete --name demo --id k)" = "sent to 2 workers" ]
	wait_for all_have k ""
}

@test "what is passed on keeps every other member, byte for byte" {
	node_program 1 <<-'EOF'
		const fs = require("fs");
		const http = require("http");
		http.createServer((req, res) => {
		    fs.writeSync(process.channel.fd, '{ "x":1.50e+2 ,"id" :"k",' +
		        '"y":"\\u00e9\\/", "cmd":"saveBroadcast","data":[ ] } \n');
		    res.end("ok");
		}).listen(process.env.PORT);
	EOF
	watch_start 2
	get /
	wait_for test -s watched
	[ "$(jq -r .data watched)" = \
	    '{ "x":1.50e+2 ,"id" :"k","y":"\u00e9\/", "cmd":"saveCommand","data":[ ] }' ]
}

@test "any JSON passes: nested, escaped, Unicode, 1 MB in a line, many at once" {
	node_program 3 <<-'EOF'
		const fs = require("fs");
		const http = require("http");
		const id = process.env.CRR_WORKER_ID;
		const sent = [];
		for (const data of [
		    null, true, 0, -1.5e300, "", "\u0000\u001f\"\\/", "é€😀\ud83d",
		    "\u2028\u2029", [], {}, [[[{ a: [{}] }]]],
		    { cmd: "saveBroadcast", id: "inner", pid: 1 },
		    "x".repeat(1 << 20),
		])
		    sent.push({ before: { pid: 5 }, cmd: "saveBroadcast",
		        pid: process.pid, id: "i" + sent.length, data, name: "n",
		        "caf\u00e9 \"quoted\"": [1, { cmd: 2 }] });
		for (let i = 0; i < 5000; i++)
		    sent.push({ cmd: "saveBroadcast", pid: process.pid, id: i,
		        data: i, name: "many" });
		const want = sent.map((m) => ({ ...m, cmd: "saveCommand" }));
		http.createServer((req, res) => {
		    if (req.url === "/send") {
		        for (const m of sent)
		            process.send(m);
		        fs.writeFileSync("sent", id);
		    }
		    res.end("ok");
		}).listen(process.env.PORT);
		const got = [];
		process.on("message", (m) => {
		    got.push(m);
		    if (got.length < want.length)
		        return;
		    for (const w of want)
		        w.pid = got[0].pid;
		    fs.writeFileSync("got." + id, JSON.stringify(got) ===
		        JSON.stringify(want) ? "same" : JSON.stringify(got));
		});
	EOF
	get /send
	wait_for test -s sent
	wait_for got_by_others
	[ "$(sort -u got.* | head -c 100)" = same ]
	[ ! -e "got.$(cat sent)" ]
}

got_by_others() {
	[ "$(find . -name 'got.?' -size +0 | wc -l)" -eq 2 ]
}

@test "a pid that is not the sender's becomes the sender's" {
	node_program 1 <<-'EOF'
		const http = require("http");
		http.createServer((req, res) => {
		    process.send({ pid: 1, cmd: "saveBroadcast", id: "a", data: 1 });
		    process.send({ cmd: "saveBroadcast", id: "b", data: 1, pid: "x" });
		    process.send({ cmd: "saveBroadcast", id: "c", data: 1 });
		    res.end("ok");
		}).listen(process.env.PORT);
	EOF
	watch_start 2
	get /
	wait_for grep -q '"id":"c"' watched
	[ "$(jq -r '.data | fromjson | .pid' watched | xargs)" = \
	    "$(worker_pid 0) $(worker_pid 0) null" ]
	[ "$(jq -r .pid watched | sort -u)" = "$(worker_pid 0)" ]
}

@test "\"ready\" makes a worker ready" {
	node_program 1 --ready notify <<-'EOF'
		setTimeout(() => process.send("ready"), 100);
		setInterval(() => {}, 1000);
	EOF
	worker_is 0 ready
}

@test "what makes no sense is ignored with a line, nothing of it is delivered" {
	node_program 2 <<-'EOF'
		const fs = require("fs");
		const http = require("http");
		const fd = Number(process.channel.fd);
		http.createServer((req, res) => {
		    for (const line of [
		        "{broken", '{"cmd":"saveBroadcast","data":1}',
		        '{"cmd":"saveBroadcast","id":{},"data":1}',
		        '{"cmd":7,"id":"x","data":1}', "\x00\x01\x02", "[1,2", "",
		        '{"cmd":"deleteBroadcast"}',
		    ])
		        fs.writeSync(fd, line + "\n");
		    process.send({ cmd: "nothing that crr knows" });
		    process.send({ type: "a message of the program's own" });
		    process.send({ cmd: "saveBroadcast", id: "good", data: 1 });
		    res.end("ok");
		}).listen(process.env.PORT);
		process.on("message", (m) => fs.appendFileSync("got",
		    m.id + "\n"));
	EOF
	get /
	wait_for test -s got
	[ "$(cat got)" = good ]
	[ "$(grep -c "on Node's channel" "$ERR")" -eq 8 ]
	[ "$(get /)" = ok ]
	[ "$(ready_pids | wc -l)" -eq 2 ]
}

@test "half a line at a worker's end is ignored with a line" {
	node_program 1 <<-'EOF'
		const fs = require("fs");
		const http = require("http");
		http.createServer(() => {
		    fs.writeSync(process.channel.fd,
		        '{"cmd":"saveBroadcast","id":"whole","data":1}\n' +
		        '{"cmd":"saveBroadcast","id":"half","da');
		    process.exit(1);
		}).listen(process.env.PORT);
	EOF
	watch_start 2
	get / || true
	wait_for grep -q whole watched
	wait_for grep "ended in the middle of a line" "$ERR"
	run ! grep half watched
}

@test "a line that never ends is ignored, and so is no other" {
	node_program 1 <<-'EOF'
		const fs = require("fs");
		const http = require("http");
		http.createServer((req, res) => {
		    const long = "x".repeat(20 << 20);
		    process.send({ cmd: "saveBroadcast", id: "long", data: long },
		        () => process.send({ cmd: "saveBroadcast", id: "short",
		            data: 1 }));
		    res.end("ok");
		}).listen(process.env.PORT);
	EOF
	watch_start 2
	get /
	wait_for grep -q short watched
	[ "$(jq -r .id watched)" = short ]
	[ "$(grep -c "longer than 16 MiB" "$ERR")" -eq 1 ]
}

@test "a worker that hangs up its channel serves on" {
	node_program 1 <<-'EOF'
		const http = require("http");
		http.createServer((req, res) => res.end("ok"))
		    .listen(process.env.PORT);
		process.disconnect();
	EOF
	wait_for status_is '.bus.subscribers | length == 0'
	[ "$(get /)" = ok ]
	reload -q
}

@test "a server with shutdown code that listens to messages ends in time" {
	node_program 1 --stop-timeout 100s <<-'EOF'
		const http = require("http");
		const server = http.createServer((req, res) => res.end("ok"));
		server.listen(process.env.PORT);
		process.on("message", () => {});
		process.on("SIGTERM", () => server.close());
	EOF
	reload -q --timeout 50s
}

@test "only node itself has a channel, nothing that starts it" {
	need node
	echo 'require("fs").writeFileSync("channel",
	    String(!!process.send) + (process.env.NODE_CHANNEL_FD ?? ""));
	    require("http").createServer().listen(process.env.PORT)' >program.js
	crr_start -w 1 -- sh -c 'exec node program.js'
	wait_for test -s channel
	[ "$(cat channel)" = false ]
	crr_stop
	rm channel
	crr_start -w 1 --no-node -- node program.js
	[ "$(cat channel)" = false ]
	crr_stop
	rm channel
	# The program sees the channel, the programs that it starts do not.
	echo 'require("child_process").execSync("node program.js")' >outer.js
	sed -i 's/require("http").*//' program.js
	crr_start -w 1 --ready alive:2s -- node outer.js || true
	wait_for test -s channel
	[ "$(cat channel)" = false ]
}
