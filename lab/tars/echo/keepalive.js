// What a node expects of its servers: ServerObj.keepAlive, one-way, for every adapter.
// Source: TarsProtocol framework/NodeF.tars; TarsCpp sends it every 10 s.
"use strict";

const Tars = require("@tars/stream");
const { Communicator } = require("@tars/rpc");
const types = require("./types");

const INTERVAL_MS = 10000;
const ONE_WAY = { packetType: 1 };
const ONE_WAY_SENT = "one way call do not need response";

const ServerInfo = types.struct("ServerInfo", [
  [0, "application", types.string],
  [1, "serverName", types.string],
  [2, "pid", types.int],
  [3, "adapter", types.string],
]);

class ServerF {
  keepAlive(info) {
    const output = new Tars.TarsOutputStream();
    ServerInfo.proto._write(output, 1, info);
    return this._worker.tars_invoke("keepAlive", output.getBinBuffer(), ONE_WAY);
  }
}

// node: "tars.tarsnode.ServerObj@tcp -h HOST -p PORT …". The first message leaves at once.
module.exports = function keepAlive({ node, application, server, adapters }) {
  const proxy = Communicator.New().stringToProxy(ServerF, node);
  const say = () => {
    for (const adapter of adapters) {
      const info = new ServerInfo.proto({ application, serverName: server, pid: process.pid, adapter });
      // The library rejects every one-way call, also one that was sent.
      proxy.keepAlive(info).catch(({ error }) => {
        if (error.message !== ONE_WAY_SENT) console.log(`keepAlive to ${node}: ${error.message}`);
      });
    }
  };
  say();
  setInterval(say, INTERVAL_MS);
};
