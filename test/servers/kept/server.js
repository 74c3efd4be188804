// A server that knows nothing of its end, on plain http or, with EXPRESS, on
// Express. Notes the id of each request in $IDS once it has read all of it.
//
//	/[?ms=N]	answers after N or $WORK_MS with the MD5 of the body
//	/parts?ms=N	answers in two parts, N ms apart
//	/events?n=N	an event each second, N of them
//	/when		answers with the client's address
const crypto = require("crypto"), fs = require("fs"), http = require("http");
const ids = process.env.IDS && fs.openSync(process.env.IDS, "a");
const work = +process.env.WORK_MS || 0;

function answer(req, res) {
	const url = new URL(req.url, "http://x");
	const md5 = crypto.createHash("md5");
	const id = url.searchParams.get("id");

	req.on("data", (some) => md5.update(some));
	req.on("end", () => {
		if (ids && id)
			fs.writeSync(ids, `${id}\n`);
		if (url.pathname === "/when")
			return res.end(req.socket.remoteAddress);
		if (url.pathname === "/events") {
			let n = +url.searchParams.get("n");
			const next = () => {
				res.write(`data: ${n}\n\n`);
				--n ? setTimeout(next, 1000) : res.end("over");
			};
			return next();
		}
		if (url.pathname === "/parts") {
			res.write("first ");
			setTimeout(() => res.end("second"),
			    +url.searchParams.get("ms"));
			return;
		}
		const ms = +url.searchParams.get("ms") || work;
		const end = () => res.end(md5.digest("hex"));
		ms ? setTimeout(end, ms) : end();
	});
}

let app = answer;
if (process.env.EXPRESS) {
	app = require("express")();
	app.use(answer);
}
const server = http.createServer(app);
server.keepAliveTimeout = +process.env.KEEP_MS || 5000;
server.listen(+process.env.PORT, process.env.HOST);
