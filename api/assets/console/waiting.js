// How many faces wait for somebody's decision, for the whole page: followed once, told to whoever shows it.

import { gql } from "./api.js";
import { subscribe } from "./socket.js";

/** `change`: the number or the faces are others. The event's `detail`: the face that came or went. */
export const changes = new EventTarget();

/** The class and the session of each face that waits, by its id. */
let faces = new Map();
let length = 0;
let end = null;

export function total() {
  return length;
}

export function has(face) {
  return faces.has(face);
}

/** How many wait of the sessions or classes that `test` takes. */
export function many(test) {
  return [...faces.values()].filter(test).length;
}

export function follow() {
  end?.();
  length = 0;
  end = subscribe("subscription { reviewQueue { change queueLength face { id session { id class { id } } } } }", () => ({}), {
    // An empty queue tells nothing at all when it is asked.
    began: () => {
      faces = new Map();
      gql("{ dashboard { reviewQueueLength } }")
        .then((data) => told(data.dashboard.reviewQueueLength, null))
        .catch(() => {});
    },
    next: ({ reviewQueue: { change, queueLength, face } }) => {
      if (change === "ENTERED") {
        faces.set(face.id, { session: face.session?.id, class: face.session?.class.id });
      } else {
        faces.delete(face.id);
      }
      told(queueLength, { change, id: face.id });
    },
    // Another role, say: the page that is shown tells of it.
    error: () => {},
  });
}

function told(many, detail) {
  length = many;
  changes.dispatchEvent(new CustomEvent("change", { detail }));
}
