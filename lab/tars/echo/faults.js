// Faults are files in the host's home. Asked at the moment of the call, so that a fault acts at
// once and needs no restart.
"use strict";

const fs = require("fs");
const os = require("os");
const path = require("path");

const FAULTS = path.join(process.env.HOME || os.homedir(), ".iec4", "faults");

module.exports = {
  faulty: (name) => fs.existsSync(path.join(FAULTS, name)),
  // One look for a lab without faults: echoes are what load is measured with.
  anyFault: () => fs.existsSync(FAULTS),
};
