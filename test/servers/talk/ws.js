// A WebSocket server that says good-bye: 1001 to each client at SIGTERM. As a
// client (`ws.js client`): $CLIENTS of them, half of which say a word each 50 ms;
// prints how each was closed.
const ws = require("ws"), port = +process.env.PORT;

function serve() {
	const server = new ws.WebSocketServer({ port });

	server.on("connection", (c) => c.on("message", (m) => c.send(`${m}`)));
	process.on("SIGTERM", () => {
		server.clients.forEach((c) => c.close(1001));
		server.close(() => process.exit(0));
	});
}

function ask() {
	const clients = +process.env.CLIENTS, codes = {};
	let open = clients, ready = 0;

	for (let i = 0; i < clients; i++) {
		const c = new ws.WebSocket(`ws://127.0.0.1:${port}`);
		let timer;

		c.on("open", () => {
			c.send("hello");
			if (i % 2)
				timer = setInterval(() => c.send("word"), 50);
			if (++ready === clients)
				console.error("open");
		});
		c.on("error", () => {});
		c.on("close", (code) => {
			clearInterval(timer);
			codes[code] = (codes[code] || 0) + 1;
			if (--open === 0)
				console.log(JSON.stringify(codes));
		});
	}
}

process.argv[2] ? ask() : serve();
