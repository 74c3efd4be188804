// Worker 0 works for 300 ms of CPU a request, the others for 3.
const ms = process.env.CRR_WORKER_ID === "0" ? 300 : 3;

require("http").createServer((req, res) => {
	const end = Date.now() + ms;

	while (Date.now() < end)
		;
	res.setHeader("Connection", "close");
	res.end("done\n");
}).listen(+process.env.PORT, "127.0.0.1");
