// Getting in: by password, with a code for a new one, or with a code and an invitation.

import { ask, enter, TOKENS } from "./api.js";
import { busy, field, h, put } from "./dom.js";
import { explain } from "./words.js";

const EMAIL = { type: "email", name: "email", autocomplete: "username", required: true, inputmode: "email" };
const CODE = {
  name: "code",
  inputmode: "numeric",
  autocomplete: "one-time-code",
  pattern: "[0-9]{6}",
  maxlength: 6,
  required: true,
  title: "Six digits",
};
const NEW = { type: "password", name: "password", autocomplete: "new-password", required: true, minlength: 10 };

export function show({ main }) {
  const card = h("section", { class: "card narrow" });
  put(main, card);
  byPassword(card);
}

/** One step: a heading, fields, a button, and ways elsewhere. `action` gets what was filled in. */
function step(card, { title, lead, fields, button, action, elsewhere = [] }) {
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const submit = h("button", { type: "submit", class: "primary" }, button);
  const form = h(
    "form",
    {
      on: {
        submit: (event) => {
          event.preventDefault();
          problem.hidden = true;
          const filled = Object.fromEntries(new FormData(form));
          busy(
            submit,
            () => action(filled),
            (error) => {
              problem.textContent =
                error.code === "UNAUTHENTICATED"
                  ? "Address or password is wrong. Try again, or set a new password."
                  : explain(error);
              problem.hidden = false;
              form.querySelector(error.field ? `[name="${error.field}"]` : "input[type=password], input")?.focus();
            },
          );
        },
      },
    },
    fields,
    problem,
    submit,
  );
  const others = elsewhere.map(([word, go]) =>
    h("button", { type: "button", class: "link", on: { click: () => go(card) } }, word),
  );
  put(card, h("h1", null, title), lead && h("p", null, lead), form, others.length > 0 && h("p", { class: "elsewhere" }, others));
  document.title = `${title} · Muster`;
  form.querySelector("input").focus();
}

function byPassword(card, lead = null) {
  step(card, {
    title: "Log in",
    lead,
    fields: [
      field("E-mail address", EMAIL),
      field("Password", { type: "password", name: "password", autocomplete: "current-password", required: true }),
    ],
    button: "Log in",
    action: async ({ email, password }) => {
      const query = `mutation($email: String!, $password: String!) { login(email: $email, password: $password) ${TOKENS} }`;
      const { data, at } = await ask(query, { email, password });
      enter(data.login, at);
    },
    elsewhere: [
      ["I forgot my password", forgotten],
      ["I have an invitation", invited],
    ],
  });
}

const BACK = ["Back to the login", (card) => byPassword(card)];

function forgotten(card) {
  step(card, {
    title: "A new password",
    lead: "We mail you a code of six digits.",
    fields: [field("E-mail address", EMAIL)],
    button: "Mail me a code",
    action: async ({ email }) => {
      await ask("mutation($email: String!) { requestPasswordReset(email: $email) { expiresAt } }", { email });
      withCode(card, email);
    },
    elsewhere: [BACK],
  });
}

function withCode(card, email) {
  step(card, {
    title: "A new password",
    lead: `If ${email} has a login, a code is on its way to it. It is good for five minutes.`,
    fields: [field("Code", CODE), field("New password", { ...NEW, name: "newPassword" }, "At least ten characters.")],
    button: "Set the password",
    action: async ({ code, newPassword }) => {
      await ask(
        "mutation($email: String!, $code: String!, $newPassword: String!) { resetPassword(email: $email, code: $code, newPassword: $newPassword) { endedLogins } }",
        { email, code, newPassword },
      );
      byPassword(card, "The password is set. Log in with it.");
    },
    elsewhere: [["Mail another code", forgotten], BACK],
  });
}

function invited(card) {
  step(card, {
    title: "Join your school",
    lead: "Use the address that the invitation came to. We mail it a code of six digits first.",
    fields: [field("E-mail address", EMAIL)],
    button: "Mail me a code",
    action: async ({ email }) => {
      await ask("mutation($email: String!) { requestEmailVerification(email: $email) { expiresAt } }", { email });
      joining(card, email);
    },
    elsewhere: [BACK],
  });
}

function joining(card, email) {
  // The code works once; what is wrong with the rest can be put right without another.
  let verified = null;
  step(card, {
    title: "Join your school",
    lead: `A code is on its way to ${email}. It is good for five minutes.`,
    fields: [
      field("Code", CODE),
      field(
        "Invitation",
        { name: "invitationToken", required: true, autocomplete: "off", spellcheck: "false" },
        "The long word in the invitation's mail.",
      ),
      field("Your name", { name: "fullName", required: true, autocomplete: "name" }),
      field("Password", NEW, "At least ten characters."),
    ],
    button: "Join",
    action: async ({ code, invitationToken, fullName, password }) => {
      if (verified === null) {
        const { data } = await ask(
          "mutation($email: String!, $code: String!) { confirmEmail(email: $email, code: $code) { verificationToken } }",
          { email, code },
        );
        verified = data.confirmEmail.verificationToken;
      }
      const { data, at } = await ask(`mutation($input: RegisterInput!) { register(input: $input) ${TOKENS} }`, {
        input: { email, fullName, password, invitationToken: invitationToken.trim(), verificationToken: verified },
      });
      enter(data.register, at);
    },
    elsewhere: [["Mail another code", invited], BACK],
  });
}
