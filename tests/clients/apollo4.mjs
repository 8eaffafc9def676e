// Apollo Client 4 with the links of its documentation.

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { CombinedGraphQLErrors } from "@apollo/client/errors";
import { SetContextLink } from "@apollo/client/link/context";
import { ErrorLink } from "@apollo/client/link/error";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { RetryLink } from "@apollo/client/link/retry";
import lists from "@apollo/persisted-query-lists";
import { map } from "rxjs";
import { opened, persistedOptions, possibleTypes, renewed, retries } from "./apollo.mjs";

export function openClient({ url, persisted, signedIn, refresh }) {
  const ids = persisted ? [new PersistedQueryLink(persistedOptions(persisted, lists))] : [];
  const link = ApolloLink.from([
    retries(RetryLink, errorsOf),
    new ApolloLink(failing),
    new ErrorLink(({ error, operation, forward }) => {
      if (renewed(errorsOf(error), operation, refresh)) return forward(operation);
    }),
    new SetContextLink(({ headers }) => ({
      headers: { ...headers, authorization: `Bearer ${signedIn.token}` },
    })),
    ...ids,
    new HttpLink({ uri: url }),
  ]);
  return opened(new ApolloClient({ link, cache: new InMemoryCache({ possibleTypes }) }), errorsOf);
}

// RetryLink looks at failures of the network only: an answer that may be repeated is made one.
function failing(operation, forward) {
  return forward(operation).pipe(
    map((result) => {
      if (result.errors?.some(({ extensions }) => extensions?.retryable)) {
        throw new CombinedGraphQLErrors(result);
      }
      return result;
    }),
  );
}

function errorsOf(error) {
  return CombinedGraphQLErrors.is(error) ? error.errors : [];
}
