// The frontend's documents: the text of each operation with the fragments that it uses, by name.
//
// None of them asks for __typename: Apollo and urql add it to what they send.

import { readdirSync, readFileSync } from "node:fs";
import { parse, print, separateOperations } from "graphql";

const folder = new URL("project/src/documents/", import.meta.url);
const files = readdirSync(folder).map((name) => new URL(name, folder));
files.push(new URL("untrusted.graphql", import.meta.url));
const whole = parse(files.map((file) => readFileSync(file, "utf8")).join("\n"));

export const texts = Object.fromEntries(
  Object.entries(separateOperations(whole)).map(([name, document]) => [name, print(document)]),
);
