// The program in the README of the Node package, with the handler of
// test/servers/express/server.js. The package starts a worker for each CPU, so
// this sets the number of CPUs.
const os = require("os");

const workers = Number(process.env.WORKERS);
os.cpus = () => Array(workers).fill({});

const cluster = require("cluster-rolling-restart");
const express = require("express");

const app = express();
const work = Number(process.env.WORK_MS || 0);

app.get("/", (req, res) => {
	setTimeout(() => res.send(`pid ${process.pid}`), work);
});
app.get("/reload", (req, res) => {
	res.send(`pid ${process.pid}`);
	process.send({ cmd: "reload" });
});

cluster.startCluster(() => app.listen(process.env.PORT));
