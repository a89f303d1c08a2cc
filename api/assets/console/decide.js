// Deciding whose face it is: one key for each answer.

import { gql, picture } from "./api.js";
import { fresh, h, put } from "./dom.js";
import { FACE, framed } from "./overlay.js";
import { DECISION, explain, percent, REASON } from "./words.js";

/** All that is shown of a face when somebody decides about it. */
export const WHOLE = `${FACE} cropUrl
  session { id title startsAt endsAt class { id name } }
  photo { id url width height }
  candidates { similarity student { id fullName rollNumber faceTemplates { status cropUrl } } }`;

const REVIEW = `mutation($face: ID!, $decision: ReviewDecision!, $student: ID, $expected: FaceDecision) {
  reviewFace(faceId: $face, decision: $decision, studentId: $student, expected: $expected) {
    face { ${FACE} }
    mark { status student { id fullName } }
  }
}`;

const ROLL = `query($id: ID!, $after: String) {
  session(id: $id) { roll(first: 100, after: $after) {
    pageInfo { hasNextPage endCursor } nodes { student { id fullName } }
  } }
}`;

async function students(session) {
  const all = [];
  let after = null;
  do {
    const { roll } = (await gql(ROLL, { id: session, after })).session;
    all.push(...roll.nodes.map(({ student }) => student));
    after = roll.pageInfo.hasNextPage ? roll.pageInfo.endCursor : null;
  } while (after);
  return all;
}

/** Sends a decision: about the student, or that it is nobody. Answers what the API made of it. */
async function decide(face, student) {
  const first = face.student ?? face.candidates[0]?.student;
  const confirms = student !== null && student.id === first?.id;
  const decision = student === null ? "DISMISS" : confirms ? "CONFIRM" : "REASSIGN";
  const variables = { face: face.id, decision, student: student?.id ?? null, expected: face.decision };
  return (await gql(REVIEW, variables)).reviewFace;
}

/**
 * The panel about one face. `done` gets the answer; `others` are further keys: [key, words, action].
 * Keys act while the focus is within the panel.
 */
export function decider(face, { done, others = [] }) {
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  let running = false;

  async function run(student) {
    if (running) {
      return;
    }
    running = true;
    panel.setAttribute("aria-busy", "true");
    try {
      done(await decide(face, student), face);
    } catch (error) {
      problem.textContent =
        error.reason === "DECIDED"
          ? "A colleague has decided about this face meanwhile. Skip it, or look at it again."
          : explain(error);
      problem.hidden = false;
    } finally {
      running = false;
      panel.removeAttribute("aria-busy");
    }
  }

  const likely = face.candidates.slice(0, 3);
  const keys = new Map(likely.map(({ student }, i) => [String(i + 1), () => run(student)]));
  keys.set("n", () => run(null));
  for (const [key, , action] of others) {
    keys.set(key, action);
  }

  const select = h("select", { id: fresh("other") }, h("option", { value: "" }, "Choose…"));
  const give = h("button", { type: "button", disabled: true }, "It is this one");
  const everybody = new Map();
  select.addEventListener(
    "focus",
    () => {
      students(face.session.id)
        .then((all) => {
          for (const student of all) {
            everybody.set(student.id, student);
            select.append(h("option", { value: student.id }, student.fullName));
          }
        })
        .catch((error) => {
          problem.textContent = explain(error);
          problem.hidden = false;
        });
    },
    { once: true },
  );
  select.addEventListener("change", () => {
    give.disabled = !everybody.has(select.value);
  });
  give.addEventListener("click", () => run(everybody.get(select.value)));
  keys.set("o", () => select.focus());

  const panel = h(
    "div",
    { class: "decider", tabindex: -1, "data-face": face.id },
    h(
      "div",
      { class: "evidence" },
      face.cropUrl && h("img", { class: "crop", src: picture(face.cropUrl), alt: "The face in question" }),
      face.photo?.url && framed({ ...face.photo, faces: [face] }, null, { zoom: false }),
    ),
    h(
      "div",
      { class: "answers" },
      h("p", null, h("strong", null, `This face is ${DECISION[face.decision]}. `), face.reason && REASON[face.reason]),
      h(
        "ol",
        { class: "candidates" },
        likely.map(({ student, similarity }, i) => {
          const enrolled = student.faceTemplates?.find((template) => template.status === "ACCEPTED" && template.cropUrl);
          return h(
            "li",
            null,
            h(
              "button",
              { type: "button", class: "answer", on: { click: () => run(student) } },
              h("kbd", null, i + 1),
              enrolled ? h("img", { src: picture(enrolled.cropUrl), alt: "" }) : h("span", { class: "nobody" }),
              h(
                "span",
                { class: "grow" },
                student.fullName,
                h("small", null, [`${percent(similarity)} alike`, student.rollNumber].filter(Boolean).join(" · ")),
              ),
            ),
          );
        }),
      ),
      h(
        "button",
        { type: "button", class: "answer", on: { click: () => run(null) } },
        h("kbd", null, "N"),
        h("span", { class: "grow" }, "Nobody of this class"),
      ),
      h(
        "div",
        { class: "row" },
        h(
          "div",
          { class: "field grow" },
          h("label", { for: select.id }, h("kbd", null, "O"), " Somebody else of the class"),
          select,
        ),
        give,
      ),
      problem,
      others.length > 0 &&
        h(
          "p",
          { class: "buttons" },
          others.map(([key, words, action]) =>
            h("button", { type: "button", on: { click: action } }, h("kbd", null, key.toUpperCase()), ` ${words}`),
          ),
        ),
    ),
  );
  panel.addEventListener("keydown", (event) => {
    // A key that is held down would decide about faces that nobody has looked at.
    if (event.repeat) {
      return;
    }
    const typing = event.target.matches("select, input");
    const action = keys.get(event.key.toLowerCase());
    if (action && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      action();
    }
  });
  return panel;
}

/** The same in a window over the page, about a face that was pointed at. */
export async function correct(id, done, fail) {
  const body = h("div", null, h("p", { class: "loading" }, "Loading…"));
  const close = h("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
  const title = fresh("title");
  const dialog = h(
    "dialog",
    { "aria-labelledby": title },
    h("div", { class: "headline" }, h("h2", { id: title }, "Whose face is it?"), close),
    body,
  );
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  try {
    const { node } = await gql(`query($id: ID!) { node(id: $id) { ... on DetectedFace { ${WHOLE} } } }`, { id });
    const panel = decider(node, {
      done: (answer) => {
        dialog.close();
        done(answer);
      },
    });
    put(body, panel);
    panel.focus();
  } catch (error) {
    dialog.close();
    fail(error);
  }
}
