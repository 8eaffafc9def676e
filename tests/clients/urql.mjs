// urql with the exchanges of its documentation.

import { Client, cacheExchange, fetchExchange } from "@urql/core";
import { authExchange } from "@urql/exchange-auth";
import { persistedExchange } from "@urql/exchange-persisted";
import { retryExchange } from "@urql/exchange-retry";
import { texts } from "./documents.mjs";

export function openClient({ url, persisted, signedIn, refresh }) {
  const auth = authExchange(async ({ appendHeaders }) => ({
    addAuthToOperation: (operation) =>
      appendHeaders(operation, { Authorization: `Bearer ${signedIn.token}` }),
    didAuthError: (error) => codesOf(error).includes("NOT_AUTHENTICATED"),
    refreshAuth: async () => refresh(),
  }));
  const retry = retryExchange({
    initialDelayMs: 5,
    maxDelayMs: 20,
    maxNumberAttempts: 5,
    retryIf: ({ networkError, graphQLErrors }) =>
      networkError || graphQLErrors.some(({ extensions }) => extensions.retryable),
  });
  const ids = persisted ? [persistedExchange(persistedOptions(persisted))] : [];
  const exchanges = [cacheExchange, retry, auth, ...ids, fetchExchange];
  return opened(new Client({ url, exchanges, preferGetMethod: false }));
}

// Without a manifest it hashes the text that it sends.
function persistedOptions({ manifest }) {
  const always = { enableForMutation: true };
  if (!manifest) return always;
  const ids = new Map(manifest.operations.map(({ name, id }) => [name, id]));
  const generateHash = async (_, document) => ids.get(nameOf(document));
  return { ...always, enforcePersistedQueries: true, generateHash };
}

function nameOf({ definitions }) {
  return definitions.find(({ kind }) => kind === "OperationDefinition").name.value;
}

function opened(client) {
  return {
    async ask(name, variables, headers) {
      const context = { fetchOptions: { headers }, requestPolicy: "network-only" };
      const { data, error } = await sent(client, name, variables, context);
      if (!error) return { data, codes: [] };
      return { data: null, codes: codesOf(error), failure: `${error}` };
    },
    async cached(name, variables) {
      if (isMutation(texts[name])) return null;
      return (await sent(client, name, variables, { requestPolicy: "cache-only" })).data;
    },
  };
}

function sent(client, name, variables, context) {
  const text = texts[name];
  const send = isMutation(text) ? client.mutation : client.query;
  return send.call(client, text, variables, context).toPromise();
}

function isMutation(text) {
  return text.startsWith("mutation");
}

function codesOf({ graphQLErrors }) {
  return graphQLErrors.map(({ extensions }) => extensions?.code);
}
