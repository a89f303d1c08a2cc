// What a school looks at in the morning.

import { gql } from "./api.js";
import { busy, h, put } from "./dom.js";
import { bar, rates, shares, stacks } from "./plots.js";
import { subscribe } from "./socket.js";
import { calendarDay, count, explain, KIND, percent, span, time } from "./words.js";

const SUMMARY = "sessions expected present late excused absent unmarked rate";
const QUERY = `query($range: DateRange!, $filter: StatisticsFilter!) {
  dashboard(range: $range) {
    today { ${SUMMARY} }
    inRange { ${SUMMARY} }
    students enrolledStudents teachers classes
    openSessions { id title startsAt endsAt class { name } summary { present late expected unmarked } }
    trend { bucket summary { ${SUMMARY} } }
    queues { kind paused queued running failed oldestQueuedSeconds }
    reviewQueueLength
  }
  classStatistics(filter: $filter) { class { id name } summary { ${SUMMARY} } }
  studentsAtRisk(filter: $filter, belowRate: 0.8, first: 8) {
    totalCount
    nodes { student { id fullName } summary { rate absent } consecutiveAbsences }
  }
}`;
const RANGES = [
  ["7", "7 days"],
  ["30", "30 days"],
  ["90", "90 days"],
  ["365", "a year"],
];
const PAUSE = 4000;
const MOST = 12;

export async function show({ main, rest: [chosen = "30"], signal }) {
  const long = RANGES.some(([value]) => value === chosen) ? chosen : "30";
  const body = h("div", { id: "dashboard" });
  const select = h(
    "select",
    { id: "range", on: { change: () => (location.hash = `#/dashboard/${select.value}`) } },
    RANGES.map(([value, words]) => h("option", { value }, words)),
  );
  select.value = long;

  async function load() {
    const range = { from: calendarDay(1 - Number(long)), to: calendarDay() };
    const data = await gql(QUERY, { range, filter: { range } }, { signal });
    draw(body, data, load);
  }

  await load();
  put(
    main,
    h(
      "div",
      { class: "headline" },
      h("h1", null, "Dashboard"),
      h("div", { class: "field inline" }, h("label", { for: "range" }, "The last"), select),
    ),
    body,
  );

  let timer = 0;
  // However much happens, so often at most; and not while somebody reads the numbers of a plot.
  const soon = () => {
    if (timer === 0) {
      timer = setTimeout(() => {
        timer = 0;
        if (body.querySelector("figure details[open]")) {
          soon();
        } else {
          load().catch(() => {});
        }
      }, PAUSE);
    }
  };
  const end = subscribe("subscription { sessionChanged { id } }", () => ({}), { next: soon, error: () => {} });
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    end();
  });
}

function tile(words, number, more, href) {
  return h(
    "li",
    { class: "tile" },
    h(href ? "a" : "div", { href }, h("span", null, words), h("strong", null, number), more && h("small", null, more)),
  );
}

function draw(body, { dashboard, classStatistics, studentsAtRisk }, reload) {
  const { today, inRange } = dashboard;
  const unmarked = dashboard.openSessions.reduce((sum, { summary }) => sum + summary.unmarked, 0);
  const classes = [...classStatistics].sort((a, b) => (a.summary.rate ?? 2) - (b.summary.rate ?? 2));
  put(
    body,
    h(
      "ul",
      { class: "tiles" },
      tile("Today", percent(today.rate), count(today.sessions, "session")),
      tile("In these days", percent(inRange.rate), count(inRange.sessions, "session")),
      tile("Open now", dashboard.openSessions.length, unmarked > 0 ? `${unmarked} without a mark` : "everybody is marked"),
      tile(
        "To review",
        dashboard.reviewQueueLength,
        dashboard.reviewQueueLength > 0 ? "doubtful faces" : "nothing waits",
        "#/review",
      ),
      tile("Students", dashboard.students, `${dashboard.enrolledStudents} can be recognized`),
      tile("Classes", dashboard.classes, count(dashboard.teachers, "teacher"), "#/classes"),
    ),
    dashboard.openSessions.length > 0 &&
      h(
        "section",
        { class: "card" },
        h("h2", null, "Open now"),
        h(
          "ul",
          { class: "lines" },
          dashboard.openSessions.map((session) =>
            h(
              "li",
              null,
              h(
                "a",
                { href: `#/session/${session.id}` },
                h("span", { class: "grow" }, session.class.name, h("em", null, session.title || span(session))),
                Date.parse(session.endsAt) < Date.now() && h("span", { class: "muted" }, `over since ${time(session.endsAt)}`),
                h("strong", null, `${session.summary.present + session.summary.late}/${session.summary.expected}`),
              ),
            ),
          ),
        ),
      ),
    h(
      "div",
      { class: "plots" },
      rates("Attendance over time", dashboard.trend),
      stacks("Marks over time", dashboard.trend),
      h("figure", { class: "card" }, h("figcaption", null, "By status"), bar(inRange)),
      classes.length > 0 &&
        shares(
          classes.length > MOST ? `By class: the ${MOST} lowest of ${classes.length}` : "By class",
          classes.slice(0, MOST).map(({ class: { name }, summary }) => [name, summary.rate, `of ${summary.expected}`]),
        ),
    ),
    studentsAtRisk.nodes.length > 0 && risk(studentsAtRisk),
    dashboard.queues && queues(dashboard.queues, reload),
  );
}

function risk({ nodes, totalCount }) {
  return h(
    "section",
    { class: "card" },
    h("h2", null, "Often absent"),
    h("p", { class: "muted" }, `${count(totalCount, "student")} below 80 %`),
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "Often absent" },
      h(
        "table",
        null,
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            ["Student", "Rate", "Absences", "In a row"].map((words) => h("th", { scope: "col" }, words)),
          ),
        ),
        h(
          "tbody",
          null,
          nodes.map(({ student, summary, consecutiveAbsences }) =>
            h(
              "tr",
              null,
              h("th", { scope: "row" }, student.fullName),
              h("td", null, percent(summary.rate)),
              h("td", null, summary.absent),
              h("td", null, consecutiveAbsences),
            ),
          ),
        ),
      ),
    ),
  );
}

/** An admin's: what waits for the workers. */
function queues(all, reload) {
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const act = (words, queue, mutation, fields) =>
    h(
      "button",
      {
        type: "button",
        "aria-label": `${words}: ${KIND[queue.kind] ?? queue.kind}`,
        on: {
          click: (event) =>
            busy(
              event.currentTarget,
              async () => {
                await gql(`mutation($kind: JobKind!) { ${mutation}(kind: $kind) { ${fields} } }`, { kind: queue.kind });
                await reload();
              },
              (error) => {
                problem.textContent = explain(error);
                problem.hidden = false;
              },
            ),
        },
      },
      words,
    );
  return h(
    "section",
    { class: "card", id: "queues" },
    h("h2", null, "Queues"),
    problem,
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "Queues" },
      h(
        "table",
        null,
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            ["Kind", "Waiting", "Oldest", "Running", "Failed", ""].map((words) =>
              words ? h("th", { scope: "col" }, words) : h("td", null),
            ),
          ),
        ),
        h(
          "tbody",
          null,
          all.map((queue) =>
            h(
              "tr",
              null,
              h("th", { scope: "row" }, KIND[queue.kind] ?? queue.kind, queue.paused && h("em", null, " paused")),
              h("td", null, queue.queued),
              h("td", null, queue.queued > 0 ? `${Math.round(queue.oldestQueuedSeconds)} s` : "–"),
              h("td", null, queue.running),
              h("td", null, queue.failed),
              h(
                "td",
                null,
                queue.paused
                  ? act("Resume", queue, "resumeQueue", "queue { kind }")
                  : act("Pause", queue, "pauseQueue", "queue { kind }"),
                queue.failed > 0 && act("Try failed ones again", queue, "retryFailedJobs", "retried"),
              ),
            ),
          ),
        ),
      ),
    ),
  );
}
