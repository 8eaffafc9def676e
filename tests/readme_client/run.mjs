// Runs the README's client in a browser's place: its clocks are moved, its answers lost, its page reloaded.
//
//     node run.mjs CLIENT.js SCENARIO.json   → {sends, results, kept}
//
// A scenario has the gateway's url, and visits of the page in turn. Each visit has "at" (how far the wall clock
// is then, in ms, as it is at the first click), "clicks" (at once), "lose" (answers that are thrown away), "answers"
// (results in place of the gateway's; with a "status" other than 200 the extensions of an error) and "jump" ({wall, monotonic}: how far the clocks go in the first wait).
import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import vm from "node:vm";

const code = readFileSync(process.argv[2], "utf8");
const scenario = JSON.parse(readFileSync(process.argv[3], "utf8"));
const storage = new Map();
const sends = [];
const results = [];
let wall = scenario.start;
let monotonic = 0;

for (const visit of scenario.visits) {
  wall = scenario.start + (visit.at ?? 0);
  monotonic = 0; // a page's own clock starts with the page
  let { lose = 0, jump } = visit;
  const answers = [...(visit.answers ?? [])];

  const page = vm.createContext({
    crypto: webcrypto,
    AbortSignal,
    Date: { now: () => wall },
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
      sends.push({ wall, monotonic });
      if (answers.length) {
        const { status = 200, ...issueVirtualCard } = answers.shift();
        const body = status === 200 ? { data: { issueVirtualCard } } : { errors: [{ extensions: issueVirtualCard }] };
        return { status, json: async () => body };
      }
      const response = await fetch(scenario.url + path, options);
      const body = await response.json();
      if (lose > 0) {
        lose -= 1;
        throw new TypeError("Failed to fetch");
      }
      return { status: response.status, json: async () => body };
    },
  });
  vm.runInContext(code, page);
  const address = JSON.stringify(scenario.address);
  const click = `issueVirtualCard(clickIn("form", "${scenario.account}", ${address}))`;
  const calls = Array.from({ length: visit.clicks ?? 1 }, () => vm.runInContext(click, page));
  results.push(await Promise.all(calls));
}
console.log(JSON.stringify({ sends: sends.length, results, kept: storage.size }));
