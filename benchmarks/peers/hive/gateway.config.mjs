// Hive Gateway as a peer of this project's gateway: Hive's defaults, quiet logs, and one plugin
// that adds what the provider asks for: a bearer token and an RFC 9421 signature for each call.

import { get } from "node:http";

import { defineConfig } from "@graphql-hive/gateway";

import { signedCalls } from "./signing.mjs";

const { HIVE_PORT, PROVIDER_URL } = process.env;

export const gatewayConfig = defineConfig({
  supergraph: "./supergraph.graphql",
  pollingInterval: 0, // the file does not change
  host: "127.0.0.1",
  port: Number(HIVE_PORT),
  fork: 1,
  logging: "error",
  graphiql: false,
  landingPage: false,
  plugins: () => [signedCalls(PROVIDER_URL)],
});

// The harness waits for this line: "listening" is said once the schema is loaded and answers.
function announce() {
  const again = () => setTimeout(announce, 100);
  get(`http://127.0.0.1:${HIVE_PORT}/graphql?query=%7B__typename%7D`, (response) => {
    response.resume();
    if (response.statusCode === 200) console.log(`listening on ${HIVE_PORT}`);
    else again();
  }).on("error", again);
}
announce();
