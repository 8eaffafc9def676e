// Runs the README's client in a browser's place: its clocks are moved, its answers lost, its page reloaded.
//
//     node run.mjs CLIENT.js SCENARIO.json   → {sends, results}
//
// A scenario has the gateway's url, and visits of the page in turn. Each visit has "at" (how far the wall clock
// is then, in ms, as it is at the first click), "clicks" (calls at once), "lose" (answers that are thrown away),
// "answers" (in place of the gateway's) and "jump" ({wall, monotonic}: how far the clocks go in the first wait).
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
    crypto: globalThis.crypto,
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
        const issueVirtualCard = answers.shift();
        return { status: 200, json: async () => ({ data: { issueVirtualCard } }) };
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
  page.click = vm.runInContext(
    `JSON.parse(sessionStorage.getItem("click")) ?? startClick("${scenario.account}", ${address})`,
    page,
  );
  const calls = Array.from({ length: visit.clicks ?? 1 }, () =>
    vm.runInContext("issueVirtualCard(click)", page),
  );
  results.push(await Promise.all(calls));
}
console.log(JSON.stringify({ sends: sends.length, results }));
