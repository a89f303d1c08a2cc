// Tells above the page what its views cannot: what is kept of somebody whose login ended, and what the server
// refused after one had left the view where one made it.

import { happenings, person } from "./api.js";
import { h } from "./dom.js";
import * as outbox from "./outbox.js";
import * as uploads from "./uploads.js";
import { count, explain } from "./words.js";

const BOXES = [outbox, uploads];
/** As many are named one by one. */
const NAMED = 3;

/** Whether what was kept of whoever is back is `going`, or has `gone`; null where nothing was. */
let back = null;
/** What was refused, by the session and the reason. */
const refused = new Map();

function many(test) {
  return BOXES.map((box) => box.waiting(test));
}

function total(test) {
  return many(test).reduce((sum, each) => sum + each, 0);
}

function named([marks, photos]) {
  return [marks > 0 && count(marks, "mark"), photos > 0 && count(photos, "photo")].filter(Boolean).join(" and ");
}

/** What whoever is logged in would lose, in words; empty where nothing waits. */
export function own() {
  return named(many((who) => who === person()));
}

/** `notice` shows something above the page under a key, and takes it away where it is null. */
export function watch(notice) {
  const away = (key, forget) => {
    const click = () => {
      forget();
      notice(key, null);
    };
    return h("button", { type: "button", class: "link", on: { click } }, "Take it away");
  };

  function kept() {
    const others = (who) => who !== person();
    if (total(others) > 0) {
      notice("kept", `Not sent: ${named(many(others))}. This page keeps it, and sends it when the same person logs in again.`);
    } else if (back === null) {
      notice("kept", null);
    } else if (back === "going" && own()) {
      notice("kept", `What was kept is being sent: ${own()}.`);
    } else {
      back = "gone";
      notice("kept", "What was kept has been sent. ", away("kept", () => (back = null)));
    }
  }

  happenings.addEventListener("in", () => {
    back = own() ? "going" : null;
    kept();
  });
  happenings.addEventListener("out", () => {
    back = null;
    kept();
    // Names are not for whoever comes next.
    for (const key of refused.keys()) {
      notice(key, null);
    }
    refused.clear();
  });
  for (const box of BOXES) {
    box.changes.addEventListener("change", kept);
    box.changes.addEventListener("refused", ({ detail: { session, what, error } }) => {
      const key = `refused ${session} ${explain(error)}`;
      const all = [...(refused.get(key) ?? []), what];
      refused.set(key, all);
      const more = all.length > NAMED ? ` and ${all.length - NAMED} more` : "";
      notice(
        key,
        `Not taken: ${all.slice(0, NAMED).join(", ")}${more}. ${explain(error)} `,
        h("a", { href: `#/session/${session}` }, "Show the session"),
        " ",
        away(key, () => refused.delete(key)),
      );
    });
  }
}
