// graphql-eslint's recommended rules for schemas. What is left out of them is here, with its reason.

import { readFileSync } from "node:fs";
import graphqlEslint from "@graphql-eslint/eslint-plugin";
import { buildSchema } from "graphql";

const FILE = "schema.graphql";
const { configs, parser } = graphqlEslint;
const schema = buildSchema(readFileSync(FILE, "utf8"));
const failures = schema.getPossibleTypes(schema.getType("Error")).map(({ name }) => name);

// These have no id by which a cache could keep them.
const withoutId = {
  // What came of one click: it is told once, and what it changed is the card in it.
  suffixes: ["Success"],
  types: [
    // The same, where it failed.
    ...failures,
    // Values: parts of the object that holds them.
    "Address",
    "Money",
    "TransactionFee",
  ],
};

export default [
  {
    files: [FILE],
    languageOptions: { parser, parserOptions: { graphQLConfig: { schema: FILE } } },
    plugins: { "@graphql-eslint": graphqlEslint },
    rules: {
      ...configs["flat/schema-recommended"].rules,
      "@graphql-eslint/strict-id-in-types": ["error", { exceptions: withoutId }],
    },
  },
];
