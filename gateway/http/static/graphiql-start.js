"use strict";

// Starts GraphiQL with tabs that follow a virtual card from its issue to the first read.
// A file of its own, configured by data- attributes: the page's policy allows no inline script.

const root = document.getElementById("graphiql");
const { endpoint, accountId } = root.dataset;

const PLACEHOLDER = "paste the card id that step 1 answered";
const AUTHORISATION_PLACEHOLDER = "paste the authorisation id that SimulateCardAuthorisation answered";
const KEY_PLACEHOLDER = "paste the idempotency key that step 1 answered";

const onError = `
    ... on Error {
      code
      message
      retryable
      requestId
    }`;

const pretty = (variables) => JSON.stringify(variables, null, 2);

const tabs = [
  {
    query: `# Step 1 of 3: issue a virtual card.
#
# Press the play button, or Ctrl-Enter. Below are
# the account and the billing address.
#
# The answer holds an idempotency key. Send it
# again as "idempotencyKey" in the input: no second
# card is issued, and the first one is read afresh.

mutation IssueVirtualCard($input: IssueVirtualCardInput!) {
  issueVirtualCard(input: $input) {
    __typename
    ... on IssueVirtualCardSuccess {
      idempotencyKey
      replayed
      card {
        id
        status
        maskedPan
        createdAt
      }
    }${onError}
  }
}
`,
    variables: pretty({
      input: {
        accountId,
        billingAddress: {
          firstLine: "1 Test Avenue",
          city: "London",
          country: "GB",
          postCode: "SW1 1AA",
        },
      },
    }),
  },
  {
    query: `# Step 2 of 3: let the simulator finish the issue.
#
# The new card is ISSUING. Its id from step 1 is
# in the variables already; any other card's id
# can be pasted there.

mutation SimulateCardIssue($input: SimulateCardIssueInput!) {
  simulateCardIssue(input: $input) {
    __typename
    ... on SimulateCardIssueSuccess {
      idempotencyKey
      replayed
      card {
        id
        status
      }
    }${onError}
  }
}
`,
    variables: pretty({ input: { cardId: PLACEHOLDER } }),
  },
  {
    query: `# Step 3 of 3: read the card back.
#
# It becomes ACTIVE a moment after step 2: while
# it still says ISSUING, run this once more.

query Card($id: ID!) {
  card(id: $id) {
    id
    status
    type
    network
    maskedPan
    expirationDate
    billingAddress {
      firstLine
      city
      country
      postCode
    }
    createdAt
    updatedAt
  }
}
`,
    variables: pretty({ id: PLACEHOLDER }),
  },
  {
    query: `# In place of step 2: let the issue fail.
#
# Run step 1 once more, then this: the new card
# becomes ISSUE_FAILED a moment later, for good.
# Step 3 shows it.

mutation SimulateCardIssueFailure($input: SimulateCardIssueFailureInput!) {
  simulateCardIssueFailure(input: $input) {
    __typename
    ... on SimulateCardIssueFailureSuccess {
      idempotencyKey
      replayed
      card {
        id
        status
      }
    }${onError}
  }
}
`,
    variables: pretty({ input: { cardId: PLACEHOLDER } }),
  },
  {
    query: `# After step 1: what became of it?
#
# Asked with the idempotency key alone. Nothing is
# sent to the provider but a look at the card.

query IssueOutcome($key: UUID!) {
  issueOutcome(idempotencyKey: $key) {
    __typename
    ... on IssueVirtualCardSuccess {
      replayed
      card {
        id
        status
      }
    }${onError}
  }
}
`,
    variables: pretty({ key: KEY_PLACEHOLDER }),
  },
  {
    query: `# The account with its cards.
#
# To see only some of them, name the statuses:
# cards(status: [ACTIVE, INACTIVE]).

query Cards($accountId: ID!) {
  account(id: $accountId) {
    id
    status
    currencies
    cards {
      id
      status
      maskedPan
      createdAt
    }
  }
}
`,
    variables: pretty({ accountId }),
  },
  {
    query: `# Freeze the card: it becomes INACTIVE.
#
# The card must be ACTIVE (steps 1 to 3).

mutation DeactivateCard($input: DeactivateCardInput!) {
  deactivateCard(input: $input) {
    __typename
    ... on DeactivateCardSuccess {
      idempotencyKey
      replayed
      card {
        id
        status
      }
      mayBeUndoneUntil
    }${onError}
    ... on InvalidState {
      status
    }
  }
}
`,
    variables: pretty({ input: { cardId: PLACEHOLDER } }),
  },
  {
    query: `# Unfreeze the card: it becomes ACTIVE again.
#
# A new card becomes ACTIVE by itself.

mutation ActivateCard($input: ActivateCardInput!) {
  activateCard(input: $input) {
    __typename
    ... on ActivateCardSuccess {
      idempotencyKey
      replayed
      card {
        id
        status
      }
    }${onError}
    ... on InvalidState {
      status
    }
  }
}
`,
    variables: pretty({ input: { cardId: PLACEHOLDER } }),
  },
  {
    query: `# Pay with the card, in the simulator.
#
# The amount is set aside: capture it or release
# it in the next two tabs. With capture: true it
# is captured by itself a moment later.

mutation SimulateCardAuthorisation($input: SimulateCardAuthorisationInput!) {
  simulateCardAuthorisation(input: $input) {
    __typename
    ... on SimulateCardAuthorisationSuccess {
      idempotencyKey
      replayed
      authorisation {
        id
        status
        amount {
          amount
          currency
        }
      }
    }${onError}
    ... on InvalidState {
      status
    }
  }
}
`,
    variables: pretty({
      input: { cardId: PLACEHOLDER, amount: "20.00", currency: "EUR", capture: false },
    }),
  },
  {
    query: `# Capture the authorisation: the amount is paid.
#
# The Transactions tab shows it a moment later.

mutation SimulateAuthorisationCapture($input: SimulateAuthorisationCaptureInput!) {
  simulateAuthorisationCapture(input: $input) {
    __typename
    ... on SimulateAuthorisationCaptureSuccess {
      idempotencyKey
      replayed
      authorisation {
        id
        status
        amount {
          amount
          currency
        }
      }
    }${onError}
  }
}
`,
    variables: pretty({ input: { authorisationId: AUTHORISATION_PLACEHOLDER } }),
  },
  {
    query: `# In place of the capture, release the
# authorisation: nothing is paid.
#
# Only an authorisation that is PENDING can be
# captured or released: make a new one first.

mutation SimulateAuthorisationRelease($input: SimulateAuthorisationReleaseInput!) {
  simulateAuthorisationRelease(input: $input) {
    __typename
    ... on SimulateAuthorisationReleaseSuccess {
      idempotencyKey
      replayed
      authorisation {
        id
        status
        amount {
          amount
          currency
        }
      }
    }${onError}
  }
}
`,
    variables: pretty({ input: { authorisationId: AUTHORISATION_PLACEHOLDER } }),
  },
  {
    query: `# What was paid with the card.
#
# node is for clients that read an object again
# by its id alone, such as Relay.

query Transactions($id: ID!) {
  node(id: $id) {
    id
    ... on Card {
      status
      transactions {
        status
        direction
        amount {
          amount
          currency
        }
        merchant {
          name
          city
        }
        createdAt
      }
    }
  }
}
`,
    variables: pretty({ id: PLACEHOLDER }),
  },
  {
    query: `# Terminate the card. Nobody can undo it.
#
# The card must be ACTIVE.

mutation TerminateCard($input: TerminateCardInput!) {
  terminateCard(input: $input) {
    __typename
    ... on TerminateCardSuccess {
      idempotencyKey
      replayed
      card {
        id
        status
      }
    }${onError}
    ... on InvalidState {
      status
    }
  }
}
`,
    variables: pretty({ input: { cardId: PLACEHOLDER } }),
  },
];

// In memory only: a reload brings the tabs back, and no token or card stays in the browser.
// One entry is there from the start: it divides the height so that all variables of step 1 show.
const memory = new Map([["graphiql:secondaryEditorFlex", "1.2"]]);
const storage = {
  getItem: (key) => memory.get(key) ?? null,
  setItem: (key, value) => void memory.set(key, String(value)),
  removeItem: (key) => void memory.delete(key),
  clear: () => memory.clear(),
  get length() {
    return memory.size;
  },
};

const send = GraphiQL.createFetcher({
  url: endpoint,
  headers: { accept: "application/graphql-response+json, application/json" },
  enableIncrementalDelivery: false,
});

// What a tab's variables may hold in the place of what an earlier tab answered last, and that.
const carried = [
  {
    replaceable: [PLACEHOLDER],
    newest: null,
    find: (data) => data?.issueVirtualCard?.card?.id,
    first: "Run step 1 first (the first tab): the card id of its answer is put in here for you.",
  },
  {
    replaceable: [KEY_PLACEHOLDER],
    newest: null,
    find: (data) => data?.issueVirtualCard?.card && data.issueVirtualCard.idempotencyKey,
    first: "Run step 1 first (the first tab): the key of its answer is put in here for you.",
  },
  {
    replaceable: [AUTHORISATION_PLACEHOLDER],
    newest: null,
    find: (data) => data?.simulateCardAuthorisation?.authorisation?.id,
    first: "Run the tab SimulateCardAuthorisation first: the id of its answer is put in here for you.",
  },
];

async function fetcher(request, options) {
  const variables = JSON.stringify(request.variables ?? null);
  // A tab that needs what another one answers sends nothing until that is there.
  const lacking = carried.find(({ replaceable }) => variables.includes(replaceable[0]));
  if (lacking) return { errors: [{ message: lacking.first }] };
  const answer = await send(request, options);
  for (const one of carried) {
    const found = one.find(answer?.data);
    if (typeof found !== "string" || found === one.newest) continue;
    if (one.newest) one.replaceable.push(one.newest);
    one.newest = found;
  }
  return answer;
}

// Whenever a tab is opened, its placeholder (or what stood there earlier in this visit) gives way
// to what was answered last. Renders nothing: it only needs GraphiQL's editors.
function CarryAnswer() {
  const { variableEditor, activeTabIndex } = GraphiQL.React.useEditorContext();
  React.useEffect(() => {
    const before = variableEditor?.getValue();
    if (!before) return;
    const after = carried.reduce(
      (text, { replaceable, newest }) =>
        newest ? replaceable.reduce((all, old) => all.replaceAll(old, newest), text) : text,
      before,
    );
    if (after !== before) variableEditor.setValue(after);
  }, [variableEditor, activeTabIndex]);
  return null;
}

const h = React.createElement;
ReactDOM.createRoot(root).render(
  h(
    GraphiQL,
    {
      fetcher,
      storage,
      defaultTabs: tabs,
      // GraphiQL fills the editors of the first tab from these two, not from defaultTabs.
      query: tabs[0].query,
      variables: tabs[0].variables,
      defaultEditorToolsVisibility: "variables",
      isHeadersEditorEnabled: true,
      shouldPersistHeaders: false,
    },
    h(GraphiQL.Logo, null, "card gateway"),
    h(CarryAnswer),
  ),
);
