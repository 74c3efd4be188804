const express = require("express");

const app = express();
const work = Number(process.env.WORK_MS || 0);

app.all("/", (req, res) => {
	setTimeout(() => res.send(`pid ${process.pid}`), work);
});

app.listen(process.env.PORT || 8080);
