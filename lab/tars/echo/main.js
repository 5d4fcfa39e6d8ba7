// The echo server, as tarsnode starts it: main.js --config=FILE, a Tars server configuration.
"use strict";

const diagnostics = require("diagnostics_channel");
const { server: Tars } = require("@tars/rpc");
const { Config, Endpoint } = require("@tars/utils");
const adminServant = require("./admin");
const configFiles = require("./config");
const echoServant = require("./echo");
const keepAlive = require("./keepalive");
const monitor = require("./monitoring");
const { name, version } = require("./package.json");

const SERVER = "tars.application.server";

function configuration(argv) {
  const option = argv.find((argument) => argument.startsWith("--config="));
  const file = option && option.slice("--config=".length);
  const config = new Config();
  if (!file || !config.parseFile(file)) {
    console.error(`usage: ${name} --config=FILE (a Tars server configuration that can be read)`);
    process.exit(2);
  }
  return { file, config };
}

function main() {
  const { file, config } = configuration(process.argv.slice(2));
  const running = [];
  const serve = (handler, servant, endpoint, maxconns) => {
    const one = Tars.createServer(handler);
    one.start({ servant, endpoint, protocol: "tars", maxconns });
    running.push(one);
    console.log(`${name} ${version} pid ${process.pid} serves ${servant} on ${endpoint}`);
  };
  const end = () => {
    running.forEach((one) => one.stop());
    process.exit(0);
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);

  // @tars/rpc never sets it; without it a second small answer waits for a delayed ACK.
  diagnostics.subscribe("net.server.socket", ({ socket }) => socket.setNoDelay(true));

  const client = "tars.application.client";
  if (config.get(`${client}.stat`)) monitor(file, config.get(`${client}.modulename`));

  // Every adapter serves Echo: @tars/rpc looks at no servant's name.
  const files = configFiles(config);
  const adapters = config.getDomain(SERVER);
  for (const adapter of adapters) {
    const { servant, endpoint, maxconns } = config.get(`${SERVER}.<${adapter}>`);
    serve(echoServant(Endpoint.parse(endpoint).sHost, files), servant, endpoint, Number(maxconns));
  }
  const local = config.get(`${SERVER}.local`);
  if (local) serve(adminServant(end, files), "AdminObj", local);
  const node = config.get(`${SERVER}.node`);
  if (node) {
    const application = config.get(`${SERVER}.app`);
    const server = config.get(`${SERVER}.server`);
    keepAlive({ node, application, server, adapters: ["AdminAdapter", ...adapters] });
  }
}

main();
