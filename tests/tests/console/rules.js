// Rules of accessibility that can be told by looking: answers what breaks them on the page as it is.
const problems = [];
const blame = (rule, node) => problems.push(`${rule}: ${node.outerHTML?.slice(0, 160) ?? node}`);
const all = (selector) => [...document.querySelectorAll(selector)];
const visible = (node) => node.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !node.closest(".unseen");

function name(node) {
  const by = node.getAttribute("aria-labelledby");
  const labelled =
    by &&
    by
      .split(" ")
      .map((id) => document.getElementById(id)?.textContent ?? "")
      .join(" ");
  const labels = node.labels ? [...node.labels].map((label) => label.textContent).join(" ") : "";
  const inner = node.textContent + [...node.querySelectorAll("img[alt]")].map((image) => image.alt).join(" ");
  return (labelled || node.getAttribute("aria-label") || labels || inner || node.title || "").trim();
}

if (!document.documentElement.lang) blame("the page says its language", document.documentElement);
if (!document.title.includes("Muster")) blame("the page has a title", document.title);
if (all("main").length !== 1) blame("there is one main", document.body);
if (all("h1").length !== 1) blame("there is one h1", document.querySelector("main"));
let level = 0;
for (const heading of all("h1, h2, h3, h4").filter(visible)) {
  const own = Number(heading.tagName[1]);
  if (own > level + 1) blame("no level of headings is left out", heading);
  level = own;
}
for (const node of all("input, select, textarea, progress")) {
  const said = [...(node.labels ?? [])].some((label) => label.textContent.trim()) || node.getAttribute("aria-label");
  if (!said) blame("every field has a label", node);
}
for (const node of all("button, a[href], summary, [role=button], [role=img], [role=region], [role=grid], dialog")) {
  if (!name(node)) blame("whatever can be used has a name", node);
}
for (const node of all("img")) {
  if (!node.hasAttribute("alt")) blame("every picture has an alternative", node);
}
for (const node of all("svg")) {
  const said = node.getAttribute("aria-label") || node.getAttribute("aria-hidden") === "true";
  if (!said) blame("every drawing says what it is", node);
}
const ids = all("[id]").map((node) => node.id);
for (const id of ids.filter((id, i) => ids.indexOf(id) !== i)) blame("an id is one element's", id);
for (const attribute of ["aria-labelledby", "aria-describedby", "for"]) {
  for (const node of all(`[${attribute}]`)) {
    for (const id of node.getAttribute(attribute).split(" ")) {
      if (!document.getElementById(id)) blame(`${attribute} leads somewhere`, node);
    }
  }
}
for (const node of all("[tabindex]")) {
  if (node.tabIndex > 0) blame("the order of the Tab key is the page's", node);
}
for (const grid of all("[role=grid]")) {
  if (grid.querySelectorAll('[tabindex="0"]').length > 1) blame("a grid is one stop of the Tab key", grid);
  for (const cell of grid.querySelectorAll("[role=gridcell], [role=rowheader]")) {
    if (!cell.parentElement.matches("[role=row]")) blame("a cell is in a row", cell);
  }
}
// WCAG 2.2, 2.5.8: what is pressed has 24 by 24 pixels. Words within a sentence are excepted.
for (const node of all("button, a[href], input:not([type=file]), select, summary").filter(visible)) {
  const { width, height } = node.getBoundingClientRect();
  const inline = node.matches("a") && getComputedStyle(node).display === "inline";
  if (!inline && !node.closest(".skip") && (width < 24 || height < 24))
    blame(`large enough to be pressed (${width}x${height})`, node);
}
// A phone makes its window as wide as what does not fit: the screen is what counts.
const screenful = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth > screenful) {
  const wide = all("main *").filter((node) => node.getBoundingClientRect().right > screenful + 1 && !node.closest(".scroll, .photo-view, .unseen"));
  blame(`nothing is wider than the screen (${document.documentElement.scrollWidth})`, wide[0] ?? document.body);
}

// WCAG 1.4.3: contrast of text and what is behind it.
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
function colour(text) {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = text;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
}
const shade = (channel) => (channel / 255 <= 0.04045 ? channel / 255 / 12.92 : ((channel / 255 + 0.055) / 1.055) ** 2.4);
const light = ([red, green, blue]) => 0.2126 * shade(red) + 0.7152 * shade(green) + 0.0722 * shade(blue);
function behind(node) {
  for (let at = node; at; at = at.parentElement) {
    const found = colour(getComputedStyle(at).backgroundColor);
    if (found[3] === 255) return found;
  }
  return [255, 255, 255, 255];
}
let texts = 0;
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let text = walker.nextNode(); text; text = walker.nextNode()) {
  const node = text.parentElement;
  if (!text.data.trim() || !visible(node) || node.closest(".faces, :disabled, title, [class~=fresh]")) continue;
  texts += 1;
  const style = getComputedStyle(node);
  const ink = colour(node instanceof SVGElement ? style.fill : style.color);
  const [bright, dim] = [light(ink), light(behind(node))].sort((a, b) => b - a);
  const size = Number.parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  const ratio = (bright + 0.05) / (dim + 0.05);
  if (ratio < (large ? 3 : 4.5)) blame(`contrast ${ratio.toFixed(2)}`, node);
}
if (texts < 5) blame("the page says something", document.body);
return problems;
