// An Express app whose workers each have a cache, and keep all of them in step.
//
//	npm install express
//	crr run --retain 64M -- node server.js
//
// It needs nothing from crr: process.send() and process.on("message") are Node's
// own, and the messages those of the package cluster-rolling-restart.

const express = require("express");
const app = express();
const cache = new Map();

app.get("/", (req, res) => res.send(`I'm pid ${process.pid}`));

app.get("/reload", (req, res) => {
  process.send({ cmd: "reload" });
  res.send("reload requested");
});

app.get("/reload-reset", (req, res) => {
  process.send({ cmd: "reload-reset" });
  res.send("reload reset");
});

app.get("/save/:id/:data", (req, res) => {
  const { id, data } = req.params;
  cache.set(id, data);
  process.send({ cmd: "saveBroadcast", pid: process.pid, id, data, name: "demo" });
  res.send("saved");
});

app.get("/delete/:id", (req, res) => {
  const { id } = req.params;
  const data = cache.get(id) ?? "";
  cache.delete(id);
  process.send({ cmd: "deleteBroadcast", pid: process.pid, id, data, name: "demo" });
  res.send("deleted");
});

app.get("/get/:id", (req, res) => res.send(cache.get(req.params.id) ?? ""));

process.on("message", ({ cmd, id, data }) => {
  if (cmd === "saveCommand") cache.set(id, data);
  if (cmd === "deleteCommand") cache.delete(id);
  // Messages were lost: an empty cache is better than a stale one.
  if (cmd === "lagged") cache.clear();
});

app.listen(process.env.PORT ?? 8080);
