// What Apollo Client 3 and 4 are set up with alike; their links are the caller's.

import { readFileSync } from "node:fs";
import { buildSchema, isAbstractType, parse } from "graphql";
import { texts } from "./documents.mjs";

const documents = Object.fromEntries(
  Object.entries(texts).map(([name, text]) => [name, parse(text)]),
);
const schema = buildSchema(readFileSync(new URL("../../schema.graphql", import.meta.url), "utf8"));

// Without them the cache does not know that a failure is an Error, and drops the fields of
// `... on Error`.
export const possibleTypes = Object.fromEntries(
  Object.values(schema.getTypeMap())
    .filter(isAbstractType)
    .map((type) => [type.name, schema.getPossibleTypes(type).map(({ name }) => name)]),
);

// The options of the persisted-query link: by the ids of a manifest, queries are asked for by GET.
export function persistedOptions({ sha256, manifest }, { generatePersistedQueryIdsFromManifest }) {
  if (sha256) return { sha256 };
  const ids = generatePersistedQueryIdsFromManifest({ loadManifest: () => manifest });
  return { ...ids, useGETForHashedQueries: true };
}

// Whether an answer with these errors is asked for again after the token was renewed, which is done
// once for each operation; the operation's context remembers it.
export function renewed(errors, operation, refresh) {
  if (!codes(errors).includes("NOT_AUTHENTICATED") || operation.getContext().renewed) return false;
  operation.setContext({ renewed: true });
  refresh();
  return true;
}

// Repeats what failed on its way, and what the gateway says may be repeated, but not what it refused.
export function retries(RetryLink, errorsOf) {
  const retryIf = (error) => errorsOf(error).every(({ extensions }) => extensions?.retryable);
  return new RetryLink({ delay: { initial: 5, max: 20 }, attempts: { max: 5, retryIf } });
}

export function codes(errors) {
  return errors.map(({ extensions }) => extensions?.code);
}

export function opened(client, errorsOf) {
  return {
    async ask(name, variables, headers) {
      const options = { variables, context: { headers } };
      const document = documents[name];
      const sent = isMutation(document)
        ? client.mutate({ mutation: document, ...options })
        : client.query({ query: document, fetchPolicy: "network-only", ...options });
      return sent.then(
        ({ data }) => ({ data, codes: [] }),
        (error) => ({ data: null, codes: codes(errorsOf(error)), failure: `${error}` }),
      );
    },
    async cached(name, variables) {
      const document = documents[name];
      return isMutation(document) ? null : client.readQuery({ query: document, variables });
    },
  };
}

function isMutation({ definitions }) {
  return definitions.some(({ operation }) => operation === "mutation");
}
