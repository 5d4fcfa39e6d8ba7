// Resolve an object by @tars/registry, then call it through @tars/rpc, as Tars.js services do.
"use strict";

const { Communicator } = require("@tars/rpc");
const Registry = require("@tars/registry");

const [locator, name, division] = process.argv.slice(2); // division: only within that set

async function main() {
  const registry = Registry.New();
  registry.setLocator(locator);
  const found = await (division
    ? registry.findObjectByIdInSameSet(name, division)
    : registry.findObjectByIdInSameGroup(name));
  const list = (endpoints) =>
    endpoints.value.map(({ host, port, timeout, istcp }) => ({ host, port, timeout, istcp }));
  const { activeEp, inactiveEp } = found.response.arguments;
  const answer = { ret: found.response.return, active: list(activeEp), inactive: list(inactiveEp) };

  if (answer.active.length) {
    const communicator = Communicator.New();
    communicator.setProperty("locator", locator);
    class Anything {
      ping() {
        return this._worker.tars_invoke("tars_ping", Buffer.alloc(0));
      }
    }
    const pinged = await communicator.stringToProxy(Anything, name).ping();
    answer.pinged = pinged.response.iRet === 0;
  }
  console.log(JSON.stringify(answer));
  process.exit(0);
}

main().catch((failure) => {
  console.error(failure.response ? failure.response.error : failure);
  process.exit(1);
});
