// One class: its sessions, who cannot be recognized yet, and starting a session now.

import { gql } from "./api.js";
import { busy, fresh, h, put } from "./dom.js";
import { bar } from "./plots.js";
import { count, explain, percent, SESSION_STATE, span } from "./words.js";

const SESSION = "id title startsAt endsAt state summary { expected present late excused absent unmarked rate }";

const QUERY = `query($id: ID!) {
  class(id: $id) {
    id name code archived studentCount
    teachers { id fullName }
    unenrolledStudents { id fullName }
    statistics { sessions expected present late excused absent unmarked rate }
    open: sessions(state: OPEN, first: 10) { nodes { ${SESSION} } }
    next: sessions(state: SCHEDULED, first: 5) { totalCount nodes { ${SESSION} } }
    past: sessions(state: CLOSED, last: 10) { totalCount nodes { ${SESSION} } }
  }
}`;

export async function show({ main, rest: [id, start], signal }) {
  const { class: found } = await gql(QUERY, { id }, { signal });
  const missing = found.unenrolledStudents ?? [];
  put(
    main,
    h("p", { class: "trail" }, h("a", { href: "#/classes" }, "Classes")),
    h("div", { class: "headline" }, h("h1", null, found.name), h("span", { class: "code" }, found.code)),
    h(
      "p",
      { class: "muted" },
      count(found.studentCount ?? 0, "student"),
      found.teachers.length > 0 && ` · ${found.teachers.map((teacher) => teacher.fullName).join(", ")}`,
      found.archived && " · in the archive",
    ),
    found.statistics?.expected > 0 &&
      h(
        "section",
        { class: "card" },
        h("h2", null, "Attendance so far"),
        h(
          "p",
          { class: "big" },
          percent(found.statistics.rate),
          h("small", null, ` in ${count(found.statistics.sessions, "session")}`),
        ),
        bar(found.statistics),
      ),
    list("Open now", found.open.nodes),
    !found.archived && starting(found, start === "start"),
    list("Planned", found.next.nodes, found.next.totalCount),
    list("Closed", [...found.past.nodes].reverse(), found.past.totalCount),
    missing.length > 0 &&
      h(
        "details",
        { class: "card" },
        h("summary", null, `${count(missing.length, "student")} cannot be recognized yet`),
        h("p", { class: "muted" }, "They have too few enrolled photos. Mark them by hand, or enrol their faces."),
        h(
          "ul",
          { class: "names" },
          missing.map((student) => h("li", null, student.fullName)),
        ),
      ),
  );
  if (start === "start") {
    main.querySelector("#title")?.focus();
  }
}

function list(title, sessions, total = sessions.length) {
  if (sessions.length === 0) {
    return null;
  }
  return h(
    "section",
    null,
    h("h2", null, title),
    h(
      "ul",
      { class: "lines" },
      sessions.map((session) =>
        h(
          "li",
          null,
          h(
            "a",
            { href: `#/session/${session.id}` },
            h("span", { class: `state ${session.state}` }, SESSION_STATE[session.state]),
            h("span", { class: "grow" }, span(session), session.title && h("em", null, session.title)),
            session.state !== "SCHEDULED" &&
              session.summary &&
              h("strong", null, `${session.summary.present + session.summary.late}/${session.summary.expected}`),
          ),
        ),
      ),
    ),
    total > sessions.length && h("p", { class: "muted" }, `and ${total - sessions.length} more`),
  );
}

const MAKE = "mutation($input: SessionInput!) { createSession(input: $input) { session { id } } }";

function starting(found, open) {
  const problem = h("div", { role: "alert" });
  const submit = h("button", { type: "submit", class: "primary", id: "start" }, "Start now");
  const minutes = fresh("minutes");

  async function start(allowOverlap) {
    put(problem);
    const begins = new Date();
    const input = {
      classId: found.id,
      title: form.elements.title.value.trim() || null,
      startsAt: begins.toISOString(),
      endsAt: new Date(begins.getTime() + Number(form.elements.minutes.value) * 60_000).toISOString(),
      allowOverlap,
    };
    const { createSession } = await gql(MAKE, { input });
    await gql("mutation($id: ID!) { openSession(id: $id) { session { id } } }", { id: createSession.session.id });
    location.hash = `#/session/${createSession.session.id}`;
  }

  function fail(error) {
    const overlaps = error.code === "CONFLICT" && error.extensions.sessionId;
    put(
      problem,
      h("p", { class: "problem" }, explain(error)),
      overlaps &&
        h(
          "p",
          { class: "buttons" },
          h("a", { class: "button", href: `#/session/${error.extensions.sessionId}` }, "Show what is in the way"),
          h(
            "button",
            { type: "button", on: { click: (event) => busy(event.currentTarget, () => start(true), fail) } },
            "Start all the same",
          ),
        ),
    );
  }

  const form = h(
    "form",
    {
      class: "row",
      on: {
        submit: (event) => {
          event.preventDefault();
          busy(submit, () => start(false), fail);
        },
      },
    },
    h(
      "div",
      { class: "field" },
      h("label", { for: "title" }, "Title (if you like)"),
      h("input", { id: "title", name: "title", autocomplete: "off", maxlength: 200 }),
    ),
    h(
      "div",
      { class: "field" },
      h("label", { for: minutes }, "It takes"),
      h(
        "select",
        { id: minutes, name: "minutes" },
        [45, 60, 90, 120].map((many) => h("option", { value: String(many) }, `${many} minutes`)),
      ),
    ),
    submit,
  );
  return h("section", { class: open ? "card marked" : "card" }, h("h2", null, "Start a session now"), form, problem);
}
