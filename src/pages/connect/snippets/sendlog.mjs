const response = await fetch("SENDLOG_URL/v1/send", {
  method: "POST",
  headers: {
    Authorization: "Bearer YOUR_KEY",
    "Content-Type": "application/json",
  },
  body: JSON.stringify({
    templateId: "YOUR_TEMPLATE",
    to: "you@example.com",
    variables: { name: "Ada" },
  }),
});
console.log(await response.json());
