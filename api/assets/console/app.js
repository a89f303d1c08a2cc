// The frame around every view: who is logged in, where one can go, whether the server is there.

import { gql, happenings, isLoggedIn, isReachable, leave, settle } from "./api.js";
import { busy, h, put } from "./dom.js";
import { state as live } from "./socket.js";
import * as unsent from "./unsent.js";
import * as waiting from "./waiting.js";
import { explain, useZone } from "./words.js";

/** By the first word of the address behind the #: the view, and who may see it. */
const VIEWS = {
  login: { load: () => import("./login.js"), open: true },
  classes: { load: () => import("./classes.js"), staff: true },
  class: { load: () => import("./class.js"), staff: true },
  session: { load: () => import("./session.js"), staff: true },
  review: { load: () => import("./review.js"), staff: true },
  dashboard: { load: () => import("./dashboard.js"), staff: true },
  own: { load: () => import("./own.js") },
};

const TABS = [
  { view: "classes", word: "Classes", within: ["classes", "class", "session"] },
  { view: "review", word: "Review", within: ["review"] },
  { view: "dashboard", word: "Dashboard", within: ["dashboard"] },
];

const main = document.getElementById("main");
const top = document.getElementById("top");
const notices = document.getElementById("notices");

let viewer = null;
let leaving = null;

async function learn() {
  const data = await gql("{ viewer { id fullName role organization { name timezone settings { maxUploadMegabytes } } } }");
  viewer = data.viewer;
  useZone(viewer.organization.timezone);
}

function home() {
  return viewer.role === "STUDENT" ? "own" : "classes";
}

function frame(view) {
  const tabs = viewer && viewer.role !== "STUDENT" ? TABS : [];
  put(
    top,
    h("a", { class: "brand", href: "#/" }, h("img", { src: "console/icon.svg", alt: "", width: 26, height: 26 }), "Muster"),
    tabs.length > 0 &&
      h(
        "nav",
        { "aria-label": "Main" },
        tabs.map((tab) =>
          h(
            "a",
            { href: `#/${tab.view}`, "aria-current": tab.within.includes(view) ? "page" : null },
            tab.word,
            tab.view === "review" && badge(),
          ),
        ),
      ),
    viewer &&
      h(
        "div",
        { class: "who" },
        h("span", { class: "name" }, viewer.fullName, h("small", null, viewer.organization.name)),
        h(
          "button",
          {
            type: "button",
            id: "logout",
            on: {
              click: logOut,
            },
          },
          "Log out",
        ),
      ),
  );
}

function badge() {
  const mark = h("span", { class: "badge", id: "waiting", hidden: true });
  const show = () => {
    const many = waiting.total();
    mark.hidden = many === 0;
    mark.textContent = String(many);
    mark.setAttribute("aria-label", `${many} waiting`);
  };
  show();
  waiting.changes.addEventListener("change", show, { signal: leaving.signal });
  return mark;
}

function logOut(event) {
  const lost = unsent.own();
  if (lost && !window.confirm(`Not sent yet: ${lost}. Log out all the same, and lose it?`)) {
    return;
  }
  busy(
    event.currentTarget,
    async () => {
      if (!(await leave())) {
        notice(
          "left",
          "You are logged out here. The server could not be told: change your password if somebody else may use this device.",
        );
      }
    },
    () => {},
  );
}

const shown = new Map();

/** Shows a line above the page until it is taken away with `null`; one that is there already is not read out again. */
function notice(key, text, ...more) {
  const before = shown.get(key);
  if (before?.text === text) {
    return;
  }
  before?.line.remove();
  shown.delete(key);
  if (text !== null) {
    const line = h("p", null, text, more);
    shown.set(key, { text, line });
    notices.append(line);
  }
}

function route() {
  const [view = "", ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  return { view, rest };
}

async function show() {
  const { view, rest } = route();
  const found = VIEWS[view];
  leaving?.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  if (!isLoggedIn()) {
    viewer = null;
  }
  if (!viewer && isLoggedIn()) {
    try {
      await learn();
      if (viewer.role !== "STUDENT") {
        waiting.follow();
      }
    } catch (error) {
      if (!signal.aborted) {
        fail(error);
      }
      return;
    }
    if (signal.aborted) {
      return;
    }
  }
  if (!viewer && !found?.open) {
    location.replace("#/login");
    return;
  }
  if (viewer && (!found || found.open || (found.staff && viewer.role === "STUDENT"))) {
    location.replace(`#/${home()}`);
    return;
  }
  frame(view);
  put(main, h("p", { class: "loading" }, "Loading…"));
  main.dataset.view = view;
  try {
    const module = await found.load();
    await module.show({ main, rest, signal, viewer, fail });
  } catch (error) {
    if (!signal.aborted) {
      fail(error);
    }
  }
  if (!signal.aborted) {
    const heading = main.querySelector("h1");
    document.title = heading ? `${heading.textContent} · Muster` : "Muster";
    const focused = main.contains(document.activeElement) && document.activeElement !== main;
    if (heading && !focused) {
      heading.tabIndex = -1;
      heading.focus({ preventScroll: true });
    }
  }
}

/** A view that cannot be shown. */
function fail(error) {
  put(
    main,
    h("h1", null, "This cannot be shown"),
    h("p", { class: "problem", role: "alert" }, explain(error)),
    h("p", null, h("button", { type: "button", class: "primary", on: { click: show } }, "Try again")),
  );
  if (error.code === "OFFLINE") {
    const { signal } = leaving;
    happenings.addEventListener("up", show, { once: true, signal });
  }
}

let lost = 0;
const AWAY =
  "There is no connection to the server. What you see may be old; what you mark is kept here and sent when the server answers again.";

function away() {
  if (!isReachable()) {
    clearTimeout(lost);
    notice("away", AWAY);
  } else if (lost === 0) {
    // A server that is restarted is back sooner than one could read it.
    lost = setTimeout(() => notice("away", AWAY), 1500);
  }
}

function back() {
  clearTimeout(lost);
  lost = 0;
  notice("away", null);
}

live.addEventListener("lost", away);
live.addEventListener("live", back);
happenings.addEventListener("down", away);
happenings.addEventListener("up", back);
happenings.addEventListener("in", () => {
  viewer = null;
  notice("left", null);
  if (route().view === "login") {
    location.replace("#/");
  } else {
    show();
  }
});
happenings.addEventListener("out", () => {
  viewer = null;
  if (route().view === "login") {
    show();
  } else {
    location.replace("#/login");
  }
});
window.addEventListener("hashchange", show);
unsent.watch(notice);

await settle();
show();
