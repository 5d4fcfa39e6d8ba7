// Configuration files, as TarsCpp's addConfig has them: fetched from ConfigObj when a node says
// tars.loadconfig, kept beside the program, where a process that starts later finds them.
// Source: TarsProtocol framework/ConfigF.tars; the words are TarsCpp's, as recorded.
"use strict";

const fs = require("fs");
const path = require("path");
const Tars = require("@tars/stream");
const { Communicator } = require("@tars/rpc");

const TIMEOUT_MS = 3000;

class ConfigF {
  loadConfig(application, server, name, nodeName) {
    const output = new Tars.TarsOutputStream();
    [application, server, name].forEach((text, n) => output.writeString(n + 1, text));
    return this._worker.tars_invoke("loadConfig", output.getBinBuffer(), { context: { node_name: nodeName } });
  }
}

// configuration: of the server, as its node wrote it.
module.exports = function configFiles(configuration) {
  const get = (key) => configuration.get(`tars.application.${key}`);
  const place = (name) => path.join(get("server.basepath") || ".", path.basename(name));

  async function fetched(name) {
    const communicator = Communicator.New();
    communicator.setProperty("locator", get("client.locator"));
    communicator.setProperty("timeout", TIMEOUT_MS);
    const proxy = communicator.stringToProxy(ConfigF, get("server.config"));
    try {
      const where = ["server.app", "server.server"].map(get);
      const { response } = await proxy.loadConfig(...where, name, get("server.nodename"));
      const input = new Tars.TarsInputStream(response.sBuffer);
      return input.readInt32(0) === 0 ? input.readString(4) : "";
    } finally {
      communicator.disconnect();
    }
  }

  return {
    // tars.loadconfig: an empty file is none.
    async load(name) {
      const text = await fetched(name).catch((error) => {
        console.log(`${name}: ${error.message || JSON.stringify(error.response)}`);
        return "";
      });
      if (!text) return `[fail] get remote config '${name}' error:access file error:`;
      fs.writeFileSync(place(name), text);
      return `[succ] get remote config:${name}`;
    },

    // A file as it was loaded last; "" for one that never was.
    loaded: (name) => (fs.existsSync(place(name)) ? fs.readFileSync(place(name), "utf8") : ""),
  };
};
