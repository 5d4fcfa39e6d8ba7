// What the library reports of itself where TARS_CONFIG and TARS_MONITOR are set, as node-agent
// sets them: one-way and TUP calls to StatObj. And the memory in KiB, which TarsCpp reports to
// PropertyObj as App.Server.memsize. Without these servants nothing is reported.
"use strict";

const INTERVAL_MS = 10000;

// To be called before a server is made.
module.exports = function monitor(file, moduleName) {
  process.env.TARS_CONFIG = file;
  process.env.TARS_MONITOR = "on";
  const { property } = require("@tars/monitor");
  const memory = property.create(`${moduleName}.memsize`, [new property.POLICY.Avg()]);
  const measure = () => memory.report(Math.round(process.memoryUsage().rss / 1024));
  measure();
  setInterval(measure, INTERVAL_MS);
};
