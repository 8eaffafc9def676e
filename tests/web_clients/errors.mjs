// What clients make of errors, as one JSON object: errors.mjs URL, of a gateway that asks for tokens
// and has no trusted documents. The token in the environment variable TOKEN is good.

import { createHash } from "node:crypto";
import {
  ApolloClient,
  ApolloLink,
  CombinedGraphQLErrors,
  HttpLink,
  InMemoryCache,
  gql,
} from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { Client, fetchExchange } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";

const [url] = process.argv.slice(2);
const good = { authorization: `Bearer ${process.env.TOKEN}` };
const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const nobody = "123e4567-e89b-12d3-a456-426614174000";
const first = `query First { card(id: "${nobody}") { id } }`;
const second = `query Second { card(id: "${nobody.replace("1", "2")}") { id } }`;

let requests = 0;
const counting = (...given) => {
  requests += 1;
  return fetch(...given);
};

function apollo(headers, ...links) {
  const link = ApolloLink.from([...links, new HttpLink({ uri: url, headers, fetch: counting })]);
  return new ApolloClient({ link, cache: new InMemoryCache() });
}

const code = (error) => error.extensions?.code;

async function apolloRefused() {
  const asked = apollo({}).query({ query: gql(first) });
  const error = await asked.catch((caught) => caught);
  return CombinedGraphQLErrors.is(error) ? error.errors.map(code) : `${error}`;
}

async function urqlRefused() {
  const client = new Client({ url, exchanges: [fetchExchange] });
  const { error } = await client.query(first, {}).toPromise();
  return error.graphQLErrors.map(code);
}

// A hash that is not known, then the text; and then no hashes any more.
async function counted(ask) {
  const counts = [];
  for (const query of [first, second]) {
    requests = 0;
    counts.push([await ask(query), requests]);
  }
  return counts;
}

const ask = async (client, query) => (await client.query({ query: gql(query) })).data;
const persisting = apollo(good, new PersistedQueryLink({ sha256 }));
const urql = new Client({
  url,
  fetch: counting,
  fetchOptions: { headers: good },
  exchanges: [persistedExchange({ preferGetForPersistedQueries: false }), fetchExchange],
});

console.log(
  JSON.stringify({
    refused: { apollo: await apolloRefused(), urql: await urqlRefused() },
    unsupported: {
      apollo: await counted(async (query) => ask(persisting, query)),
      urql: await counted(async (query) => (await urql.query(query, {}).toPromise()).data),
    },
  }),
);
