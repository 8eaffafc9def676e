// One visit of a page: asks through a client as its users set it up, and prints what was seen.
//
// The visit is JSON on the standard input: `gateway` and `faults` as for the edge; `tokens`, the
// first of which is used until the gateway refuses it; `persisted`, how documents are sent: as text
// ("no"), by the "hash" of their text, or by the ids of the manifest in the file that this names;
// and `steps`, each with the name of a `document`, `variables` and `headers`. Where the variable
// `id` is null, the card that was issued last is asked for.

import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { openEdge } from "./edge.mjs";

const [name] = process.argv.slice(2);
const visit = { persisted: "no", ...JSON.parse(readFileSync(0, "utf8")) };
const { openClient } = await import(`./${name}.mjs`);

const edge = await openEdge(visit.gateway, visit.faults);
const signedIn = { token: visit.tokens.shift(), refreshes: 0 };
const client = await openClient({ url: edge.url, persisted: persisted(), signedIn, refresh });

const answers = [];
let issued = null;
for (const { document, variables, headers } of visit.steps) {
  if (variables.id === null) variables.id = issued;
  const answer = await client.ask(document, variables, headers ?? {});
  issued = answer.data?.issueVirtualCard?.card?.id ?? issued;
  answers.push({ ...answer, cached: await client.cached(document, variables) });
}
edge.close();
const told = { answers, passed: edge.passed, refreshes: signedIn.refreshes };
process.stdout.write(JSON.stringify(told), () => process.exit());

// As a frontend asks its identity provider for another token.
function refresh() {
  signedIn.token = visit.tokens.shift();
  signedIn.refreshes += 1;
}

function persisted() {
  if (visit.persisted === "no") return null;
  if (visit.persisted === "hash") {
    return { sha256: (text) => createHash("sha256").update(text).digest("hex") };
  }
  const manifest = JSON.parse(readFileSync(visit.persisted, "utf8"));
  return { manifest: manifest.operations ? manifest : { operations: listed(manifest) } };
}

// The operations of a manifest that is ids with texts.
function listed(manifest) {
  const named = /(?:query|mutation) (\w+)/;
  return Object.entries(manifest).map(([id, text]) => ({ id, name: text.match(named)[1] }));
}
