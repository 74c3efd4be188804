// HTTP/2 without TLS, or with it where $CERT names its files, and a GOAWAY at
// SIGTERM. As a client (`h2.js client`): streams of 300 ms for $SEC seconds, a
// new session for each one that says good-bye; prints how many came back.
const fs = require("fs"), http2 = require("http2");
const port = +process.env.PORT, cert = process.env.CERT;

function serve() {
	const tls = cert && { key: fs.readFileSync(`${cert}.key`),
		cert: fs.readFileSync(`${cert}.pem`) };
	const server = cert ? http2.createSecureServer(tls) :
	    http2.createServer();
	const sessions = new Set();

	server.on("session", (s) => {
		sessions.add(s);
		s.on("close", () => sessions.delete(s));
	});
	server.on("stream", (stream) => {
		stream.on("error", () => {});
		setTimeout(() => {
			stream.respond({ ":status": 200 });
			stream.end("whole");
		}, 300);
	});
	server.listen(port);
	process.on("SIGTERM", () => {
		sessions.forEach((s) => s.close());
		server.close(() => process.exit(0));
	});
}

function ask() {
	const end = Date.now() + 1000 * (+process.env.SEC || 8);
	const url = `${cert ? "https" : "http"}://127.0.0.1:${port}`;
	const sum = { whole: 0, lost: 0 };
	let sessions = 6;

	function session() {
		const s = http2.connect(url, { rejectUnauthorized: false });
		let running = 0, timer;

		s.on("error", () => {});
		s.on("close", () => {
			clearInterval(timer);
			Date.now() < end ? session() : --sessions ||
			    console.log(JSON.stringify(sum));
		});
		timer = setInterval(() => {
			if (Date.now() > end)
				return s.close();
			if (s.closed || s.destroyed)
				return;
			const stream = s.request({ ":path": "/" });
			let text = "";

			stream.on("data", (some) => text += some);
			stream.on("error", () => {});
			stream.on("close", () => text === "whole" ? sum.whole++ :
			    stream.rstCode === 7 ? 0 : sum.lost++);
		}, 80);
	}
	for (let i = sessions; i > 0; i--)
		session();
}

process.argv[2] ? ask() : serve();
