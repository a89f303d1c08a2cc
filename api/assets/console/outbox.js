// Marks made by hand, on their way. Each is kept until the server has answered: without a network it waits and
// goes when there is one again, and after a login that ended when the same person is back. Of two
// about one student the later counts, here as on the server.

import { again, askBeforeClosing, onLeaving, passes, present } from "./again.js";
import { gql, person, random } from "./api.js";
import { ApiError } from "./words.js";

const MARKS = `mutation($inputs: [MarkInput!]!, $key: String) {
  markAttendanceBulk(inputs: $inputs, idempotencyKey: $key) {
    results { index mark { status source similarity markedAt } error { code message field } }
  }
}`;
const CLEAR = `mutation($session: ID!, $student: ID!) {
  clearMark(sessionId: $session, studentId: $student) { entry { mark { status source similarity markedAt } } }
}`;
const AT_ONCE = 100;

/**
 * `change`: `detail` has the session, the student, and the mark or the error that the server answered, if it did.
 * Who shows the error prevents the event's default; otherwise `refused` follows, with `what` was refused.
 */
export const changes = new EventTarget();

/** By person: what was not sent yet, by session and student; what is being sent, and under which key again. */
const boxes = new Map();

const place = (session, student) => `${session} ${student}`;

/** The status that was asked for and is not confirmed; null where a mark is being withdrawn, undefined where nothing waits. */
export function pending(session, student) {
  const key = place(session, student);
  const box = boxes.get(person());
  const wish = box?.wanted.get(key) ?? box?.sending?.wishes.get(key);
  return wish?.status;
}

/** How many marks of such people wait. */
export function waiting(test) {
  const found = [...boxes.values()].filter((box) => test(box.who));
  return found.reduce((sum, { wanted, sending }) => sum + wanted.size + (sending?.wishes.size ?? 0), 0);
}

/** Marks a student, or withdraws the mark where the status is null. */
export function mark(session, student, status) {
  const who = person();
  if (!boxes.has(who)) {
    boxes.set(who, { who, wanted: new Map(), sending: null, busy: false });
  }
  const box = boxes.get(who);
  const key = place(session, student.id);
  box.wanted.delete(key);
  box.wanted.set(key, { session, student: student.id, name: student.fullName, status });
  tell({ session, student: student.id });
  flush(box);
}

function tell(detail) {
  return changes.dispatchEvent(new CustomEvent("change", { detail, cancelable: true }));
}

async function flush(box) {
  if (box.busy) {
    return;
  }
  box.busy = true;
  while (box.wanted.size > 0) {
    if (person() !== box.who) {
      await present(box.who);
      continue;
    }
    const next = [...box.wanted].slice(0, AT_ONCE);
    const one = next[0][1].status === null;
    const batch = one ? next.slice(0, 1) : next.filter(([, wish]) => wish.status !== null);
    box.sending = { wishes: new Map(batch), key: random() };
    for (const [key] of batch) {
      box.wanted.delete(key);
    }
    await deliver(box);
  }
  box.busy = false;
}

async function deliver(box) {
  const { wishes, key } = box.sending;
  const list = [...wishes.values()];
  let answers = null;
  while (answers === null && boxes.get(box.who) === box) {
    try {
      answers = await (list[0].status === null ? withdraw(list[0]) : write(list, key));
    } catch (error) {
      if (passes(error)) {
        await again(error, box.who);
      } else {
        answers = list.map(() => ({ error }));
      }
    }
  }
  box.sending = null;
  if (boxes.get(box.who) === box) {
    list.forEach((wish, i) => answered(wish, answers[i]));
  }
}

function answered({ session, student, name }, answer) {
  const unseen = tell({ session, student, ...answer });
  if (answer.error && unseen) {
    const detail = { session, what: `the mark of ${name}`, error: answer.error };
    changes.dispatchEvent(new CustomEvent("refused", { detail }));
  }
}

async function write(wishes, key) {
  const inputs = wishes.map(({ session, student, status }) => ({ sessionId: session, studentId: student, status }));
  const { markAttendanceBulk } = await gql(MARKS, { inputs, key });
  const answers = [];
  for (const { index, mark: made, error } of markAttendanceBulk.results) {
    answers[index] = error ? { error: new ApiError({ message: error.message, extensions: error }) } : { mark: made };
  }
  return answers;
}

async function withdraw({ session, student }) {
  const { clearMark } = await gql(CLEAR, { session, student });
  return [{ mark: clearMark.entry.mark }];
}

onLeaving((who) => {
  const box = boxes.get(who);
  boxes.delete(who);
  box?.wanted.clear();
});

askBeforeClosing(() => waiting(() => true) > 0);
