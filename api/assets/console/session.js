// One session, live: its photos, its roll, and the marks as they arrive.

import { gql } from "./api.js";
import { busy, h, put, say } from "./dom.js";
import { Photos } from "./photos.js";
import { bar } from "./plots.js";
import { Roll } from "./roll.js";
import { subscribe } from "./socket.js";
import { count, explain, percent, SESSION_STATE, SOURCE, span, STATUS, time } from "./words.js";
import * as waiting from "./waiting.js";

const SUMMARY = "expected present late excused absent unmarked rate";
const QUERY = `query($id: ID!) { session(id: $id) {
  id title startsAt endsAt state venue { name } class { id name code } summary { ${SUMMARY} }
} }`;
const EVENTS = `subscription($id: ID!, $after: String) { attendance(sessionId: $id, after: $after) {
  cursor replayed
  student { id fullName }
  mark { status source similarity markedAt }
  change { from to source at }
  summary { ${SUMMARY} }
} }`;
const FEED = 12;
const AGAIN = 3000;

export async function show({ main, rest: [id], signal, viewer }) {
  let { session } = await gql(QUERY, { id }, { signal });
  const head = h("div");
  const code = checkIn(id, signal);
  const numbers = h("div", { class: "numbers", id: "numbers" });
  const doubtful = h("div");
  const feed = h("ol", { class: "feed", id: "feed" });
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const roll = new Roll(id, signal);
  const photos = new Photos(id, signal, {
    megabytes: viewer.organization.settings?.maxUploadMegabytes ?? 20,
    changed: (all) => doubts(all),
  });

  function fail(error) {
    problem.textContent = explain(error);
    problem.hidden = false;
  }

  function doubts(all) {
    const faces = [...all.values()].flatMap((photo) => photo.faces).filter((face) => face.decision === "NEEDS_REVIEW");
    roll.setDoubtful(new Set(faces.map((face) => (face.student ?? face.candidates[0]?.student)?.id)));
    put(
      doubtful,
      faces.length > 0 &&
        h(
          "p",
          { class: "notice" },
          `${count(faces.length, "face")} could not be told for certain. `,
          h("a", { href: `#/review/${session.class.id}` }, "Review now"),
        ),
    );
  }

  let drawn = null;

  /** Every mark has the session read again: what is in the head stays, with the focus in it, unless it is another. */
  function header() {
    const { state, title, startsAt, endsAt, venue, class: of } = session;
    const now = JSON.stringify([state, title, startsAt, endsAt, venue, of]);
    if (now === drawn) {
      return;
    }
    drawn = now;
    roll.setEditable(state === "OPEN" || state === "CLOSED");
    photos.setEditable(state === "OPEN");
    code.offer(state === "OPEN");
    const act = (word, mutation, look, ask) =>
      h(
        "button",
        {
          type: "button",
          class: look,
          on: {
            click: (event) =>
              (!ask || window.confirm(ask)) &&
              busy(
                event.currentTarget,
                async () => {
                  await gql(`mutation($id: ID!) { ${mutation}(id: $id) { session { id } } }`, { id });
                  problem.hidden = true;
                  await reload();
                  // The button that was pressed is gone, and the focus with it.
                  if (document.activeElement === document.body) {
                    head.querySelector("button")?.focus();
                  }
                },
                fail,
              ),
          },
        },
        word,
      );
    put(
      head,
      h(
        "p",
        { class: "trail" },
        h("a", { href: "#/classes" }, "Classes"),
        " / ",
        h("a", { href: `#/class/${session.class.id}` }, session.class.name),
      ),
      h(
        "div",
        { class: "headline" },
        h("h1", null, session.title || session.class.name),
        h("span", { class: `state ${state}`, id: "state" }, SESSION_STATE[state]),
        h(
          "div",
          { class: "buttons" },
          state === "SCHEDULED" && act("Open now", "openSession", "primary"),
          state === "OPEN" &&
            act("Close the session", "closeSession", "", "Close the session? Whoever has no mark is absent then."),
          state === "CLOSED" && act("Open again", "openSession", ""),
          state === "SCHEDULED" && act("Cancel", "cancelSession", "", "Cancel this session?"),
        ),
      ),
      h("p", { class: "muted" }, span(session), session.venue && ` · ${session.venue.name}`),
    );
  }

  function summary(of) {
    session.summary = of;
    put(
      numbers,
      h("p", { class: "big" }, `${of.present + of.late}`, h("small", null, ` of ${of.expected} here`)),
      of.rate !== null && h("p", { class: "muted" }, `${percent(of.rate)} of those who are marked`),
      bar(of),
    );
  }

  async function reload() {
    const { expected } = session.summary;
    ({ session } = await gql(QUERY, { id }, { signal }));
    header();
    summary(session.summary);
    await photos.load();
    if (session.summary.expected !== expected) {
      await roll.load();
    }
  }

  await Promise.all([roll.load(), photos.load()]);
  header();
  summary(session.summary);
  put(
    main,
    h("div", null, head, code.element),
    problem,
    doubtful,
    h(
      "div",
      { class: "columns" },
      h("div", null, photos.element),
      h(
        "div",
        null,
        h("section", { class: "card", "aria-label": "Numbers" }, numbers),
        h(
          "section",
          { class: "card", "aria-labelledby": "feed-title" },
          h("h2", { id: "feed-title" }, "As they arrive"),
          feed,
          h("p", { class: "muted", id: "quiet" }, "Marks show up here as photos are recognized."),
        ),
        roll.element,
      ),
    ),
  );

  // Marks as they arrive.

  let cursor = null;
  let end = () => {};
  const news = [];
  let speaking = 0;

  function arrived({ attendance: event }) {
    cursor = event.cursor;
    // Where the subscription stands, for who looks at the page from outside.
    feed.dataset.seen = cursor;
    if (!roll.apply(event.student, event.mark, !event.replayed)) {
      roll.load().catch(() => {});
    }
    summary(event.summary);
    // Better evidence for the same mark is no news.
    if (event.replayed || event.change.from === event.change.to) {
      return;
    }
    main.querySelector("#quiet")?.remove();
    const status = event.change.to;
    const words = status ? STATUS[status].word : "mark withdrawn";
    feed.prepend(
      h(
        "li",
        { "data-cursor": event.cursor, "data-student": event.student.id, "data-status": status ?? "" },
        h("time", null, time(event.change.at)),
        h("span", { class: "grow" }, event.student.fullName),
        h("span", { class: `word ${status ?? ""}` }, words),
        h("small", null, SOURCE[event.change.source]),
      ),
    );
    while (feed.childElementCount > FEED) {
      feed.lastElementChild.remove();
    }
    // One's own were said when the key was pressed.
    if (event.change.source !== "MANUAL") {
      news.push(`${event.student.fullName} ${words}`);
      clearTimeout(speaking);
      speaking = setTimeout(() => {
        say(
          news.length > 4
            ? `${news.length} marks arrived: ${session.summary.present} present, ${session.summary.unmarked} without a mark.`
            : `${news.join(", ")}.`,
        );
        news.length = 0;
      }, 700);
    }
  }

  function listen() {
    end = subscribe(EVENTS, () => ({ id, after: cursor }), {
      next: arrived,
      error: (error) => {
        if (signal.aborted) {
          return;
        }
        if (error.field === "after") {
          cursor = null;
          roll.load().catch(() => {});
          listen();
        } else if (error.code === "UNAVAILABLE" || error.code === "INTERNAL") {
          later = setTimeout(listen, AGAIN);
        } else {
          fail(error);
        }
      },
      complete: () => fail({ message: "This session is no longer one of yours", code: "NOT_FOUND" }),
    });
  }

  let later = 0;
  let changed = 0;
  const soon = () => {
    clearTimeout(changed);
    changed = setTimeout(() => reload().catch((error) => !signal.aborted && error.code !== "OFFLINE" && fail(error)), 400);
  };
  listen();
  const unwatch = subscribe(
    "subscription($class: ID) { sessionChanged(classId: $class) { id } }",
    () => ({ class: session.class.id }),
    {
      next: ({ sessionChanged }) => sessionChanged.id === id && soon(),
      error: () => {},
      // What was missed while there was no connection.
      began: soon,
    },
  );
  waiting.changes.addEventListener("change", ({ detail }) => detail && photos.refresh(), { signal });
  signal.addEventListener("abort", () => {
    for (const timer of [later, changed, speaking]) {
      clearTimeout(timer);
    }
    end();
    unwatch();
  });
}

/** The code for students who check in by themselves, while it is wanted. */
function checkIn(id, signal) {
  const shown = h("output", { class: "big" });
  let timer = 0;
  const details = h(
    "details",
    { class: "checkin" },
    h("summary", null, "Check-in code for students"),
    shown,
    h("p", { class: "hint" }, "It changes every 30 seconds."),
  );

  async function tick() {
    clearTimeout(timer);
    if (!details.open || signal.aborted) {
      return;
    }
    try {
      const { session } = await gql(
        "query($id: ID!) { session(id: $id) { checkInCode { code expiresAt } } }",
        { id },
        { signal },
      );
      shown.textContent = session.checkInCode?.code ?? "";
    } catch (error) {
      shown.textContent = "";
      if (signal.aborted) {
        return;
      }
    }
    timer = setTimeout(tick, 5000);
  }
  details.addEventListener("toggle", tick);
  function offer(open) {
    details.hidden = !open;
    details.open &&= open;
  }
  return { element: details, offer };
}
