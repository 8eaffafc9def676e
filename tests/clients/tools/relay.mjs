// Issues and shows a card with relay-runtime and the artifacts of relay-compiler, reads through node
// what was paid with it, and prints what Relay's store then holds. Given as JSON on the standard input: the gateway's URL, a token, where
// the artifacts are, and the input of the mutation.

import { readFileSync } from "node:fs";
import relay from "relay-runtime";

const { url, token, artifacts, input } = JSON.parse(readFileSync(0, "utf8"));
const sent = [];
const network = relay.Network.create(async ({ id }, variables) => {
  const body = { documentId: id, variables };
  sent.push(body);
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token}` };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  return answer.json();
});
const store = new relay.Store(new relay.RecordSource());
const environment = new relay.Environment({ network, store });

const mutation = await artifact("WalletIssueMutation");
const { issueVirtualCard } = await new Promise((onCompleted, onError) =>
  relay.commitMutation(environment, { mutation, variables: { input }, onCompleted, onError }),
);
const variables = { id: issueVirtualCard.card.id };
for (const name of ["WalletCardQuery", "WalletPaidQuery"]) {
  await relay.fetchQuery(environment, await artifact(name), variables).toPromise();
}
const kept = Object.values(store.getSource().toJSON());
process.stdout.write(JSON.stringify({ issueVirtualCard, kept, sent }), () => process.exit());

async function artifact(name) {
  return (await import(`${artifacts}/${name}.graphql.js`)).default;
}
