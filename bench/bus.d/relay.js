// relay.js WORKERS MESSAGES BYTES: measures the relay of the Node package, as its
// README shows it. One worker saves, and the others count what arrives. Prints
// deliveries a second, in millions.
//
// The package starts a worker for each CPU, so this replaces os.cpus().

const [workers, messages, bytes] = process.argv.slice(2).map(Number);
const os = require("os");
os.cpus = () => Array(workers).fill({});
const cluster = require("cluster");
const rolling = require("cluster-rolling-restart");
const log = console.log;

if (cluster.isPrimary) {
  console.log = () => {};
  let ready = 0, done = 0, begin;
  cluster.on("message", (worker, m) => {
    if (m === "up" && ++ready === workers) {
      begin = process.hrtime.bigint();
      Object.values(cluster.workers)[0].send({ cmd: "go" });
    }
    if (m === "done" && ++done === workers - 1) {
      const s = Number(process.hrtime.bigint() - begin) / 1e9;
      log(((messages * (workers - 1)) / s / 1e6).toFixed(4));
      process.exit();
    }
  });
}

rolling.startCluster(() => {
  let n = 0;
  process.on("message", (m) => {
    if (m.cmd === "go") {
      const data = "x".repeat(bytes);
      for (let i = 0; i < messages; i++)
        process.send({ cmd: "saveBroadcast", pid: process.pid, id: String(i % 1000), data, name: "load" });
    }
    if (m.cmd === "saveCommand" && ++n === messages) process.send("done");
  });
  process.send("up");
});
