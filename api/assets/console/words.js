// What the API says in codes, and what to do about it, in words.

export const STATUSES = ["PRESENT", "LATE", "EXCUSED", "ABSENT"];

export const STATUS = {
  PRESENT: { word: "present", key: "p", letter: "P" },
  LATE: { word: "late", key: "l", letter: "L" },
  EXCUSED: { word: "excused", key: "e", letter: "E" },
  ABSENT: { word: "absent", key: "a", letter: "A" },
};

export const SOURCE = {
  RECOGNITION: "by photo",
  REVIEW: "by review",
  MANUAL: "by hand",
  CHECK_IN: "by check-in",
  AUTO: "at closing",
};

export const SESSION_STATE = {
  SCHEDULED: "planned",
  OPEN: "open",
  CLOSED: "closed",
  CANCELLED: "cancelled",
};

export const STAGE = {
  WAITING: "waiting for its turn",
  DECODING: "opening the photo",
  DETECTING: "looking for faces",
  EMBEDDING: "looking at the faces",
  MATCHING: "comparing with the class",
  WRITING: "writing the marks",
  DONE: "done",
};

export const DECISION = {
  MATCHED: "recognized",
  NEEDS_REVIEW: "doubtful",
  UNKNOWN: "unknown",
  CONFIRMED: "confirmed",
  REASSIGNED: "corrected",
  DISMISSED: "nobody of the class",
};

export const REASON = {
  BELOW_THRESHOLD: "It resembles nobody of the class enough.",
  BETWEEN_THRESHOLDS: "It resembles somebody, but not enough to be sure.",
  TOO_SMALL: "The face is too small to be told.",
  LOW_QUALITY: "The face is blurred, dark or turned away.",
  SECOND_CLAIM: "Another face of the photo resembles the same student more.",
  AMBIGUOUS: "It resembles two students almost equally.",
};

export const KIND = {
  RECOGNIZE: "Class photos",
  ENROL: "Enrolment",
  IDENTIFY: "Identification",
  CHECK_IN: "Check-in",
  REEMBED: "Re-embedding",
  EXPORT: "Reports",
};

export const OWN_STATE = {
  UPCOMING: "to come",
  PENDING: "not marked yet",
  MARKED: "marked",
  MISSED: "missed",
};

/** The API's error, or that there was no answer. */
export class ApiError extends Error {
  constructor({ message, extensions = {} }) {
    super(message);
    this.code = extensions.code ?? "INTERNAL";
    this.field = extensions.field ?? null;
    this.reason = extensions.reason ?? null;
    this.extensions = extensions;
  }
}

export class Offline extends Error {
  constructor() {
    super("There is no connection to the server.");
    this.code = "OFFLINE";
  }
}

const ADVICE = {
  OFFLINE: "Check the network. The page goes on by itself as soon as the server answers.",
  UNAUTHENTICATED: "Log in again.",
  FORBIDDEN: "Your role does not allow it. Ask an admin of your school.",
  NOT_FOUND: "It may have been deleted, or it is not one of your classes. Go back and look again.",
  PAYLOAD_TOO_LARGE: "Choose a smaller photo, or ask an admin to allow larger ones.",
  UNSUPPORTED_MEDIA: "Choose a JPEG, PNG or WebP photo.",
  UNAVAILABLE: "A part of the server is away for a moment. Try again soon.",
  INTERNAL: "Try again. If it stays so, tell whoever runs the server.",
  TIMED_OUT: "Try the photo again.",
  UNREADABLE_IMAGE: "Take the photo again, or choose a JPEG.",
  NO_FACE: "Take the photo again, nearer and with more light.",
  MODEL_UNAVAILABLE: "The server still gets its face models ready. Try again in a while.",
};

function sentence(text) {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}

/** What was wrong and what to do, as one text. */
export function explain(error) {
  if (error?.code === "RATE_LIMITED") {
    const seconds = error.extensions?.retryAfterSeconds;
    return `That was too often. Try again ${seconds ? `in ${seconds} s` : "in a while"}.`;
  }
  const advice = ADVICE[error?.code];
  const trace = error?.extensions?.correlationId;
  const what = sentence(error?.message || "Something went wrong");
  return [what, advice, trace && `(Its number in the log: ${trace})`].filter(Boolean).join(" ");
}

let zone;

/** Days and times are the school's, wherever the reader is. */
export function useZone(timezone) {
  zone = timezone;
}

function format(options) {
  return new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options });
}

export function time(instant) {
  return format({ hour: "2-digit", minute: "2-digit" }).format(new Date(instant));
}

export function day(instant) {
  return format({ weekday: "short", day: "numeric", month: "short" }).format(new Date(instant));
}

/** A session's time: the day, from, to. */
export function span(session) {
  return `${day(session.startsAt)}, ${time(session.startsAt)}–${time(session.endsAt)}`;
}

/** A calendar day (YYYY-MM-DD), which has no zone. */
export function dayOf(date, long = false) {
  const options = { timeZone: "UTC", day: "numeric", month: "short", ...(long && { weekday: "short", year: "numeric" }) };
  return new Intl.DateTimeFormat("en-GB", options).format(new Date(`${date}T00:00:00Z`));
}

/** The school's calendar day so many days from today. */
export function calendarDay(offset = 0) {
  const parts = format({ year: "numeric", month: "2-digit", day: "2-digit" }).formatToParts(new Date());
  const of = (type) => Number(parts.find((part) => part.type === type).value);
  return new Date(Date.UTC(of("year"), of("month") - 1, of("day") + offset)).toISOString().slice(0, 10);
}

/** A share as a whole number of percent; a dash where there is none. */
export function percent(share) {
  return share === null || share === undefined ? "–" : `${Math.round(share * 100)} %`;
}

export function count(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}
