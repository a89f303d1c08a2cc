// What could not be sent: when it is tried again, and as whom. It is kept for the person who made it: what one
// person marked or photographed is not sent as another.

import { happenings, isReachable, person } from "./api.js";

const PAUSE = 3000;

/** Whether this says no more than that it could not be taken just now. */
export function passes(error) {
  return ["OFFLINE", "UNAVAILABLE", "RATE_LIMITED", "UNAUTHENTICATED"].includes(error.code);
}

function told(name) {
  return new Promise((resolve) => {
    happenings.addEventListener(name, resolve, { once: true });
  });
}

/** When that person is logged in. */
export async function present(who) {
  while (person() !== who) {
    await told("in");
  }
}

/** When the server answers again, or after a while, and that person is logged in. */
export async function again(error, who) {
  if (error.code !== "OFFLINE" && person() === who) {
    const pause = error.extensions?.retryAfterSeconds * 1000 || PAUSE;
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  if (!isReachable()) {
    await told("up");
  }
  await present(who);
}

/** Calls with the person's id when somebody logs out because they want to: what they made goes with them. */
export function onLeaving(drop) {
  happenings.addEventListener("out", ({ detail: { person: who, wanted } }) => wanted && drop(who));
}

/** Has the browser ask before it closes the page while `waits` answers true. */
export function askBeforeClosing(waits) {
  window.addEventListener("beforeunload", (event) => {
    if (waits()) {
      event.preventDefault();
    }
  });
}
