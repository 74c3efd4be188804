// A server that notes each request it sees in $SEEN, and answers some before
// they have come to their end.
//
//	/early		begins its answer, reads the body, and ends it
//	/refuse?N	answers with N at once, and reads the body behind it
//	/work?ms=N&id=I	answers with I after N ms
//	others		answer when the body has been read
const fs = require("fs"), http = require("http");
const seen = fs.openSync(process.env.SEEN, "a");

http.createServer((req, res) => {
	const url = new URL(req.url, "http://x");

	fs.writeSync(seen, `${req.method} ${url.pathname}\n`);
	if (url.pathname === "/early") {
		res.write("begun ");
		req.resume().on("end", () => res.end("ended"));
	} else if (url.pathname === "/refuse") {
		res.statusCode = +url.search.slice(1);
		res.end("refused");
		req.resume();
	} else if (url.pathname === "/work") {
		req.resume();
		setTimeout(() => res.end(`id ${url.searchParams.get("id")}`),
		    +url.searchParams.get("ms"));
	} else
		req.resume().on("end", () => res.end("read"));
}).listen(+process.env.PORT);
