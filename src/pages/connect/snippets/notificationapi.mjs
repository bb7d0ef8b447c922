// npm install notificationapi-node-server-sdk
import notificationapi from "notificationapi-node-server-sdk";

notificationapi.init("YOUR_KEY_ID", "YOUR_KEY", { baseURL: "SENDLOG_URL" });
const { data } = await notificationapi.send({
  type: "welcome",
  to: { id: "user-1", email: "you@example.com" },
  email: { subject: "Hello from Sendlog", html: "<p>It works.</p>" },
});
console.log(data);
