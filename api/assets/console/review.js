// The faces that wait for a decision, one after the other.

import { gql } from "./api.js";
import { h, put, say } from "./dom.js";
import { decider, WHOLE } from "./decide.js";
import { explain, span, STATUS } from "./words.js";
import * as waiting from "./waiting.js";

const QUERY = `query($class: ID) {
  reviewQueue(classId: $class, first: 20) { totalCount nodes { ${WHOLE} } }
}`;
const ONE = `query($id: ID!) { node(id: $id) { ... on DetectedFace { ${WHOLE} } } }`;

export async function show({ main, rest: [classId], signal }) {
  const place = h("div", { id: "review" });
  const number = h("span", { class: "muted", id: "review-count", role: "status" });
  const last = h("p", { class: "last", role: "status" });
  put(
    main,
    classId && h("p", { class: "trail" }, h("a", { href: `#/class/${classId}` }, "Class")),
    h("div", { class: "headline" }, h("h1", null, "Review"), number),
    place,
    last,
  );

  let queue = [];
  let total = 0;
  let current = null;
  /** What was decided or skipped here, so that one can go back to it. */
  const behind = [];
  const skipped = new Set();

  async function load() {
    const { reviewQueue } = await gql(QUERY, { class: classId ?? null }, { signal });
    queue = reviewQueue.nodes.filter((face) => !skipped.has(face.id));
    total = reviewQueue.totalCount;
  }

  function draw(takeFocus) {
    number.textContent = total === 0 ? "" : `${total} waiting`;
    if (current === null) {
      const [next] = queue;
      if (!next) {
        const left = skipped.size > 0 && total > 0;
        put(
          place,
          h(
            "section",
            { class: "card empty" },
            h("p", null, left ? "You have skipped the rest." : "Nothing waits for a decision."),
            left && h("button", { type: "button", on: { click: afresh } }, "Begin again"),
            behind.length > 0 && h("button", { type: "button", on: { click: back } }, "Back to the one before"),
          ),
        );
        if (takeFocus) {
          place.querySelector("button")?.focus();
        }
        return;
      }
      current = next;
    }
    const panel = decider(current, {
      done: decided,
      others: [["s", "Skip", skip], ...(behind.length > 0 ? [["b", "Back to the one before", back]] : [])],
    });
    put(
      place,
      h(
        "section",
        { class: "card", "aria-label": "A face to decide about" },
        current.session &&
          h(
            "p",
            { class: "muted" },
            h("a", { href: `#/session/${current.session.id}` }, `${current.session.class.name}, ${span(current.session)}`),
          ),
        panel,
      ),
    );
    if (takeFocus) {
      panel.focus({ preventScroll: true });
    }
  }

  function decided({ face, mark }) {
    const words = mark
      ? `${mark.student.fullName} is ${STATUS[mark.status].word}.`
      : face.student
        ? `It is ${face.student.fullName}.`
        : "It is nobody of the class.";
    last.textContent = words;
    say(words);
    const { decision } = current;
    total = Math.max(0, total - (decision === "NEEDS_REVIEW" ? 1 : 0));
    onward();
  }

  function skip() {
    skipped.add(current.id);
    onward();
  }

  function onward() {
    behind.push(current.id);
    queue = queue.filter((face) => face.id !== current.id);
    current = null;
    if (queue.length === 0) {
      again(true);
    } else {
      draw(true);
    }
  }

  async function back() {
    try {
      const { node } = await gql(ONE, { id: behind.at(-1) }, { signal });
      behind.pop();
      skipped.delete(node.id);
      current = node;
      draw(true);
    } catch (error) {
      last.textContent = explain(error);
    }
  }

  function afresh() {
    skipped.clear();
    again(true);
  }

  async function again(takeFocus) {
    try {
      await load();
      draw(takeFocus);
    } catch (error) {
      if (!signal.aborted) {
        last.textContent = explain(error);
      }
    }
  }

  await load();
  draw(true);

  let timer = 0;
  waiting.changes.addEventListener(
    "change",
    ({ detail }) => {
      if (detail?.change === "LEFT" && detail.id !== current?.id) {
        queue = queue.filter((face) => face.id !== detail.id);
      }
      // Whoever decides is not disturbed: the next ones are read when these are through.
      clearTimeout(timer);
      timer = setTimeout(async () => {
        if (current === null) {
          again(false);
        } else {
          const { reviewQueue } = await gql(
            "query($class: ID) { reviewQueue(classId: $class, first: 1) { totalCount } }",
            { class: classId ?? null },
            { signal },
          ).catch(() => ({}));
          if (reviewQueue) {
            total = reviewQueue.totalCount;
            number.textContent = total === 0 ? "" : `${total} waiting`;
          }
        }
      }, 300);
    },
    { signal },
  );
  signal.addEventListener("abort", () => clearTimeout(timer));
}
