// What stands between a frontend and the gateway: it notes what passes, and fails where it is told.
//
// Each request meets the next fault, as long as there is one: a status, which is answered as load
// balancers do; "cut", which closes the connection and passes nothing on; or "lost", which passes
// the request on and closes the connection when the gateway has answered.

import http from "node:http";
import { buffer } from "node:stream/consumers";

export async function openEdge(gateway, faults = []) {
  const passed = [];
  const server = http.createServer(async (request, response) => {
    const body = await buffer(request);
    const note = noteOf(request, body);
    passed.push(note);
    const fault = faults.shift();
    if (fault === "cut") return request.socket.destroy();
    if (typeof fault === "number") return fail(response, (note.status = fault));
    const answer = await ask(gateway, request, body);
    note.status = answer.statusCode;
    note.type = answer.headers["content-type"];
    if (fault === "lost") return request.socket.destroy();
    response.writeHead(answer.statusCode, answer.rawHeaders);
    answer.pipe(response);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${server.address().port}/graphql`,
    passed,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

// What a request asks for, and how: never its token.
function noteOf(request, body) {
  const asked = new URL(request.url, "http://edge");
  const parameters = body.length ? JSON.parse(body) : Object.fromEntries(asked.searchParams);
  const extensions = [parameters.extensions ?? {}].map((given) =>
    typeof given === "string" ? JSON.parse(given) : given,
  )[0];
  return {
    method: request.method,
    query: parameters.query ?? null,
    id: parameters.documentId ?? extensions.persistedQuery?.sha256Hash ?? null,
    key: request.headers["idempotency-key"] ?? parameters.variables?.input?.idempotencyKey ?? null,
  };
}

function fail(response, status) {
  response.writeHead(status, { "Content-Type": "text/html", "Retry-After": "1" });
  response.end("<h1>Try again</h1>");
}

function ask(gateway, request, body) {
  const { method, url, headers } = request;
  return new Promise((answered, failed) => {
    http.request(new URL(url, gateway), { method, headers }, answered).on("error", failed).end(body);
  });
}
