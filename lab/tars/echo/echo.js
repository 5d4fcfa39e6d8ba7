// The interface Echo of Echo.tars.
"use strict";

const { setTimeout: delay } = require("timers/promises");
const { faulty, anyFault } = require("./faults");
const servant = require("./servant");
const types = require("./types");
const { version } = require("./package.json");

const STARTED = String(Date.now());
// How late an echo is while the fault tars.echo-slow is on: no limit of ours allows that.
const SLOW_MS = 100;
// What is left of a text or of bytes while tars.echo-cuts is on.
const CUT_LENGTH = 65536;

const Identity = types.struct("Identity", [
  [0, "host", types.string],
  [1, "pid", types.int],
  [2, "version", types.string],
  [3, "started", types.long],
]);
const Record = types.struct("Record", [
  [0, "name", types.string],
  [1, "number", types.int],
]);
const Color = types.int;
const Everything = types.struct("Everything", [
  [0, "truth", types.bool],
  [1, "small", types.byte],
  [2, "middle", types.short],
  [3, "number", types.int],
  [4, "large", types.long],
  [5, "single", types.float],
  [6, "precise", types.double],
  [7, "text", types.string],
  [8, "data", types.bytes],
  [9, "numbers", types.list(types.int)],
  [10, "texts", types.list(types.string)],
  [11, "labels", types.map(types.string, types.string)],
  [12, "records", types.map(types.string, Record)],
  [13, "record", Record],
  [14, "color", Color],
  [15, "unsignedSmall", types.unsignedByte],
  [16, "unsignedMiddle", types.unsignedShort],
  [17, "unsignedNumber", types.unsignedInt],
  [18, "singles", types.list(types.float)],
]);

// Nothing else is answered meanwhile.
function block(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  return {};
}

function echo(type) {
  let before; // the value of the call before this one
  const falsified = (value, previous) => {
    if (faulty("tars.echo-wrong")) return type.altered(value);
    if (faulty("tars.echo-cuts") && type.cut) return type.cut(value, CUT_LENGTH);
    return faulty("tars.echo-mixes") && previous !== undefined ? previous : value;
  };
  const run = (value) => {
    const previous = before;
    before = value;
    if (!anyFault()) return { ret: value, outs: [value] };
    if (faulty("tars.echo-deaf")) return null;
    const said = falsified(value, previous);
    const result = { ret: said, outs: [said] };
    return faulty("tars.echo-slow") ? delay(SLOW_MS, result) : result;
  };
  return { takes: [[1, type]], returns: type, outs: [[2, type]], run };
}

// host: the address that the adapter listens on; files: config.js.
module.exports = (host, files) =>
  servant({
    identity: {
      takes: [],
      returns: Identity,
      run: () => ({ ret: new Identity.proto({ host, pid: process.pid, version, started: STARTED }) }),
    },
    echoBool: echo(types.bool),
    echoByte: echo(types.byte),
    echoShort: echo(types.short),
    echoInt: echo(types.int),
    echoLong: echo(types.long),
    echoUnsignedByte: echo(types.unsignedByte),
    echoUnsignedShort: echo(types.unsignedShort),
    echoUnsignedInt: echo(types.unsignedInt),
    echoFloat: echo(types.float),
    echoDouble: echo(types.double),
    echoString: echo(types.string),
    echoBytes: echo(types.bytes),
    echoInts: echo(types.list(types.int)),
    echoStrings: echo(types.list(types.string)),
    echoMap: echo(types.map(types.string, types.string)),
    echoRecords: echo(types.map(types.string, Record)),
    echoRecord: echo(Record),
    echoColor: echo(Color),
    echoEverything: echo(Everything),
    repeat: {
      takes: [
        [1, types.string],
        [2, types.int],
      ],
      returns: types.int,
      outs: [
        [3, types.string],
        [4, types.list(types.string)],
      ],
      run: (text, times) => {
        const parts = types.list(types.string).zero();
        for (let n = 0; n < times; n += 1) parts.push(text);
        return { ret: times, outs: [text.repeat(times), parts] };
      },
    },
    loadedConfig: { takes: [[1, types.string]], returns: types.string, run: (name) => ({ ret: files.loaded(name) }) },
    pause: { takes: [[1, types.int]], run: (ms) => (faulty("tars.pause-blocks") ? block(ms) : delay(ms, {})) },
  });
