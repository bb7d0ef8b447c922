// npm install resend
// RESEND_BASE_URL=SENDLOG_URL node send.mjs
import { Resend } from "resend";

const resend = new Resend("YOUR_KEY");
const { data, error } = await resend.emails.send({
  from: "You <you@example.com>",
  to: "you@example.com",
  subject: "Hello from Sendlog",
  html: "<p>It works.</p>",
});
console.log(data ?? error);
