// A mail that has everything that a mail can have, as npm `resend` takes it: its parts have to come to whatever provider it
// goes by.

import { Resend } from "resend";
import { uniqueAddress } from "./team.js";

export const pdf = Buffer.from([0, 255, 13, 10]);
export const logo = Buffer.from("png");

/** The mail, to two recipients of its own. */
export function fullMail() {
  return {
    from: "Finch <receipts@finch.example>",
    to: [`Zoë Ünal <${uniqueAddress("zoe").replace("example.com", "bücher.example")}>`, uniqueAddress("ada")],
    cc: ['"King, Bob" <bob@finch.example>'],
    bcc: ["hidden@finch.example"],
    replyTo: ["Help <help@finch.example>"],
    subject: "Ihre Quittung für März ✓",
    html: '<p>Grüße <img src="cid:logo"></p>',
    text: "Grüße {{name}}",
    headers: { "List-Unsubscribe": "<https://finch.example/u/1>", "X-Greeting": "Grüße" },
    tags: [{ name: "kind", value: "receipt" }, { name: "month", value: "march" }],
    topicId: "topic_17",
    attachments: [
      { filename: 'Übersicht "1".pdf', content: pdf, contentType: "application/pdf" },
      { filename: "logo.png", content: logo, contentType: "image/png", contentId: "logo" },
    ],
  };
}

/** An address as it goes over the wire: its domain in ASCII. */
export function inAscii(mailbox) {
  return mailbox.replace("bücher.example", "xn--bcher-kva.example");
}

/** Sends a mail by the team's default adapter, and gives Sendlog's own id of it. */
export async function sendFull(team, mail) {
  const resend = new Resend(team.key.key, { baseUrl: team.sendlog.prefixedUrl("resend") });
  const { data, error } = await resend.emails.send(mail);
  if (error) {
    throw new Error(JSON.stringify(error));
  }
  return (await team.find(data.id)).id;
}
