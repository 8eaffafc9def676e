// Audits the GraphQL-over-HTTP server at the given URL and prints what came of each audit as one
// JSON array. What counts as passed is for the test to say.

import { serverAudits } from "graphql-http";

const [url] = process.argv.slice(2);
const results = [];
for (const { id, name, fn } of serverAudits({ url, fetchFn: fetch })) {
  // An audit throws when it got no answer at all, or one that it cannot read.
  const { status, reason } = await fn().catch((error) => ({ status: "error", reason: `${error}` }));
  results.push({ id, name, status, reason });
}
console.log(JSON.stringify(results));
