// Subscriptions over one graphql-transport-ws socket, which is opened when somebody subscribes and
// comes back by itself: each subscription is then asked for anew, with the variables of that moment, so
// that one with a cursor resumes behind the last event that it saw.
//
// Source: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md

import { address, happenings, isLoggedIn, refresh, token, unanswered } from "./api.js";
import { ApiError } from "./words.js";

const FIRST_PAUSE = 300;
const LONGEST_PAUSE = 10_000;
/** Between two pings of ours, and how long their answer may take: a network that is gone says nothing. */
const PING = 15_000;
const PONG = 8000;
/** A socket that nobody needs closes after this: the next page may need it. */
const IDLE = 5000;

/** `live` and `lost`, while anybody subscribes. */
export const state = new EventTarget();

const subscriptions = new Map();
let ids = 0;
let socket = null;
let acknowledged = false;
let failures = 0;
let pause = 0;
let idle = 0;
let ping = 0;
let pong = 0;

/**
 * `variables` is a function, asked at each connection; `began` is told of each. Answers how to end it.
 * `error` gets what the API refused; nothing comes after it.
 */
export function subscribe(query, variables, { next, error, complete, began }) {
  ids += 1;
  const id = String(ids);
  subscriptions.set(id, { query, variables, next, error, complete, began });
  clearTimeout(idle);
  if (acknowledged) {
    start(id);
  } else if (socket === null && pause === 0) {
    connect();
  }
  return () => {
    if (subscriptions.delete(id) && acknowledged) {
      say({ type: "complete", id });
    }
    if (subscriptions.size === 0) {
      idle = setTimeout(rest, IDLE);
    }
  };
}

function say(message) {
  if (socket?.readyState === WebSocket.OPEN) {
    socket.send(JSON.stringify(message));
  }
}

function start(id) {
  const { query, variables, began } = subscriptions.get(id);
  began?.();
  say({ type: "subscribe", id, payload: { query, variables: variables() } });
}

function rest() {
  if (subscriptions.size === 0) {
    const old = socket;
    drop();
    old?.close(1000);
  }
}

/** Forgets the socket, whatever it still has to say. */
function drop() {
  socket = null;
  acknowledged = false;
  clearTimeout(ping);
  clearTimeout(pong);
}

async function connect() {
  clearTimeout(pause);
  pause = -1;
  let bearer;
  try {
    bearer = await token();
  } catch (error) {
    pause = 0;
    if (error.code !== "UNAUTHENTICATED") {
      again();
    }
    return;
  }
  pause = 0;
  if (socket !== null || subscriptions.size === 0) {
    return;
  }
  const url = address("graphql/ws");
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const mine = new WebSocket(url, "graphql-transport-ws");
  socket = mine;
  mine.addEventListener("open", () => {
    mine.send(JSON.stringify({ type: "connection_init", payload: { authorization: `Bearer ${bearer}` } }));
  });
  mine.addEventListener("message", ({ data }) => {
    if (socket === mine) {
      hear(JSON.parse(data));
    }
  });
  mine.addEventListener("close", async ({ code }) => {
    if (socket !== mine) {
      return;
    }
    drop();
    // The token was not good, or the login has ended.
    if (code === 4401 || code === 4403) {
      await refresh().catch(() => {});
    }
    again();
  });
}

function again() {
  if (subscriptions.size === 0 || !isLoggedIn() || pause !== 0) {
    return;
  }
  state.dispatchEvent(new Event("lost"));
  const longest = Math.min(FIRST_PAUSE * 2 ** failures, LONGEST_PAUSE);
  failures += 1;
  // At random, so that a class of phones does not come back in one moment.
  pause = setTimeout(connect, longest * (0.5 + Math.random() / 2));
}

function hear(message) {
  const subscription = subscriptions.get(message.id);
  switch (message.type) {
    case "connection_ack":
      acknowledged = true;
      failures = 0;
      state.dispatchEvent(new Event("live"));
      for (const id of subscriptions.keys()) {
        start(id);
      }
      watch();
      break;
    case "next":
      if (message.payload.errors?.length) {
        subscription?.error?.(new ApiError(message.payload.errors[0]));
      } else {
        subscription?.next(message.payload.data);
      }
      break;
    case "error":
      subscriptions.delete(message.id);
      subscription?.error?.(new ApiError(message.payload[0]));
      break;
    case "complete":
      subscriptions.delete(message.id);
      subscription?.complete?.();
      break;
    case "ping":
      say({ type: "pong" });
      break;
    case "pong":
      watch();
      break;
    default:
  }
}

function watch() {
  clearTimeout(ping);
  clearTimeout(pong);
  ping = setTimeout(() => {
    say({ type: "ping" });
    pong = setTimeout(() => {
      const silent = socket;
      drop();
      silent?.close();
      unanswered();
      again();
    }, PONG);
  }, PING);
}

/** What is known to be back is not waited for. */
function hurry() {
  if (socket === null && subscriptions.size > 0 && isLoggedIn() && pause !== -1) {
    clearTimeout(pause);
    pause = 0;
    failures = 0;
    connect();
  }
}
happenings.addEventListener("up", hurry);
happenings.addEventListener("in", hurry);
window.addEventListener("online", hurry);

happenings.addEventListener("out", () => {
  subscriptions.clear();
  clearTimeout(pause);
  pause = 0;
  rest();
});
