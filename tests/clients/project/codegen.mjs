// GraphQL Code Generator as its guide to persisted documents sets it up; HASH is the algorithm.

import { addTypenameSelectionDocumentTransform } from "@graphql-codegen/client-preset";

export default {
  schema: "schema.graphql",
  documents: "src/documents/*.graphql",
  generates: {
    "gql/": {
      preset: "client",
      presetConfig: { persistedDocuments: { hashAlgorithm: process.env.HASH } },
      documentTransforms: [addTypenameSelectionDocumentTransform],
      config: {
        strictScalars: true,
        scalars: {
          CountryCode: "string",
          CurrencyCode: "string",
          DateTime: "string",
          Decimal: "string",
          UUID: "string",
        },
      },
    },
  },
};
