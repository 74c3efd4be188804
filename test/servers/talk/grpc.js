// gRPC with tryShutdown at SIGTERM. As a client (`grpc.js client`): for $SEC
// seconds calls of 2 s beside short ones, each with a connection of its own; prints
// how many were answered and lost.
const grpc = require("@grpc/grpc-js");
const address = `127.0.0.1:${process.env.PORT}`;
const bytes = { serialize: (n) => Buffer.from(`${n}`),
	deserialize: (b) => +b.toString() };
const wait = { path: "/crr/wait", requestStream: false,
	responseStream: false, requestSerialize: bytes.serialize,
	requestDeserialize: bytes.deserialize,
	responseSerialize: bytes.serialize,
	responseDeserialize: bytes.deserialize };

function serve() {
	const server = new grpc.Server();

	server.addService({ wait }, { wait: (call, done) =>
		setTimeout(() => done(null, call.request), call.request) });
	server.bindAsync(address, grpc.ServerCredentials.createInsecure(),
	    (e) => e && process.exit(1));
	process.on("SIGTERM", () => server.tryShutdown(() => process.exit(0)));
}

function ask() {
	const Client = grpc.makeGenericClientConstructor({ wait }, "crr");
	const end = Date.now() + 1000 * (+process.env.SEC || 8);
	const sum = { answered: 0, lost: 0, errors: {} };
	let open = 12;

	for (let i = 0; i < 12; i++) {
		const client = new Client(address,
		    grpc.credentials.createInsecure(), {
			"grpc.use_local_subchannel_pool": 1 });
		const call = () => Date.now() > end ? --open || print() :
		    client.wait(i % 3 ? 20 : 2000, (e) => {
			e ? sum.lost++ : sum.answered++;
			if (e)
				sum.errors[e.message] = 1;
			setTimeout(call, 5);
		    });
		call();
	}
	const print = () => {
		console.log(JSON.stringify(sum));
		process.exit(0);
	};
}

process.argv[2] ? ask() : serve();
