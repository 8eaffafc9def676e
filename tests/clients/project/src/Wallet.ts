// What a frontend in TypeScript makes of its results; the compiler checks it in strict mode.

import { useFragment } from "../gql";
import { type FreezeMutation, type PaidQuery, ShownFragmentDoc } from "../gql/graphql";

// Decimals are texts, so that no amount becomes a binary fraction on its way to the page.
export function statement({ node }: PaidQuery): string[] {
  const paid = node?.transactions ?? [];
  return paid.map(({ amount, merchant }) => {
    const shown: `${string} ${string}` = `${amount.amount.padStart(12)} ${amount.currency}`;
    return `${shown} ${merchant.name}`;
  });
}

export function told({ deactivateCard: result }: FreezeMutation): string {
  switch (result.__typename) {
    case "DeactivateCardSuccess":
      return useFragment(ShownFragmentDoc, result.card).status;
    case "InvalidState":
      return `The card is ${result.status ?? "in another status"}.`;
    default:
      return result.message;
  }
}
