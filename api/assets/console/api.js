// The API over HTTP, and who is logged in.
//
// Both tokens live in the tab's sessionStorage: they outlive a reload and end with the tab, which on a
// classroom's computer is what people expect. The refresh token works once, and using it twice ends the
// login; so a reload spends none, one refresh runs at a time, and of two tabs with the same login (a tab was
// duplicated) only the first keeps it.

import { ApiError, Offline } from "./words.js";

const KEPT = "muster.login";
/** Before the access token runs out. */
const EARLY = 60_000;
const PROBE = 3000;
/** After which a request is given up, and an upload of which no byte went: a network that is gone says nothing. */
const PATIENCE = 30_000;

/**
 * `in` and `out`: somebody logged in or out; the `detail` of `out` tells who, and whether they wanted it.
 * `up` and `down`: the server answers, or doesn't.
 */
export const happenings = new EventTarget();

let refreshing = null;
let timer = 0;
let reachable = true;
let probing = 0;

/** An address of the server, wherever the page is served. */
export function address(path) {
  return new URL(path, document.baseURI.split("#")[0]);
}

/** A picture's signed address at the origin of the page, the only one whose pictures it may show. */
export function picture(url) {
  return url && address(`media/${url.slice(url.lastIndexOf("/") + 1)}`).href;
}

function tell(name, detail) {
  happenings.dispatchEvent(new CustomEvent(name, { detail }));
}

// Whether the server answers.

export function isReachable() {
  return reachable;
}

function answered() {
  if (!reachable) {
    reachable = true;
    clearTimeout(probing);
    tell("up");
  }
}

/** No answer came: from here on the page looks every few seconds whether one does. */
export function unanswered() {
  if (reachable) {
    reachable = false;
    tell("down");
    probe();
  }
}

function probe() {
  clearTimeout(probing);
  probing = setTimeout(async () => {
    try {
      const answer = await fetch(address("health/live"), { cache: "no-store" });
      if (answer.ok) {
        answered();
        return;
      }
    } catch {
      // Not yet.
    }
    probe();
  }, PROBE);
}

window.addEventListener("online", async () => {
  if (!reachable) {
    try {
      await fetch(address("health/live"), { cache: "no-store" });
      answered();
    } catch {
      probe();
    }
  }
});

window.addEventListener("offline", unanswered);

// Requests.

async function post(body, token, signal) {
  const headers = { "content-type": "application/json" };
  if (token) {
    headers.authorization = `Bearer ${token}`;
  }
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE);
  const abort = () => patience.abort();
  signal?.addEventListener("abort", abort);
  let answer;
  let parsed;
  try {
    answer = await fetch(address("graphql"), { method: "POST", headers, body: JSON.stringify(body), signal: patience.signal });
    // A proxy before a server that is away answers too, in its own words.
    parsed = await answer.json();
  } catch (error) {
    if (signal?.aborted) {
      throw error;
    }
    unanswered();
    throw new Offline();
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
  answered();
  return { parsed, at: Date.parse(answer.headers.get("date") ?? "") || Date.now() };
}

function read({ data, errors }) {
  if (errors?.length) {
    throw new ApiError(errors[0]);
  }
  return data;
}

/** Does it as whoever is logged in; once more with a new token where the old one had run out. */
async function authorized(action) {
  const login = kept();
  try {
    return await action();
  } catch (error) {
    if (error.code !== "UNAUTHENTICATED" || !login || !holds(login)) {
      throw error;
    }
    await refresh();
    if (!holds(login)) {
      throw error;
    }
    return action();
  }
}

/** Asks as whoever is logged in. */
export function gql(query, variables = {}, { signal } = {}) {
  return authorized(async () => read((await post({ query, variables }, await token(), signal)).parsed));
}

/** Asks as nobody. */
export async function ask(query, variables) {
  const { parsed, at } = await post({ query, variables });
  return { data: read(parsed), at };
}

/** Sends one file with a mutation, by the multipart request specification. `progress` is told shares of 1. */
export function send(query, variables, path, file, progress, signal) {
  return authorized(() => upload(query, variables, path, file, progress, signal));
}

async function upload(query, variables, path, file, progress, signal) {
  const bearer = await token();
  const form = new FormData();
  form.append("operations", JSON.stringify({ query, variables }));
  form.append("map", JSON.stringify({ 0: [`variables.${path}`] }));
  form.append("0", file, file.name || "photo.jpg");
  // fetch tells nothing of what was sent so far.
  const text = await new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address("graphql"));
    request.setRequestHeader("authorization", `Bearer ${bearer}`);
    let timer = 0;
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(() => request.abort(), PATIENCE);
    };
    request.addEventListener("loadend", () => clearTimeout(timer));
    request.upload.addEventListener("progress", (event) => {
      wait();
      if (event.lengthComputable) {
        progress(event.loaded / event.total);
      }
    });
    request.addEventListener("load", () => resolve(request.responseText));
    for (const event of ["error", "timeout", "abort"]) {
      request.addEventListener(event, () => reject(new Offline()));
    }
    signal?.addEventListener("abort", () => request.abort());
    wait();
    request.send(form);
  }).catch((error) => {
    if (!signal?.aborted) {
      unanswered();
    }
    throw error;
  });
  let parsed;
  try {
    parsed = JSON.parse(text);
  } catch {
    unanswered();
    throw new Offline();
  }
  answered();
  return read(parsed);
}

/** A word that nobody else has made. `crypto.randomUUID` is missing on pages without TLS. */
export function random() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Logins.

export const TOKENS = "{ accessToken accessTokenExpiresAt refreshToken user { id } }";

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT));
  } catch {
    return null;
  }
}

function keep(payload, at, family) {
  // How long is told by the server's clock: the device's may be wrong.
  const until = Date.now() + Date.parse(payload.accessTokenExpiresAt) - at;
  const login = { refresh: payload.refreshToken, access: payload.accessToken, until, person: payload.user.id, family };
  sessionStorage.setItem(KEPT, JSON.stringify(login));
  renewIn(until - Date.now() - EARLY);
}

function renewIn(pause) {
  clearTimeout(timer);
  timer = setTimeout(() => refresh().catch(() => {}), Math.max(pause, 5000));
}

function forget() {
  sessionStorage.removeItem(KEPT);
  clearTimeout(timer);
}

export function isLoggedIn() {
  return kept() !== null;
}

/** The id of whoever is logged in. */
export function person() {
  return kept()?.person ?? null;
}

/** Whether nobody logged out or in since. */
function holds(login) {
  return kept()?.family === login?.family;
}

/** Takes what login, register or refresh answered. */
export function enter(payload, at) {
  keep(payload, at, random());
  tell("in");
}

/** A good access token. */
export async function token() {
  const login = kept();
  if (login?.until - Date.now() > 5000) {
    return login.access;
  }
  if (login) {
    await refresh();
  }
  if (!login || !holds(login)) {
    throw new ApiError({ message: "You are not logged in", extensions: { code: "UNAUTHENTICATED" } });
  }
  return kept().access;
}

/** A new access token; whoever asks meanwhile gets the same. */
export function refresh() {
  refreshing ??= renew().finally(() => {
    refreshing = null;
  });
  return refreshing;
}

async function renew() {
  const login = kept();
  try {
    const { data, at } = await ask(`mutation($token: String!) { refresh(refreshToken: $token) ${TOKENS} }`, {
      token: login?.refresh ?? "",
    });
    // Whoever logged out meanwhile stays out.
    if (holds(login)) {
      keep(data.refresh, at, login.family);
    }
  } catch (error) {
    const ended = error.code === "UNAUTHENTICATED" || error.code === "INVALID_INPUT";
    if (holds(login) && ended) {
      forget();
      tell("out", { person: login?.person, wanted: false });
    } else if (holds(login)) {
      renewIn(10_000);
    }
    throw error;
  }
}

/** Ends the login on the server; where that cannot be reached, on this device alone, and answers false. */
export async function leave() {
  const who = person();
  let ended = true;
  try {
    await gql("mutation { logout { endedLogins } }");
  } catch (error) {
    ended = error.code === "UNAUTHENTICATED";
  }
  forget();
  tell("out", { person: who, wanted: true });
  return ended;
}

// Tabs with the same login. A duplicated tab begins with a copy of the first one's storage.

const channel = new BroadcastChannel("muster");
channel.addEventListener("message", ({ data }) => {
  const mine = kept()?.family;
  if (data.who && data.who === mine) {
    channel.postMessage({ taken: mine });
  }
});

/** Takes up the login that was kept, or gives it back to the tab that it was copied from, if there is one. */
export async function settle() {
  const mine = kept()?.family;
  if (!mine) {
    return;
  }
  const taken = await new Promise((resolve) => {
    const listen = ({ data }) => data.taken === mine && resolve(true);
    channel.addEventListener("message", listen);
    channel.postMessage({ who: mine });
    setTimeout(() => {
      channel.removeEventListener("message", listen);
      resolve(false);
    }, 120);
  });
  if (taken) {
    forget();
  } else {
    renewIn(kept().until - Date.now() - EARLY);
  }
}
