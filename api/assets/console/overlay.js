// A photo with a box and a name for each face. The boxes are SVG over the picture, in its pixels: they scale
// with it, can be reached by keyboard, and are read aloud.

import { picture } from "./api.js";
import { h, s } from "./dom.js";
import { count, DECISION, percent } from "./words.js";

/** Height of the letters, in pixels of the screen. */
const LETTERS = 13;
/** A face narrower than this on the screen is named when it is pointed at. */
const NARROW = 22;
const ZOOMS = [1, 2, 4];

export const FACE = `id decision reason similarity
  box { x y width height }
  student { id fullName }
  candidates { similarity student { id fullName } }`;

export const PHOTO = `id url width height createdAt faces { ${FACE} }`;

/** Whose face it is, as far as one knows. */
export function who(face) {
  switch (face.decision) {
    case "NEEDS_REVIEW": {
      const likely = face.student ?? face.candidates[0]?.student;
      return likely ? `${likely.fullName}?` : "?";
    }
    case "UNKNOWN":
    case "DISMISSED":
      return "";
    default:
      return face.student?.fullName ?? "somebody who left";
  }
}

function read(face) {
  const alike = face.decision === "MATCHED" && face.similarity !== null ? `, ${percent(face.similarity)} alike` : "";
  return [who(face), DECISION[face.decision]].filter(Boolean).join(", ") + alike;
}

/** `choose` is told of the face that was pressed; without it the boxes are only looked at. */
export function framed(photo, choose, { zoom = true, only = null } = {}) {
  const faces = (photo.faces ?? []).filter((face) => only === null || face.id === only);
  // In the order in which one reads them.
  faces.sort((a, b) => a.box.x - b.box.x);
  const image = h("img", { src: picture(photo.url), alt: `Photo with ${count(faces.length, "face")}`, decoding: "async" });
  const sheet = h("div", { class: "sheet" }, image);
  const view = h("div", { class: "photo-view" }, sheet);
  if (photo.width && photo.height) {
    image.width = photo.width;
    image.height = photo.height;
    const drawn = faces.map((face) => box(face, choose));
    const svg = s(
      "svg",
      { viewBox: `0 0 ${photo.width} ${photo.height}`, class: "faces", role: "group", "aria-label": "Faces" },
      drawn.map(({ group }) => group),
    );
    sheet.append(svg);
    new ResizeObserver(() => arrange(svg, drawn, photo)).observe(svg);
  }
  if (!zoom) {
    return view;
  }
  const buttons = ZOOMS.map((times) =>
    h(
      "button",
      {
        type: "button",
        "aria-pressed": String(times === 1),
        on: {
          click: (event) => {
            sheet.dataset.zoom = String(times);
            for (const button of buttons) {
              button.setAttribute("aria-pressed", String(button === event.currentTarget));
            }
          },
        },
      },
      `${times}×`,
    ),
  );
  return h(
    "div",
    { class: "framed" },
    view,
    h("div", { class: "zoom", role: "group", "aria-label": "Size of the photo" }, buttons),
  );
}

function box(face, choose) {
  const { x, y, width, height } = face.box;
  const outline = s("rect", { x, y, width, height, class: "box" });
  const name = who(face);
  const tag = name ? s("g", { class: "tag" }, s("rect", { class: "paper" }), s("text", null, name)) : null;
  const group = s(
    "g",
    { class: `face ${face.decision}`, "data-face": face.id, "aria-label": read(face), role: choose ? "button" : "img" },
    s("title", null, read(face)),
    outline,
    tag,
  );
  if (choose) {
    group.setAttribute("tabindex", "0");
    group.addEventListener("click", () => choose(face));
    group.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        choose(face);
      }
    });
  }
  return { face, group, tag };
}

/** Letters keep their size on the screen; each tag goes below its box, or above or into it where that is taken. */
function arrange(svg, drawn, photo) {
  const scale = photo.width / svg.clientWidth;
  if (!Number.isFinite(scale)) {
    return;
  }
  const size = LETTERS * scale;
  const padding = size * 0.35;
  const high = size * 1.45;
  const taken = [];
  for (const { face, group, tag } of drawn) {
    const { x, y, width, height } = face.box;
    group.classList.toggle("narrow", width / scale < NARROW);
    if (!tag) {
      continue;
    }
    const [paper, text] = tag.children;
    text.setAttribute("font-size", size);
    const wide = text.getComputedTextLength() + 2 * padding;
    const left = Math.max(0, Math.min(x + width / 2 - wide / 2, photo.width - wide));
    const places = [y + height, y - high, y, y + height - high].filter((top) => top >= 0 && top + high <= photo.height);
    const free = (top) =>
      taken.every((other) => left >= other.right || left + wide <= other.left || top >= other.bottom || top + high <= other.top);
    const place = places.find(free);
    // No name hides another: it shows when it is pointed at, or when the photo is made larger.
    group.classList.toggle("crowded", place === undefined);
    const top = place ?? places[0] ?? Math.max(0, photo.height - high);
    if (place !== undefined) {
      taken.push({ left, right: left + wide, top, bottom: top + high });
    }
    for (const [name, value] of Object.entries({ x: left, y: top, width: wide, height: high, rx: size * 0.2 })) {
      paper.setAttribute(name, value);
    }
    text.setAttribute("x", left + padding);
    text.setAttribute("y", top + size * 1.08);
  }
}
