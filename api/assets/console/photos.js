// The photos of a session: taking them, how far each is, and who was found in them.

import { gql, picture, random } from "./api.js";
import { correct } from "./decide.js";
import { h, put, say } from "./dom.js";
import { framed, PHOTO } from "./overlay.js";
import { subscribe } from "./socket.js";
import * as uploads from "./uploads.js";
import { count, explain, STAGE, time } from "./words.js";

const { JOB, SENT } = uploads;
const QUERY = `query($id: ID!) { session(id: $id) {
  photos { ${PHOTO} }
  jobs { kind ${JOB} photos { id } }
} }`;

export class Photos {
  /** `changed` is told of the photos whenever they are others. */
  constructor(session, signal, { megabytes, changed }) {
    this.session = session;
    this.signal = signal;
    this.megabytes = megabytes;
    this.changed = changed;
    this.photos = new Map();
    this.cards = new Map();
    /** Jobs that are followed, by their id. */
    this.jobs = new Map();
    /** Addresses of the pictures that are being sent, by the ids of their uploads. */
    this.previews = new Map();
    this.list = h("ul", { class: "photos", id: "photos" });
    this.inputs = h(
      "div",
      { class: "buttons" },
      this.input("Take a photo", "camera", { capture: "environment" }, "primary"),
      this.input("Choose photos", "choose", { multiple: true }, ""),
    );
    this.element = h(
      "section",
      { class: "card drop", "aria-labelledby": "photos-title" },
      h("h2", { id: "photos-title" }, "Photos"),
      this.inputs,
      h("p", { class: "hint wide" }, "Or drop photos here."),
      this.list,
    );
    this.element.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.element.classList.add("over");
    });
    this.element.addEventListener("dragleave", () => this.element.classList.remove("over"));
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      this.element.classList.remove("over");
      if (this.editable) {
        this.take(event.dataTransfer.files);
      }
    });
    signal.addEventListener("abort", () => this.end());
  }

  input(words, id, props, look) {
    const input = h("input", { type: "file", accept: "image/*", id, class: "unseen", ...props });
    input.addEventListener("change", () => {
      this.take(input.files);
      input.value = "";
    });
    return h("span", { class: "file" }, input, h("label", { for: id, class: `button ${look}` }, words));
  }

  setEditable(editable) {
    this.editable = editable;
    this.inputs.hidden = !editable;
    this.element.querySelector(".hint").hidden = !editable;
  }

  end() {
    for (const stop of this.jobs.values()) {
      stop();
    }
    for (const preview of this.previews.values()) {
      URL.revokeObjectURL(preview);
    }
  }

  async load() {
    const { session } = await gql(QUERY, { id: this.session }, { signal: this.signal });
    for (const job of session.jobs) {
      const runs = job.status === "QUEUED" || job.status === "RUNNING";
      if (job.kind === "RECOGNIZE" && runs && !this.jobs.has(job.id)) {
        this.follow(job, this.card(job.photos[0]?.id ?? job.id));
      }
    }
    const running = new Set(
      session.jobs
        .filter(({ status }) => status === "QUEUED" || status === "RUNNING")
        .flatMap((job) => job.photos.map(({ id }) => id)),
    );
    for (const photo of session.photos) {
      if (!running.has(photo.id)) {
        this.show(photo);
      }
    }
    this.changed(this.photos);
    if (!this.begun) {
      this.begun = true;
      this.begin();
    }
  }

  /** What is on its way comes first. */
  begin() {
    for (const upload of uploads.of(this.session)) {
      this.follows(upload);
    }
    uploads.changes.addEventListener("change", (event) => this.sent(event), { signal: this.signal });
  }

  /** The card of a photo or an upload; a new one goes first. */
  card(id) {
    let card = this.cards.get(id);
    if (!card) {
      card = h("li", { class: "photo", "data-photo": id });
      this.cards.set(id, card);
      this.list.prepend(card);
    }
    return card;
  }

  show(photo) {
    const before = this.photos.get(photo.id);
    photo.faces ??= [];
    const faces = JSON.stringify(photo.faces);
    this.photos.set(photo.id, { ...photo, drawn: faces });
    const card = this.card(photo.id);
    // Each reading signs another address: a photo that is shown stays, and is not fetched again.
    if (before?.drawn === faces && card.querySelector(".faces")) {
      return;
    }
    const named = photo.faces.filter((face) => ["MATCHED", "CONFIRMED", "REASSIGNED"].includes(face.decision)).length;
    const waits = photo.faces.filter((face) => face.decision === "NEEDS_REVIEW").length;
    const shown = photo.url
      ? framed(before?.url ? { ...photo, url: before.url } : photo, (face) => this.choose(face))
      : h("p", { class: "muted" }, "This photo has been deleted as its time was over.");
    const image = shown.querySelector("img");
    // A signed address lives for minutes.
    image?.addEventListener("error", () => this.sign(photo.id, image), { once: true });
    const focused = card.contains(document.activeElement) ? document.activeElement.dataset.face : null;
    put(
      card,
      shown,
      h(
        "p",
        { class: "caption" },
        `${time(photo.createdAt)} · ${count(photo.faces.length, "face")}, ${named} recognized`,
        waits > 0 && h("strong", null, ` · ${waits} doubtful`),
      ),
    );
    if (before?.url) {
      this.photos.get(photo.id).url = before.url;
    }
    if (focused) {
      card.querySelector(`[data-face="${focused}"]`)?.focus();
    }
  }

  async sign(id, image) {
    try {
      const { node } = await gql("query($id: ID!) { node(id: $id) { ... on Photo { url } } }", { id }, { signal: this.signal });
      const photo = this.photos.get(id);
      if (node?.url && photo) {
        photo.url = node.url;
        image.src = picture(node.url);
      }
    } catch {
      // It stays without its picture; the faces are there.
    }
  }

  choose(face) {
    if (!this.editable) {
      return;
    }
    correct(
      face.id,
      () => this.refresh(),
      (error) => {
        put(this.card("problem"), h("p", { class: "problem", role: "alert" }, explain(error)));
      },
    );
  }

  refresh() {
    return this.load().catch(() => {});
  }

  // Sending.

  take(files) {
    for (const file of files) {
      const refused = this.refuse(file);
      if (refused) {
        this.failed(this.card(random()), file.name, refused);
      } else {
        uploads.add(this.session, file);
      }
    }
  }

  refuse(file) {
    if (!file.type.startsWith("image/")) {
      return "This is no photo. Choose a JPEG, PNG or WebP file.";
    }
    if (file.size > this.megabytes * 1024 * 1024) {
      return `This photo is larger than ${this.megabytes} MB. Choose a smaller one, or ask an admin to allow larger ones.`;
    }
    return null;
  }

  sent(event) {
    const upload = event.detail;
    if (upload.session === this.session) {
      this.follows(upload);
      if (upload.error) {
        event.preventDefault();
      }
    }
  }

  /** Brings a card up to what is known of its upload. */
  follows(upload) {
    const card = this.card(upload.id);
    if (upload.error) {
      this.failed(card, upload.file.name, explain(upload.error));
    } else if (upload.job) {
      this.follow(upload.job, card, upload);
    } else {
      this.state(card, this.preview(upload), upload.words, upload.share);
    }
  }

  preview({ id, file }) {
    if (!this.previews.has(id)) {
      this.previews.set(id, URL.createObjectURL(file));
    }
    return this.previews.get(id);
  }

  // Recognition.

  follow(job, card, upload = null) {
    const preview = upload && this.preview(upload);
    const [photo] = job.photos ?? [];
    const shown = photo && upload && this.cards.get(photo.id);
    if (shown && shown !== card) {
      // The page was read again meanwhile, and has it already.
      this.cards.delete(upload.id);
      card.remove();
      return;
    }
    if (photo && upload) {
      // The card is the photo's from here on.
      this.cards.delete(upload.id);
      this.cards.set(photo.id, card);
      card.dataset.photo = photo.id;
    }
    const ended = (state) => {
      this.jobs.get(job.id)?.();
      this.jobs.delete(job.id);
      if (state.status === "SUCCEEDED") {
        this.recognized(photo?.id, card, upload);
      } else if (state.status === "CANCELLED") {
        this.failed(card, null, "The recognition of this photo was cancelled.");
      } else {
        this.failed(card, null, explain(state.error ?? {}), state.error?.retryable ? () => this.retry(job, card, upload) : null);
      }
    };
    const told = (state) => {
      if (["SUCCEEDED", "FAILED", "CANCELLED"].includes(state.status)) {
        ended(state);
      } else {
        this.state(card, preview, STAGE[state.stage], SENT + (1 - SENT) * state.progress);
      }
    };
    this.jobs.set(job.id, () => {});
    told(job);
    if (this.jobs.has(job.id)) {
      const stop = subscribe(`subscription($id: ID!) { job(id: $id) { ${JOB} } }`, () => ({ id: job.id }), {
        next: (data) => told(data.job),
        error: (error) => this.failed(card, null, explain(error)),
      });
      this.jobs.set(job.id, stop);
    }
  }

  async recognized(id, card, upload) {
    try {
      const { node } = await gql(
        `query($id: ID!) { node(id: $id) { ... on Photo { ${PHOTO} } } }`,
        { id },
        { signal: this.signal },
      );
      this.photos.delete(id);
      this.show(node);
      const waits = node.faces.filter((face) => face.decision === "NEEDS_REVIEW").length;
      say(`The photo is done: ${count(node.faces.length, "face")}${waits ? `, ${waits} doubtful` : ""}.`);
      this.changed(this.photos);
    } catch (error) {
      if (!this.signal.aborted) {
        this.failed(card, null, explain(error), () => this.recognized(id, card, upload));
      }
      return;
    }
    if (upload) {
      URL.revokeObjectURL(this.preview(upload));
      this.previews.delete(upload.id);
    }
  }

  async retry(job, card, upload) {
    try {
      await gql("mutation($id: ID!) { retryJob(id: $id) { job { id } } }", { id: job.id });
      this.follow({ ...job, status: "QUEUED", stage: "WAITING", progress: 0 }, card, upload);
    } catch (error) {
      this.failed(card, null, explain(error));
    }
  }

  state(card, preview, words, share) {
    let bar = card.querySelector("progress");
    if (!bar) {
      const id = `progress-${card.dataset.photo}`;
      bar = h("progress", { id, max: 1 });
      put(
        card,
        preview && h("img", { class: "preview", src: preview, alt: "The photo that is being sent" }),
        h("label", { class: "caption", for: id, role: "status" }),
        bar,
      );
    }
    const label = card.querySelector("label");
    if (label.textContent !== words) {
      label.textContent = words;
    }
    bar.value = Math.max(share, bar.value);
  }

  failed(card, name, words, again = null) {
    const away = () => {
      uploads.forget(card.dataset.photo);
      card.remove();
    };
    put(
      card,
      h("p", { class: "problem", role: "alert" }, name && h("strong", null, `${name}: `), words),
      h(
        "p",
        { class: "buttons" },
        again && h("button", { type: "button", on: { click: again } }, "Try again"),
        h("button", { type: "button", on: { click: away } }, "Take it away"),
      ),
    );
  }
}
