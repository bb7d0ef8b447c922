// npm install sendwithus
const sendwithus = require("sendwithus")("YOUR_KEY");

// Its address is a constant of the package, so it is changed in what the package builds.
const build = sendwithus._buildUrl;
sendwithus._buildUrl = (...parts) =>
  build.apply(sendwithus, parts).replace("https://api.sendwithus.com", "SENDLOG_URL");

const message = {
  template: "YOUR_TEMPLATE",
  recipient: { address: "you@example.com" },
  template_data: { name: "Ada" },
};
sendwithus.send(message, (error, answer) => console.log(error ?? answer));
