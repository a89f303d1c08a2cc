// Photos on their way to a session. Each is kept until the server has it, whatever view is shown meanwhile, and
// goes under the same key however often it must be sent.

import { again, askBeforeClosing, onLeaving, passes, present } from "./again.js";
import { person, random, send } from "./api.js";
import { explain } from "./words.js";

export const JOB = "id status stage progress error { code message retryable }";
const SUBMIT = `mutation($session: ID!, $photo: PhotoInput!, $key: String) {
  submitClassPhoto(sessionId: $session, photo: $photo, idempotencyKey: $key) { job { ${JOB} photos { id } } }
}`;

/** What of the whole way to the marks is the photo's to the server. */
export const SENT = 0.3;

/**
 * `change`: `detail` is an upload, which has words and a share of the whole, and in the end the job or the error that
 * the server answered. Who shows the error prevents the event's default; otherwise `refused` follows, with `what`
 * was refused.
 */
export const changes = new EventTarget();

/** By person: what waits, the oldest first, and what was refused. */
const boxes = new Map();

/** A photo that is to be sent. */
export function add(session, file) {
  const who = person();
  if (!boxes.has(who)) {
    boxes.set(who, { who, uploads: [], busy: false, left: new AbortController() });
  }
  const box = boxes.get(who);
  const upload = { id: random(), session, file, words: "Waiting to be sent", share: 0, job: null, error: null };
  box.uploads.push(upload);
  tell(upload);
  pump(box);
}

/** Those of a session that the server has not taken. */
export function of(session) {
  return (boxes.get(person())?.uploads ?? []).filter((upload) => upload.session === session);
}

/** Lets one go that was refused. */
export function forget(id) {
  const box = boxes.get(person());
  if (box) {
    box.uploads = box.uploads.filter((upload) => upload.id !== id);
  }
}

/** How many photos of such people wait. */
export function waiting(test) {
  const found = [...boxes.values()].filter((box) => test(box.who));
  return found.flatMap((box) => box.uploads.filter(waits)).length;
}

function waits(upload) {
  return upload.error === null;
}

function tell(upload) {
  return changes.dispatchEvent(new CustomEvent("change", { detail: upload, cancelable: true }));
}

function step(upload, words, share) {
  Object.assign(upload, { words, share });
  tell(upload);
}

/** One after the other: a phone's way up is narrow. */
async function pump(box) {
  if (box.busy) {
    return;
  }
  box.busy = true;
  for (let next = box.uploads.find(waits); next; next = box.uploads.find(waits)) {
    if (person() === box.who) {
      await deliver(box, next);
    } else {
      await present(box.who);
    }
  }
  box.busy = false;
}

async function deliver(box, upload) {
  const { signal } = box.left;
  try {
    const variables = { session: upload.session, photo: { upload: null }, key: upload.id };
    const progress = (share) => step(upload, "Sending", share * SENT);
    const { submitClassPhoto } = await send(SUBMIT, variables, "photo.upload", upload.file, progress, signal);
    box.uploads = box.uploads.filter((other) => other !== upload);
    upload.job = submitClassPhoto.job;
    if (!signal.aborted) {
      tell(upload);
    }
  } catch (error) {
    if (signal.aborted) {
      return;
    }
    if (passes(error)) {
      const offline = "Not sent yet: there is no connection. It goes when there is one.";
      step(upload, error.code === "OFFLINE" ? offline : explain(error), 0);
      await again(error, box.who);
      return;
    }
    upload.error = error;
    if (tell(upload)) {
      const detail = { session: upload.session, what: `the photo ${upload.file.name}`, error };
      changes.dispatchEvent(new CustomEvent("refused", { detail }));
    }
  }
}

onLeaving((who) => {
  const box = boxes.get(who);
  boxes.delete(who);
  if (box) {
    box.uploads = [];
    box.left.abort();
  }
});

askBeforeClosing(() => waiting(() => true) > 0);
