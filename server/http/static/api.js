// Speaks to the server: token, JSON routes, the file route with progress and cancel. Knows no element of the page.

const KEY = "neural-upscale-token";

/** Moves the token from the address's fragment to the session's storage, and clears the address bar. */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname);
  }
  return Boolean(sessionStorage.getItem(KEY));
}

/** A refusal or a lost connection; `message` is a sentence for the user, `status` 0 when nothing answered. */
export class ServerFault extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

export class Cancelled extends Error {}

const authorization = () => ({ Authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ""}` });
const GONE = "The server does not answer. Start it again (neural-upscale serve), then open the page anew (neural-upscale open).";

function fault(status, text) {
  let told = {};
  try {
    told = JSON.parse(text);
  } catch {
    // not ours: the status must do
  }
  const id = told.request_id ? ` (log id ${told.request_id})` : "";
  return new ServerFault(`${told.message ?? `The server answered with status ${status}.`}${id}`, status);
}

async function get(route) {
  let answer;
  try {
    answer = await fetch(route, { headers: authorization() });
  } catch {
    throw new ServerFault(GONE);
  }
  if (!answer.ok) throw fault(answer.status, await answer.text());
  return answer;
}

/** Sends a body with a query; AbortController's signal ends it. */
export async function post(route, query, body, signal) {
  let answer;
  try {
    answer = await fetch(`${route}?${new URLSearchParams(query)}`, { method: "POST", headers: authorization(), body, signal });
  } catch {
    throw signal.aborted ? new Cancelled() : new ServerFault(GONE);
  }
  if (!answer.ok) throw fault(answer.status, await answer.text());
  return answer;
}

export const getJson = async (route) => (await get(route)).json();
export const getBlob = async (route) => (await get(route)).blob();

/**
 * Sends an image file and receives the enlarged one.
 * onStage is called with ("sending" | "computing" | "receiving", fraction 0…1 or null where it is not known).
 * `size` holds the parameters that say how large the result is to be.
 * Returns {answer: Promise of {blob, result: {width, height}, model, detail, cleanup, notices}, cancel: function}.
 */
export function enlarge(file, { model, detail, cleanup }, size, onStage) {
  const request = new XMLHttpRequest();
  const query = new URLSearchParams({ model, ...size });
  if (detail !== null) query.set("detail", detail);
  if (cleanup !== null) query.set("cleanup", cleanup);
  const answer = new Promise((resolve, reject) => {
    request.open("POST", `/v1/upscale/file?${query}`);
    request.responseType = "blob";
    request.setRequestHeader("Authorization", authorization().Authorization);
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.upload.onprogress = (event) => onStage("sending", event.loaded / event.total);
    request.upload.onload = () => onStage("computing", null);
    request.onprogress = (event) => onStage("receiving", event.lengthComputable ? event.loaded / event.total : null);
    request.onerror = () => reject(new ServerFault(GONE));
    request.onabort = () => reject(new Cancelled());
    request.onload = async () => {
      if (request.status !== 200) {
        reject(fault(request.status, await request.response.text()));
        return;
      }
      const [width, height] = request.getResponseHeader("X-Size").split("x").map(Number);
      resolve({
        blob: request.response,
        result: { width, height },
        model: decodeURIComponent(request.getResponseHeader("X-Model") ?? model),
        detail: request.getResponseHeader("X-Detail"),
        cleanup: request.getResponseHeader("X-Cleanup"),
        notices: request.getResponseHeader("X-Notices") ?? "",
      });
    };
    request.send(file);
  });
  return { answer, cancel: () => request.abort() };
}
