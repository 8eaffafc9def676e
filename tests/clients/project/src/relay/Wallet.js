// Part of a frontend that relay-compiler compiles; its names begin with the file's, as Relay wants.

import { graphql } from "relay-runtime";

export const shown = graphql`
  fragment Wallet_shown on Card {
    status
    accountId
    ...Wallet_address
  }
`;

export const address = graphql`
  fragment Wallet_address on Card {
    billingAddress {
      city
    }
  }
`;

export const paid = graphql`
  fragment Wallet_paid on Card @refetchable(queryName: "WalletPaidQuery") {
    transactions {
      id
      amount {
        amount
        currency
      }
    }
  }
`;

export const card = graphql`
  query WalletCardQuery($id: ID!) {
    card(id: $id) {
      ...Wallet_shown
    }
  }
`;

export const issue = graphql`
  mutation WalletIssueMutation($input: IssueVirtualCardInput!) {
    issueVirtualCard(input: $input) {
      ... on IssueVirtualCardSuccess {
        replayed
        card {
          id
          ...Wallet_shown
        }
      }
      ... on Error {
        __typename
        code
        message
      }
    }
  }
`;
