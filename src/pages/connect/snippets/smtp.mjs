// npm install nodemailer
import nodemailer from "nodemailer";

const transport = nodemailer.createTransport({
  host: "SENDLOG_HOST",
  port: SENDLOG_PORT,
  secure: SENDLOG_SECURE,
  auth: { user: "sendlog", pass: "YOUR_KEY" },
});
const sent = await transport.sendMail({
  from: "You <you@example.com>",
  to: "you@example.com",
  subject: "Hello from Sendlog",
  html: "<p>It works.</p>",
});
console.log(sent.response);
