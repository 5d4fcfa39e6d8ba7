// The echo servant called by the official client: node official_client.js "OBJECT@tcp -h H -p P".
// Prints one JSON line: { function: "same" or what differed }.
"use strict";

const Tars = require("@tars/stream");
const { Communicator } = require("@tars/rpc");

class Proxy {
  invoke(name, body) {
    return this._worker.tars_invoke(name, body);
  }
}

const proxy = Communicator.New().stringToProxy(Proxy, process.argv[2]);

async function call(name, write) {
  const output = new Tars.TarsOutputStream();
  write(output);
  const { response } = await proxy.invoke(name, output.getBinBuffer());
  return new Tars.TarsInputStream(response.sBuffer);
}

// [function, member of the streams, value]
const SCALARS = [
  ["echoBool", "Boolean", true],
  ["echoByte", "Int8", -128],
  ["echoShort", "Int16", -32768],
  ["echoInt", "Int32", 2147483647],
  ["echoLong", "Int64", 2 ** 53 - 1],
  ["echoUnsignedByte", "UInt8", 255],
  ["echoUnsignedShort", "UInt16", 65535],
  ["echoUnsignedInt", "UInt32", 4294967295],
  ["echoFloat", "Float", -3.25],
  ["echoDouble", "Double", 1e300],
  ["echoString", "String", "café 你好"],
  ["echoColor", "Int32", 2],
];

// A struct as the official code generator writes it.
function Record() {
  this.name = "";
  this.number = 0;
}
Record._classname = "Record";
Record._write = (os, tag, value) => os.writeStruct(tag, value);
Record._read = (is, tag, def) => is.readStruct(tag, true, def);
Record._readFrom = (is) => {
  const read = new Record();
  read.name = is.readString(0, true, "");
  read.number = is.readInt32(1, true, 0);
  return read;
};
Record.prototype._writeTo = function (os) {
  os.writeString(0, this.name);
  os.writeInt32(1, this.number);
};
Record.prototype.toObject = function () {
  return { name: this.name, number: this.number };
};
const record = (name, number) => Object.assign(new Record(), { name, number });

const list = (type, ...values) => {
  const made = Tars.List(type);
  values.forEach((value) => made.push(value));
  return made;
};
const map = (type, entries) => {
  const made = Tars.Map(Tars.String, type);
  Object.entries(entries).forEach(([key, value]) => made.insert(key, value));
  return made;
};
const bytes = new Tars.BinBuffer(Buffer.from([0, 1, 127, 128, 255]));

// [function, write, read, value, how to compare]
// A map's order says nothing: TarsCpp sorts, @tars/rpc does not.
const sorted = (plain) => (Array.isArray(plain) ? plain : Object.fromEntries(Object.entries(plain).sort()));
const object = (value) => JSON.stringify(sorted(value.toObject()));
const COMPOUNDS = [
  ["echoBytes", "writeBytes", (is, tag) => is.readBytes(tag, true, Tars.BinBuffer), bytes, (v) => v.toNodeBuffer().toString("hex")],
  ["echoInts", "writeList", (is, tag) => is.readList(tag, true, Tars.List(Tars.Int32)), list(Tars.Int32, 0, -1, 70000), object],
  ["echoStrings", "writeList", (is, tag) => is.readList(tag, true, Tars.List(Tars.String)), list(Tars.String, "", "x"), object],
  ["echoMap", "writeMap", (is, tag) => is.readMap(tag, true, Tars.Map(Tars.String, Tars.String)), map(Tars.String, { a: "b", "": "" }), object],
  ["echoRecords", "writeMap", (is, tag) => is.readMap(tag, true, Tars.Map(Tars.String, Record)), map(Record, { r: record("n", 1) }), object],
  ["echoRecord", "writeStruct", (is, tag) => is.readStruct(tag, true, Record), record("m", -2), object],
];

function judge(sent, ret, copy) {
  return sent === ret && sent === copy ? "same" : `sent ${sent}, returned ${ret}, out ${copy}`;
}

async function main() {
  const verdicts = {};
  await call("tars_ping", () => {});
  for (const [name, type, value] of SCALARS) {
    const is = await call(name, (os) => os[`write${type}`](1, value));
    verdicts[name] = judge(value, is[`read${type}`](0, true), is[`read${type}`](2, true));
  }
  for (const [name, write, read, value, shown] of COMPOUNDS) {
    const is = await call(name, (os) => os[write](1, value));
    verdicts[name] = judge(shown(value), shown(read(is, 0)), shown(read(is, 2)));
  }
  const repeated = await call("repeat", (os) => {
    os.writeString(1, "ab");
    os.writeInt32(2, 2);
  });
  const answer = [repeated.readInt32(0, true), repeated.readString(3, true)];
  verdicts.repeat = judge("2,abab", String(answer), String(answer));
  const identity = await call("identity", () => {});
  const members = Tars.TarsInputStream.prototype;
  identity.readStruct(0, true, { _readFrom: (is) => (verdicts.version = members.readString.call(is, 2, true)) });
  await call("noSuch", () => {}).catch(({ error }) => {
    verdicts.noSuch = error.code;
  });
  console.log(JSON.stringify(verdicts));
  process.exit(0);
}

main().catch((failure) => {
  console.error(failure);
  process.exit(1);
});
