// Runs the README's client in a browser's place: its clocks are moved, its answers lost, its page reloaded.
//
//     node run.mjs CLIENT.js SCENARIO.json   → {sends, results, kept}
//
// A scenario has the gateway's url, "ahead" (how far the browser's clock is, in ms), and visits of the page in turn.
// Each visit has "at" (how far the clock has gone since the first click), "clicks" (at once), "again" (the number of the
// send during whose answer the user clicks once more), "lose" (answers that are thrown away), "leave" (the number of the
// send during which the page is left), "answers" (results in place of the gateway's; with a "status" other than 200 the
// extensions of an error, and null for no answer), "meanwhile" (code that the page runs during each send) and "jump"
// ({wall, monotonic}: how far the clocks go in the first wait).
import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import vm from "node:vm";

const code = readFileSync(process.argv[2], "utf8");
const scenario = JSON.parse(readFileSync(process.argv[3], "utf8"));
const start = Date.now() + scenario.ahead;
const storage = new Map();
const sends = [];
const results = [];

for (const visit of scenario.visits) {
  let wall = start + (visit.at ?? 0);
  let monotonic = 0; // a page's own clock starts with the page
  let { lose = 0, jump } = visit;
  let sent = 0;
  const answers = [...(visit.answers ?? [])];
  const calls = [];
  let leave;
  const left = new Promise((done) => (leave = done));

  const page = vm.createContext({
    crypto: webcrypto,
    AbortSignal,
    Date: { now: () => Math.floor(wall) },
    performance: { now: () => monotonic },
    Math,
    accessToken: () => "token",
    sessionStorage: {
      getItem: (name) => storage.get(name) ?? null,
      setItem: (name, value) => void storage.set(name, value),
      removeItem: (name) => void storage.delete(name),
    },
    setTimeout(then, milliseconds) {
      wall += jump?.wall ?? milliseconds;
      monotonic += jump?.monotonic ?? milliseconds;
      jump = undefined;
      setImmediate(then);
    },
    async fetch(path, options) {
      const number = ++sent;
      sends.push({ key: JSON.parse(options.body).variables.input.idempotencyKey, wall });
      const answer = answers.length ? given(answers.shift()) : await asked(path, options);
      if (number === visit.again) click();
      if (visit.meanwhile) vm.runInContext(visit.meanwhile, page);
      if (number === visit.leave) {
        leave(null);
        return new Promise(() => {});
      }
      if (answer === null || lose-- > 0) throw new TypeError("Failed to fetch");
      return { status: answer.status, json: async () => answer.body };
    },
  });

  function click() {
    const address = JSON.stringify(scenario.address);
    const words = `issueVirtualCard(clickIn("form", "${scenario.account}", ${address}))`;
    calls.push(vm.runInContext(words, page));
  }

  vm.runInContext(code, page);
  for (let clicks = visit.clicks ?? 1; clicks > 0; clicks -= 1) click();
  results.push(await Promise.race([left, settled(calls)]));
}
const kept = [...storage.values()].map((click) => JSON.parse(click));
// A page that was left waits for ever.
process.stdout.write(JSON.stringify({ sends, results, kept }), () => process.exit());

// The results of all calls, also of those that are added meanwhile.
async function settled(calls) {
  const told = [];
  for (let at = 0; at < calls.length; at += 1) told.push(await calls[at]);
  return told;
}

function given(answer) {
  if (answer === null) return null;
  const { status = 200, ...issueVirtualCard } = answer;
  return { status, body: status === 200 ? { data: { issueVirtualCard } } : { errors: [{ extensions: issueVirtualCard }] } };
}

async function asked(path, options) {
  const response = await fetch(scenario.url + path, options);
  return { status: response.status, body: await response.json() };
}
