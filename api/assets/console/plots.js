// Plots as inline SVG, drawn at the width that there is, each with its numbers as a table for whoever does
// not see it. Colours come from the style sheet, by class.

import { h, put, s } from "./dom.js";
import { dayOf, percent, STATUS } from "./words.js";

/** From the best to the least known. */
const PARTS = [
  ["present", "PRESENT"],
  ["late", "LATE"],
  ["excused", "EXCUSED"],
  ["absent", "ABSENT"],
  ["unmarked", "NONE"],
];
const word = (status) => STATUS[status]?.word ?? "without a mark";

/** A summary as one bar of five parts, with its legend. */
export function bar(summary) {
  const parts = PARTS.map(([field, status]) => ({ status, many: summary[field] ?? 0 })).filter(({ many }) => many > 0);
  const total = parts.reduce((sum, { many }) => sum + many, 0);
  if (total === 0) {
    return h("p", { class: "muted" }, "Nobody is expected yet.");
  }
  let x = 0;
  const words = parts.map(({ status, many }) => `${many} ${word(status)}`).join(", ");
  return h(
    "div",
    { class: "bar" },
    s(
      "svg",
      { viewBox: "0 0 100 6", preserveAspectRatio: "none", role: "img", "aria-label": words },
      parts.map(({ status, many }) => {
        const width = (100 * many) / total;
        x += width;
        return s("rect", { x: x - width, y: 0, width, height: 6, class: `part ${status}` });
      }),
    ),
    h(
      "ul",
      { class: "legend" },
      parts.map(({ status, many }) =>
        h("li", null, h("span", { class: `swatch ${status}` }), h("strong", null, many), ` ${word(status)}`),
      ),
    ),
  );
}

/** A figure with its title and its numbers; `draw` gets the width and answers an SVG. */
function figure(title, head, rows, draw) {
  const place = h("div", { class: "plot" });
  let drawn = 0;
  new ResizeObserver(([{ contentRect }]) => {
    const width = Math.round(contentRect.width);
    if (width > 0 && width !== drawn) {
      drawn = width;
      const svg = draw(width);
      svg.setAttribute("role", "img");
      svg.setAttribute("aria-label", `${title}: the numbers are in the table below.`);
      put(place, svg);
    }
  }).observe(place);
  return h(
    "figure",
    { class: "card" },
    h("figcaption", null, title),
    place,
    h(
      "details",
      { class: "table" },
      h("summary", null, "The numbers"),
      h(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": `${title}: numbers` },
        h(
          "table",
          null,
          h(
            "thead",
            null,
            h(
              "tr",
              null,
              head.map((cell) => h("th", { scope: "col" }, cell)),
            ),
          ),
          h(
            "tbody",
            null,
            rows.map(([first, ...cells]) =>
              h(
                "tr",
                null,
                h("th", { scope: "row" }, first),
                cells.map((cell) => h("td", null, cell)),
              ),
            ),
          ),
        ),
      ),
    ),
  );
}

const MARGIN = { left: 48, right: 8, top: 10, bottom: 24 };
const HIGH = 210;

function frame(width, high = HIGH) {
  const inner = { wide: width - MARGIN.left - MARGIN.right, high: high - MARGIN.top - MARGIN.bottom };
  return { svg: s("svg", { viewBox: `0 0 ${width} ${high}`, width, height: high }), inner };
}

function across(svg, y, words, width) {
  svg.append(
    s("line", { x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y, class: "grid" }),
    s("text", { x: MARGIN.left - 6, y: y + 4, "text-anchor": "end", class: "axis" }, words),
  );
}

/** Days below the plot, as many as there is room for. */
function days(svg, points, x, high) {
  const step = Math.max(1, Math.ceil(points.length / Math.max(2, Math.floor((x(points.length - 1) - x(0)) / 64))));
  points.forEach((point, i) => {
    if (i % step === 0) {
      svg.append(
        s(
          "text",
          { x: x(i), y: high - 6, "text-anchor": i === 0 && points.length > 1 ? "start" : "middle", class: "axis" },
          dayOf(point.bucket),
        ),
      );
    }
  });
}

/** The share of those here, over time. Where nothing was held there is no point. */
export function rates(title, points) {
  const rows = points
    .filter(({ summary }) => summary.rate !== null)
    .map(({ bucket, summary }) => [dayOf(bucket, true), percent(summary.rate), summary.present + summary.late, summary.absent]);
  return figure(title, ["From", "Rate", "Here", "Absent"], rows, (width) => {
    const { svg, inner } = frame(width);
    const x = (i) => MARGIN.left + (points.length === 1 ? inner.wide / 2 : (inner.wide * i) / (points.length - 1));
    const y = (rate) => MARGIN.top + inner.high * (1 - rate);
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      across(svg, y(share), `${share * 100} %`, width);
    }
    const held = points.map(({ summary }, i) => [i, summary.rate]).filter(([, rate]) => rate !== null);
    const line = held.map(([i, rate], n) => `${n === 0 ? "M" : "L"}${x(i).toFixed(1)} ${y(rate).toFixed(1)}`).join("");
    if (held.length > 1) {
      svg.append(
        s("path", { d: `${line}L${x(held.at(-1)[0])} ${y(0)}L${x(held[0][0])} ${y(0)}Z`, class: "area" }),
        s("path", { d: line, class: "line" }),
      );
    }
    const small = held.length > 60;
    for (const [i, rate] of held) {
      const { bucket, summary } = points[i];
      svg.append(
        s(
          "circle",
          { cx: x(i), cy: y(rate), r: small ? 2 : 3.5, class: "dot" },
          s("title", null, `${dayOf(bucket, true)}: ${percent(summary.rate)}`),
        ),
      );
    }
    days(svg, points, x, HIGH);
    return svg;
  });
}

/** What became of everybody who was expected, over time, as stacked columns. */
export function stacks(title, points) {
  const rows = points
    .filter(({ summary }) => summary.expected > 0)
    .map(({ bucket, summary }) => [dayOf(bucket, true), ...PARTS.map(([field]) => summary[field])]);
  return figure(title, ["From", ...PARTS.map(([, status]) => word(status))], rows, (width) => {
    const { svg, inner } = frame(width);
    const most = Math.max(1, ...points.map(({ summary }) => summary.expected));
    const step = inner.wide / points.length;
    const x = (i) => MARGIN.left + step * (i + 0.5);
    for (const share of [0, 0.5, 1]) {
      across(svg, MARGIN.top + inner.high * (1 - share), Math.round(most * share), width);
    }
    points.forEach(({ bucket, summary }, i) => {
      let top = MARGIN.top + inner.high;
      for (const [field, status] of PARTS) {
        const high = (inner.high * summary[field]) / most;
        top -= high;
        if (high > 0) {
          const wide = Math.min(step * 0.8, 36);
          svg.append(
            s(
              "rect",
              { x: x(i) - wide / 2, y: top, width: wide, height: high, class: `part ${status}` },
              s("title", null, `${dayOf(bucket, true)}: ${summary[field]} ${word(status)}`),
            ),
          );
        }
      }
    });
    days(svg, points, x, HIGH);
    return svg;
  });
}

/** Shares side by side, each with its name. `entries`: [name, share, words]. */
export function shares(title, entries) {
  const rows = entries.map(([name, share, words]) => [name, percent(share), words]);
  return figure(title, ["Class", "Rate", "Of"], rows, (width) => {
    const line = 38;
    const high = entries.length * line + 4;
    const svg = s("svg", { viewBox: `0 0 ${width} ${high}`, width, height: high });
    entries.forEach(([name, share, words], i) => {
      const y = i * line;
      const most = Math.max(8, Math.floor((width - 120) / 7.5));
      const short = name.length > most ? `${name.slice(0, most - 1)}…` : name;
      svg.append(
        s("text", { x: 0, y: y + 15, class: "name" }, short),
        s(
          "text",
          { x: width, y: y + 15, "text-anchor": "end", class: "axis" },
          share === null ? "no marks" : `${percent(share)} ${words}`,
        ),
        s("rect", { x: 0, y: y + 21, width, height: 8, rx: 4, class: "track" }),
        s(
          "rect",
          { x: 0, y: y + 21, width: width * (share ?? 0), height: 8, rx: 4, class: "share" },
          s("title", null, `${name}: ${percent(share)}`),
        ),
      );
    });
    return svg;
  });
}
