// Apollo Client 3 with the links of its documentation.

import { createRequire } from "node:module";
import { opened, persistedOptions, possibleTypes, renewed, retries } from "./apollo.mjs";

const require = createRequire(import.meta.url); // its modules are none for Node.js
const { ApolloClient, ApolloError, ApolloLink, HttpLink, InMemoryCache } = require("apollo3/core");
const { setContext } = require("apollo3/link/context");
const { onError } = require("apollo3/link/error");
const { createPersistedQueryLink } = require("apollo3/link/persisted-queries");
const { RetryLink } = require("apollo3/link/retry");
const lists = require("@apollo/persisted-query-lists");

export function openClient({ url, persisted, signedIn, refresh }) {
  const ids = persisted ? [createPersistedQueryLink(persistedOptions(persisted, lists))] : [];
  const link = ApolloLink.from([
    retries(RetryLink, errorsOf),
    new ApolloLink(failing),
    onError(({ graphQLErrors = [], operation, forward }) => {
      if (renewed(graphQLErrors, operation, refresh)) return forward(operation);
    }),
    setContext((_, { headers }) => ({
      headers: { ...headers, authorization: `Bearer ${signedIn.token}` },
    })),
    ...ids,
    new HttpLink({ uri: url }),
  ]);
  return opened(new ApolloClient({ link, cache: new InMemoryCache({ possibleTypes }) }), errorsOf);
}

// RetryLink looks at failures of the network only: an answer that may be repeated is made one.
function failing(operation, forward) {
  return forward(operation).map((result) => {
    if (result.errors?.some(({ extensions }) => extensions?.retryable)) {
      throw new ApolloError({ graphQLErrors: result.errors });
    }
    return result;
  });
}

// For this version every status from 300 on is a failure of the network, also with errors in it.
function errorsOf(error) {
  const failed = error.networkError ?? error;
  return [...(error.graphQLErrors ?? []), ...(failed.result?.errors ?? [])];
}
