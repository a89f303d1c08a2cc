// Elements out of values. Every text goes in as a text node: names are written by people, and
// none of them is ever read as markup. The page's policy (Trusted Types) forbids it besides.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) {
      continue;
    }
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) {
        node.addEventListener(event, listener);
      }
    } else if (name === "value" || name === "checked" || name === "disabled" || name === "files") {
      node[name] = value;
    } else {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  node.append(...flat(children));
  return node;
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** An HTML element; `props` are attributes, `on` its listeners, by event. */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** An SVG element. */
export function s(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/** Puts these in the place of all that a node holds. */
export function put(node, ...children) {
  node.replaceChildren(...flat(children));
  return node;
}

/** Says something to those who listen to the page instead of looking at it. */
export function say(text) {
  const spoken = document.getElementById("spoken");
  spoken.append(h("p", null, text));
  while (spoken.childElementCount > 20) {
    spoken.firstElementChild.remove();
  }
}

let ids = 0;

/** An id that no other element has. */
export function fresh(word) {
  ids += 1;
  return `${word}-${ids}`;
}

/** A labelled field; `props` are those of the input. */
export function field(label, props, hint) {
  const id = fresh("field");
  const said = hint ? fresh("hint") : null;
  const input = h("input", { id, "aria-describedby": said, ...props });
  return h("div", { class: "field" }, h("label", { for: id }, label), input, hint && h("p", { id: said, class: "hint" }, hint));
}

/** Runs `action` while the button cannot be pressed; what goes wrong goes to `fail`. */
export async function busy(button, action, fail) {
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    return await action();
  } catch (error) {
    fail(error);
    return undefined;
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}
