// Sends one mutation by its id only, as three clients do, and prints the data that each one hands to
// the page: persisted.mjs URL MANIFEST DOCUMENT VARIABLES

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { generatePersistedQueryIdsFromManifest } from "@apollo/persisted-query-lists";
import { Client, cacheExchange, fetchExchange } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";

const [url, manifestPath, document, variablesText] = process.argv.slice(2);
const manifest = JSON.parse(readFileSync(manifestPath, "utf8"));
const variables = JSON.parse(variablesText);
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

async function apollo(options) {
  const link = ApolloLink.from([new PersistedQueryLink(options), new HttpLink({ uri: url })]);
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  return (await client.mutate({ mutation: gql(document), variables })).data;
}

async function urql() {
  const persisted = persistedExchange({ enforcePersistedQueries: true, enableForMutation: true });
  const client = new Client({ url, exchanges: [cacheExchange, persisted, fetchExchange] });
  const { data, error } = await client.mutation(document, variables).toPromise();
  if (error) throw error;
  return data;
}

const loadManifest = () => Promise.resolve(manifest);
console.log(
  JSON.stringify({
    "Apollo Client with the manifest": await apollo(
      generatePersistedQueryIdsFromManifest({ loadManifest }),
    ),
    "Apollo Client with its own hash": await apollo({ sha256 }),
    urql: await urql(),
  }),
);
