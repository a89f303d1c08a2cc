// The classes that one teaches, each with what is open, what comes next and what waits.

import { gql } from "./api.js";
import { h, put } from "./dom.js";
import { subscribe } from "./socket.js";
import { count, percent, span, time } from "./words.js";
import * as waiting from "./waiting.js";

const QUERY = `query($search: String, $after: String) {
  classes(search: $search, first: 50, after: $after) {
    totalCount
    pageInfo { hasNextPage endCursor }
    nodes {
      id name code studentCount
      teachers { id fullName }
      statistics { rate }
      open: sessions(state: OPEN, first: 3) { nodes { id title startsAt endsAt summary { present late expected unmarked } } }
      next: sessions(state: SCHEDULED, first: 1) { nodes { id title startsAt endsAt } }
    }
  }
}`;

export async function show({ main, signal, viewer, fail }) {
  const list = h("ul", { class: "cards", id: "classes" });
  const more = h("p");
  const search = h("input", { type: "search", id: "search", placeholder: "Name or code", autocomplete: "off" });
  const form = h("form", { class: "search", role: "search" }, h("label", { for: "search" }, "Find a class"), search);
  form.addEventListener("submit", (event) => event.preventDefault());
  let page;

  async function load() {
    const data = await gql(QUERY, { search: search.value.trim() || null }, { signal });
    page = data.classes;
    draw();
  }

  function draw() {
    put(
      list,
      page.nodes.map((found) => card(found, viewer)),
    );
    put(
      more,
      page.nodes.length === 0 &&
        (search.value ? "No class is called so." : "You teach no class yet. An admin can make one and name you as its teacher."),
      page.pageInfo.hasNextPage &&
        h("button", { type: "button", on: { click: next } }, `Show more (${page.totalCount - page.nodes.length})`),
    );
  }

  async function next() {
    const data = await gql(QUERY, { search: search.value.trim() || null, after: page.pageInfo.endCursor }, { signal });
    page = { ...data.classes, nodes: [...page.nodes, ...data.classes.nodes] };
    draw();
  }

  const quietly = () => load().catch((error) => !signal.aborted && error.code !== "OFFLINE" && fail(error));
  await load();
  put(main, h("div", { class: "headline" }, h("h1", null, "Classes"), (page.totalCount > 6 || null) && form), list, more);

  let timer = 0;
  const soon = (pause) => {
    clearTimeout(timer);
    timer = setTimeout(quietly, pause);
  };
  search.addEventListener("input", () => soon(250));
  waiting.changes.addEventListener("change", draw, { signal });
  const end = subscribe("subscription { sessionChanged { id } }", () => ({}), {
    next: () => soon(500),
    error: () => {},
    began: () => soon(500),
  });
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    end();
  });
}

function card(found, viewer) {
  const doubtful = waiting.many((face) => face.class === found.id);
  const others = found.teachers.filter((teacher) => teacher.id !== viewer.id);
  const [next] = found.next.nodes;
  return h(
    "li",
    { class: "card", "data-class": found.id },
    h("h2", null, h("a", { href: `#/class/${found.id}` }, found.name), h("span", { class: "code" }, found.code)),
    h(
      "p",
      { class: "muted" },
      count(found.studentCount ?? 0, "student"),
      found.statistics?.rate !== null &&
        found.statistics?.rate !== undefined &&
        ` · ${percent(found.statistics.rate)} attendance`,
      others.length > 0 && ` · with ${others.map((teacher) => teacher.fullName).join(", ")}`,
    ),
    found.open.nodes.map((session) =>
      h(
        "a",
        { class: "open-session", href: `#/session/${session.id}` },
        h("span", { class: "state OPEN" }, "open"),
        h("span", null, session.title || `Since ${time(session.startsAt)}`),
        h("strong", null, `${session.summary.present + session.summary.late} of ${session.summary.expected} here`),
      ),
    ),
    doubtful > 0 && h("a", { class: "pending", href: `#/review/${found.id}` }, `${count(doubtful, "face")} to review`),
    h(
      "p",
      { class: "foot" },
      next ? h("a", { href: `#/session/${next.id}` }, `Next: ${span(next)}`) : h("span", { class: "muted" }, "Nothing planned"),
      found.open.nodes.length === 0 && h("a", { class: "button", href: `#/class/${found.id}/start` }, "Start a session"),
    ),
  );
}
