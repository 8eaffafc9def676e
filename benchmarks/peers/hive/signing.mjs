// A gateway plugin that makes each upstream call one that the provider takes. The same facts as in
// gateway/provider/credentials.py and gateway/signing: covered are @method @authority @path and,
// with a body, content-digest; the parameters are keyid, alg, created and expires; the label is sig.

import { createHash, createPrivateKey, randomUUID, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";

const { API_KEY, API_SECRET, SIGNING_KEY_FILE, SIGNING_KEY_ID } = process.env;
const SIGNATURE_LIFE = 300; // seconds
const TOKEN_MARGIN = 60; // seconds before its end at which a token is renewed
const LEAST_SHARE = 0.8; // a token that lives for seconds only is still used for most of its life

const key = { key: createPrivateKey(readFileSync(SIGNING_KEY_FILE)), dsaEncoding: "ieee-p1363" };
const signAsync = promisify(sign);

/** The headers that sign one request; `body` is the text that is sent, or undefined. */
export async function signature(method, url, body) {
  const { host, pathname } = new URL(url);
  const created = Math.floor(Date.now() / 1000);
  const covered = { "@method": method, "@authority": host, "@path": pathname };
  const headers = {};
  if (body !== undefined) {
    const digest = createHash("sha512").update(body).digest("base64");
    covered["content-digest"] = headers["content-digest"] = `sha-512=:${digest}:`;
  }
  const names = Object.keys(covered).map((name) => `"${name}"`).join(" ");
  const params =
    `(${names});keyid="${SIGNING_KEY_ID}";alg="ecdsa-p384-sha384"` +
    `;created=${created};expires=${created + SIGNATURE_LIFE}`;
  const lines = Object.entries(covered).map(([name, value]) => `"${name}": ${value}`);
  const base = [...lines, `"@signature-params": ${params}`].join("\n");
  // In libuv's pool, so that the event loop goes on meanwhile, on a second core where there is one.
  const raw = await signAsync("sha384", Buffer.from(base), key);
  headers["signature-input"] = `sig=${params}`;
  headers["signature"] = `sig=:${raw.toString("base64")}:`;
  return headers;
}

/** Hands out one access token, fetched once for all callers and again shortly before it ends. */
function tokenSource(providerUrl) {
  let fetching;
  let renewAt = 0;
  const renew = async (fetchFn) => {
    const response = await fetchFn(`${providerUrl}/auth/token`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ apiKey: API_KEY, apiSecret: API_SECRET }),
    });
    if (response.status !== 200) throw new Error(`no token: status ${response.status}`);
    const { token, expiresAt } = await response.json();
    const now = Date.now() / 1000;
    renewAt = now + Math.max(expiresAt - now - TOKEN_MARGIN, (expiresAt - now) * LEAST_SHARE);
    return token;
  };
  const forget = () => {
    fetching = undefined;
  };
  const current = (fetchFn) => {
    if (fetching === undefined || Date.now() / 1000 >= renewAt) {
      renewAt = Infinity; // until it is there: whoever comes meanwhile waits for the same fetch
      fetching = renew(fetchFn);
      fetching.catch(forget);
    }
    return fetching;
  };
  return { current, forget };
}

/** What goes to the provider of the mutation's input: the path and a header hold the rest. */
function wireBody(text) {
  const { type, billingAddress } = JSON.parse(text);
  return JSON.stringify({ type, billingAddress });
}

export function signedCalls(providerUrl) {
  const tokens = tokenSource(providerUrl);
  return {
    async onFetch({ url, options, setOptions, fetchFn }) {
      if (!url.startsWith(`${providerUrl}/`)) return undefined; // not a call to the provider
      const headers = { ...options.headers, authorization: `Bearer ${await tokens.current(fetchFn)}` };
      let { body } = options;
      if (body !== undefined) {
        body = wireBody(body);
        headers["idempotency-key"] ||= randomUUID();
      }
      Object.assign(headers, await signature(options.method, url, body));
      setOptions({ ...options, headers, body });
      return ({ response }) => {
        if (response.status === 401) tokens.forget();
      };
    },
  };
}
