// The roll: a grid of students and marks. One stop of the Tab key; arrows move within it, letters mark.

import { gql } from "./api.js";
import { h, put, say } from "./dom.js";
import * as outbox from "./outbox.js";
import { count, explain, percent, SOURCE, STATUS, STATUSES, time } from "./words.js";

const QUERY = `query($id: ID!, $after: String) {
  session(id: $id) {
    roll(first: 100, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes { student { id fullName rollNumber } mark { status source similarity markedAt } }
    }
  }
}`;

const FRESH = 4000;

const FILTERS = [
  ["all", "Everybody", () => true],
  ["unmarked", "Without a mark", (entry) => !entry.mark],
  ["doubtful", "Doubtful", (entry, roll) => roll.isDoubtful(entry.student.id)],
  ...STATUSES.map((status) => [status, STATUS[status].word, (entry) => entry.mark?.status === status]),
];

export class Roll {
  /** Whether marks can be changed, and who may be in a face that waits, are told later. */
  constructor(session, signal) {
    this.session = session;
    this.signal = signal;
    this.entries = new Map();
    this.rows = new Map();
    this.doubtful = new Set();
    this.editable = false;
    this.place = [0, 1];
    this.grid = h("div", { role: "grid", class: "roll", id: "roll", "aria-label": "Roll", "aria-describedby": "roll-keys" });
    this.problem = h("p", { class: "problem", role: "alert", hidden: true });
    this.number = h("span", { class: "muted" });
    this.search = h("input", { type: "search", id: "roll-search", autocomplete: "off" });
    this.filter = h(
      "select",
      { id: "roll-filter" },
      FILTERS.map(([value, word]) => h("option", { value }, word)),
    );
    this.search.addEventListener("input", () => this.sift());
    this.filter.addEventListener("change", () => this.sift());
    this.grid.addEventListener("keydown", (event) => this.press(event));
    this.grid.addEventListener("click", (event) => this.click(event));
    this.grid.addEventListener("focusin", (event) => this.came(event.target));
    outbox.changes.addEventListener("change", (event) => this.answered(event), { signal });
    this.element = h(
      "section",
      { class: "card", "aria-labelledby": "roll-title" },
      h("div", { class: "headline" }, h("h2", { id: "roll-title" }, "Roll"), this.number),
      h(
        "div",
        { class: "row" },
        h("div", { class: "field" }, h("label", { for: "roll-search" }, "Name"), this.search),
        h("div", { class: "field" }, h("label", { for: "roll-filter" }, "Show"), this.filter),
      ),
      h(
        "p",
        { class: "keys hint", id: "roll-keys" },
        STATUSES.map((status) => [h("kbd", null, STATUS[status].letter), ` ${STATUS[status].word} `]),
        h("kbd", null, "Del"),
        " withdraw ",
        h("kbd", null, "↑"),
        h("kbd", null, "↓"),
        " move; a letter marks and goes on",
      ),
      this.problem,
      this.grid,
    );
  }

  async load() {
    const entries = new Map();
    let after = null;
    do {
      const { session } = await gql(QUERY, { id: this.session, after }, { signal: this.signal });
      for (const entry of session.roll.nodes) {
        entries.set(entry.student.id, entry);
      }
      after = session.roll.pageInfo.hasNextPage ? session.roll.pageInfo.endCursor : null;
    } while (after);
    this.entries = entries;
    this.draw();
  }

  isDoubtful(student) {
    return this.doubtful.has(student);
  }

  /** Who may be in the faces that wait for a decision. */
  setDoubtful(students) {
    this.doubtful = students;
    for (const entry of this.entries.values()) {
      this.show(entry);
    }
    this.sift();
  }

  setEditable(editable) {
    if (this.editable !== editable) {
      this.editable = editable;
      this.draw();
    }
  }

  /** A mark as an event brought it. False where the student is not on the roll that is shown. */
  apply(student, mark, fresh) {
    const entry = this.entries.get(student.id);
    if (!entry) {
      return false;
    }
    entry.mark = mark;
    this.show(entry);
    if (fresh) {
      const row = this.rows.get(student.id);
      row.classList.remove("fresh");
      // Begins the animation anew.
      void row.offsetWidth;
      row.classList.add("fresh");
      setTimeout(() => row.classList.remove("fresh"), FRESH);
    }
    this.sift();
    return true;
  }

  answered(event) {
    const { session, student, mark, error } = event.detail;
    const entry = session === this.session && this.entries.get(student);
    if (!entry) {
      return;
    }
    if (error) {
      this.problem.textContent = `${entry.student.fullName}: ${explain(error)}`;
      this.problem.hidden = false;
      event.preventDefault();
    } else if (mark !== undefined) {
      this.problem.hidden = true;
      // An event may have brought a later one meanwhile.
      if (!mark || !entry.mark || Date.parse(mark.markedAt) >= Date.parse(entry.mark.markedAt)) {
        entry.mark = mark;
      }
    }
    this.show(entry);
  }

  draw() {
    const focused = this.grid.contains(document.activeElement);
    this.rows.clear();
    put(
      this.grid,
      [...this.entries.values()].map((entry) => {
        const row = this.row(entry);
        this.rows.set(entry.student.id, row);
        return row;
      }),
      this.entries.size === 0 && h("p", { class: "muted" }, "Nobody belongs to this class yet."),
    );
    for (const entry of this.entries.values()) {
      this.show(entry);
    }
    this.sift();
    if (focused) {
      this.go(...this.place);
    }
  }

  row({ student }) {
    const cell = (content) => h("div", { role: "gridcell", class: "cell" }, content);
    return h(
      "div",
      { role: "row", class: "entry", "data-student": student.id },
      h(
        "div",
        { role: "rowheader", class: "person", tabindex: -1 },
        h("span", { class: "full" }, student.fullName),
        h("span", { class: "note" }),
      ),
      STATUSES.map((status) => {
        const { word, letter } = STATUS[status];
        return cell(
          h(
            "button",
            {
              type: "button",
              tabindex: -1,
              class: `status ${status}`,
              "data-status": status,
              "aria-label": `${student.fullName}: ${word}`,
              disabled: !this.editable,
            },
            h("span", null, letter),
            h("span", { class: "rest" }, word.slice(1)),
          ),
        );
      }),
      cell(
        h(
          "button",
          {
            type: "button",
            tabindex: -1,
            class: "withdraw",
            "data-status": "",
            "aria-label": `${student.fullName}: withdraw the mark`,
            title: "Withdraw",
            disabled: !this.editable,
          },
          "×",
        ),
      ),
    );
  }

  /** Brings a row up to what is known of its student. */
  show(entry) {
    const row = this.rows.get(entry.student.id);
    if (!row) {
      return;
    }
    const waits = outbox.pending(this.session, entry.student.id);
    const status = waits === undefined ? entry.mark?.status : waits;
    row.dataset.mark = status ?? "";
    row.classList.toggle("waits", waits !== undefined);
    for (const button of row.querySelectorAll("button.status")) {
      button.setAttribute("aria-pressed", String(button.dataset.status === status));
    }
    row.querySelector(".withdraw").classList.toggle("gone", !status || (waits === undefined && entry.mark?.source === "AUTO"));
    const doubtful = !status && this.isDoubtful(entry.student.id);
    row.classList.toggle("doubtful", doubtful);
    put(row.querySelector(".note"), doubtful ? "doubtful: see the review" : note(entry, waits));
  }

  sift() {
    const [, , test] = FILTERS.find(([value]) => value === this.filter.value);
    const words = this.search.value.trim().toLowerCase();
    let many = 0;
    const focused = this.grid.contains(document.activeElement) ? document.activeElement.closest(".entry") : null;
    for (const entry of this.entries.values()) {
      const row = this.rows.get(entry.student.id);
      const found =
        entry.student.fullName.toLowerCase().includes(words) || entry.student.rollNumber?.toLowerCase().includes(words);
      // Who is being marked stays until one has gone on.
      row.hidden = row !== focused && !(found && test(entry, this));
      many += row.hidden ? 0 : 1;
    }
    const all = this.entries.size;
    this.number.textContent = many === all ? count(all, "student") : `${many} of ${count(all, "student")}`;
    if (focused) {
      // Rows before it may have come or gone.
      this.place[0] = this.visible().indexOf(focused);
    }
    this.stop();
  }

  visible() {
    return [...this.grid.children].filter((row) => row.matches(".entry:not([hidden])"));
  }

  /** One cell is the grid's stop of the Tab key. */
  stop() {
    for (const cell of this.grid.querySelectorAll('[tabindex="0"]')) {
      cell.tabIndex = -1;
    }
    const rows = this.visible();
    const [at, column] = this.place;
    const row = rows[Math.min(at, rows.length - 1)];
    if (row) {
      cells(row)[column].tabIndex = 0;
    }
  }

  go(at, column) {
    const rows = this.visible();
    if (rows.length === 0) {
      return;
    }
    this.place = [Math.max(0, Math.min(at, rows.length - 1)), Math.max(0, Math.min(column, STATUSES.length + 1))];
    const [row, cell] = this.place;
    let target = cells(rows[row])[cell];
    if (target.disabled) {
      this.place = [row, 0];
      [target] = cells(rows[row]);
    }
    this.stop();
    target.focus();
  }

  came(target) {
    const row = target.closest(".entry");
    if (row) {
      this.place = [this.visible().indexOf(row), Math.max(0, cells(row).indexOf(target.closest("[tabindex]")))];
      this.stop();
    }
  }

  press(event) {
    const row = event.target.closest(".entry");
    if (!row || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const at = this.visible().indexOf(row);
    const [, column] = this.place;
    const status = STATUSES.find((each) => STATUS[each].key === event.key.toLowerCase());
    const moves = {
      ArrowUp: [at - 1, column],
      ArrowDown: [at + 1, column],
      ArrowLeft: [at, column - 1],
      ArrowRight: [at, column + 1],
      Home: [0, column],
      End: [Number.MAX_SAFE_INTEGER, column],
    };
    if (moves[event.key]) {
      this.go(...moves[event.key]);
    } else if (event.repeat) {
      // A key that is held down would mark students whom nobody has looked at.
      return;
    } else if (status) {
      this.mark(row, status);
      this.go(at + 1, column);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.mark(row, null);
    } else {
      return;
    }
    event.preventDefault();
  }

  click(event) {
    const button = event.target.closest("button");
    if (button) {
      this.mark(button.closest(".entry"), button.dataset.status || null);
    }
  }

  mark(row, status) {
    const entry = this.entries.get(row.dataset.student);
    const waits = outbox.pending(this.session, entry.student.id);
    const current = waits === undefined ? entry.mark?.status : waits;
    if (!this.editable || (status === null && !current)) {
      return;
    }
    outbox.mark(this.session, entry.student, status);
    say(`${entry.student.fullName}: ${status ? STATUS[status].word : "mark withdrawn"}`);
  }
}

function cells(row) {
  return [row.querySelector(".person"), ...row.querySelectorAll("button")];
}

function note({ student, mark }, waits) {
  if (waits !== undefined) {
    return "on its way";
  }
  if (!mark) {
    return student.rollNumber ?? "";
  }
  const alike = mark.similarity === null ? "" : `, ${percent(mark.similarity)} alike`;
  return `${SOURCE[mark.source]}${alike}, ${time(mark.markedAt)}`;
}
