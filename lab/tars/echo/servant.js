// An interface, described as a table, as a handler that @tars/rpc dispatches to.
"use strict";

const Tars = require("@tars/stream");
const { error: TarsError } = require("@tars/rpc");
const { faulty } = require("./faults");
const types = require("./types");

// A function without arguments; every servant answers it.
const PING = { takes: [], returns: types.int, run: () => ({ ret: 0 }) };

// table: { name: { takes: [[tag, type]…], returns: type or undefined, outs: [[tag, type]…],
// run(...values) } }. run gives { ret, outs: [value…] }, a promise of that, or null to never
// answer. What it throws becomes iRet -1 with the message, as @tars/rpc does.
module.exports = function servant(table) {
  const functions = { tars_ping: PING, ...table };

  class Handler {
    initialize() {}

    onDispatch(current, name, body) {
      if (!Object.hasOwn(functions, name)) return TarsError.SERVER.FUNC_NOT_FOUND;
      const { takes, returns, outs = [], run } = functions[name];
      const input = new Tars.TarsInputStream(body);
      const values = takes.map(([tag, type]) => type.proto._read(input, tag, type.proto));
      const answer = (result) => {
        if (result === null) return;
        const output = new Tars.TarsOutputStream();
        if (returns) returns.proto._write(output, 0, result.ret);
        outs.forEach(([tag, type], n) => type.proto._write(output, tag, result.outs[n]));
        current.doResponse(output.getBinBuffer());
      };
      const result = run(...values);
      // The answer then goes to the connection's next request.
      if (result instanceof Promise && faulty("tars.late-mixed")) current._origin.iRequestId += 1;
      if (result instanceof Promise) result.then(answer);
      else answer(result);
      return TarsError.SUCCESS;
    }
  }
  return Handler;
};
