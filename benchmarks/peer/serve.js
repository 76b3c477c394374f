// Serves the peer on a loopback port: `node serve.js PORT`. Its own start() listens on every address.
const { ServerCredentials } = require("@grpc/grpc-js");
const { FirestoreServer } = require("@firestore-emulator/server");

const address = `127.0.0.1:${process.argv[2]}`;
new FirestoreServer().server.bindAsync(address, ServerCredentials.createInsecure(), (error) => {
  if (error) {
    console.error(error.message);
    process.exit(1);
  }
});
