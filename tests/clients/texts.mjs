// Prints, for each document of the JSON list on standard input, what clients make of it before they
// hash it.

import { readFileSync } from "node:fs";
import { addTypenameToDocument } from "@apollo/client/utilities";
import { sortTopLevelDefinitions } from "@apollo/persisted-query-lists";
import { createRequest, formatDocument, stringifyDocument } from "@urql/core";
import { parse, print } from "graphql";

const texts = JSON.parse(readFileSync(0, "utf8")).map((text) => {
  const document = parse(text);
  const apollo = addTypenameToDocument(document);
  return {
    plain: print(document),
    apollo: print(apollo),
    sorted: print(sortTopLevelDefinitions(apollo)),
    urql: stringifyDocument(formatDocument(createRequest(text, {}).query)),
  };
});
console.log(JSON.stringify(texts));
