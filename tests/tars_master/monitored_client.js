// The official client, monitored: node monitored_client.js CONFIG "OBJECT@tcp -h H -p P" TIMES.
// It calls tars_ping TIMES times, and once a function that is not there, and reports at once.
"use strict";

process.env.TARS_MONITOR = "on";
process.env.TARS_CONFIG = process.argv[2];

const { client } = require("@tars/rpc");
const { stat } = require("@tars/monitor");
const Tars = require("@tars/stream");

class Proxy {
  invoke(name) {
    return this._worker.tars_invoke(name, new Tars.TarsOutputStream().getBinBuffer());
  }
}

async function main() {
  const proxy = client.stringToProxy(Proxy, process.argv[3]);
  stat.reportInterval = 100;
  for (let n = 0; n < Number(process.argv[4]); n += 1) await proxy.invoke("tars_ping");
  await proxy.invoke("noSuch").catch(() => {});
  process.stdin.on("data", () => process.exit(0)); // whoever started it says when it has seen enough
}

main();
