const http = require("http");

const work = Number(process.env.WORK_MS || 0);

http.createServer((req, res) => {
	setTimeout(() => res.end(`pid ${process.pid}\n`), work);
}).listen(process.env.PORT || 8080);
