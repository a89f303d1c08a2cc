// What a student sees: their own attendance.

import { gql } from "./api.js";
import { h, put } from "./dom.js";
import { bar, rates } from "./plots.js";
import { subscribe } from "./socket.js";
import { calendarDay, count, OWN_STATE, percent, SOURCE, span, STATUS } from "./words.js";

const DAYS = 90;
const QUERY = `query($range: DateRange!) { viewer {
  statistics(range: $range) { sessions expected present late excused absent unmarked rate }
  next: sessions(state: UPCOMING, first: 5) { totalCount nodes { state session { id title startsAt endsAt class { name } venue { name } } } }
  past: sessions(range: $range, last: 100) { totalCount nodes {
    state mark { status source } session { id title startsAt endsAt state class { name } }
  } }
} }`;

export async function show({ main, signal, viewer: me }) {
  async function load() {
    const range = { from: calendarDay(1 - DAYS), to: calendarDay() };
    const { viewer } = await gql(QUERY, { range }, { signal });
    const held = viewer.past.nodes.filter(({ state }) => state !== "UPCOMING").reverse();
    const numbers = viewer.statistics;
    put(
      main,
      h("h1", null, "My attendance"),
      h("p", { class: "muted" }, `${me.fullName} · the last ${DAYS} days`),
      h(
        "section",
        { class: "card" },
        h("p", { class: "big" }, percent(numbers?.rate), h("small", null, ` in ${count(numbers?.sessions ?? 0, "session")}`)),
        numbers && bar(numbers),
      ),
      held.length > 0 && rates("By week", weeks(held)),
      list("To come", viewer.next.nodes),
      list("Until today", held),
      held.length === 0 && viewer.next.nodes.length === 0 && h("p", { class: "muted" }, "You have no sessions yet."),
    );
  }

  await load();
  let timer = 0;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(() => load().catch(() => {}), 600);
  };
  const end = subscribe("subscription { sessionChanged { id } }", () => ({}), { next: soon, error: () => {}, began: soon });
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    end();
  });
}

/** The weeks from the first to the last session, by their Mondays; what the API counts for staff alone. */
function weeks(held) {
  const monday = (instant) => {
    const date = new Date(instant);
    date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7));
    return date.toISOString().slice(0, 10);
  };
  const found = new Map();
  for (const { session, mark, state } of held) {
    const bucket = monday(session.startsAt);
    const summary = found.get(bucket) ?? { present: 0, late: 0, excused: 0, absent: 0 };
    const status = mark?.status ?? (state === "MISSED" ? "ABSENT" : null);
    if (status) {
      summary[status.toLowerCase()] += 1;
    }
    found.set(bucket, summary);
  }
  return [...found]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([bucket, summary]) => {
      const all = summary.present + summary.late + summary.absent;
      return {
        bucket,
        summary: { ...summary, expected: all + summary.excused, rate: all === 0 ? null : (summary.present + summary.late) / all },
      };
    });
}

function list(title, sessions) {
  if (sessions.length === 0) {
    return null;
  }
  return h(
    "section",
    null,
    h("h2", null, title),
    h(
      "ul",
      { class: "lines own" },
      sessions.map(({ session, state, mark }) =>
        h(
          "li",
          null,
          h(
            "span",
            { class: "grow" },
            session.class.name,
            h("em", null, [span(session), session.title, session.venue?.name].filter(Boolean).join(" · ")),
          ),
          h(
            "span",
            { class: `word ${mark?.status ?? ""}` },
            mark ? STATUS[mark.status].word : session.state === "CANCELLED" ? "cancelled" : OWN_STATE[state],
          ),
          mark && h("small", null, SOURCE[mark.source]),
        ),
      ),
    ),
  );
}
