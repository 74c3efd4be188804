// Node's own client: $CLIENTS agents with one kept connection each, which send
// POST for $SEC seconds or until SIGTERM, $GAP ms after each answer, and never
// again what failed.
// $BODIES: bytes of a body, at most; $CHUNKED: one in three has no length.
// $PARTS: from and to, in ms, of an answer in two parts. Prints what became of
// them.
const crypto = require("crypto"), http = require("http");
const env = process.env, gap = +env.GAP || 0, port = +env.PORT;
const clients = +env.CLIENTS || 16;
const [from, to] = (env.PARTS || "").split(" ").map(Number);
const sum = { answered: 0, failed: 0, wrong: 0, closes: 0, longest: 0 };
let open = clients, end = Date.now() + 1000 * (+env.SEC || 200);

process.on("SIGTERM", () => end = 0);

function expected(path, body) {
	return path.startsWith("/parts") ? "first second" :
	    crypto.createHash("md5").update(body).digest("hex");
}

function make(id, n) {
	const ms = from + Math.floor(Math.random() * (to - from + 1));
	const body = crypto.randomBytes(env.BODIES ?
	    Math.floor(Math.random() * +env.BODIES) : 5);
	const path = (to ? `/parts?ms=${ms}&` : "/?") + `id=${id}-${n}`;
	const headers = env.CHUNKED && Math.random() < 1 / 3 ? {} :
	    { "Content-Length": body.length };

	return { body, path, headers };
}

function client(id) {
	const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
	let n = 0;

	function next() {
		if (Date.now() > end) {
			agent.destroy();
			if (--open === 0)
				console.log(JSON.stringify(sum));
			return;
		}
		const r = make(id, n++), began = Date.now();
		const fail = (what) => {
			sum.failed++;
			sum[what] = (sum[what] || 0) + 1;
			setTimeout(next, gap);
		};
		const req = http.request({ agent, port, host: "127.0.0.1",
			method: "POST", path: r.path, headers: r.headers },
		(res) => {
			let text = "";

			res.on("data", (some) => text += some);
			res.on("aborted", () => fail("aborted"));
			res.on("end", () => {
				if (!res.complete)
					return;
				sum.answered++;
				sum.wrong += text !== expected(r.path, r.body);
				sum.closes += res.headers.connection === "close";
				sum.longest = Math.max(sum.longest,
				    Date.now() - began);
				gap ? setTimeout(next, gap) : next();
			});
			res.on("error", () => {});
		});
		req.on("error", (e) => fail(e.code));
		req.end(r.body);
	}
	next();
}

for (let i = 0; i < clients; i++)
	client(i);
