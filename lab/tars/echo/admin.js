// AdminF, which a node calls on the local endpoint: servant AdminObj.
// Source: TarsProtocol framework/AdminF.tars; the answers' form is TarsCpp's, as recorded.
"use strict";

const servant = require("./servant");
const types = require("./types");
const { name, version } = require("./package.json");

const COMMANDS = {
  "tars.help": () => Object.keys(COMMANDS).sort().join("\r\n"),
  "tars.loadconfig": (files, name) => files.load(name),
  "tars.viewversion": () => `$${version}$`,
  "tars.viewstatus": () => `${name} ${version} pid ${process.pid} up ${Math.round(process.uptime())} s`,
};

// An unknown command is answered with an empty string. files: config.js.
async function notify(files, line) {
  const [command, ...words] = line.split(" ");
  if (!Object.hasOwn(COMMANDS, command)) return { ret: "" };
  const answer = await COMMANDS[command](files, words.join(" "));
  return { ret: `[notify prefix object num:1]\n[1]:${answer}\n` };
}

// shutdown: what ends the process; it is called after the answer has been written.
module.exports = (shutdown, files) =>
  servant({
    shutdown: {
      takes: [],
      run: () => {
        setImmediate(shutdown);
        return {};
      },
    },
    notify: { takes: [[1, types.string]], returns: types.string, run: (line) => notify(files, line) },
    getPid: { takes: [], returns: types.int, run: () => ({ ret: process.pid }) },
  });
